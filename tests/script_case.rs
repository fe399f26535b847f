//! Cases of the script language as data: `tests/scripts/*.case`.
//!
//! A case is a block of lines; empty lines part blocks, and a line that begins with `#` is a remark. Each line
//! is a key, one blank and its value, to the end of the line. A key that repeats adds a line to its value; a key
//! alone is an empty line.
//!
//! | key | value |
//! | --- | --- |
//! | `NAME` | what is shown, as one word; the file's name goes before it |
//! | `ROW` | a row of the language that it shows, as `probes/begin`: see `scripts/rows.txt` |
//! | `REFUSES` | a row that it shows to be refused, with the reason on standard error |
//! | `PROG` | the script, handed over by `-e` |
//! | `FILE` | the script, handed over as a file |
//! | `READY` | the name of a script of the folder `scripts` |
//! | `RUN` | instead: a command for `sh`, with `$TRACER`, `$BPFTRACE` (the same program by that name), `$E2E` and `$DIR` (a folder of its own) |
//! | `OPTIONS` | words before the script |
//! | `PARAMS` | words behind the script |
//! | `ENV` | `KEY=VALUE` |
//! | `NEEDS` | what the kernel must have: see [`need`] |
//! | `AFTER` | a command for `sh` that runs once probes are attached; when it is done, tracing is ended as by Ctrl-C |
//! | `EXPECT` | the lines of standard output, exactly; empty ones at the end are of no account |
//! | `MAPS` | what follows behind them and two empty lines when the script is done; then every byte counts |
//! | `SORTED` | lines may come in any order: both sides are sorted |
//! | `MATCH` | a regular expression that a line of standard output matches |
//! | `NEVER` | one that no line matches |
//! | `STDERR` | a part of standard error; without this key, standard error is empty |
//! | `NESTED` | a warning that the kernel left runs out, as one was at work on that CPU, is of no account: for probes in interrupts |
//! | `STATUS` | exit status, 0 if not given |
//! | `TIMEOUT` | seconds on a quiet machine, 20 if not given: see [`timeout`] |
//! | `PEER` | bpftrace 0.17 prints the same: checked where it is installed |
//! | `DIFFERS` | why bpftrace 0.17 prints something else |
//!
//! `{E2E}` in a script or its parameters is the path of the test program, `{DIR}` that of the folder, `{ID}` a
//! number of this run, which is `$ID` in commands.

use std::time::Duration;

use crate::harness::Need;

/// A case.
#[derive(Debug)]
pub struct Case {
    /// File and name, with two colons between.
    pub name: String,
    /// Rows of the language that it shows.
    pub rows: Vec<String>,
    /// Rows of the language that it shows to be refused.
    pub refuses: Vec<String>,
    /// What is run.
    pub script: Script,
    /// Words before the script.
    pub options: Vec<String>,
    /// Words behind it.
    pub params: Vec<String>,
    /// Variables of the environment.
    pub environment: Vec<(String, String)>,
    /// What the kernel must have.
    pub needs: Vec<Need>,
    /// What is run once probes are attached.
    pub after: Option<String>,
    /// What is to come of it.
    pub expected: Expected,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether bpftrace 0.17 is asked, too.
    pub peer: bool,
    /// Why bpftrace 0.17 cannot be.
    pub differs: Option<String>,
}

/// What is run.
#[derive(Debug, PartialEq, Eq)]
pub enum Script {
    /// A script on the command line.
    Text(String),
    /// A script in a file.
    File(String),
    /// A script of the library, by its name.
    Ready(String),
    /// A command of the shell.
    Command(String),
}

/// What is to come of a case.
#[derive(Debug, Default)]
pub struct Expected {
    /// Lines of standard output before the maps.
    pub lines: Option<Vec<String>>,
    /// Lines of the maps at the end.
    pub maps: Option<Vec<String>>,
    /// The order of lines is left open.
    pub sorted: bool,
    /// A line matches each.
    pub matches: Vec<regex_lite::Regex>,
    /// No line matches any.
    pub never: Vec<regex_lite::Regex>,
    /// Parts of standard error.
    pub stderr: Vec<String>,
    /// The kernel may leave runs of probes out that come while one is at work on that CPU.
    pub nested: bool,
    /// Exit status.
    pub status: i32,
}

/// What a run of a case printed, and how it ended.
#[derive(Debug)]
pub struct Outcome {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit status; [`None`] where a signal ended it.
    pub status: Option<i32>,
}

/// Reads a file of cases; `subject` is its name without the ending. Panics where it is not well-formed: the
/// files are part of this program.
pub fn parse(subject: &str, text: &str) -> Vec<Case> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines
        .split(|line| line.is_empty())
        .filter(|block| !block.is_empty())
        .map(|block| parse_case(subject, block))
        .collect()
}

fn parse_case(subject: &str, block: &[&str]) -> Case {
    let pairs: Vec<(&str, &str)> = block
        .iter()
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .collect();
    let lines = |key: &str| -> Option<Vec<String>> {
        let found: Vec<String> = pairs
            .iter()
            .filter(|(known, _)| *known == key)
            .map(|(_, value)| (*value).to_owned())
            .collect();
        (!found.is_empty()).then_some(found)
    };
    let text = |key: &str| lines(key).map(|lines| lines.join("\n"));
    let name = format!("{subject}::{}", text("NAME").unwrap_or_default());
    if let Some((key, _)) = pairs.iter().find(|(key, _)| !KEYS.contains(key)) {
        panic!("{name}: there is no key {key}");
    }
    let words = |key: &str| -> Vec<String> {
        let text = text(key).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    };
    let number = |key: &str, otherwise: u64| -> u64 {
        text(key).map_or(otherwise, |text| {
            text.parse().unwrap_or_else(|_| panic!("{name}: {key}"))
        })
    };
    let case = Case {
        rows: lines("ROW").unwrap_or_default(),
        refuses: lines("REFUSES").unwrap_or_default(),
        script: script(&name, ["PROG", "FILE", "READY", "RUN"].map(text)),
        options: words("OPTIONS"),
        params: words("PARAMS"),
        environment: lines("ENV")
            .unwrap_or_default()
            .iter()
            .map(|line| line.split_once('=').expect("KEY=VALUE"))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        needs: words("NEEDS").iter().map(|word| need(word)).collect(),
        after: text("AFTER"),
        expected: Expected {
            lines: lines("EXPECT"),
            maps: lines("MAPS"),
            sorted: lines("SORTED").is_some(),
            matches: regexes(lines("MATCH")),
            never: regexes(lines("NEVER")),
            stderr: lines("STDERR").unwrap_or_default(),
            nested: lines("NESTED").is_some(),
            status: number("STATUS", 0) as i32,
        },
        timeout: timeout(number("TIMEOUT", 20)),
        peer: lines("PEER").is_some(),
        differs: text("DIFFERS"),
        name,
    };
    case.must_test_something();
    case
}

const KEYS: [&str; 23] = [
    "NAME", "ROW", "REFUSES", "PROG", "FILE", "READY", "RUN", "OPTIONS", "PARAMS", "ENV", "NEEDS",
    "AFTER", "EXPECT", "MAPS", "SORTED", "MATCH", "NEVER", "STDERR", "NESTED", "STATUS", "TIMEOUT",
    "PEER", "DIFFERS",
];

fn script(name: &str, texts: [Option<String>; 4]) -> Script {
    match texts {
        [Some(text), None, None, None] => Script::Text(text),
        [None, Some(text), None, None] => Script::File(text),
        [None, None, Some(text), None] => Script::Ready(text),
        [None, None, None, Some(text)] => Script::Command(text),
        _ => panic!("{name}: one of PROG, FILE, READY and RUN is needed"),
    }
}

fn regexes(lines: Option<Vec<String>>) -> Vec<regex_lite::Regex> {
    let compile = |line: &String| {
        regex_lite::Regex::new(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    };
    lines.unwrap_or_default().iter().map(compile).collect()
}

/// How long a case may take that takes no longer than so many seconds on a quiet machine.
pub fn timeout(seconds: u64) -> Duration {
    /// So many times as long, where others load the machine, too.
    const PATIENCE: u64 = 5;
    Duration::from_secs(PATIENCE * seconds)
}

/// What a word of `NEEDS` stands for.
pub fn need(word: &str) -> Need {
    if let Some(release) = word.strip_prefix("kernel>=") {
        let (major, minor) = release.split_once('.').expect("MAJOR.MINOR");
        return Need::Kernel(major.parse().expect("major"), minor.parse().expect("minor"));
    }
    match word {
        "kprobes" => Need::Kprobes,
        "no-kprobes" => Need::NoKprobes,
        "fentry" => Need::Fentry,
        "objcopy" => Need::Objcopy,
        "gcc" => Need::Gcc,
        "xz" => Need::Xz,
        "bpftool" => Need::Bpftool,
        "libc" => Need::Libc,
        "x86-64" => Need::X86,
        "pmu" => Need::Pmu,
        "no-pmu" => Need::NoPmu,
        "breakpoints" => Need::Breakpoints,
        "compat" => Need::Compat,
        "disk" => Need::ScratchDisk,
        "two-cpus" => Need::TwoCpus,
        "variables" => Need::Variables,
        "cgroups" => Need::Cgroups,
        _ => panic!("there is no need {word}"),
    }
}

impl Case {
    /// A case that any program would pass is a mistake in its file.
    fn must_test_something(&self) {
        let Expected {
            lines,
            maps,
            sorted: _,
            matches,
            never: _,
            stderr,
            nested: _,
            status,
        } = &self.expected;
        let tests = lines.is_some() || maps.is_some() || !matches.is_empty() || !stderr.is_empty();
        assert!(tests || *status != 0, "{} tests nothing", self.name);
        assert!(
            !self.peer || self.differs.is_none(),
            "{} cannot be the same and differ",
            self.name
        );
    }

    /// What is wrong with the outcome of the program under test, where something is.
    pub fn judge(&self, outcome: &Outcome) -> Result<(), String> {
        let expected = &self.expected;
        if outcome.status != Some(expected.status) {
            return Err(format!("the exit status is not {}", expected.status));
        }
        if let Some(part) = expected
            .stderr
            .iter()
            .find(|part| !outcome.stderr.contains(part.as_str()))
        {
            return Err(format!("standard error lacks: {part}"));
        }
        /// What is told where the kernel has left runs out.
        const NESTED: &str = "left out by the kernel, as one was at work on that CPU";
        let mut said = outcome.stderr.lines();
        let is_clean = said.all(|line| expected.nested && line.ends_with(NESTED));
        if expected.stderr.is_empty() && !is_clean {
            return Err("standard error is not empty".to_owned());
        }
        expected.judge_output(&outcome.stdout, str::to_owned)
    }

    /// The same for bpftrace 0.17, whose empty lines between maps and whose errors differ.
    pub fn judge_peer(&self, outcome: &Outcome) -> Result<(), String> {
        self.expected.judge_output(&outcome.stdout, without_blanks)
    }
}

/// Lines without those that are empty and without blanks at their ends.
fn without_blanks(text: &str) -> String {
    let lines = text.lines().map(str::trim_end);
    lines
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

impl Expected {
    fn judge_output(&self, stdout: &str, normal: fn(&str) -> String) -> Result<(), String> {
        if let Some(expected) = self.text() {
            let exact = self.maps.is_some();
            let shape = |text: &str| {
                let text = normal(text);
                let text = if exact {
                    text
                } else {
                    text.trim_end_matches('\n').to_owned()
                };
                if self.sorted { sorted(&text) } else { text }
            };
            if shape(stdout) != shape(&expected) {
                return Err(format!("standard output is not:\n{expected}"));
            }
        }
        let line_that =
            |regex: &regex_lite::Regex| stdout.lines().find(|line| regex.is_match(line));
        for regex in &self.matches {
            if line_that(regex).is_none() {
                return Err(format!("no line of standard output matches {regex}"));
            }
        }
        for regex in &self.never {
            if let Some(line) = line_that(regex) {
                return Err(format!("a line of standard output matches {regex}: {line}"));
            }
        }
        Ok(())
    }

    /// Standard output as it should be, where the case tells all of it.
    fn text(&self) -> Option<String> {
        let lines = |lines: &Option<Vec<String>>| -> String {
            let lines = lines.iter().flatten();
            lines.map(|line| format!("{line}\n")).collect()
        };
        match (&self.lines, &self.maps) {
            (None, None) => None,
            (Some(_), None) => Some(lines(&self.lines)),
            (_, Some(_)) => Some(format!("{}\n\n{}", lines(&self.lines), lines(&self.maps))),
        }
    }
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}
