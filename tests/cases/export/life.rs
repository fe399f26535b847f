//! From its start to its end: what is read again, what fails, what comes and goes meanwhile.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::super::test;
use crate::{
    cgroup,
    exporter::{Exporter, Folder},
    harness::{Need, Test, cgroups, command, run_workload, tracer, wait_for, workload},
    http::Scrape,
};

pub fn tests() -> Vec<Test> {
    vec![
        test("export::ends_cleanly", &[], ends),
        test("export::one_script_or_tool", &[], one),
        test(
            "export::what_is_the_same_goes_on_at_a_hang_up",
            &[],
            hang_up,
        ),
        test("export::what_fails_is_down_alone", &[], down),
        test(
            "export::what_fails_is_tried_again",
            &[Need::Cgroups],
            tried_again,
        ),
        test("export::what_cannot_be_is_refused", &[], refused),
        test("export::processes_may_come_and_go", &[], processes),
        test(
            "export::cgroups_may_come_and_go",
            &[Need::Cgroups],
            containers,
        ),
    ]
}

fn ends() {
    let folder = Folder::new();
    let config = folder.write(
        "t.toml",
        "[[tool]]\nrun = \"syscount\"\n[[script]]\nsource = 'interval:s:1 { @a = count(); }'\n",
    );
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let exporter = Exporter::with_config(&config);
        assert_eq!(exporter.get("/readyz").status, 200);
        let (status, said) = exporter.end(signal);
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(!said.contains("ERROR"), "{said}");
    }
}

fn one() {
    let exporter = Exporter::start(&["syscount", "--comm", "e2e-one"], "--export");
    run_workload(&["calls", "4321", "--comm", "e2e-one"]);
    let scrape = exporter.wait_sum("tracer_syscount_calls_total{syscall=\"getppid\"}", 4321);
    assert_eq!(
        scrape.value("tracer_export_source_up{source=\"syscount\"}"),
        Some(1.0)
    );
    let script = "// export @ns: name = \"naps\", unit = \"ns\"\n\
        tracepoint:syscalls:sys_enter_getppid / comm == \"e2e-one\" / { @ns = hist(2000); @n[pid] = count(); }";
    let exporter = Exporter::start(&["run", "-e", script], "--export");
    run_workload(&["calls", "321", "--comm", "e2e-one"]);
    let scrape = exporter.wait_sum("tracer_script_naps_seconds_count", 321);
    assert_eq!(scrape.sum("tracer_script_n_total"), 321.0);
    let sum = scrape.sum("tracer_script_naps_seconds_sum");
    assert!((321.0 * 1e-6..321.0 * 4e-6).contains(&sum), "{sum}");
    let (status, said) = exporter.end(libc::SIGINT);
    assert_eq!(status.code(), Some(0), "{said}");
}

/// A tool that counts what has this name, and what comes behind it.
fn with(comm: &str, rest: &str) -> String {
    format!("[[tool]]\nrun = \"syscount --comm {comm}\"\n{rest}")
}

fn hang_up() {
    const CALLS: &str = "tracer_syscount_calls_total{syscall=\"getppid\"}";
    const SCRIPT: &str = "[[script]]\nsource = 'tracepoint:syscalls:sys_enter_getppid / comm == \"e2e-again\" / { @again[comm] = count(); }'\n";
    let folder = Folder::new();
    let config = folder.write("t.toml", &with("e2e-again", ""));
    let exporter = Exporter::with_config(&config);
    run_workload(&["calls", "1000", "--comm", "e2e-again"]);
    let first = exporter.wait_sum(CALLS, 1000);

    folder.write("t.toml", &with("e2e-again", SCRIPT));
    exporter.hang_up();
    exporter.wait_said("the configuration was read again", 1);
    run_workload(&["calls", "500", "--comm", "e2e-again"]);
    let second = exporter.wait_sum(CALLS, 1500);
    assert_eq!(second.sum("tracer_script_again_total"), 500.0);
    second.assert_not_less_than(&first);

    // What is wrong changes nothing: words that are none, a script that does not parse, a file that others may change.
    for (times, text, mode) in [
        (1, "[[tool]]\nrun = \"nosuch\"\n", 0o644),
        (2, "[[tool]\n", 0o644),
        (3, &*with("e2e-other", ""), 0o666),
    ] {
        let path = folder.write("t.toml", text);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
        exporter.hang_up();
        exporter.wait_said("the configuration was not taken", times);
    }
    run_workload(&["calls", "250", "--comm", "e2e-again"]);
    let third = exporter.wait_sum(CALLS, 1750);
    assert_eq!(third.sum("tracer_script_again_total"), 750.0);
    third.assert_not_less_than(&second);

    folder.write("t.toml", &with("e2e-again", ""));
    exporter.hang_up();
    exporter.wait_said("the configuration was read again", 2);
    let last = wait_for("the script to be gone", || {
        let scrape = exporter.scrape();
        let is_gone = scrape.of("tracer_script_again_total").count() == 0;
        is_gone.then_some(scrape)
    });
    assert_eq!(last.sum(CALLS), 1750.0);
    last.assert_not_less_than(&third);
}

fn down() {
    let folder = Folder::new();
    let script = "[[script]]\nname = \"broken\"\nsource = 'tracepoint:syscalls:sys_enter_nosuch { @a = count(); }'\n";
    let config = folder.write("t.toml", &with("e2e-up", script));
    let exporter = Exporter::with_config(&config);
    run_workload(&["calls", "77", "--comm", "e2e-up"]);
    let scrape = exporter.wait_sum("tracer_syscount_calls_total{syscall=\"getppid\"}", 77);
    let up =
        |source: &str| scrape.value(&format!("tracer_export_source_up{{source=\"{source}\"}}"));
    assert_eq!((up("syscount"), up("broken")), (Some(1.0), Some(0.0)));
    assert!(
        exporter.said().contains("broken is down: "),
        "{}",
        exporter.said()
    );
    assert!(
        exporter.said().contains("sys_enter_nosuch"),
        "{}",
        exporter.said()
    );
    assert_eq!(exporter.get("/healthz").status, 200);
    let answer = exporter.get("/readyz");
    assert_eq!(
        (answer.status, answer.text()),
        (503, "down: broken; the log says why\n")
    );
}

/// The cgroup that a tool is to look at is made later.
fn tried_again() {
    const UP: &str = "tracer_export_source_up{source=\"late\"}";
    let place = cgroups()
        .expect("cgroups")
        .join(format!("tracer-e2e-late-{}", std::process::id()));
    let path = place.to_str().expect("UTF-8");
    let folder = Folder::new();
    let tool =
        format!("[[tool]]\nname = \"late\"\nrun = \"syscount -s getppid --cgroup {path}\"\n");
    let config = folder.write("t.toml", &with("e2e-late", &tool));
    let exporter = Exporter::with_config(&config);
    assert_eq!(exporter.scrape().value(UP), Some(0.0));
    fs::create_dir(&place).expect("a cgroup");
    wait_for("the tool to be up", || {
        (exporter.scrape().value(UP) == Some(1.0)).then_some(())
    });
    run_workload(&["in-cgroup", path, "10"]);
    let scrape = exporter.wait_sum("tracer_late_calls_total", 10);
    cgroup::remove(&place);
    let retries = |source| {
        scrape.sum(&format!(
            "tracer_export_retries_total{{source=\"{source}\"}}"
        ))
    };
    assert!(retries("late") >= 1.0);
    assert_eq!(retries("syscount"), 0.0);
}

#[track_caller]
fn assert_refused(words: &[&str], says: &str) {
    let ran = tracer(words);
    assert_eq!(ran.status.code(), Some(1), "{words:?}: {}", ran.stderr);
    assert!(ran.stderr.contains(says), "{words:?}: {}", ran.stderr);
}

fn refused() {
    let folder = Folder::new();
    let config = folder.write("t.toml", &with("x", ""));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let busy = format!("cannot listen on {address}");
    assert_refused(&["export", "-c", &config, "--listen", &address], &busy);
    assert_refused(&["syscount", "--export", &address], &busy);
    for (mode, says) in [(0o666, "chmod go-w"), (0o646, "chmod go-w")] {
        fs::set_permissions(&config, fs::Permissions::from_mode(mode)).expect("chmod");
        assert_refused(&["export", "--check", "-c", &config], says);
        assert_refused(&["export", "-c", &config], says);
    }
    let wrong = folder.write("wrong.toml", "[[tool]]\nrun = \"syscount\"\nnane = \"x\"\n");
    assert_refused(
        &["export", "--check", "-c", &wrong],
        "wrong.toml:3:1: unknown field `nane`",
    );
    let script = folder.write(
        "bad.toml",
        "[[script]]\nname = \"s\"\nsource = 'BEGIN { nosuch(); }'\n",
    );
    assert_refused(
        &["export", "--check", "-c", &script],
        "the script s is wrong",
    );
    assert_refused(
        &["export", "-c", "/no/such/file"],
        "cannot read /no/such/file",
    );
    // Nothing else is there that could be served.
    let alone = ["syscount", "--cgroup", "/no/such", "--export", "0"];
    assert_refused(&alone, "syscount is down: ");
    assert_refused(&alone, "there is nothing to serve");
    let mut usage = command(&["export", "--check"]);
    assert_eq!(usage.output().expect("start").status.code(), Some(2));
}

/// Series of a metric, at most, where many come and go.
const ROOM: usize = 20;

fn processes() {
    // Each of the short-lived processes is a series.
    const PROCESSES: u64 = 3000;
    const COUNTERS: [&str; 2] = ["tracer_syscount_calls_total", "tracer_script_calls_total"];
    let folder = Folder::new();
    let config = folder.write(
        "t.toml",
        &format!(
            "[series]\nmax = {ROOM}\nkeep = \"1s\"\n\
             [[tool]]\nrun = \"syscount --by process -s getppid --comm worker\"\npid = true\n\
             [[script]]\nsource = 'tracepoint:syscalls:sys_enter_getppid / comm == \"worker\" / {{ @calls[pid] = count(); }}'\n"
        ),
    );
    let exporter = Exporter::with_config(&config);
    let mut churn = workload(&["in-turn", &PROCESSES.to_string(), "3"])
        .spawn()
        .expect("start");
    let mut before: Option<Scrape> = None;
    let mut is_over = false;
    let expected = (3 * PROCESSES) as f64;
    wait_for("all calls to be told", || {
        // The scrape behind the end is looked at, too.
        is_over = is_over || churn.try_wait().expect("wait").is_some();
        let scrape = exporter.scrape();
        for name in COUNTERS {
            // One more: `other`.
            assert!(scrape.of(name).count() <= ROOM + 1, "{name}");
            assert!(scrape.sum(name) <= expected, "{name}: {}", scrape.sum(name));
            if let Some(before) = &before {
                assert!(scrape.sum(name) >= before.sum(name), "{name}");
            }
        }
        let is_done = COUNTERS.iter().all(|name| scrape.sum(name) == expected);
        for sample in scrape.of("tracer_export_lost_total") {
            // A process gets its name within a call, whose start was not looked at then.
            let is_missing = sample.value > 0.0 && !sample.series.contains("in_flight");
            assert!(!is_missing, "{sample:?}");
        }
        before = Some(scrape);
        (is_over && is_done).then_some(())
    });
    let last = before.expect("a scrape");
    assert!(last.sum("tracer_export_folded_total") > 0.0);
}

fn containers() {
    const CGROUPS: u32 = 100;
    let root = cgroups()
        .expect("cgroups")
        .join(format!("tracer-e2e-{}", std::process::id()));
    fs::create_dir(&root).expect("a cgroup");
    let folder = Folder::new();
    let config = folder.write(
        "t.toml",
        &format!("[series]\nmax = {ROOM}\nkeep = \"1s\"\n[[tool]]\nrun = \"syscount --by container -s getppid --comm e2e-cgroup\"\n"),
    );
    let exporter = Exporter::with_config(&config);
    let mut before = exporter.scrape();
    for index in 0..CGROUPS {
        cgroup::calls_in_new(&root.join(index.to_string()), &["7"]);
        if index % 10 == 0 {
            let scrape = exporter.scrape();
            assert!(scrape.of("tracer_syscount_calls_total").count() <= ROOM + 1);
            assert!(
                scrape.sum("tracer_syscount_calls_total")
                    >= before.sum("tracer_syscount_calls_total")
            );
            before = scrape;
        }
    }
    cgroup::remove(&root);
    let scrape = exporter.wait_sum("tracer_syscount_calls_total", u64::from(7 * CGROUPS));
    assert!(scrape.of("tracer_syscount_calls_total").count() <= ROOM + 1);
}
