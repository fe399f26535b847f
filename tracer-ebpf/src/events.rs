//! Sending single events to user space.

use aya_ebpf::{
    macros::map,
    maps::{RingBuf, ring_buf::RingBufEntry},
};
use tracer_common::loss::Loss;

use crate::loss::lost;

/// The ring buffer. User space sets its size.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 16, 0);

/// Room for an event; `None`, counted as lost, where the buffer is full. The entry must be submitted or
/// discarded.
#[inline(always)]
pub fn reserve<T: 'static>() -> Option<RingBufEntry<T>> {
    let entry = EVENTS.reserve::<T>(0);
    if entry.is_none() {
        lost(Loss::RingFull);
    }
    entry
}

/// Sends an event of a size that only the run tells; counted as lost where the buffer is full.
#[inline(always)]
pub fn output(bytes: &[u8]) {
    if EVENTS.output::<[u8]>(bytes, 0).is_err() {
        lost(Loss::RingFull);
    }
}
