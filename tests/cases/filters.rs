//! Filters in the kernel: whose events are seen.

use std::{fs, path::PathBuf};

use super::test;
use crate::{
    cgroup,
    harness::{Need, Ran, Test, Tracing, calls_on_signal, cgroups, kill, tracer, workload},
};

pub fn tests() -> Vec<Test> {
    vec![
        test("filters::comm", &[], comm),
        test("filters::pid_ends_with_its_process", &[], pid),
        test("filters::cgroup_and_below", &[Need::Cgroups], cgroup),
        test("filters::container_by_id", &[Need::Cgroups], container),
        test(
            "filters::container_is_shown",
            &[Need::Cgroups],
            container_is_shown,
        ),
        test("filters::own_calls_are_left_out", &[], own_calls),
    ]
}

const JSON: [&str; 7] = ["syscount", "-f", "json", "-n", "1000", "-s", "getppid"];

fn with<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&JSON, words].concat()
}

fn calls(ran: &Ran) -> u64 {
    ran.row("syscall", "getppid")["calls"]
        .as_u64()
        .expect("calls")
}

fn comm() {
    let tracing = Tracing::start(&with(&["--comm", "wanted"]));
    for comm in ["wanted", "unwanted"] {
        assert!(
            workload(&["calls", "1000", "--comm", comm])
                .status()
                .expect("run")
                .success()
        );
    }
    assert_eq!(calls(&tracing.interrupt().ok()), 1000);
}

fn pid() {
    let mut child = calls_on_signal("500");
    let pid = child.id().to_string();
    let tracing = Tracing::start(&with(&["-p", &pid]));
    kill(child.id(), libc::SIGUSR1);
    assert!(child.wait().expect("wait").success());
    assert_eq!(calls(&tracing.wait().ok()), 500);
}

/// A cgroup of its own, gone in the end.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(path: &str) -> Self {
        let path = cgroups().expect("cgroups").join(path);
        fs::create_dir_all(&path).expect("make a cgroup");
        Self(path)
    }

    /// Runs a workload in it: moved in before it begins.
    fn run(&self, words: &[&str]) {
        let script = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.0.display());
        let own = crate::harness::own_path();
        let mut all = vec!["-c", &script, "sh", &own, "workload"];
        all.extend(words);
        assert!(
            std::process::Command::new("sh")
                .args(all)
                .status()
                .expect("run")
                .success()
        );
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        cgroup::remove_or_tell(&self.0);
    }
}

fn cgroup() {
    let outer = Cgroup::new("tracer-e2e");
    let inner = Cgroup::new("tracer-e2e/inner");
    let other = Cgroup::new("tracer-e2e-other");
    let path = outer.0.display().to_string();
    let tracing = Tracing::start(&with(&["--cgroup", &path]));
    outer.run(&["calls", "1000"]);
    inner.run(&["calls", "200"]);
    other.run(&["calls", "30"]);
    assert_eq!(calls(&tracing.interrupt().ok()), 1200);
}

const ID: &str = "3f2a9c0d1e5b77aa3f2a9c0d1e5b77aa3f2a9c0d1e5b77aa3f2a9c0d1e5b77aa";

fn container() {
    let container = Cgroup::new(&format!("docker-{ID}.scope"));
    let tracing = Tracing::start(&with(&["--container", "3f2a9c0d1e5b"]));
    container.run(&["calls", "100"]);
    assert!(
        workload(&["calls", "1000"])
            .status()
            .expect("run")
            .success()
    );
    assert_eq!(calls(&tracing.interrupt().ok()), 100);
    let unknown = tracer(&["syscount", "--container", "no-such-container"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        unknown.stderr.contains("no-such-container"),
        "{}",
        unknown.stderr
    );
}

fn container_is_shown() {
    let container = Cgroup::new(&format!("docker-{ID}.scope"));
    let words = ["--by", "process", "--comm", "contained", "--hist"];
    let tracing = Tracing::start(&with(&words));
    container.run(&["calls", "100", "--comm", "contained"]);
    let ran = tracing.interrupt().ok();
    let row = ran.row("comm", "contained");
    let shown = row["container"].as_str().expect("container").to_owned();
    assert!(shown.contains("3f2a9c0d1e5b"), "{shown}");
    // The name that is filtered by must not get into what is counted.
    let histogram = ran.of_type("histogram").pop().expect("histogram");
    assert_eq!(histogram["count"], row["calls"], "{histogram}");
}

fn own_calls() {
    let ran = tracer(&[
        "syscount", "-f", "json", "--by", "process", "-n", "100000", "-d", "1",
    ])
    .ok();
    assert!(
        ran.rows().iter().all(|row| row["comm"] != "tracer"),
        "{}",
        ran.stdout
    );
}
