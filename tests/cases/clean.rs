//! Nothing stays in the kernel, whichever way the program ends.

use std::{collections::BTreeSet, fs};

use super::test;
use crate::harness::{Test, Tracing, kill, retry, tracer, workload};

pub fn tests() -> Vec<Test> {
    vec![
        test("clean::after_kill_9", &[], after_kill),
        test("clean::after_ctrl_c", &[], after_interrupt),
        test(
            "clean::memory_stays_bounded_in_a_storm",
            &[],
            bounded_memory,
        ),
    ]
}

/// Ids of all programs, maps and links in the kernel, by walking them as bpf(2) lets one.
fn objects() -> BTreeSet<(u32, u32)> {
    const NEXT_ID: [u32; 3] = [11, 12, 31];
    let mut ids = BTreeSet::new();
    for command in NEXT_ID {
        let mut id = 0u32;
        loop {
            let mut attr = [0u32; 36];
            attr[0] = id;
            // SAFETY: the attribute is zero but for the id to start from, and lives through the call.
            let result = unsafe {
                libc::syscall(
                    libc::SYS_bpf,
                    command,
                    attr.as_mut_ptr(),
                    size_of_val(&attr),
                )
            };
            if result < 0 {
                break;
            }
            id = attr[1];
            ids.insert((command, id));
        }
    }
    ids
}

/// Files below the BPF file system, where objects could be pinned.
fn pins() -> usize {
    fs::read_dir("/sys/fs/bpf").map_or(0, Iterator::count)
}

/// Waits until no object is there that was not there before: the kernel frees them after a grace period.
#[track_caller]
fn assert_clean(before: &BTreeSet<(u32, u32)>, pins_before: usize) {
    let left = retry(|| {
        let left: Vec<_> = objects().difference(before).copied().collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    assert_eq!(left, Ok(()), "left in the kernel");
    assert_eq!(pins(), pins_before);
}

fn tools() -> [&'static [&'static str]; 4] {
    [
        &["syscount"],
        &["opensnoop"],
        &["biosnoop"],
        &["execsnoop", "-x"],
    ]
}

fn after_kill() {
    for words in tools() {
        let (before, pinned) = (objects(), pins());
        let tracing = Tracing::start(words);
        // What others left to be freed may go meanwhile, so that numbers of objects tell nothing.
        let added = objects().difference(&before).count();
        assert_ne!(added, 0, "{words:?} put nothing into the kernel");
        kill(tracing.pid(), libc::SIGKILL);
        assert!(!tracing.wait().status.success());
        assert_clean(&before, pinned);
    }
}

fn after_interrupt() {
    for words in tools() {
        let (before, pinned) = (objects(), pins());
        Tracing::start(words).interrupt().ok();
        assert_clean(&before, pinned);
    }
}

/// Resident memory of a process, in KiB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("number")
}

fn bounded_memory() {
    let tracing = Tracing::start(&["syscount", "--by", "process", "-f", "json", "-i", "0.2"]);
    let mut storms: Vec<_> = (0..2)
        .map(|_| {
            workload(&["churn-then-calls", "3000", "1"])
                .spawn()
                .expect("start")
        })
        .collect();
    for storm in &mut storms {
        assert!(storm.wait().expect("wait").success());
    }
    let kib = resident(tracing.pid());
    tracing.interrupt().ok();
    assert!(kib < 64 * 1024, "{kib} KiB");
    let _ = tracer(&["--version"]);
}
