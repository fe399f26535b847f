//! Losses that are forced: their number is told, and it is right.

use super::test;
use crate::harness::{Test, trace_workload};

pub fn tests() -> Vec<Test> {
    vec![
        test("loss::ring_full_is_counted", &[], ring_full),
        test("loss::map_full_is_counted", &[], map_full),
        test("loss::rows_that_find_no_room_are_folded", &[], folded),
        test("loss::none_is_said_too", &[], none),
    ]
}

fn ring_full() {
    const OPENS: u64 = 20_000;
    let count = OPENS.to_string();
    let words = [
        "opensnoop",
        "-f",
        "json",
        "--ring-bytes",
        "4096",
        "--name",
        "/no/such/file",
    ];
    let ran = trace_workload(&words, &["failing-opens", &count]).ok();
    let seen = ran.of_type("event").len() as u64;
    let lost = ran.lost("ring_full");
    assert!(lost > 0, "nothing was lost: {seen} events");
    assert_eq!(seen + lost, OPENS);
}

fn map_full() {
    // 64 processes at a time find room for 8.
    let words = [
        "syscount",
        "-f",
        "json",
        "-n",
        "1000",
        "--by",
        "process",
        "--max-keys",
        "8",
        "-s",
        "getppid",
    ];
    let ran = trace_workload(&words, &["crowd", "64", "100"]).ok();
    let counted: u64 = ran
        .rows()
        .iter()
        .map(|row| row["calls"].as_u64().expect("calls"))
        .sum();
    let lost = ran.lost("map_full");
    assert!(lost > 0);
    assert_eq!(counted + lost, 6400);
}

fn folded() {
    let words = ["syscount", "-f", "json", "-n", "1000", "--max-keys", "1"];
    let ran = trace_workload(&words, &["calls", "1000"]).ok();
    let other = ran.row("syscall", "other");
    assert_eq!(other["calls"].as_u64(), Some(ran.lost("folded")), "{other}");
    assert!(other["calls"].as_u64() >= Some(1000));
}

fn none() {
    let ran = trace_workload(&["syscount", "-f", "json"], &["calls", "10"]).ok();
    let losses = ran.of_type("loss");
    assert!(
        losses
            .iter()
            .any(|loss| loss["cause"] == "ring_full" && loss["count"] == 0),
        "{}",
        ran.stdout
    );
    assert!(
        losses.iter().all(|loss| loss["count"] == 0),
        "{}",
        ran.stdout
    );
}
