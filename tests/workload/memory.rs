//! Memory that is written and read a known number of times.

use std::{
    io::{self, Write as _},
    mem, ptr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use super::number;

static WATCHED: AtomicU64 = AtomicU64::new(0);

/// `watched N`: tells an address, waits for SIGUSR1, writes there N times from each of two threads, the numbers from
/// 1 on, and reads it 2N times.
pub fn watched(arguments: &[&str]) {
    let times = number(arguments, 0);
    block_user_signal();
    println!("{:p}", WATCHED.as_ptr());
    io::stdout().flush().expect("standard output is open");
    wait_for_user_signal();
    let writes = move || (1..=times).for_each(|value| WATCHED.store(value, Ordering::Relaxed));
    writes();
    thread::spawn(writes).join().expect("it only writes");
    let sum: u64 = (0..2 * times)
        .map(|_| WATCHED.load(Ordering::Relaxed))
        .sum();
    assert_eq!(sum, 2 * times * times);
}

fn user_signal() -> libc::sigset_t {
    // SAFETY: a set is plain integers, and the calls write to one of our own.
    unsafe {
        let mut set = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGUSR1);
        set
    }
}

fn block_user_signal() {
    let set = user_signal();
    // SAFETY: the set lives through the call; the old one is not asked for.
    let result = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
    assert_eq!(result, 0);
}

fn wait_for_user_signal() {
    let set = user_signal();
    let mut signal = 0;
    // SAFETY: the set and the number live through the call.
    assert_eq!(unsafe { libc::sigwait(&raw const set, &raw mut signal) }, 0);
}
