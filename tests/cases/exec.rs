//! execsnoop against a list of execs.

use serde_json::Value;

use super::test;
use crate::harness::{Ran, Test, own_path, trace_workload};

pub fn tests() -> Vec<Test> {
    vec![
        test("execsnoop::tells_all_arguments", &[], all_arguments),
        test("execsnoop::marks_cut_arguments", &[], cut_arguments),
        test("execsnoop::tells_failures", &[], failures),
        test("execsnoop::tells_exit_and_duration", &[], exits),
        test("execsnoop::keeps_bytes_that_are_not_utf8", &[], not_utf8),
        test("execsnoop::quotes_for_a_shell", &[], quotes),
    ]
}

fn trace(words: &[&str], workload: &[&str]) -> Ran {
    let mut all = vec!["execsnoop", "-f", "json"];
    all.extend(words);
    trace_workload(&all, workload).ok()
}

/// Events of this kind, without that of the command itself.
fn events(ran: &Ran, kind: &str) -> Vec<Value> {
    let mut events = ran.of_type("event");
    events.retain(|event| event["event"] == kind);
    if kind == "exec" {
        events.remove(0);
    }
    events
}

fn all_arguments() {
    let ran = trace(&[], &["exec-arguments", "300", "10"]);
    let event = events(&ran, "exec").remove(0);
    let args = event["args"].as_str().expect("args");
    let words: Vec<&str> = args.split(' ').collect();
    assert_eq!(words.len(), 3 + 300, "{args}");
    assert_eq!(words[302], "argument-299");
    assert!(!args.contains("[...]"));
    assert_eq!(ran.lost("string_cut"), 0);
}

fn cut_arguments() {
    let ran = trace(&[], &["exec-arguments", "300", "1000"]);
    let event = events(&ran, "exec").remove(0);
    assert!(event["args"].as_str().expect("args").ends_with("[...]"));
    assert_eq!(ran.lost("string_cut"), 1);
}

fn failures() {
    let ran = trace(&["-x"], &["exec-missing"]);
    let failed = events(&ran, "failed");
    assert_eq!(failed.len(), 1, "{}", ran.stdout);
    assert_eq!(failed[0]["result"], "ENOENT");
    assert_eq!(failed[0]["args"], "/no/such/program one two");
}

fn exits() {
    let ran = trace(&[], &["exec-sleep", "200"]);
    let exit = events(&ran, "exit").remove(0);
    assert_eq!(exit["result"], "3");
    let ns = exit["duration_ns"].as_u64().expect("duration");
    assert!((200_000_000..2_000_000_000).contains(&ns), "{ns}");
    let exec = events(&ran, "exec").remove(0);
    assert_eq!(exec["pid"], exit["pid"]);
    assert_eq!(exec["ppid"], exit["ppid"]);
}

fn not_utf8() {
    let ran = trace(&[], &["exec-bytes"]);
    let event = events(&ran, "exec").remove(0);
    let hex = event["args_hex"].as_str().expect("hex");
    assert!(hex.ends_with("fffe"), "{event}");
}

fn quotes() {
    let ran = trace(&[], &["exec-quotes"]);
    let event = events(&ran, "exec").remove(0);
    let expected = format!(r"{} workload nothing 'a b' '' 'it'\''s'", own_path());
    assert_eq!(event["args"], expected.as_str());
}
