//! funclatency: times calls of functions.

#![no_std]
#![no_main]

use aya_ebpf::{macros::kprobe, programs::ProbeContext};
use tracer_common::function::{Frame, Identify};
use tracer_ebpf::{
    aggregate, filter, frames,
    function::{self, IDENTIFY},
    task,
};

#[kprobe]
pub fn function_entry(ctx: ProbeContext) -> u32 {
    if let Some(task) = filter::wanted()
        && let Some(index) = function::index(&ctx)
    {
        frames::push(
            task.tid,
            Frame {
                time: task::now(),
                index: u64::from(index),
                stack: function::stack_pointer(&ctx),
            },
        );
    }
    0
}

#[kprobe]
pub fn function_return(ctx: ProbeContext) -> u32 {
    // The address is that of the caller here: only a cookie tells the function.
    let index = if IDENTIFY.load() == Identify::Cookie as u32 {
        function::index(&ctx)
    } else {
        None
    };
    let end = task::now();
    if let Some(frame) = frames::pop(filter::current().tid, index)
        && let Some(row) = aggregate::row(aggregate::row_of(frame.index), frame.index)
    {
        aggregate::record(&mut row.hist, end - frame.time);
    }
    0
}

tracer_ebpf::license!();
