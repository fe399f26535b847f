//! Counters of what was not counted, one for each cause and CPU.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use tracer_common::loss::{CAUSES, Loss};

use crate::aggregate::add;

#[map]
static LOSS: PerCpuArray<u64> = PerCpuArray::with_max_entries(CAUSES, 0);

/// Counts one loss.
#[inline(always)]
pub fn lost(cause: Loss) {
    if let Some(counter) = LOSS.get_ptr_mut(cause as u32) {
        add(counter, 1);
    }
}
