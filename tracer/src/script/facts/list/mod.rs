//! What scripts can be attached to, and how arguments and types look: `-l` and `-lv`.

mod files;

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use tracer_script::probe::{AttachKind, PROGRAM};

use super::{
    KernelFacts,
    expand::{
        iterator,
        kernel_function::traceable,
        perf::{HARDWARE, SOFTWARE},
        tracepoint,
    },
    types::Types,
};
use crate::{
    glob::Glob,
    kernel::{Kernel, functions::VMLINUX},
};

/// Providers whose places can be told without naming a file.
const LISTED: [AttachKind; 7] = [
    AttachKind::Fentry,
    AttachKind::Hardware,
    AttachKind::Iter,
    AttachKind::Kprobe,
    AttachKind::RawTracepoint,
    AttachKind::Software,
    AttachKind::Tracepoint,
];

/// A place, or a type.
struct Entry {
    /// The whole name.
    name: String,
    /// What else patterns may call it.
    short: Option<String>,
    what: What,
}

enum What {
    Nothing,
    /// Arguments that are known already, a line each.
    Arguments(Vec<String>),
    /// An iterator's name.
    Iterator(String),
    /// A function of a program: the file, and its place in it.
    OfProgram(PathBuf, u64),
    /// A tracepoint's category and name.
    Event(String, String),
    /// A raw tracepoint's module and name.
    Raw(String, String),
    /// A function's module and name.
    Function(String, String),
}

/// The lines of a listing: the places that match in order of their names, all without a pattern. `pattern` is a
/// probe with `*`, `?` and `[ ]`, a part of a name, or `struct x`, `union x`, `enum x`. With `verbose` each is
/// followed by its arguments, and of types the whole definition stands instead of the name. With `pid` files are
/// looked for as that process sees them, and markers in those that it runs.
///
/// Errors say what this kernel lacks; that nothing matches is none.
pub fn list(
    kernel: &Kernel,
    pattern: Option<&str>,
    verbose: bool,
    pid: Option<u32>,
) -> anyhow::Result<Vec<String>> {
    let facts = KernelFacts::new(kernel)?;
    let pattern = pattern.unwrap_or("*").trim();
    if let Some((keyword @ ("struct" | "union" | "enum"), name)) = pattern.split_once(' ') {
        return types(&facts, keyword, name.trim(), verbose);
    }
    let mut found = match pattern.split_once(':') {
        Some((provider, rest)) if AttachKind::by_name(provider).is_some() => {
            let kind = AttachKind::by_name(provider).context("it was found before")?;
            matching(&facts, kind, rest, pid)?
        }
        Some(_) => everywhere(&facts, pattern),
        None => match AttachKind::by_name(pattern) {
            Some(kind) => matching(&facts, kind, "*", pid)?,
            None if Glob::new(pattern).is_plain() => everywhere(&facts, &format!("*{pattern}*")),
            None => everywhere(&facts, pattern),
        },
    };
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|a, b| a.name == b.name);
    let mut lines = Vec::new();
    for entry in found {
        lines.push(entry.name);
        if verbose {
            let arguments = arguments(&facts, &entry.what)?;
            lines.extend(arguments.into_iter().map(|line| format!("    {line}")));
        }
    }
    Ok(lines)
}

/// What matches of all providers. Those that this kernel lacks are left out, which is logged.
fn everywhere(facts: &KernelFacts<'_>, pattern: &str) -> Vec<Entry> {
    let glob = Glob::new(pattern);
    let mut found = Vec::new();
    for kind in LISTED {
        match candidates(facts, kind) {
            Ok(all) => found.extend(all.into_iter().filter(|entry| entry.matches(&glob))),
            Err(error) => log::info!("no {} probes: {error:#}", kind.name()),
        }
    }
    found
}

fn matching(
    facts: &KernelFacts<'_>,
    kind: AttachKind,
    rest: &str,
    pid: Option<u32>,
) -> anyhow::Result<Vec<Entry>> {
    if kind.is_user() {
        return files::of_files(facts, kind, rest, pid);
    }
    let glob = Glob::new(&format!("{}:{rest}", kind.name()));
    let mut found = candidates(facts, kind)?;
    found.retain(|entry| entry.matches(&glob));
    Ok(found)
}

impl Entry {
    fn new(name: String, what: What) -> Self {
        Self {
            name,
            short: None,
            what,
        }
    }

    /// Of a module, which patterns need not name.
    fn of_module(kind: AttachKind, module: &str, item: &str, what: What) -> Self {
        let kind = kind.name();
        Self {
            name: format!("{kind}:{module}:{item}"),
            short: Some(format!("{kind}:{item}")),
            what,
        }
    }

    fn matches(&self, glob: &Glob) -> bool {
        let short = self.short.as_ref();
        glob.matches(self.name.as_bytes())
            || short.is_some_and(|name| glob.matches(name.as_bytes()))
    }
}

/// All places of a provider.
fn candidates(facts: &KernelFacts<'_>, kind: AttachKind) -> anyhow::Result<Vec<Entry>> {
    use AttachKind::*;
    let failed = |error: String| anyhow!("{error}");
    Ok(match kind {
        Hardware | Software => {
            let events: &[_] = if kind == Hardware {
                &HARDWARE
            } else {
                &SOFTWARE
            };
            let name = |(name, ..): &(&str, _, _)| format!("{}:{name}:", kind.name());
            let names = events.iter().map(name);
            names.map(|name| Entry::new(name, What::Nothing)).collect()
        }
        Tracepoint => tracepoint::matching(facts.kernel.tracefs()?, "*", "*")?
            .into_iter()
            .map(|(category, name)| {
                let full = format!("tracepoint:{category}:{name}");
                Entry::new(full, What::Event(category, name))
            })
            .collect(),
        RawTracepoint => tracepoint::raw_matching(facts, "*", "*")
            .map_err(failed)?
            .into_iter()
            .map(|(module, name)| {
                Entry::of_module(
                    kind,
                    &module.clone(),
                    &name.clone(),
                    What::Raw(module, name),
                )
            })
            .collect(),
        Iter => iterator::iterators(facts)?
            .into_iter()
            .map(|name| Entry::new(format!("iter:{name}"), What::Iterator(name)))
            .collect(),
        Kprobe | Kretprobe | Fentry | Fexit => functions(facts, kind)?,
        _ => bail!(
            "{} probes cannot be listed: they are made as a script asks for them",
            kind.name()
        ),
    })
}

fn functions(facts: &KernelFacts<'_>, kind: AttachKind) -> anyhow::Result<Vec<Entry>> {
    if !facts.kernel.has_kprobes() {
        // Where functions have no room for probes there is none for trampolines.
        bail!("this kernel was built without kprobes (CONFIG_KPROBES)");
    }
    let found = traceable(kind, facts, None, "*").map_err(|error| anyhow!("{error}"))?;
    let entry = |one: crate::kernel::functions::Function| {
        let (module, name) = (one.module, one.name);
        let what = What::Function(module.clone(), name.clone());
        match kind {
            AttachKind::Fentry | AttachKind::Fexit => Entry::of_module(kind, &module, &name, what),
            _ => Entry {
                short: Some(format!("{}:{module}:{name}", kind.name())),
                ..Entry::new(format!("{}:{name}", kind.name()), what)
            },
        }
    };
    let mut entries: Vec<Entry> = found.into_iter().map(entry).collect();
    if matches!(kind, AttachKind::Fentry | AttachKind::Fexit) {
        let of_programs = facts.programs.functions()?.into_iter();
        entries.extend(of_programs.map(|one| {
            let group = format!("{PROGRAM}{}", one.program);
            let name = format!("{}:{group}:{}", kind.name(), one.name);
            Entry::new(name, What::Function(group, one.name))
        }));
    }
    Ok(entries)
}

fn arguments(facts: &KernelFacts<'_>, what: &What) -> anyhow::Result<Vec<String>> {
    let in_module = |module: &str, look: &dyn Fn(Types<'_>) -> Option<Vec<String>>| {
        let module = if module == VMLINUX { "" } else { module };
        facts.in_module(module, look).unwrap_or_default()
    };
    Ok(match what {
        What::Nothing => Vec::new(),
        What::Arguments(lines) => lines.clone(),
        What::OfProgram(path, offset) => files::parameters(facts, path, *offset)?,
        What::Iterator(name) => iterator::members(facts, name)
            .into_iter()
            .map(|(name, kind)| format!("{kind} {name}"))
            .collect(),
        What::Event(category, name) => facts
            .kernel
            .tracefs()?
            .format(category, name)?
            .own_fields()
            .map(|field| event_field(&field.kind, &field.name))
            .collect(),
        What::Raw(module, name) => in_module(module, &|types| {
            let params = types.raw_parameters(name)?;
            let texts = params.iter().map(|(name, id)| types.argument(*id, name));
            Some(texts.collect())
        }),
        What::Function(module, name) => in_module(module, &|types| {
            let (params, returns) = types.function(types.layers.find_function(name)?)?;
            let texts = params.iter().map(|(name, id)| types.argument(*id, name));
            let mut texts: Vec<String> = texts.collect();
            if returns != 0 {
                texts.push(types.argument(returns, "retval"));
            }
            Some(texts)
        }),
    })
}

/// `char comm[16]`, with the brackets where C has them.
fn event_field(kind: &str, name: &str) -> String {
    match kind.find('[') {
        Some(at) if !kind.starts_with("__data_loc") && !kind.starts_with("__rel_loc") => {
            let (base, brackets) = kind.split_at(at);
            format!("{base} {name}{brackets}")
        }
        _ => format!("{kind} {name}"),
    }
}

/// Structures, unions or enumerations whose names match, in order: of those of the kernel itself, and of modules
/// where it has none.
fn types(
    facts: &KernelFacts<'_>,
    keyword: &str,
    pattern: &str,
    verbose: bool,
) -> anyhow::Result<Vec<String>> {
    facts.kernel.btf()?;
    let glob = Glob::new(pattern);
    let look = |types: Types<'_>| {
        let layers = &types.layers;
        let mut names: Vec<&str> = match keyword {
            "enum" => layers.enums().collect(),
            keyword => layers.structs(keyword == "union").collect(),
        };
        names.retain(|name| glob.matches(name.as_bytes()));
        names.sort_unstable();
        names.dedup();
        let find = |name: &str| match keyword {
            "enum" => layers.find_enum(name),
            keyword => layers.find_struct(name, keyword == "union"),
        };
        let lines: Vec<String> = names
            .into_iter()
            .flat_map(|name| {
                let definition = find(name).and_then(|id| types.definition(id));
                match definition {
                    Some(lines) if verbose => lines,
                    _ => vec![format!("{keyword} {name}")],
                }
            })
            .collect();
        (!lines.is_empty()).then_some(lines)
    };
    Ok(facts.search(look).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pattern: &str, verbose: bool) -> anyhow::Result<Vec<String>> {
        let kernel = Kernel::running().expect("Linux");
        super::list(&kernel, Some(pattern), verbose, None)
    }

    fn has_types() -> bool {
        let kernel = Kernel::running().expect("Linux");
        let found = kernel.btf();
        if let Err(error) = &found {
            eprintln!("SKIPPED: {error:#}");
        }
        found.is_ok()
    }

    #[test]
    fn fields_have_their_brackets_behind_the_name() {
        assert_eq!(event_field("char[16]", "comm"), "char comm[16]");
        assert_eq!(
            event_field("__data_loc char[]", "filename"),
            "__data_loc char[] filename"
        );
        assert_eq!(event_field("const char *", "name"), "const char * name");
    }

    #[test]
    fn types_are_listed_with_their_definitions() {
        if !has_types() {
            return;
        }
        let definitions = |pattern: &str| list(pattern, true).expect(pattern);
        let expected = [
            "struct list_head {",
            "\tstruct list_head *next;",
            "\tstruct list_head *prev;",
            "};",
        ];
        assert_eq!(definitions("struct list_head"), expected);
        let hlist = definitions("struct hlist_node");
        assert_eq!(hlist[2], "\tstruct hlist_node **pprev;");
        let rcu = definitions("struct callback_head");
        assert_eq!(rcu[2], "\tvoid (*func)(struct callback_head *);");
        let spinlock = definitions("struct spinlock");
        assert!(
            spinlock.iter().any(|line| line == "\tunion {"),
            "{spinlock:?}"
        );
        let pids = definitions("enum pid_type");
        assert_eq!(pids[..2], ["enum pid_type {", "\tPIDTYPE_PID = 0,"]);
        let names = list("struct task_struct*", false).expect("some");
        assert!(names.contains(&"struct task_struct".to_owned()));
        assert_eq!(definitions("struct no_such_struct"), Vec::<String>::new());
    }

    #[test]
    fn raw_tracepoints_are_listed_with_arguments() {
        if !has_types() {
            return;
        }
        let lines = list("rawtracepoint:sched_switch", true).expect("one");
        assert_eq!(lines[0], "rawtracepoint:vmlinux:sched_switch");
        assert_eq!(lines[2], "    struct task_struct * prev");
        assert_eq!(list("rt:vmlinux:sched_switch", true).expect("one"), lines);
    }

    #[test]
    fn tracepoints_are_listed_with_fields() {
        let kernel = Kernel::running().expect("Linux");
        if let Err(error) = kernel.tracefs() {
            return eprintln!("SKIPPED: {error:#}");
        }
        let lines = list("t:sched:sched_switch", true).expect("one");
        assert_eq!(lines[0], "tracepoint:sched:sched_switch");
        assert!(lines.contains(&"    char prev_comm[16]".to_owned()));
        let parts = list("nanosleep", false).expect("some");
        assert!(parts.contains(&"tracepoint:syscalls:sys_enter_nanosleep".to_owned()));
        assert!(parts.is_sorted());
    }

    #[test]
    fn every_provider_has_its_places() {
        assert!(
            list("hardware", false)
                .expect("always there")
                .contains(&"hardware:cache-misses:".to_owned())
        );
        let timers = list("interval:*", false).expect_err("endless");
        assert!(timers.to_string().contains("cannot be listed"));
        let files = list("uprobe:*", false).expect_err("endless");
        assert!(files.to_string().contains("uprobe"));
    }
}
