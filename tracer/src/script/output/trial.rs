//! Tests and benchmarks: how they went, as text and as JSON. The text of tests is that of GoogleTest, which programs
//! know how to read.

use std::fmt::Write as _;

/// How a test went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// How long its program ran, in nanoseconds.
    pub duration_ns: u64,
    /// Whether all was as it should be.
    pub passed: bool,
}

/// What a benchmark has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Benchmark {
    /// Its name.
    pub name: String,
    /// How long its program ran on average, in nanoseconds.
    pub average_ns: u64,
    /// How often it ran.
    pub runs: u64,
}

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

fn coloured(colour: &str, label: &str) -> String {
    format!("{colour}{label}{PLAIN}")
}

/// Before the first of so many tests.
pub fn begin_all(count: usize) -> String {
    let s = plural(count);
    let label = coloured(GREEN, "[==========]");
    format!("{label} Running {count} test{s}.\n")
}

/// Before a test.
pub fn begin(name: &str) -> String {
    format!("{} {name}\n", coloured(GREEN, "[ RUN      ]"))
}

/// Behind a test.
pub fn end(test: &Test) -> String {
    let label = match test.passed {
        true => coloured(GREEN, "[       OK ]"),
        false => coloured(RED, "[  FAILED  ]"),
    };
    format!("{label} {} ({} ns)\n", test.name, test.duration_ns)
}

/// Behind all tests.
pub fn end_all(tests: &[Test]) -> String {
    let count = tests.len();
    let failed: Vec<&Test> = tests.iter().filter(|test| !test.passed).collect();
    let passed = count - failed.len();
    let mut out = format!(
        "{} {count} test{} ran.\n{} {passed} test{}.\n",
        coloured(GREEN, "[==========]"),
        plural(count),
        coloured(GREEN, "[  PASSED  ]"),
        plural(passed),
    );
    if !failed.is_empty() {
        let label = coloured(RED, "[  FAILED  ]");
        let _ = writeln!(
            out,
            "{label} {} test{}, listed below:",
            failed.len(),
            plural(failed.len())
        );
        for test in failed {
            let _ = writeln!(out, "{label} {}", test.name);
        }
    }
    out
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// All benchmarks, as a table.
pub fn table(benchmarks: &[Benchmark]) -> String {
    const NAME: &str = "Benchmark";
    let names = benchmarks.iter().map(|one| one.name.chars().count());
    let width = names.max().unwrap_or(0).max(NAME.len());
    let line =
        |name: &str, time: &str, runs: &str| format!("{name:<width$} {time:>12} {runs:>12}\n");
    let mut out = line(NAME, "Time(ns)", "Iterations");
    out.push_str(&"-".repeat(out.len() - 1));
    out.push('\n');
    for one in benchmarks {
        out.push_str(&line(
            &one.name,
            &one.average_ns.to_string(),
            &one.runs.to_string(),
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(GREEN, "").replace(RED, "").replace(PLAIN, "")
    }

    #[test]
    fn tests_are_told_one_by_one() {
        let test = |name: &str, passed| Test {
            name: name.to_owned(),
            duration_ns: 5,
            passed,
        };
        assert_eq!(
            begin_all(1),
            "\x1b[32m[==========]\x1b[0m Running 1 test.\n"
        );
        assert_eq!(plain(&begin("a")), "[ RUN      ] a\n");
        assert_eq!(plain(&end(&test("a", true))), "[       OK ] a (5 ns)\n");
        assert_eq!(
            end(&test("b", false)),
            "\x1b[31m[  FAILED  ]\x1b[0m b (5 ns)\n"
        );
        assert_eq!(
            plain(&end_all(&[test("a", true), test("b", false)])),
            "[==========] 2 tests ran.\n[  PASSED  ] 1 test.\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] b\n"
        );
    }

    #[test]
    fn benchmarks_make_a_table() {
        let one = |name: &str, average_ns, runs| Benchmark {
            name: name.to_owned(),
            average_ns,
            runs,
        };
        assert_eq!(
            table(&[one("a", 52, 20_000), one("a_longer_one", 7, 1)]),
            "Benchmark        Time(ns)   Iterations\n\
             --------------------------------------\n\
             a                      52        20000\n\
             a_longer_one            7            1\n"
        );
    }
}
