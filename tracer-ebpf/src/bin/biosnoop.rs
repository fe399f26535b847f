//! biosnoop: each block I/O request that has ended, as an event.

#![no_std]
#![no_main]

use tracer_common::block::Io;
use tracer_ebpf::{block_programs, constants, events};

constants! {
    /// Only requests that took at least so many nanoseconds from the driver on.
    LATENCY_MIN: u64 = 0;
}

block_programs!(send);

#[inline(always)]
fn send(io: &Io) {
    let start = if io.issued != 0 { io.issued } else { io.queued };
    if io.completed - start < LATENCY_MIN.load() {
        return;
    }
    if let Some(mut entry) = events::reserve::<Io>() {
        entry.write(*io);
        entry.submit(0);
    }
}

tracer_ebpf::license!();
