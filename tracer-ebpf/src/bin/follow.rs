//! follow: keeps `TREE`, the processes that descend from a command.
//!
//! User space puts the command's own process in; from then on the kernel keeps it: a process whose
//! parent is in comes in when it is made, and goes when its last thread ends.

#![no_std]
#![no_main]

use aya_ebpf::{
    helpers::bpf_get_current_task, macros::raw_tracepoint, programs::RawTracePointContext,
};
use aya_log_ebpf::debug;
use tracer_common::loss::Loss;
use tracer_ebpf::{constants, filter::TREE, loss::lost, task};

constants! {
    /// Byte offset of `task_struct.tgid`.
    OFFSET_TASK_TGID: u32 = 0;
    /// Byte offset of `task_struct.signal`.
    OFFSET_TASK_SIGNAL: u32 = 0;
    /// Byte offset of `signal_struct.live`: threads that have not ended.
    OFFSET_SIGNAL_LIVE: u32 = 0;
}

/// Arguments: parent, child.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
pub fn process_fork(ctx: RawTracePointContext) -> u32 {
    let (Some(parent), Some(child)) = (tgid(ctx.arg(0)), tgid(ctx.arg(1))) else {
        return 0;
    };
    // SAFETY: the value is a flag that no one reads.
    if parent == child || unsafe { TREE.get(&parent) }.is_none() {
        return 0;
    }
    if TREE.insert(&child, &1, 0).is_err() {
        lost(Loss::MapFull);
    }
    debug!(&ctx, "process {} is followed: a child of {}", child, parent);
    0
}

#[inline(always)]
fn tgid(task: u64) -> Option<u32> {
    task::read(task, OFFSET_TASK_TGID.load())
}

/// The running thread ends; its process, where it was the last one.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn process_exit(_ctx: RawTracePointContext) -> u32 {
    // SAFETY: the helper takes no argument.
    let task = unsafe { bpf_get_current_task() };
    let Some(signal) = task::read::<u64>(task, OFFSET_TASK_SIGNAL.load()) else {
        return 0;
    };
    if task::read::<u32>(signal, OFFSET_SIGNAL_LIVE.load()) == Some(0)
        && let Some(tgid) = tgid(task)
    {
        let _ = TREE.remove(tgid);
    }
    0
}

tracer_ebpf::license!();
