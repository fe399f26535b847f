//! Everything that can be typed or met wrong: a clear error, the right exit status, nothing left behind.

use std::{fs::File, io::Read as _, os::unix::process::CommandExt as _, process::Stdio};

use super::test;
use crate::harness::{Ran, Test, command, own_path, tracer};

pub fn tests() -> Vec<Test> {
    vec![
        test("bad_input::nonsense_arguments", &[], nonsense),
        test("bad_input::no_such_process", &[], no_such_process),
        test("bad_input::no_such_command", &[], no_such_command),
        test("bad_input::no_such_cgroup", &[], no_such_cgroup),
        test("bad_input::not_root", &[], not_root),
        test("bad_input::closed_pipe", &[], closed_pipe),
        test("bad_input::full_disk", &[], full_disk),
        test("bad_input::unwritable_output", &[], unwritable_output),
        test(
            "bad_input::interrupt_at_any_moment",
            &[],
            interrupt_at_any_moment,
        ),
        test("bad_input::tracefs_not_mounted", &[], tracefs_not_mounted),
    ]
}

#[track_caller]
fn refused(ran: &Ran, code: i32, says: &str) {
    assert_eq!(
        ran.status.code(),
        Some(code),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
    assert!(
        ran.stderr.contains(says),
        "{says:?} is not in {:?}",
        ran.stderr
    );
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
}

fn nonsense() {
    let cases: [(&[&str], &str); 19] = [
        (&["nosuchtool"], "nosuchtool"),
        (&["syscount", "--nosuchflag"], "nosuchflag"),
        (&["syscount", "-d", "-1"], "-1"),
        (&["syscount", "-d", "soon"], "soon"),
        (&["syscount", "-i", "0"], "0"),
        (&["syscount", "1", "0"], "0"),
        (&["syscount", "-p", "0"], "0"),
        (&["syscount", "-p", "x"], "x"),
        (&["syscount", "-n", "0"], "0"),
        (&["syscount", "-f", "xml"], "xml"),
        (
            &["syscount", "--comm", "a-name-that-is-too-long"],
            "15 bytes",
        ),
        (&["syscount", "--ring-bytes", "lots"], "lots"),
        (&["syscount", "-e", "ENOSUCH"], "ENOSUCH"),
        (&["syscount", "-p", "1", "--", "true"], "cannot be used"),
        (&["biosnoop", "--min-latency", "1fortnight"], "fortnight"),
        (&["funccount"], "PATTERN"),
        (&["syscount", "-s", "read,nosuchcall"], "nosuchcall"),
        (&["syscount", "--by", "errno", "-c"], "--count-only"),
        (&["syscount", "--"], "after --"),
    ];
    for (words, says) in cases {
        refused(&tracer(words), 2, says);
    }
}

fn no_such_process() {
    refused(&tracer(&["syscount", "-p", "4194303"]), 1, "4194303");
}

fn no_such_command() {
    refused(
        &tracer(&["syscount", "--", "/no/such/command"]),
        1,
        "/no/such/command",
    );
    refused(
        &tracer(&["syscount", "--", "nosuchcommandanywhere"]),
        1,
        "nosuchcommandanywhere",
    );
    refused(
        &tracer(&["syscount", "--", "/etc/passwd"]),
        1,
        "/etc/passwd",
    );
}

fn no_such_cgroup() {
    refused(
        &tracer(&["syscount", "--cgroup", "/no/such/cgroup"]),
        1,
        "/no/such/cgroup",
    );
}

fn not_root() {
    let output = command(&["syscount", "-d", "1"])
        .uid(65534)
        .gid(65534)
        .output()
        .expect("run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("CAP_BPF") && stderr.contains("root"),
        "{stderr}"
    );
}

fn closed_pipe() {
    for words in [
        &["syscount", "-i", "0.1"][..],
        &["opensnoop"],
        &["syscount", "-f", "json", "-i", "0.1"],
    ] {
        let mut child = command(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start");
        drop(child.stdout.take());
        let mut opener = crate::harness::workload(&["opens-for", "20"])
            .spawn()
            .expect("start");
        let status = child.wait().expect("wait");
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .expect("stderr")
            .read_to_string(&mut stderr)
            .expect("read");
        opener.kill().expect("kill");
        opener.wait().expect("wait");
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{words:?}");
    }
}

fn full_disk() {
    let ran = tracer(&["syscount", "-o", "/dev/full", "-d", "0.2"]);
    refused(&ran, 1, "No space left");
    assert!(ran.stderr.contains("/dev/full"), "{}", ran.stderr);
    for words in [
        &["syscount", "-d", "0.2"][..],
        &["list", "syscalls"],
        &["doctor"],
    ] {
        let full = File::options().write(true).open("/dev/full").expect("open");
        let output = command(words).stdout(full).output().expect("run");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {stderr}");
        assert!(stderr.contains("standard output"), "{words:?}: {stderr}");
    }
}

fn unwritable_output() {
    refused(
        &tracer(&["syscount", "-o", "/no/such/folder/file", "-d", "0.2"]),
        1,
        "/no/such/folder/file",
    );
}

fn interrupt_at_any_moment() {
    for delay_ms in [0, 1, 2, 3, 5, 8, 12, 20, 40, 80] {
        let child = command(&["syscount", "-d", "30"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start");
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        crate::harness::kill(child.id(), libc::SIGINT);
        let output = child.wait_with_output().expect("wait");
        let stderr = String::from_utf8_lossy(&output.stderr);
        // Before its handler stands, the signal ends it: that, too, leaves nothing behind.
        use std::os::unix::process::ExitStatusExt as _;
        let ended = output.status.success() || output.status.signal() == Some(libc::SIGINT);
        assert!(ended, "{delay_ms} ms: {} {stderr}", output.status);
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

/// In a mount namespace of its own without tracefs: what needs it says how to mount it, the rest works.
fn tracefs_not_mounted() {
    let script = "umount -l /sys/kernel/debug/tracing 2>/dev/null; umount -l /sys/kernel/debug 2>/dev/null; \
                  umount -l /sys/kernel/tracing 2>/dev/null; exec \"$@\"";
    let path = crate::harness::tracer_path();
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        command
            .args(["-m", "sh", "-c", script, "sh"])
            .arg(&path)
            .args(words)
            .stdin(Stdio::null());
        command.output().expect("run")
    };
    let works = run(&[
        "syscount",
        "-d",
        "0.2",
        "--",
        &own_path(),
        "workload",
        "calls",
        "10",
    ]);
    assert!(
        works.status.success(),
        "{}",
        String::from_utf8_lossy(&works.stderr)
    );
    let list = run(&["list", "tracepoint:block:*"]);
    let stderr = String::from_utf8_lossy(&list.stderr);
    assert_eq!(list.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("mount -t tracefs"), "{stderr}");
}
