//! The options of bpftrace, and what each of them does.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use tracer_script::{check::Mode, compile::Stage};

use super::{Effect, Flag, Parsed, Task};
use crate::{
    cli::{common::Format, script},
    kernel::dwarf::folders,
    script::run::Flush,
};

const NO_LLVM: &str = "there is no LLVM inside: -d codegen shows the intermediate form";

const fn flag(
    short: Option<char>,
    long: &'static str,
    value: Option<&'static str>,
    help: &'static str,
    effect: Effect,
) -> Flag {
    Flag {
        short,
        long,
        value,
        help,
        effect,
    }
}

/// All options.
pub const FLAGS: &[Flag] = &[
    flag(
        Some('B'),
        "buffering",
        Some("MODE"),
        "when to write: line, full or none",
        Effect::Set(buffering),
    ),
    flag(
        Some('f'),
        "format",
        Some("FORMAT"),
        "how to write: text or json",
        Effect::Set(format),
    ),
    flag(
        Some('o'),
        "output",
        Some("FILE"),
        "write to this file",
        Effect::Set(|parsed, value| {
            parsed.options.output = Some(PathBuf::from(value));
            Ok(())
        }),
    ),
    flag(
        Some('e'),
        "execute",
        Some("PROGRAM"),
        "run this script",
        Effect::Set(|parsed, value| {
            parsed.program = Some(value);
            Ok(())
        }),
    ),
    flag(
        Some('h'),
        "help",
        None,
        "show this",
        Effect::Set(|parsed, _| {
            parsed.task = Task::Help;
            Ok(())
        }),
    ),
    flag(
        Some('I'),
        "include-dir",
        Some("DIR"),
        "look for headers here, too; the kernel's are not needed: types come from the running one",
        Effect::Set(|parsed, value| {
            parsed.options.files.folders.push(value.into());
            Ok(())
        }),
    ),
    flag(
        None,
        "include",
        Some("FILE"),
        "read the declarations of this header before the script",
        Effect::Set(|parsed, value| {
            parsed.options.headers.push(value);
            Ok(())
        }),
    ),
    flag(
        Some('l'),
        "list",
        None,
        "list what can be traced; a pattern may follow",
        Effect::Set(|parsed, _| {
            parsed.task = Task::List;
            Ok(())
        }),
    ),
    flag(
        Some('p'),
        "pid",
        Some("PID"),
        "only this process; ends with it",
        Effect::Set(pid),
    ),
    flag(
        Some('c'),
        "cmd",
        Some("COMMAND"),
        "run this command, and end with it",
        Effect::Set(|parsed, value| {
            parsed.options.command = script::command_words(&value)?;
            Ok(())
        }),
    ),
    flag(
        None,
        "unsafe",
        None,
        "allow what changes the system",
        Effect::Set(|parsed, _| {
            parsed.options.params.allow_unsafe = true;
            Ok(())
        }),
    ),
    flag(
        Some('q'),
        "quiet",
        None,
        "do not tell that tracing is on",
        Effect::Set(|parsed, _| {
            parsed.options.quiet = true;
            Ok(())
        }),
    ),
    flag(
        Some('v'),
        "verbose",
        None,
        "tell what is done",
        Effect::Set(|parsed, _| {
            parsed.verbose = true;
            parsed.options.verbose = true;
            Ok(())
        }),
    ),
    flag(
        Some('k'),
        "warnings",
        None,
        "tell of kernel helpers that fail",
        Effect::Set(|parsed, _| {
            parsed.options.helper_errors = true;
            Ok(())
        }),
    ),
    flag(
        None,
        "no-warnings",
        None,
        "do not show warnings of the compiler",
        Effect::Set(|parsed, _| {
            parsed.options.no_warnings = true;
            Ok(())
        }),
    ),
    flag(
        None,
        "dry-run",
        None,
        "load and attach, and end",
        Effect::Set(|parsed, _| {
            parsed.options.dry_run = true;
            Ok(())
        }),
    ),
    flag(
        None,
        "info",
        None,
        "tell what this kernel and machine allow",
        Effect::Set(|parsed, _| {
            parsed.task = Task::Info;
            Ok(())
        }),
    ),
    flag(
        Some('V'),
        "version",
        None,
        "show the version",
        Effect::Set(|parsed, _| {
            parsed.task = Task::Version;
            Ok(())
        }),
    ),
    flag(
        Some('b'),
        "btf",
        None,
        "taken, and not needed: BTF is always used",
        Effect::Nothing,
    ),
    flag(
        None,
        "usdt-file-activation",
        None,
        "taken, and not needed",
        Effect::Nothing,
    ),
    flag(
        None,
        "no-feature",
        Some("FEATURES"),
        "taken, and not needed: kprobe_multi, kprobe_session, uprobe_multi",
        Effect::Set(no_feature),
    ),
    flag(
        None,
        "debuginfo",
        Some("DIR[:DIR]"),
        "look for debug information of programs here, too",
        Effect::Set(|_, value| folders::add(value.as_ref())),
    ),
    flag(
        None,
        "dwarf-pid",
        Some("PID"),
        "the process whose stacks dw_ustack follows",
        Effect::Set(|parsed, value| {
            parsed.options.params.dwarf_pid = Some(process(&value)?);
            Ok(())
        }),
    ),
    flag(
        None,
        "traceable-functions",
        Some("FILE"),
        "the functions of the kernel that can be traced",
        Effect::Set(|parsed, value| {
            parsed.options.traceable_functions = Some(value.into());
            Ok(())
        }),
    ),
    flag(
        None,
        "mode",
        Some("MODE"),
        "what to do: test, bench or format",
        Effect::Set(mode),
    ),
    flag(
        None,
        "test",
        None,
        "run the tests of the script: its probes test:NAME",
        Effect::Set(|parsed, _| mode(parsed, "test".to_owned())),
    ),
    flag(
        None,
        "bench",
        None,
        "run the benchmarks of the script: its probes bench:NAME",
        Effect::Set(|parsed, _| mode(parsed, "bench".to_owned())),
    ),
    flag(
        None,
        "fmt",
        None,
        "print the script, laid out, and end",
        Effect::Set(|parsed, _| mode(parsed, "format".to_owned())),
    ),
    flag(
        None,
        "probe-filter",
        Some("REGEX"),
        "run only those probes whose names this finds, and BEGIN and END",
        Effect::Set(|parsed, value| {
            let filter = value.parse().map_err(anyhow::Error::msg)?;
            parsed.options.params.probe_filter = Some(filter);
            Ok(())
        }),
    ),
    flag(
        None,
        "verify-llvm-ir",
        None,
        "",
        Effect::Unsupported(NO_LLVM),
    ),
    flag(
        Some('d'),
        "debug",
        Some("STAGE,…"),
        "print what these stages made, and end: all, ast, types, codegen, dis or verifier",
        Effect::Set(debug),
    ),
    flag(
        None,
        "emit-elf",
        Some("FILE"),
        "write the programs to this object file, and end",
        Effect::Set(|parsed, value| {
            parsed.options.emit_elf = Some(PathBuf::from(value));
            Ok(())
        }),
    ),
    flag(
        None,
        "emit-llvm",
        Some("FILE"),
        "",
        Effect::Unsupported(NO_LLVM),
    ),
    flag(
        None,
        "aot",
        Some("FILE"),
        "",
        Effect::Unsupported(
            "scripts are compiled in milliseconds as they start: --emit-elf writes their programs",
        ),
    ),
];

fn no_feature(_: &mut Parsed, value: String) -> anyhow::Result<()> {
    const FEATURES: [&str; 3] = ["kprobe_multi", "kprobe_session", "uprobe_multi"];
    if value.split(',').all(|one| FEATURES.contains(&one)) {
        return Ok(());
    }
    bail!("USAGE: --no-feature can only have values 'kprobe_multi,kprobe_session,uprobe_multi'.")
}

fn buffering(parsed: &mut Parsed, value: String) -> anyhow::Result<()> {
    parsed.options.flush = match value.as_str() {
        "line" | "none" => Flush::Batch,
        "full" => Flush::Full,
        _ => bail!("USAGE: -B must be either 'line', 'full', or 'none'."),
    };
    Ok(())
}

fn mode(parsed: &mut Parsed, value: String) -> anyhow::Result<()> {
    match value.as_str() {
        "test" => parsed.options.params.mode = Mode::Test,
        "bench" => parsed.options.params.mode = Mode::Bench,
        "format" => parsed.task = Task::Format,
        _ => bail!("unknown mode {value:?}: test, bench or format"),
    }
    Ok(())
}

fn debug(parsed: &mut Parsed, value: String) -> anyhow::Result<()> {
    for stage in value.split(',') {
        let stages: &[Stage] = match stage {
            "ast" | "parse" => &[Stage::Tree],
            "types" => &[Stage::Types],
            "codegen" => &[Stage::Ir],
            "codegen-opt" | "dis" => &[Stage::Code],
            "all" => {
                parsed.options.dump_verifier = true;
                &[Stage::Tree, Stage::Types, Stage::Ir, Stage::Code]
            }
            "verifier" => {
                parsed.options.dump_verifier = true;
                &[]
            }
            "libbpf" => {
                bail!("-d libbpf is not supported by tracer: programs are loaded without it")
            }
            _ => bail!("unknown stage {stage:?}: all, ast, types, codegen, dis or verifier"),
        };
        parsed.options.dump.extend(stages);
    }
    Ok(())
}

fn format(parsed: &mut Parsed, value: String) -> anyhow::Result<()> {
    parsed.format = match value.as_str() {
        "text" => Format::Text,
        "json" => Format::Json,
        _ => bail!("unknown format {value:?}: text or json"),
    };
    Ok(())
}

fn pid(parsed: &mut Parsed, value: String) -> anyhow::Result<()> {
    parsed.options.params.pid = Some(process(&value)?);
    Ok(())
}

fn process(text: &str) -> anyhow::Result<u32> {
    let pid = text.parse().ok().filter(|&pid| pid > 0);
    pid.with_context(|| format!("{text:?} is no process id"))
}
