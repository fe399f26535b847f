//! What can be traced on this machine.

use anyhow::{Context as _, bail};
use clap::Args;

use super::print;
use crate::{
    glob::Glob,
    kernel::{Kernel, functions, symbols, syscalls},
};

/// Flags of `list`.
#[derive(Args, Debug)]
pub struct Options {
    /// What to list, with *, ? and [ ]: tracepoint:CATEGORY:NAME, rawtracepoint:NAME, kprobe:FUNCTION,
    /// BINARY:FUNCTION, syscalls, or a part of a name; all tracepoints and system calls without it
    #[arg(value_name = "WHAT")]
    what: Option<String>,

    /// Show the fields of tracepoints, and the numbers of system calls
    #[arg(short = 'a', long)]
    arguments: bool,
}

/// Lists it. Nothing found is an error; a closed output is not.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let lines = lines(options)?;
    if lines.is_empty() {
        bail!(
            "nothing matches {:?}",
            options.what.as_deref().unwrap_or("*")
        );
    }
    print(lines.join("\n") + "\n")
}

fn lines(options: &Options) -> anyhow::Result<Vec<String>> {
    let kernel = Kernel::running()?;
    let arguments = options.arguments;
    let what = options.what.as_deref();
    let words: Vec<&str> = what
        .map(|what| what.split(':').collect())
        .unwrap_or_default();
    match words.as_slice() {
        [] => {
            let mut all = tracepoints(&kernel, "*", "*", arguments)?;
            all.extend(system_calls("*", arguments));
            Ok(all)
        }
        ["syscalls" | "syscall"] => Ok(system_calls("*", arguments)),
        ["syscalls" | "syscall", name] => Ok(system_calls(name, arguments)),
        ["tracepoint" | "t", category, name] => tracepoints(&kernel, category, name, arguments),
        ["tracepoint" | "t"] => tracepoints(&kernel, "*", "*", arguments),
        ["tracepoint" | "t", category] => tracepoints(&kernel, category, "*", arguments),
        ["rawtracepoint" | "rt"] => raw_tracepoints(&kernel, "*"),
        ["rawtracepoint" | "rt", name] => raw_tracepoints(&kernel, name),
        ["kprobe" | "k"] => kernel_functions(&kernel, "*"),
        ["kprobe" | "k", name] => kernel_functions(&kernel, name),
        [part] => anything(&kernel, part, arguments),
        ["uprobe" | "u", binary @ .., name] | [binary @ .., name] => {
            user_functions(&binary.join(":"), name)
        }
    }
}

/// All that contains a part of a name, or that it matches.
fn anything(kernel: &Kernel, part: &str, arguments: bool) -> anyhow::Result<Vec<String>> {
    let pattern = if part.contains(['*', '?', '[']) {
        part.to_owned()
    } else {
        format!("*{part}*")
    };
    let mut found = tracepoints(kernel, "*", &pattern, arguments)?;
    found.extend(system_calls(&pattern, arguments));
    if let Ok(functions) = kernel_functions(kernel, &pattern) {
        found.extend(functions);
    }
    Ok(found)
}

fn tracepoints(
    kernel: &Kernel,
    category: &str,
    name: &str,
    fields: bool,
) -> anyhow::Result<Vec<String>> {
    let (categories, names) = (Glob::new(category), Glob::new(name));
    let tracefs = kernel.tracefs()?;
    let mut lines = Vec::new();
    for category in tracefs.categories()? {
        // ftrace's own events have a folder, too, but cannot be attached to.
        if category == "ftrace" || !categories.matches(category.as_bytes()) {
            continue;
        }
        for name in tracefs.events(&category)? {
            if !names.matches(name.as_bytes()) {
                continue;
            }
            lines.push(format!("tracepoint:{category}:{name}"));
            if fields {
                let format = tracefs.format(&category, &name)?;
                let fields = format.own_fields();
                lines.extend(fields.map(|field| format!("    {} {}", field.kind, field.name)));
            }
        }
    }
    Ok(lines)
}

fn raw_tracepoints(kernel: &Kernel, name: &str) -> anyhow::Result<Vec<String>> {
    let pattern = Glob::new(name);
    let mut names = kernel.btf()?.raw_tracepoints();
    names.retain(|name| pattern.matches(name.as_bytes()));
    names.sort_unstable();
    Ok(names
        .into_iter()
        .map(|name| format!("rawtracepoint:{name}"))
        .collect())
}

/// Functions of a program or a library, under the file that they are in.
fn user_functions(binary: &str, name: &str) -> anyhow::Result<Vec<String>> {
    let path = symbols::find_binary(binary, None)?;
    let found = symbols::functions(&path, &Glob::new(name))
        .with_context(|| format!("cannot read the symbols of {}", path.display()))?;
    Ok(found
        .into_iter()
        .map(|function| format!("uprobe:{}:{}", path.display(), function.name))
        .collect())
}

fn kernel_functions(kernel: &Kernel, name: &str) -> anyhow::Result<Vec<String>> {
    if !kernel.has_kprobes() {
        bail!(
            "cannot trace kernel functions: this kernel was built without kprobes (CONFIG_KPROBES)"
        );
    }
    let found = functions::matching(kernel, &Glob::new(name))?;
    Ok(found
        .into_iter()
        .map(|function| format!("kprobe:{}", function.name))
        .collect())
}

fn system_calls(name: &str, numbers: bool) -> Vec<String> {
    let pattern = Glob::new(name);
    let calls = syscalls::native()
        .iter()
        .filter(|(_, name)| pattern.matches(name.as_bytes()));
    let line = |(number, name): &(u16, &str)| match numbers {
        true => format!("syscall:{name}  {number}"),
        false => format!("syscall:{name}"),
    };
    calls.map(line).collect()
}
