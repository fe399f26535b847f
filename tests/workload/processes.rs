//! Known numbers of processes.

use super::{calls::getppid, number, set_comm};

/// Runs `work` in a child process and waits for it.
fn in_child(work: impl FnOnce()) {
    // SAFETY: this process has one thread; the child only makes system calls.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork failed");
    if pid == 0 {
        work();
        // SAFETY: ends the child without running what the parent registered.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: status is a valid place for the child's status.
    unsafe { libc::waitpid(pid, &mut status, 0) };
}

/// `churn-then-calls PROCESSES N`: so many processes that end at once, then one named `latecomer` that
/// makes N calls.
pub fn churn_then_calls(arguments: &[&str]) {
    for _ in 0..number(arguments, 0) {
        in_child(|| getppid(1));
    }
    let times = number(arguments, 1);
    in_child(|| {
        set_comm("latecomer");
        getppid(times);
    });
}

/// `in-turn PROCESSES N [NAME]`: so many processes named `worker`, or so, one after the other, each with N calls.
pub fn in_turn(arguments: &[&str]) {
    let comm = arguments.get(2).unwrap_or(&"worker");
    for _ in 0..number(arguments, 0) {
        in_child(|| {
            set_comm(comm);
            getppid(number(arguments, 1));
        });
    }
}

/// `in-cgroup PATH N [NAME]`: N calls by a process named `e2e-cgroup`, or so, in this cgroup.
pub fn in_cgroup(arguments: &[&str]) {
    set_comm(arguments.get(2).unwrap_or(&"e2e-cgroup"));
    let path = std::path::Path::new(arguments[0]).join("cgroup.procs");
    std::fs::write(path, "0").expect("move into the cgroup");
    getppid(number(arguments, 1));
}

/// `family PROCESSES N`: a chain of so many processes, each the child of the one before, with N calls.
pub fn family(arguments: &[&str]) {
    generation(number(arguments, 0), number(arguments, 1));
}

fn generation(left: u64, times: u64) {
    if left == 0 {
        return;
    }
    in_child(|| {
        getppid(times);
        generation(left - 1, times);
    });
}

/// `crowd PROCESSES N`: so many processes that live at the same time, each with N calls.
pub fn crowd(arguments: &[&str]) {
    let (processes, times) = (number(arguments, 0), number(arguments, 1));
    let (reader, writer) = std::io::pipe().expect("pipe");
    let children: Vec<i32> = (0..processes)
        .map(|_| crowd_member(times, &reader, &writer))
        .collect();
    // All have made their calls only when the last has: they end when the pipe closes.
    std::thread::sleep(std::time::Duration::from_millis(500));
    drop(writer);
    for child in children {
        // SAFETY: the status is not asked for.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    }
}

fn crowd_member(times: u64, reader: &std::io::PipeReader, writer: &std::io::PipeWriter) -> i32 {
    use std::os::fd::AsRawFd as _;
    let (reader, writer) = (reader.as_raw_fd(), writer.as_raw_fd());
    // SAFETY: this process has one thread; the child only makes system calls.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork failed");
    if pid == 0 {
        getppid(times);
        // SAFETY: both descriptors are open; reading ends when the parent closes its own end.
        unsafe {
            libc::close(writer);
            let mut byte = 0u8;
            libc::read(reader, (&raw mut byte).cast(), 1);
            libc::_exit(0);
        }
    }
    pid
}
