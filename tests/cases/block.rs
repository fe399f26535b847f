//! biolatency, biosnoop and biotop against I/O whose requests are known.

use std::fs;

use super::test;
use crate::harness::{Need, Ran, Test, Tracing, scratch_disk, trace_workload};

pub fn tests() -> Vec<Test> {
    let disk = &[Need::ScratchDisk];
    vec![
        test(
            "biolatency::counts_as_the_disk_does",
            disk,
            counts_as_the_disk_does,
        ),
        test("biolatency::queue_is_included", disk, queue_is_included),
        test(
            "biolatency::by_disk_operation_and_process",
            disk,
            by_disk_operation_and_process,
        ),
        test(
            "biosnoop::tells_what_was_written",
            disk,
            tells_what_was_written,
        ),
        test("biosnoop::only_slow_ones", disk, only_slow_ones),
        test("biotop::sums_by_process", disk, sums_by_process),
    ]
}

fn disk() -> String {
    scratch_disk().expect("scratch disk").display().to_string()
}

fn disk_name() -> String {
    disk().trim_start_matches("/dev/").to_owned()
}

/// Reads and writes that the disk's own statistics count: `Documentation/admin-guide/iostats.rst`.
fn disk_ios() -> u64 {
    let text = fs::read_to_string("/proc/diskstats").expect("diskstats");
    let name = disk_name();
    let line = text
        .lines()
        .find(|line| line.split_whitespace().nth(2) == Some(&name))
        .expect("the disk's line");
    let field = |at: usize| {
        line.split_whitespace()
            .nth(at)
            .expect("field")
            .parse::<u64>()
            .expect("number")
    };
    field(3) + field(7)
}

fn histogram(ran: &Ran, label: &str, value: &str) -> u64 {
    let found = ran.of_type("histogram").into_iter().filter(|histogram| {
        label.is_empty()
            || histogram["labels"][label]
                .as_str()
                .is_some_and(|text| text.contains(value))
    });
    found
        .map(|histogram| histogram["count"].as_u64().expect("count"))
        .sum()
}

fn counts_as_the_disk_does() {
    let name = disk_name();
    let tracing = Tracing::start(&["biolatency", "-D", "-f", "json"]);
    let before = disk_ios();
    run(&["write-direct", &disk(), "4096", "2000"]);
    let counted_by_disk = disk_ios() - before;
    let ran = tracing.interrupt().ok();
    assert!(counted_by_disk >= 2000);
    assert_eq!(histogram(&ran, "disk", &name), counted_by_disk);
}

fn run(words: &[&str]) {
    assert!(
        crate::harness::workload(words)
            .status()
            .expect("run")
            .success()
    );
}

fn queue_is_included() {
    let ran = trace_workload(
        &["biolatency", "-Q", "-f", "json"],
        &["write-direct", &disk(), "4096", "500"],
    )
    .ok();
    assert_eq!(histogram(&ran, "", ""), 500);
}

fn by_disk_operation_and_process() {
    let disk = disk();
    let workload = ["write-direct", &disk, "4096", "300"];
    let flags = trace_workload(&["biolatency", "-F", "-f", "json"], &workload).ok();
    assert_eq!(histogram(&flags, "operation", "Write"), 300);
    let process = trace_workload(&["biolatency", "--by", "process", "-f", "json"], &workload).ok();
    assert_eq!(histogram(&process, "comm", "e2e"), 300);
}

fn tells_what_was_written() {
    let ran = trace_workload(
        &["biosnoop", "-f", "json"],
        &["write-direct", &disk(), "8192", "100"],
    )
    .ok();
    let mut events = ran.of_type("event");
    events.retain(|event| event["disk"] == disk_name().as_str());
    assert_eq!(events.len(), 100);
    let mut sectors: Vec<u64> = events
        .iter()
        .map(|event| event["sector"].as_u64().expect("sector"))
        .collect();
    sectors.sort_unstable();
    assert_eq!(
        sectors,
        (0..100).map(|index| index * 16).collect::<Vec<u64>>()
    );
    for event in &events {
        assert_eq!(event["size_bytes"], 8192, "{event}");
        assert_eq!(event["comm"], "e2e");
        assert!(
            event["operation"]
                .as_str()
                .expect("operation")
                .ends_with("Write"),
            "{event}"
        );
        assert!(event["latency_ns"].as_u64() > Some(0), "{event}");
    }
}

fn only_slow_ones() {
    let workload = ["write-direct", &disk(), "4096", "100"];
    let ran = trace_workload(
        &["biosnoop", "-f", "json", "--min-latency", "1000s"],
        &workload,
    )
    .ok();
    assert!(ran.of_type("event").is_empty());
}

fn sums_by_process() {
    let ran = trace_workload(
        &["biotop", "-f", "json"],
        &["write-direct", &disk(), "4096", "256"],
    )
    .ok();
    let row = ran.row("disk", &disk_name());
    assert_eq!(
        (row["ios"].as_u64(), row["size_bytes"].as_u64()),
        (Some(256), Some(1 << 20)),
        "{row}"
    );
}
