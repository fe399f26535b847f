//! What this kernel, this user and this machine allow, which hook each tool takes, and what is missing.

use std::{fmt::Display, fs};

use clap::Args;

use super::print;
use crate::{
    engine,
    kernel::{Kernel, cgroup::Cgroups, cpus, plan::Choice, process::Privileges},
    tools,
};

/// Flags of `doctor`.
#[derive(Args, Debug, Default)]
pub struct Options {}

/// Looks, and tells. What is missing is no error: telling so is what it is for.
pub fn run(_options: &Options) -> anyhow::Result<()> {
    let kernel = Kernel::running()?;
    let mut text = machine(&kernel);
    text.push_str(&tool_hooks(&kernel));
    print(text)
}

fn line(name: &str, good: bool, text: impl Display) -> String {
    format!(
        "{} {name:<14} {text}\n",
        if good { "ok     " } else { "missing" }
    )
}

/// A fact that is there, or the reason why not.
fn fact<T, E: Display>(name: &str, found: Result<T, E>, tell: impl FnOnce(T) -> String) -> String {
    match found {
        Ok(found) => line(name, true, tell(found)),
        Err(error) => line(name, false, format_args!("{error:#}")),
    }
}

fn machine(kernel: &Kernel) -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let old = !kernel.since(5, 10);
    let mut text = String::from("This machine\n");
    let needed = if old {
        "; tracer needs 5.10 or newer"
    } else {
        ""
    };
    text.push_str(&line(
        "kernel",
        !old,
        format_args!("{}{needed}", release.trim()),
    ));
    text.push_str(&fact("processors", cpus::possible(), |count| {
        format!("{count} at most")
    }));
    text.push_str(&privileges(kernel));
    text.push_str(&fact("types", kernel.btf(), |btf| {
        format!("{} types in the kernel's BTF", btf.len())
    }));
    text.push_str(&fact("tracefs", kernel.tracefs(), |tracefs| {
        format!("at {}", tracefs.file("").display())
    }));
    text.push_str(&fact("cgroups", Cgroups::open(), |cgroups| {
        format!("containers are told apart by {}", cgroups.hierarchy())
    }));
    let feature = |good: bool, there: &str, else_: &str| {
        (
            good,
            if good {
                there.to_owned()
            } else {
                else_.to_owned()
            },
        )
    };
    let features = [
        (
            "kprobes",
            feature(
                kernel.has_kprobes(),
                "kernel functions can be traced",
                "the kernel was built without CONFIG_KPROBES: no kernel functions",
            ),
        ),
        (
            "uprobes",
            feature(
                kernel.has_uprobes(),
                "functions of programs can be traced",
                "the kernel was built without CONFIG_UPROBES: no functions of programs",
            ),
        ),
        (
            "task storage",
            feature(
                kernel.has_task_storage(),
                "start times are kept with threads",
                "before Linux 5.13: start times are kept by thread id",
            ),
        ),
        (
            "cookies",
            feature(
                kernel.since(5, 15),
                "functions are told apart by cookies",
                "before Linux 5.15: functions are told apart by address",
            ),
        ),
        (
            "uprobe.multi",
            feature(
                kernel.since(6, 6),
                "many functions of a program by one link",
                "before Linux 6.6: one link for each function of a program",
            ),
        ),
    ];
    for (name, (good, tell)) in features {
        text.push_str(&line(name, good, tell));
    }
    text
}

fn privileges(kernel: &Kernel) -> String {
    match Privileges::read() {
        Ok(privileges) => {
            let mut shortfalls = privileges.shortfalls();
            // Since Linux 5.11 maps are not charged to the limit that it lifts.
            shortfalls.retain(|(name, _)| *name != "CAP_SYS_RESOURCE" || !kernel.since(5, 11));
            if shortfalls.is_empty() {
                return line("privileges", true, "all that tracing needs");
            }
            let tell = |(name, why): &(&str, &str)| {
                line("privileges", false, format_args!("{name}: {why}"))
            };
            shortfalls.iter().map(tell).collect()
        }
        Err(error) => line("privileges", false, error),
    }
}

fn tool_hooks(kernel: &Kernel) -> String {
    let mut text = String::from("\nWhat the tools take\n");
    for (name, hooks) in tools::hooks(kernel) {
        match hooks {
            Ok(choices) => text.push_str(&choices_of(name, &choices, kernel)),
            Err(error) => text.push_str(&line(name, false, format_args!("{error:#}"))),
        }
    }
    text.push_str(&choices_of("-- COMMAND", &engine::follow_hooks(), kernel));
    text
}

fn choices_of(name: &str, choices: &[Choice], kernel: &Kernel) -> String {
    let tell = |choice: &Choice| match choice.take(kernel) {
        Ok(index) => {
            let hooks: Vec<String> = choice.alternatives[index]
                .iter()
                .map(|attachment| attachment.hook.to_string())
                .collect();
            let second = if index == 0 {
                ""
            } else {
                " (a better one is not there)"
            };
            line(
                name,
                true,
                format_args!("{}: {}{second}", choice.purpose, hooks.join(", ")),
            )
        }
        Err(reasons) => line(
            name,
            false,
            format_args!("{}: {}", choice.purpose, reasons.join("; ")),
        ),
    };
    choices.iter().map(tell).collect()
}
