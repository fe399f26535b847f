//! Processes that do not end: where they are, told before they are killed.

use std::{fs, path::Path};

use crate::harness::kill;

/// Kills a process and all below it. Gives back what they were doing in the kernel: a line for each thread, and its
/// stack there.
pub fn killed(pid: u32) -> String {
    let mut text = String::new();
    let mut pids = vec![pid];
    let mut next = 0;
    while let Some(&pid) = pids.get(next) {
        next += 1;
        let threads = fs::read_dir(format!("/proc/{pid}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            text += &account(&thread.path());
            let children = read(&thread.path(), "children");
            let children = children.split_whitespace();
            pids.extend(children.filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    // Whoever waits for others goes first, and starts nothing in their place.
    for pid in pids {
        kill(pid, libc::SIGKILL);
    }
    text
}

/// What a thread does. Source: `proc_pid_syscall(5)`, `proc_pid_wchan(5)`, `proc_pid_stack(5)`.
fn account(thread: &Path) -> String {
    format!(
        "{} ({}): system call {}, waits in {}\n{}\n",
        thread.display(),
        read(thread, "comm"),
        read(thread, "syscall"),
        read(thread, "wchan"),
        read(thread, "stack"),
    )
}

/// A file about a thread, without the newline at its end; empty where the thread is gone.
fn read(thread: &Path, name: &str) -> String {
    let text = fs::read_to_string(thread.join(name)).unwrap_or_default();
    text.trim_end().to_owned()
}
