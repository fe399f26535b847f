//! opensnoop against a list of opens with odd names.

use super::test;
use crate::harness::{Need, Ran, Test, trace_workload};

pub fn tests() -> Vec<Test> {
    vec![
        test("opensnoop::tells_each_open_with_its_path", &[], each_open),
        test("opensnoop::resolves_relative_paths", &[], relative),
        test("opensnoop::keeps_bytes_that_are_not_utf8", &[], not_utf8),
        test("opensnoop::tells_long_paths_whole", &[], long),
        test("opensnoop::only_failures", &[], failures),
        test("opensnoop::only_matching_names", &[], names),
        test("opensnoop::sees_32_bit_programs", &[Need::Compat], compat),
    ]
}

fn trace(words: &[&str], workload: &[&str]) -> Ran {
    let mut all = vec!["opensnoop", "-f", "json"];
    all.extend(words);
    trace_workload(&all, workload).ok()
}

fn each_open() {
    let ran = trace(&["--name", "tracer-e2e-open"], &["opens"]);
    let events = ran.of_type("event");
    let paths: Vec<&str> = events
        .iter()
        .map(|event| event["path"].as_str().expect("path"))
        .collect();
    let expected = [
        "/tmp/tracer-e2e-open/with space",
        "/tmp/tracer-e2e-open/quote'\"",
        "/tmp/tracer-e2e-open/tab\tand\nnewline",
    ];
    assert_eq!(&paths[..3], expected);
    assert!(
        events[..3]
            .iter()
            .all(|event| event["fd"].as_i64() >= Some(0) && event["error"].is_null())
    );
}

fn relative() {
    let ran = trace(&["--name", "relative"], &["opens"]);
    let paths: Vec<String> = ran
        .of_type("event")
        .iter()
        .map(|event| event["path"].as_str().expect("path").to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            "/tmp/tracer-e2e-open/relative",
            "/tmp/tracer-e2e-open/deep/relative"
        ]
    );
}

fn not_utf8() {
    let ran = trace(&["--name", "bytes"], &["opens"]);
    let event = ran.of_type("event").remove(0);
    let hex: String = b"/tmp/tracer-e2e-open/bytes\xff\xfe"
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(event["path_hex"], hex.as_str(), "{event}");
}

fn long() {
    let ran = trace(&["--name", "xxxxxxxx"], &["opens"]);
    let event = ran.of_type("event").remove(0);
    let path = event["path"].as_str().expect("path");
    assert_eq!(path.len(), 4000, "{path}");
    assert_eq!(ran.lost("string_cut"), 0);
}

fn failures() {
    let ran = trace(&["-x", "--name", "missing"], &["opens"]);
    let events = ran.of_type("event");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["error"], "ENOENT");
    assert!(events[0]["fd"].is_null());
}

fn names() {
    let ran = trace(&["--name", "*/tracer-e2e-open/[q-w]*"], &["opens"]);
    let names: Vec<String> = ran
        .of_type("event")
        .iter()
        .map(|event| event["path"].as_str().expect("path").to_owned())
        .collect();
    assert!(
        !names.is_empty() && names.iter().all(|name| name.contains("tracer-e2e-open/")),
        "{names:?}"
    );
}

fn compat() {
    let ran = trace(&["--name", "tracer-e2e-compat"], &["compat-open"]);
    let events = ran.of_type("event");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["error"], "ENOENT");
}
