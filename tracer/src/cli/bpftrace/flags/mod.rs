//! Taking a command line apart by the options of bpftrace.

mod table;

use anyhow::{Context as _, bail};

use self::table::FLAGS;
use crate::{cli::common::Format, script::run::Options};

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
    /// It is refused, for this reason, which also says what to do instead.
    Unsupported(&'static str),
}

/// What can be typed, for people.
pub fn help() -> String {
    let mut out = String::from(
        "USAGE:\n    bpftrace [OPTIONS] FILE [PARAMETERS] [-- --NAME=VALUE ...]\n    \
         bpftrace [OPTIONS] -e 'PROGRAM' [PARAMETERS] [-- --NAME=VALUE ...]\n\nOPTIONS:\n",
    );
    let shown = FLAGS
        .iter()
        .filter(|flag| !matches!(flag.effect, Effect::Unsupported(_)));
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

/// Options may stand behind other words, as `getopt_long(3)` has it; they end at `--`.
pub fn parse(words: Vec<String>) -> anyhow::Result<Parsed> {
    let mut parsed = Parsed::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            // Where it stands between words, it stays there for those who tell parameters with names apart.
            match parsed.words.is_empty() {
                true => parsed.escaped = true,
                false => parsed.words.push(word),
            }
            break;
        }
        match word.strip_prefix("--") {
            Some(long) => parse_long(&mut parsed, long, &mut words)?,
            None if word.starts_with('-') && word != "-" => {
                parse_short(&mut parsed, &word[1..], &mut words)?;
            }
            None => parsed.words.push(word),
        }
    }
    parsed.words.extend(words);
    if parsed.options.params.pid.is_some() && !parsed.options.command.is_empty() {
        bail!("USAGE: Cannot use both -c and -p.");
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
    let flag = by_name(name)?;
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

/// The option of that name, or the one whose name begins so.
fn by_name(name: &str) -> anyhow::Result<&'static Flag> {
    if let Some(flag) = FLAGS.iter().find(|flag| flag.long == name) {
        return Ok(flag);
    }
    let meant: Vec<&Flag> = FLAGS
        .iter()
        .filter(|flag| flag.long.starts_with(name))
        .collect();
    match meant[..] {
        [flag] => Ok(flag),
        [] => bail!("unknown option --{name}; see --help"),
        _ => {
            let names: Vec<String> = meant
                .iter()
                .map(|flag| format!("--{}", flag.long))
                .collect();
            bail!("option --{name} may be one of {}", names.join(", "))
        }
    }
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
        Effect::Unsupported(reason) => {
            bail!("--{} is not supported by tracer: {reason}", flag.long)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn parsed(words: &[&str]) -> Result<Parsed, String> {
        parse(words.iter().map(|&word| word.to_owned()).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn options_may_stand_behind_the_file() {
        let parsed = parsed(&[
            "-q",
            "-fjson",
            "--output=x",
            "a.bt",
            "1",
            "-v",
            "--",
            "--n=1",
        ]);
        let parsed = parsed.expect("they are known");
        assert!(parsed.verbose && parsed.options.quiet && !parsed.escaped);
        assert_eq!(parsed.format, Format::Json);
        assert_eq!(parsed.options.output, Some(PathBuf::from("x")));
        assert_eq!(parsed.words, ["a.bt", "1", "--", "--n=1"]);
    }

    #[test]
    fn names_may_be_cut_short() {
        let given = parsed(&["--verb", "--form=json", "--exec", "BEGIN {}"]);
        let given = given.expect("they are known");
        assert!(given.verbose);
        assert_eq!(given.format, Format::Json);
        assert_eq!(given.program.as_deref(), Some("BEGIN {}"));
        assert_eq!(
            parsed(&["--ver"]).err().as_deref(),
            Some("option --ver may be one of --verbose, --version, --verify-llvm-ir")
        );
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
                "-d libbpf is not supported by tracer: programs are loaded without it",
            ),
            (
                &["-B", "x"],
                "USAGE: -B must be either 'line', 'full', or 'none'.",
            ),
            (
                &["--no-feature", "kprobe_multi,other"],
                "USAGE: --no-feature can only have values 'kprobe_multi,kprobe_session,uprobe_multi'.",
            ),
            (
                &["--aot", "x"],
                "--aot is not supported by tracer: scripts are compiled in milliseconds as they start: --emit-elf writes their programs",
            ),
            (
                &["--mode", "codegen"],
                "unknown mode \"codegen\": test, bench or format",
            ),
            (&["-p1", "-c", "true"], "USAGE: Cannot use both -c and -p."),
        ] {
            assert_eq!(parsed(words).err().as_deref(), Some(expected), "{words:?}");
        }
    }
}
