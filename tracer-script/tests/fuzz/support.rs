//! Compiling with all that must hold whatever the script is.

use std::fs;

use proptest::test_runner::Config;
use tracer_script::{
    Compiled, Input, Level, Span,
    check::Params,
    compile,
    facts::{Files, SourceFile},
    fixed::Fixed,
    program::Image,
};

use crate::checker;

/// Releases that code is made for: each differs from the one before in what helpers it has.
pub const RELEASES: [(u32, u32); 4] = [(5, 10), (5, 15), (6, 12), (6, 19)];

/// Processor time that one compilation may take, in nanoseconds, in a build without optimization.
const TIME_MAX: u64 = 1_000_000_000;

/// How many cases are tried, unless `PROPTEST_CASES` says.
pub fn cases(count: u32) -> Config {
    let mut config = Config::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = count;
    }
    config.failure_persistence = None;
    config
}

/// What came of a script: the image, or what was said against it.
pub type Outcome = Result<Image, String>;

/// What stands for a header: its text is behind this in the same line, quotes and all.
pub const INCLUDE: &str = "#include \"header:";

/// Headers whose text is their name, `|` for the ends of lines.
struct OneHeader;

impl Files for OneHeader {
    fn header(&self, name: &str, _quoted: bool, _from: &str) -> Option<Result<SourceFile, String>> {
        let text = name.strip_prefix("header:")?.replace('|', "\n");
        Some(Ok(SourceFile {
            name: "header".to_owned(),
            text,
        }))
    }

    fn import(&self, name: &str, _from: &str) -> Result<Vec<SourceFile>, String> {
        Err(format!("there is no {name}"))
    }
}

/// Compiles for one release; a fault of the compiler ends the test.
pub fn compile_for(source: &str, release: (u32, u32)) -> Outcome {
    match examine(source, release) {
        Ok(outcome) => outcome,
        Err(fault) => panic!("for Linux {release:?}: {fault}\n{}", shortened(source)),
    }
}

/// Compiles for one release, and checks what came of it: the error is the compiler's fault.
pub fn examine(source: &str, release: (u32, u32)) -> Result<Outcome, String> {
    let params = Params {
        positional: vec!["7".to_owned(), "seven".to_owned()],
        allow_unsafe: true,
        ..Params::default()
    };
    let facts = Fixed::of_release(release.0, release.1);
    let before = cpu_time();
    let Compiled {
        image,
        diagnostics,
        sources,
    } = compile(&Input {
        source,
        file: "stdin",
        headers: &[],
        params: &params,
        environment: &[],
        facts: &facts,
        files: &OneHeader,
    });
    let spent = cpu_time() - before;
    if spent > TIME_MAX {
        return Err(format!("{} ms", spent / 1_000_000));
    }
    let mut said = String::new();
    for one in diagnostics.iter() {
        let Span { start, end } = one.span;
        // Headers have places behind those of the script.
        let is_headers = source.contains(INCLUDE);
        if start > end || end as usize > source.len() && !is_headers {
            return Err(format!("{one:?} is not within the source"));
        }
        let rendered = one.render(&sources);
        if one.level == Level::Error {
            said.push_str(&rendered);
        }
    }
    let Some(image) = image else {
        return match diagnostics.has_errors() {
            true => Ok(Err(said)),
            false => Err("neither an image nor an error".to_owned()),
        };
    };
    if diagnostics.has_errors() {
        return Err(format!("an image, though there are errors: {said}"));
    }
    checker::check_image(&image, release)?;
    Ok(Ok(image))
}

/// Compiles for all releases; what came of the newest.
pub fn compile_for_all(source: &str) -> Outcome {
    let mut last = Err(String::new());
    for release in RELEASES {
        last = compile_for(source, release);
    }
    last
}

fn shortened(source: &str) -> String {
    source.chars().take(2000).collect()
}

/// Nanoseconds that this thread has run for: `Documentation/scheduler/sched-stats.rst`. Waiting for a processor does
/// not count.
pub fn cpu_time() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat is there");
    let first = text
        .split_whitespace()
        .next()
        .expect("schedstat has fields");
    first.parse().expect("schedstat is made of numbers")
}

/// The most memory that this process has used, in KiB: `man 5 proc_pid_status`.
pub fn memory_peak() -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("status is there");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("VmHWM is there")
}
