//! funccount: counts calls of functions.

#![no_std]
#![no_main]

use aya_ebpf::{
    macros::{kprobe, map},
    maps::PerCpuArray,
    programs::ProbeContext,
};
use tracer_ebpf::{aggregate::add, filter, function};

/// Calls, by the function's index. User space sets the size.
#[map]
static COUNTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

#[kprobe]
pub fn function_entry(ctx: ProbeContext) -> u32 {
    if filter::wanted().is_some()
        && let Some(index) = function::index(&ctx)
        && let Some(counter) = COUNTS.get_ptr_mut(index)
    {
        add(counter, 1);
    }
    0
}

tracer_ebpf::license!();
