//! The options of bpftrace, and taking a command line apart by them.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use tracer_script::{check::Mode, compile::Stage};

use crate::{
    cli::{common::Format, script},
    script::run::{Flush, Options},
};

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Task {
    /// Run a script.
    #[default]
    Run,
    /// List what can be traced.
    List,
    /// Print a script, laid out.
    Format,
    /// Show the options.
    Help,
    /// Show the version.
    Version,
    /// Tell what this machine allows.
    Info,
}

/// What was typed.
#[derive(Default)]
pub struct Parsed {
    /// What is to be done.
    pub task: Task,
    /// The script, where it is given as such.
    pub program: Option<String>,
    /// How to write.
    pub format: Format,
    /// Tell what is done.
    pub verbose: bool,
    /// `--` stands before the words.
    pub escaped: bool,
    /// What is behind the options: the script's file, where the script is not given, and parameters.
    pub words: Vec<String>,
    /// For the engine.
    pub options: Options,
}

/// An option.
struct Flag {
    short: Option<char>,
    long: &'static str,
    /// What its value is called, where it takes one.
    value: Option<&'static str>,
    help: &'static str,
    effect: Effect,
}

/// What an option does.
#[derive(Clone, Copy)]
enum Effect {
    /// Sets something; the value is empty where the option takes none.
    Set(fn(&mut Parsed, String) -> anyhow::Result<()>),
    /// Nothing that is needed here.
    Nothing,
    /// It is refused.
    Unsupported,
}

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
const FLAGS: &[Flag] = &[
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
        "taken, and not needed: what the kernel has is found out",
        Effect::Nothing,
    ),
    flag(None, "debuginfo", Some("DIRS"), "", Effect::Unsupported),
    flag(None, "dwarf-pid", Some("PID"), "", Effect::Unsupported),
    flag(
        None,
        "traceable-functions",
        Some("FILE"),
        "",
        Effect::Unsupported,
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
    flag(None, "probe-filter", Some("REGEX"), "", Effect::Unsupported),
    flag(None, "verify-llvm-ir", None, "", Effect::Unsupported),
    flag(
        Some('d'),
        "debug",
        Some("STAGE"),
        "print what a stage made, and end: ast, types, codegen or dis",
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
    flag(None, "emit-llvm", Some("FILE"), "", Effect::Unsupported),
    flag(None, "aot", Some("FILE"), "", Effect::Unsupported),
];

fn buffering(parsed: &mut Parsed, value: String) -> anyhow::Result<()> {
    parsed.options.flush = match value.as_str() {
        "line" | "none" => Flush::Batch,
        "full" => Flush::Full,
        _ => bail!("unknown buffering {value:?}: line, full or none"),
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
    parsed.options.dump = Some(match value.as_str() {
        "ast" | "parse" => Stage::Tree,
        "types" => Stage::Types,
        "codegen" => Stage::Ir,
        "codegen-opt" | "dis" => Stage::Code,
        _ => bail!("unknown stage {value:?}: ast, types, codegen or dis"),
    });
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
    let pid = value.parse().ok().filter(|&pid| pid > 0);
    let pid = pid.with_context(|| format!("{value:?} is no process id"))?;
    parsed.options.params.pid = Some(pid);
    Ok(())
}

/// What can be typed, for people.
pub fn help() -> String {
    let mut out = String::from(
        "USAGE:\n    bpftrace [OPTIONS] FILE [PARAMETERS] [-- --NAME=VALUE ...]\n    \
         bpftrace [OPTIONS] -e 'PROGRAM' [PARAMETERS] [-- --NAME=VALUE ...]\n\nOPTIONS:\n",
    );
    let shown = FLAGS
        .iter()
        .filter(|flag| !matches!(flag.effect, Effect::Unsupported));
    for flag in shown {
        let short = flag
            .short
            .map_or("   ".to_owned(), |short| format!("-{short},"));
        let value = flag.value.unwrap_or_default();
        let names = format!("{short} --{} {value}", flag.long);
        out.push_str(&format!("    {names:<32} {}\n", flag.help));
    }
    out
}

/// Options end at the first word that is none, and at `--`.
pub fn parse(words: Vec<String>) -> anyhow::Result<Parsed> {
    let mut parsed = Parsed::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            parsed.escaped = true;
            break;
        }
        match word.strip_prefix("--") {
            Some(long) => parse_long(&mut parsed, long, &mut words)?,
            None if word.starts_with('-') && word != "-" => {
                parse_short(&mut parsed, &word[1..], &mut words)?;
            }
            None => {
                parsed.words.push(word);
                break;
            }
        }
    }
    parsed.words.extend(words);
    if parsed.options.params.pid.is_some() && !parsed.options.command.is_empty() {
        bail!("-p and -c exclude each other: a process, or a command to be started");
    }
    Ok(parsed)
}

fn parse_long(
    parsed: &mut Parsed,
    word: &str,
    rest: &mut impl Iterator<Item = String>,
) -> anyhow::Result<()> {
    let (name, given) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (word, None),
    };
    let flag = FLAGS.iter().find(|flag| flag.long == name);
    let flag = flag.with_context(|| format!("unknown option --{name}; see --help"))?;
    let value = match (flag.value, given) {
        (None, Some(_)) => bail!("--{name} takes no value"),
        (None, None) => String::new(),
        (Some(_), Some(given)) => given,
        (Some(what), None) => rest
            .next()
            .with_context(|| format!("--{name} needs a value: {what}"))?,
    };
    apply(parsed, flag, value)
}

/// Several may stand behind one dash; the value of the last may follow at once or as the next word.
fn parse_short(
    parsed: &mut Parsed,
    word: &str,
    rest: &mut impl Iterator<Item = String>,
) -> anyhow::Result<()> {
    for (at, letter) in word.char_indices() {
        let flag = FLAGS.iter().find(|flag| flag.short == Some(letter));
        let flag = flag.with_context(|| format!("unknown option -{letter}; see --help"))?;
        let Some(what) = flag.value else {
            apply(parsed, flag, String::new())?;
            continue;
        };
        let value = match &word[at + letter.len_utf8()..] {
            "" => rest
                .next()
                .with_context(|| format!("-{letter} needs a value: {what}"))?,
            value => value.to_owned(),
        };
        return apply(parsed, flag, value);
    }
    Ok(())
}

fn apply(parsed: &mut Parsed, flag: &Flag, value: String) -> anyhow::Result<()> {
    match flag.effect {
        Effect::Set(set) => set(parsed, value),
        Effect::Nothing => Ok(()),
        Effect::Unsupported => bail!("--{} is not supported by tracer", flag.long),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Parsed, String> {
        parse(words.iter().map(|&word| word.to_owned()).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn options_end_at_the_first_file() {
        let parsed = parsed(&["-vq", "-fjson", "--output=x", "a.bt", "-v", "--", "--n=1"]);
        let parsed = parsed.expect("they are known");
        assert!(parsed.verbose && parsed.options.quiet && !parsed.escaped);
        assert_eq!(parsed.format, Format::Json);
        assert_eq!(parsed.options.output, Some(PathBuf::from("x")));
        assert_eq!(parsed.words, ["a.bt", "-v", "--", "--n=1"]);
    }

    #[test]
    fn a_program_leaves_the_words_to_its_parameters() {
        let parsed = parsed(&["-e", "BEGIN {}", "-p", "7", "--", "1"]).expect("they are known");
        assert_eq!(parsed.program.as_deref(), Some("BEGIN {}"));
        assert_eq!(parsed.options.params.pid, Some(7));
        assert_eq!((parsed.words, parsed.escaped), (vec!["1".to_owned()], true));
    }

    #[test]
    fn the_task_may_be_another() {
        let task = |words: &[&str]| parsed(words).map(|parsed| parsed.task);
        assert_eq!(task(&["-lv", "struct x"]), Ok(Task::List));
        assert_eq!(task(&["--version"]), Ok(Task::Version));
        assert_eq!(task(&["--info"]), Ok(Task::Info));
        assert_eq!(task(&["-h"]), Ok(Task::Help));
        assert_eq!(task(&["-"]), Ok(Task::Run));
    }

    #[test]
    fn nonsense_is_refused() {
        for (words, expected) in [
            (&["--bogus"][..], "unknown option --bogus; see --help"),
            (&["-z"], "unknown option -z; see --help"),
            (&["-e"], "-e needs a value: PROGRAM"),
            (&["--pid"], "--pid needs a value: PID"),
            (&["-p", "0"], "\"0\" is no process id"),
            (&["-p", "x"], "\"x\" is no process id"),
            (&["--quiet=1"], "--quiet takes no value"),
            (&["-f", "xml"], "unknown format \"xml\": text or json"),
            (
                &["-d", "libbpf"],
                "unknown stage \"libbpf\": ast, types, codegen or dis",
            ),
            (&["-B", "x"], "unknown buffering \"x\": line, full or none"),
            (&["--aot", "x"], "--aot is not supported by tracer"),
            (
                &["--mode", "codegen"],
                "unknown mode \"codegen\": test, bench or format",
            ),
            (
                &["-p1", "-c", "true"],
                "-p and -c exclude each other: a process, or a command to be started",
            ),
        ] {
            assert_eq!(parsed(words).err().as_deref(), Some(expected), "{words:?}");
        }
    }
}
