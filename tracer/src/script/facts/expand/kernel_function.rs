//! `kprobe`, `kretprobe`, `fentry` and `fexit`: functions of the kernel.

use std::{collections::HashSet, fs};

use tracer_script::probe::{AttachKind, Target};

use super::{KernelFacts, Point, did_you_mean, is_pattern, near, number};
use crate::{
    glob::Glob,
    kernel::{
        btf::Layers,
        functions::{self, Function, VMLINUX},
    },
};

/// What kprobes refuse, a line each: an address range and a name (Documentation/trace/kprobes.rst).
const BLACKLIST: &str = "/sys/kernel/debug/kprobes/blacklist";

/// `item` is the function, `group` its module where one is given that is not the kernel itself, `offset` the bytes
/// behind the function's start. Without `item`, `offset` is an address.
pub(super) fn expand_probe(point: &Point<'_>) -> Result<Vec<Target>, String> {
    if !point.facts.kernel.has_kprobes() {
        return Err(format!(
            "cannot attach to {}: this kernel was built without kprobes (CONFIG_KPROBES); what it can trace is \
             tracepoints, raw tracepoints, functions of programs and perf's events",
            point.name()
        ));
    }
    let (module, name) = parts(point)?;
    if let (None, Some(address)) = (module, number(name)) {
        return at_address(point, address);
    }
    let (function, offset) = split_offset(point, name)?;
    if is_pattern(function) || module.is_some_and(is_pattern) {
        if offset != 0 {
            return Err(format!(
                "{}: an offset needs one function, not a pattern",
                point.name()
            ));
        }
        return matching_probes(point, module, function);
    }
    if !exists(point, module, function)? {
        return Err(missing(point, module, function));
    }
    Ok(vec![Target {
        group: group_of(module.unwrap_or_default()),
        item: function.to_owned(),
        offset,
        ..Target::new(point.kind, point.name())
    }])
}

/// The module and the function, as they are written.
fn parts<'a>(point: &Point<'a>) -> Result<(Option<&'a str>, &'a str), String> {
    match point.rest.as_slice() {
        [name] if !name.is_empty() => Ok((None, name)),
        [module, name] if !name.is_empty() => Ok((Some(module), name)),
        _ => {
            let kind = point.kind.name();
            Err(point.misshapen(&format!("{kind}:FUNCTION or {kind}:MODULE:FUNCTION")))
        }
    }
}

/// What a module is called where attachment names it: the kernel itself is no module there.
fn group_of(module: &str) -> String {
    match module {
        VMLINUX => String::new(),
        module => module.to_owned(),
    }
}

fn at_address(point: &Point<'_>, address: u64) -> Result<Vec<Target>, String> {
    if !point.options.allow_unsafe {
        return Err(format!(
            "{}: a probe at an address may be put into the middle of an instruction, and crash the system; \
             --unsafe allows it",
            point.name()
        ));
    }
    Ok(vec![Target {
        offset: address,
        ..Target::new(point.kind, point.name())
    }])
}

/// `function+offset`
fn split_offset<'a>(point: &Point<'_>, name: &'a str) -> Result<(&'a str, u64), String> {
    let Some((function, offset)) = name.split_once('+') else {
        return Ok((name, 0));
    };
    if point.kind.is_return() {
        return Err(format!(
            "{}: a function returns from wherever it does: {} takes no offset",
            point.name(),
            point.kind.name()
        ));
    }
    let parsed = number(offset).ok_or_else(|| {
        format!("{offset} is no offset: it is a number of bytes, such as 8 or 0x1f")
    })?;
    Ok((function, parsed))
}

/// Told by the kernel's types, which is fast; functions that these lack, by its symbols.
fn exists(point: &Point<'_>, module: Option<&str>, function: &str) -> Result<bool, String> {
    if matches!(module, None | Some(VMLINUX))
        && let Ok(btf) = point.facts.kernel.btf()
        && btf.function(function).is_some()
    {
        return Ok(true);
    }
    let found = functions::symbols(module.map(Glob::new).as_ref(), &Glob::new(function));
    found
        .map(|found| !found.is_empty())
        .map_err(|error| format!("{error:#}"))
}

fn missing(point: &Point<'_>, module: Option<&str>, function: &str) -> String {
    let of = module.map(|module| format!(" in {module}"));
    let of = of.unwrap_or_default();
    /// What fills the room before a function: `CONFIG_PREFIX_SYMBOLS` of `arch/x86/Kconfig`.
    const FILLING: &str = "__pfx_";
    let known = functions::symbols(module.map(Glob::new).as_ref(), &Glob::new("*"));
    let known = known.unwrap_or_default();
    let names = known.iter().map(|found| found.name.as_str());
    let hint = did_you_mean(near(
        function,
        names.filter(|name| !name.starts_with(FILLING)),
    ));
    format!(
        "cannot attach to {}: the kernel has no function {function}{of}{hint}",
        point.name()
    )
}

/// The functions that match and can be traced.
pub(crate) fn traceable(
    kind: AttachKind,
    facts: &KernelFacts<'_>,
    module: Option<&str>,
    pattern: &str,
) -> Result<Vec<Function>, String> {
    let module = module.map(Glob::new);
    let found = functions::matching_in(facts.kernel, module.as_ref(), &Glob::new(pattern))
        .map_err(|error| format!("{error:#}"))?;
    if matches!(kind, AttachKind::Kprobe | AttachKind::Kretprobe) {
        let refused = blacklist();
        return Ok(found
            .into_iter()
            .filter(|function| !refused.contains(&function.name))
            .collect());
    }
    let kernel = facts.kernel.btf().map_err(|error| format!("{error:#}"))?;
    let own: HashSet<String> = kernel.functions().collect();
    let mut known = Vec::new();
    for function in found {
        let has_type = if function.module == VMLINUX {
            own.contains(&function.name)
        } else {
            let btf = facts.modules.get(&function.module, kernel);
            btf.map_err(|error| error.to_string())?.is_some_and(|btf| {
                let layers = Layers::new(kernel, Some(&btf));
                layers.find_function(&function.name).is_some()
            })
        };
        if has_type {
            known.push(function);
        }
    }
    Ok(known)
}

/// The functions that kprobes refuse. Where the list cannot be read, as without debugfs, attachment tells.
fn blacklist() -> HashSet<String> {
    let text = fs::read_to_string(BLACKLIST).unwrap_or_default();
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    names.map(str::to_owned).collect()
}

fn matching_probes(
    point: &Point<'_>,
    module: Option<&str>,
    pattern: &str,
) -> Result<Vec<Target>, String> {
    let found = traceable(point.kind, point.facts, module, pattern)?;
    if found.is_empty() {
        return Err(format!(
            "No function that can be traced matches {}",
            point.name()
        ));
    }
    let target = |function: Function| Target {
        // A module is shown, and named at attachment, where the script names one.
        name: match module {
            Some(_) => point.name_of(&[&function.module, &function.name]),
            None => point.name_of(&[&function.name]),
        },
        group: match module {
            Some(_) => group_of(&function.module),
            None => String::new(),
        },
        item: function.name,
        ..Target::new(point.kind, "")
    };
    Ok(found.into_iter().map(target).collect())
}

/// `item` is the function, `group` its module, empty for the kernel itself.
pub(super) fn expand_trampoline(point: &Point<'_>) -> Result<Vec<Target>, String> {
    if let Some(("bpf", rest)) = point.rest.split_first().map(|(first, rest)| (*first, rest)) {
        return super::program::expand(point, rest);
    }
    let (module, name) = parts(point)?;
    if is_pattern(name) || module.is_some_and(is_pattern) {
        let found = traceable(point.kind, point.facts, module, name)?;
        if found.is_empty() {
            return Err(format!(
                "No function that can be traced matches {}",
                point.name()
            ));
        }
        return Ok(found
            .into_iter()
            .map(|function| trampoline(point, &function.module, &function.name))
            .collect());
    }
    let (of, _) = point
        .facts
        .fentry_target(module.unwrap_or_default(), name)
        .map_err(|error| {
            let hint = did_you_mean_function(point, name);
            format!("cannot attach to {}: {error:#}{hint}", point.name())
        })?;
    Ok(vec![trampoline(
        point,
        of.as_deref().unwrap_or(VMLINUX),
        name,
    )])
}

fn did_you_mean_function(point: &Point<'_>, name: &str) -> String {
    let Ok(btf) = point.facts.kernel.btf() else {
        return String::new();
    };
    let known: Vec<String> = btf.functions().collect();
    did_you_mean(near(name, known.iter().map(String::as_str)))
}

fn trampoline(point: &Point<'_>, module: &str, function: &str) -> Target {
    Target {
        group: group_of(module),
        item: function.to_owned(),
        ..Target::new(point.kind, point.name_of(&[module, function]))
    }
}
