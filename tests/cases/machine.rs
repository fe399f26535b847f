//! list and doctor: what can be traced, and what the machine allows.

use super::test;
use crate::harness::{Need, Test, own_path, tracer};

pub fn tests() -> Vec<Test> {
    vec![
        test("list::tracepoints_with_their_fields", &[], tracepoints),
        test("list::system_calls", &[], system_calls),
        test("list::kernel_functions", &[Need::Kprobes], kernel_functions),
        test("list::user_functions", &[], user_functions),
        test("list::nothing_found_is_an_error", &[], nothing_found),
        test("doctor::tells_the_hooks_of_each_tool", &[], hooks),
    ]
}

fn tracepoints() {
    let ran = tracer(&["list", "-a", "tracepoint:block:block_rq_issue"]).ok();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "tracepoint:block:block_rq_issue");
    assert!(lines.contains(&"    dev_t dev"), "{}", ran.stdout);
    let raw = tracer(&["list", "rawtracepoint:sys_enter"]).ok();
    assert_eq!(raw.stdout, "rawtracepoint:sys_enter\n");
}

fn system_calls() {
    let ran = tracer(&["list", "-a", "syscall:openat"]).ok();
    assert_eq!(ran.stdout, "syscall:openat  257\n");
}

fn kernel_functions() {
    let ran = tracer(&["list", "kprobe:vfs_read"]).ok();
    assert_eq!(ran.stdout, "kprobe:vfs_read\n");
}

/// The one of this program that the tests of uprobes call.
fn user_functions() {
    let own = own_path();
    let ran = tracer(&["list", &format!("{own}:e2e_*")]).ok();
    assert!(!ran.stdout.is_empty());
    for line in ran.stdout.lines() {
        assert!(
            line.starts_with("uprobe:/") && line.contains(":e2e_"),
            "{line}"
        );
    }
    let ran = tracer(&["list", "/no/such/binary:f"]);
    assert_eq!(ran.status.code(), Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("/no/such/binary"), "{}", ran.stderr);
}

fn nothing_found() {
    let ran = tracer(&["list", "nosuchthinganywhere"]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(ran.stderr.contains("nosuchthinganywhere"), "{}", ran.stderr);
}

fn hooks() {
    let ran = tracer(&["doctor"]).ok();
    for tool in [
        "syscount",
        "biolatency",
        "biosnoop",
        "opensnoop",
        "execsnoop",
        "funccount",
    ] {
        let told = ran
            .stdout
            .lines()
            .any(|line| line.split_whitespace().nth(1) == Some(tool));
        assert!(told, "{tool} is not in {}", ran.stdout);
    }
    assert!(ran.stdout.contains("ok      types"), "{}", ran.stdout);
}
