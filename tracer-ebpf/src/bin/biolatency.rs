//! biolatency: histograms of block I/O latency, as a whole, by disk, operation, process or cgroup.

#![no_std]
#![no_main]

use tracer_common::block::{Io, Mode};
use tracer_ebpf::{aggregate, block_programs, constants};

constants! {
    /// A [`Mode`].
    MODE: u32 = 0;
    /// 1: from the queue on; 0: from the driver on.
    FROM_QUEUE: u32 = 0;
}

block_programs!(record);

#[inline(always)]
fn record(io: &Io) {
    let start = if FROM_QUEUE.load() != 0 && io.queued != 0 {
        io.queued
    } else {
        io.issued
    };
    if start == 0 {
        return;
    }
    let latency = io.completed - start;
    let mode = MODE.load();
    if mode == Mode::Process as u32 {
        return aggregate::record_totals_of(
            u64::from(io.tgid),
            latency,
            io.error != 0,
            io.comm,
            io.cgroup,
        );
    }
    if mode == Mode::Cgroup as u32 {
        return aggregate::record_totals_of(io.cgroup, latency, io.error != 0, io.comm, io.cgroup);
    }
    let key = if mode == Mode::Disk as u32 {
        u64::from(io.device)
    } else if mode == Mode::Flags as u32 {
        u64::from(io.flags)
    } else {
        0
    };
    if let Some(row) = aggregate::row(aggregate::row_of(key), key) {
        aggregate::record(&mut row.hist, latency);
        if io.error != 0 {
            aggregate::add(&raw mut row.errors, 1);
        }
    }
}

tracer_ebpf::license!();
