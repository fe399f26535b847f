//! What is written, and where to.

use super::test;
use crate::harness::{Test, trace_workload, tracer};

pub fn tests() -> Vec<Test> {
    vec![
        test("output::file", &[], file),
        test(
            "output::interval_and_count_as_bcc_has_them",
            &[],
            interval_and_count,
        ),
        test("output::duration_ends_it", &[], duration),
        test("output::text_has_units", &[], text_has_units),
        test("output::timestamps", &[], timestamps),
        test(
            "output::no_control_characters_in_text",
            &[],
            no_control_characters,
        ),
    ]
}

fn file() {
    let path = std::env::temp_dir().join(format!("tracer-e2e-output-{}", std::process::id()));
    let words = [
        "syscount",
        "-f",
        "json",
        "-o",
        path.to_str().expect("UTF-8"),
    ];
    let ran = trace_workload(&words, &["calls", "10"]).ok();
    assert!(ran.stdout.is_empty());
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::remove_file(&path).expect("remove");
    assert!(text.contains("getppid"), "{text}");
}

fn interval_and_count() {
    let ran = tracer(&["syscount", "-f", "json", "0.2", "3"]).ok();
    assert_eq!(ran.of_type("table").len(), 3);
}

fn duration() {
    let begin = std::time::Instant::now();
    tracer(&["syscount", "-d", "0.5"]).ok();
    assert!(begin.elapsed() >= std::time::Duration::from_millis(500));
}

fn text_has_units() {
    let ran = trace_workload(&["syscount"], &["sleeps"]).ok();
    let line = ran
        .stdout
        .lines()
        .find(|line| line.contains("clock_nanosleep"))
        .expect("a row")
        .to_owned();
    assert!(line.contains("ms"), "{line}");
}

fn timestamps() {
    let ran = trace_workload(
        &["opensnoop", "-T", "--name", "/no/such/file"],
        &["failing-opens", "1"],
    )
    .ok();
    let line = ran
        .stdout
        .lines()
        .find(|line| line.contains("/no/such/file"))
        .expect("a line")
        .to_owned();
    let time = line.split_whitespace().next().expect("a time");
    assert!(
        time.len() == "14:03:22.123".len() && time.matches(':').count() == 2,
        "{line}"
    );
}

fn no_control_characters() {
    let ran = trace_workload(&["opensnoop", "--name", "tracer-e2e-open"], &["opens"]).ok();
    assert!(
        ran.stdout.chars().all(|c| c == '\n' || !c.is_control()),
        "{:?}",
        ran.stdout
    );
    assert!(ran.stdout.contains(r"tab\tand\nnewline"), "{}", ran.stdout);
}
