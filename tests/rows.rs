//! The rows of the language (`tests/scripts/rows.txt`) and the cases that show them, which name them by `ROW`
//! and `REFUSES`; the manual's table is made of both.
//!
//! A line that stands at the margin begins a section; below it each line is a row: its name, and how the
//! table words it. Cases name a row with its section before it: `probes/begin`.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use libtest_mimic::{Failed, Trial};

use crate::{harness::Need, script_case::Case};

const ROWS: &str = include_str!("scripts/rows.txt");
const TABLE: &str = include_str!("../docs/language-table.md");

/// The oldest kernel that is served.
const OLDEST: (u32, u32) = (5, 10);
/// Cases that the table names for one row.
const NAMED: usize = 5;

/// A row, or the beginning of a section.
enum Line {
    Section(&'static str),
    Row { name: String, text: &'static str },
}

fn lines() -> Vec<Line> {
    let mut section = "";
    let written = ROWS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    written
        .map(|line| match line.strip_prefix("  ") {
            None => {
                section = line;
                Line::Section(line)
            }
            Some(row) => {
                let (name, text) = row.split_once(' ').expect("a row has a name and a text");
                let name = format!("{}/{name}", section.to_lowercase().replace(' ', "-"));
                Line::Row {
                    name,
                    text: text.trim_start(),
                }
            }
        })
        .collect()
}

/// The cases of a row.
#[derive(Default)]
struct Cover<'a> {
    shown: Vec<&'a Case>,
    refused: Vec<&'a Case>,
}

fn covers(cases: &[Arc<Case>]) -> BTreeMap<&str, Cover<'_>> {
    let mut covers: BTreeMap<&str, Cover<'_>> = BTreeMap::new();
    for case in cases {
        for row in &case.rows {
            covers.entry(row).or_default().shown.push(case);
        }
        for row in &case.refuses {
            covers.entry(row).or_default().refused.push(case);
        }
    }
    covers
}

/// Tests that each row has a case, that cases name rows which are there, and that the table is what they make.
pub fn trials(cases: &[Arc<Case>]) -> Vec<Trial> {
    let faults = faults(cases);
    let table = table(cases);
    let rows = move || match faults.is_empty() {
        true => Ok(()),
        false => Err(Failed::from(faults.join("\n"))),
    };
    let same = move || match table == TABLE {
        true => Ok(()),
        false => Err(Failed::from(
            "docs/language-table.md is not what the cases make: cargo xtask table",
        )),
    };
    vec![
        Trial::test("language::rows", rows),
        Trial::test("language::table", same),
    ]
}

fn faults(cases: &[Arc<Case>]) -> Vec<String> {
    let mut covers = covers(cases);
    let mut faults = Vec::new();
    for line in lines() {
        if let Line::Row { name, .. } = line
            && covers.remove(name.as_str()).is_none()
        {
            faults.push(format!("no case shows {name}"));
        }
    }
    faults.extend(
        covers
            .into_keys()
            .map(|row| format!("there is no row {row}")),
    );
    faults
}

/// The table, as a page of the manual.
pub fn table(cases: &[Arc<Case>]) -> String {
    let covers = covers(cases);
    let none = Cover::default();
    let mut page = HEAD.to_owned();
    for line in lines() {
        match line {
            Line::Section(title) => write!(page, "\n## {title}\n\n{COLUMNS}"),
            Line::Row { name, text } => {
                let cover = covers.get(name.as_str()).unwrap_or(&none);
                let (text, cases) = (cell(text), cell(&cover.cases()));
                writeln!(page, "| {text} | {} | {cases} |", cover.kernel())
            }
        }
        .expect("a string takes all");
    }
    page
}

const HEAD: &str = "# The language, row by row

Made by `cargo xtask table` of `tests/scripts`: what the [language](language.md) has, the oldest kernel that a case
shows it on (and what else it needs there), and the cases that show it, or why it is refused. A case is run by
`cargo xtask test --lane host script::CASE`.
";

const COLUMNS: &str = "| what | Linux | shown by |\n| --- | --- | --- |\n";

/// Text within a table: bars would part its columns.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

impl Cover<'_> {
    /// What the least demanding case needs.
    fn kernel(&self) -> String {
        let least = self.shown.iter().map(|case| Demand::of(&case.needs)).min();
        least.map_or_else(|| "refused".to_owned(), |demand| demand.to_string())
    }

    /// The cases that show it, and why it is refused where it is.
    fn cases(&self) -> String {
        let names = self.shown.iter().take(NAMED);
        let mut parts: Vec<String> = names.map(|case| format!("`{}`", case.name)).collect();
        if self.shown.len() > NAMED {
            parts.push(format!("{} more", self.shown.len() - NAMED));
        }
        let refused = self.refused.iter().map(|case| {
            let why = case.expected.stderr.first().map_or("", String::as_str);
            format!("refused by `{}`: {why}", case.name)
        });
        parts.extend(refused);
        parts.join(", ")
    }
}

/// What a case needs of the kernel, the less the smaller.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Demand {
    version: (u32, u32),
    parts: Vec<&'static str>,
}

impl Demand {
    fn of(needs: &[Need]) -> Self {
        let version = needs.iter().map(|need| match need {
            Need::Kernel(major, minor) => (*major, *minor),
            Need::Cookies => (5, 15),
            _ => OLDEST,
        });
        let part = |need: &Need| match need {
            Need::Kprobes => Some("kprobes"),
            Need::Fentry => Some("fentry"),
            Need::Compat => Some("32-bit programs"),
            Need::Pmu => Some("a PMU"),
            Need::Breakpoints => Some("hardware breakpoints"),
            Need::Variables => Some("`CONFIG_KALLSYMS_ALL`"),
            Need::Cgroups => Some("cgroups"),
            // Of the test itself, or told otherwise.
            _ => None,
        };
        Self {
            version: version.max().unwrap_or(OLDEST),
            parts: needs.iter().filter_map(part).collect(),
        }
    }
}

impl std::fmt::Display for Demand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (major, minor) = self.version;
        write!(f, "{major}.{minor}")?;
        self.parts.iter().try_for_each(|part| write!(f, ", {part}"))
    }
}
