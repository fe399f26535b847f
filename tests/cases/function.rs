//! funccount and funclatency, on functions of a program everywhere, and of the kernel where it has kprobes.

use super::test;
use crate::harness::{Need, Ran, Test, own_path, trace_workload, tracer};

pub fn tests() -> Vec<Test> {
    vec![
        test("funccount::user_function", &[], user_function),
        test(
            "funccount::user_functions_by_wildcard",
            &[Need::Cookies],
            user_functions,
        ),
        test("funclatency::user_function", &[], user_latency),
        test("funclatency::recursion", &[], recursion),
        test(
            "funccount::kernel_function",
            &[Need::Kprobes],
            kernel_function,
        ),
        test(
            "funccount::kernel_functions_by_wildcard",
            &[Need::Kprobes],
            kernel_functions,
        ),
        test(
            "funclatency::kernel_function",
            &[Need::Kprobes],
            kernel_latency,
        ),
        test(
            "funccount::says_what_to_use_without_kprobes",
            &[Need::NoKprobes],
            without_kprobes,
        ),
        test("funccount::unknown_function", &[], unknown),
    ]
}

fn trace(tool: &str, function: &str, workload: &[&str]) -> Ran {
    trace_workload(&[tool, function, "-f", "json", "-n", "1000"], workload).ok()
}

fn own(function: &str) -> String {
    format!("{}:{function}", own_path())
}

fn calls(ran: &Ran, function: &str) -> u64 {
    ran.row("function", function)["calls"]
        .as_u64()
        .expect("calls")
}

fn user_function() {
    let ran = trace("funccount", &own("e2e_leaf"), &["functions", "1000"]);
    assert_eq!(calls(&ran, "e2e_leaf"), 1000);
}

fn user_functions() {
    let ran = trace("funccount", &own("e2e_*"), &["functions", "1000"]);
    assert_eq!(
        (calls(&ran, "e2e_leaf"), calls(&ran, "e2e_sleepy")),
        (1000, 5)
    );
}

fn user_latency() {
    let ran = trace("funclatency", &own("e2e_sleepy"), &["functions", "1"]);
    let row = ran.row("function", "e2e_sleepy");
    assert_eq!(row["calls"], 5);
    let p50 = row["p50_ns"].as_u64().expect("ns");
    assert!((19_000_000..60_000_000).contains(&p50), "{row}");
}

fn recursion() {
    let ran = trace(
        "funclatency",
        &own("e2e_recursive"),
        &["recursion", "10", "100"],
    );
    assert_eq!(calls(&ran, "e2e_recursive"), 1000);
    assert_eq!(ran.lost("start_missed"), 0);
}

fn kernel_function() {
    let ran = trace("funccount", "__x64_sys_getppid", &["calls", "1000"]);
    assert_eq!(calls(&ran, "__x64_sys_getppid"), 1000);
}

fn kernel_functions() {
    let ran = trace("funccount", "*_sys_getppid", &["calls", "1000"]);
    let counted: u64 = ran
        .rows()
        .iter()
        .map(|row| row["calls"].as_u64().expect("calls"))
        .sum();
    assert_eq!(counted, 1000, "{}", ran.stdout);
}

fn kernel_latency() {
    let ran = trace("funclatency", "__x64_sys_clock_nanosleep", &["sleeps"]);
    let row = ran.row("function", "__x64_sys_clock_nanosleep");
    assert_eq!(row["calls"], 100);
    assert!(row["max_ns"].as_u64() >= Some(200_000_000), "{row}");
}

fn without_kprobes() {
    let ran = tracer(&["funccount", "vfs_read"]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(
        ran.stderr.contains("CONFIG_KPROBES") && ran.stderr.contains("BINARY:FUNCTION"),
        "{}",
        ran.stderr
    );
}

fn unknown() {
    let ran = tracer(&["funccount", &own("no_such_function")]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(ran.stderr.contains("no_such_function"), "{}", ran.stderr);
}
