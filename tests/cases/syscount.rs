//! syscount against workloads whose calls are known.

use super::test;
use crate::harness::{
    Need, Ran, Test, Tracing, calls_on_signal, measured_sleeps, trace_workload, tracer, workload,
};

pub fn tests() -> Vec<Test> {
    vec![
        test("syscount::counts_exactly", &[], counts_exactly),
        test(
            "syscount::counts_exactly_without_times",
            &[],
            counts_exactly_without_times,
        ),
        test(
            "syscount::two_processes_of_one_name_on_two_cpus",
            &[Need::TwoCpus],
            two_processes,
        ),
        test("syscount::every_thread_counts", &[], every_thread_counts),
        test("syscount::errors_are_told", &[], errors_are_told),
        test("syscount::by_errno", &[], by_errno),
        test("syscount::only_selected_calls", &[], only_selected_calls),
        test(
            "syscount::percentiles_of_measured_sleeps",
            &[],
            percentiles_of_measured_sleeps,
        ),
        test(
            "syscount::late_process_counts_like_the_first",
            &[],
            late_process_counts,
        ),
        test(
            "syscount::processes_may_end_at_any_time",
            &[],
            processes_may_end_at_any_time,
        ),
        test(
            "syscount::compat_calls_have_their_own_names",
            &[Need::Compat],
            compat_calls,
        ),
        test("syscount::exit_is_counted", &[], exit_is_counted),
        test(
            "syscount::children_are_followed",
            &[],
            children_are_followed,
        ),
        test("syscount::exit_status_is_told", &[], exit_status_is_told),
        test("syscount::intervals_add_up", &[], intervals_add_up),
        test(
            "syscount::calls_before_tracing_are_noted",
            &[],
            calls_before_tracing,
        ),
    ]
}

fn calls(ran: &Ran, name: &str) -> u64 {
    ran.row("syscall", name)["calls"].as_u64().expect("calls")
}

const JSON: [&str; 5] = ["syscount", "-f", "json", "-n", "1000"];

fn with<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&JSON, words].concat()
}

fn counts_exactly() {
    let ran = trace_workload(&JSON, &["calls", "400000"]).ok();
    assert_eq!(calls(&ran, "getppid"), 400_000);
    assert_eq!(ran.row("syscall", "getppid")["errors"], 0);
    assert_eq!(calls(&ran, "execve"), 1);
}

fn counts_exactly_without_times() {
    let ran = trace_workload(&with(&["--count-only"]), &["calls", "400000"]).ok();
    assert_eq!(calls(&ran, "getppid"), 400_000);
}

fn two_processes() {
    let tracing = Tracing::start(&with(&["--comm", "twins"]));
    let pinned = |cpu| {
        workload(&["calls", "400000", "--comm", "twins", "--cpu", cpu])
            .spawn()
            .expect("start")
    };
    let (mut one, mut other) = (pinned("0"), pinned("1"));
    assert!(one.wait().expect("wait").success() && other.wait().expect("wait").success());
    let ran = tracing.interrupt().ok();
    assert_eq!(calls(&ran, "getppid"), 800_000);
}

fn every_thread_counts() {
    let ran = trace_workload(&JSON, &["threads", "8", "10000"]).ok();
    assert_eq!(calls(&ran, "getppid"), 80_000);
}

fn errors_are_told() {
    let ran = trace_workload(&JSON, &["failing-opens", "1000"]).ok();
    let row = ran.row("syscall", "openat");
    assert!(row["errors"].as_u64() >= Some(1000), "{row}");
    let failed = trace_workload(&with(&["-x", "-s", "openat"]), &["failing-opens", "1000"]).ok();
    let row = failed.row("syscall", "openat");
    assert_eq!(row["calls"], row["errors"]);
}

fn by_errno() {
    let ran = trace_workload(
        &with(&["--by", "errno", "-s", "close"]),
        &["bad-closes", "777"],
    )
    .ok();
    assert_eq!(ran.row("errno", "EBADF")["calls"], 777);
}

fn only_selected_calls() {
    let ran = trace_workload(&with(&["-s", "getppid,nanosleep"]), &["calls", "1000"]).ok();
    assert_eq!(ran.rows().len(), 1);
    assert_eq!(calls(&ran, "getppid"), 1000);
}

/// What the tool tells lies by what the sleeps took by the clock of the process that slept: one sleep more or less below
/// the percentile, as a process may lose the processor between its clock and its call.
fn percentiles_of_measured_sleeps() {
    let tracing = Tracing::start(&with(&["-s", "clock_nanosleep", "--comm", "napper"]));
    let took = measured_sleeps("napper", 400);
    let ran = tracing.interrupt().ok();
    let row = ran.row("syscall", "clock_nanosleep");
    assert_eq!(row["calls"], 400);
    for (column, rank) in [("p50_ns", 200), ("p99_ns", 396), ("max_ns", 399)] {
        let told = row[column].as_f64().expect("ns") / 1e9;
        let low = took[rank - 1] * 0.95;
        let high = took[(rank + 1).min(399)] * 1.05;
        assert!(
            (low..=high).contains(&told),
            "{column}: {low} to {high} s, {row}"
        );
    }
}

fn late_process_counts() {
    let ran = trace_workload(
        &with(&["--by", "process", "-s", "getppid"]),
        &["churn-then-calls", "10000", "5000"],
    )
    .ok();
    let late = ran.row("comm", "latecomer");
    assert_eq!(late["calls"], 5000, "{late}");
    for cause in ["map_full", "start_missed", "folded", "recursion"] {
        assert_eq!(ran.lost(cause), 0, "{cause}");
    }
}

/// The table is so small that processes are taken out of it ten times a second, some as they end.
fn processes_may_end_at_any_time() {
    let words = ["--by", "process", "-s", "getppid", "--max-keys", "256"];
    let ran = trace_workload(&with(&words), &["in-turn", "900", "3000"]).ok();
    let of_workers = |row: &serde_json::Value| row["comm"] == "worker";
    let rows: Vec<_> = ran.rows().into_iter().filter(of_workers).collect();
    assert_eq!(rows.len(), 900);
    rows.iter()
        .for_each(|row| assert_eq!(row["calls"], 3000, "{row}"));
    assert_eq!(ran.lost("map_full"), 0);
}

fn compat_calls() {
    let ran = trace_workload(&JSON, &["compat", "1234"]).ok();
    assert_eq!(calls(&ran, "getppid [32-bit]"), 1234);
}

fn exit_is_counted() {
    let ran = trace_workload(&JSON, &["calls", "1"]).ok();
    assert_eq!(calls(&ran, "exit_group"), 1);
    assert!(ran.row("syscall", "exit_group")["p50_ns"].is_null());
}

fn children_are_followed() {
    let ran = trace_workload(&JSON, &["family", "50", "100"]).ok();
    assert_eq!(calls(&ran, "getppid"), 5000);
}

fn exit_status_is_told() {
    let ran = tracer(&["syscount", "--", "sh", "-c", "exit 7"]).ok();
    assert!(ran.stdout.contains("status 7"), "{}", ran.stdout);
}

fn intervals_add_up() {
    let ran = trace_workload(
        &with(&["-i", "0.1", "-s", "getppid"]),
        &["calls-for", "0.5"],
    )
    .ok();
    let made: u64 = ran
        .of_type("table")
        .iter()
        .flat_map(|table| table["rows"].as_array().expect("rows").clone())
        .map(|row| row["calls"].as_u64().expect("calls"))
        .sum();
    let told: u64 = ran
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("made "))
        .and_then(|n| n.parse().ok())
        .unwrap_or_else(|| panic!("no number in {:?}", ran.stderr));
    assert_eq!(made, told);
    assert!(ran.of_type("table").len() >= 2, "{}", ran.stdout);
}

fn calls_before_tracing() {
    let mut child = calls_on_signal("1");
    let tracing = Tracing::start(&with(&["-p", &child.id().to_string()]));
    crate::harness::kill(child.id(), libc::SIGUSR1);
    assert!(child.wait().expect("wait").success());
    assert_eq!(tracing.wait().ok().lost("in_flight"), 1);
}
