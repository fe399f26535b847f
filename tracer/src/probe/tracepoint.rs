//! Tracepoints by their `format`, attached through a perf event.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::{Failure, perf_event};
use crate::kernel::{Kernel, sys::PerfEvent, tracepoint::Tracefs};

/// `PERF_TYPE_TRACEPOINT`.
const PMU: u32 = 2;

/// Whether tracefs has this event.
pub(super) fn available(kernel: &Kernel, category: &str, name: &str) -> Result<(), String> {
    let tracefs = kernel.tracefs().map_err(|error| error.to_string())?;
    match tracefs.exists(category, name) {
        true => Ok(()),
        false => Err(format!("this kernel has no tracepoint {category}:{name}")),
    }
}

pub(super) fn attach(
    program: BorrowedFd<'_>,
    category: &str,
    name: &str,
) -> Result<Vec<OwnedFd>, Failure> {
    let format = Tracefs::find()
        .and_then(|tracefs| tracefs.format(category, name))
        .map_err(|error| error.to_string())?;
    let event = PerfEvent {
        kind: PMU,
        config: u64::from(format.id),
        ..Default::default()
    };
    Ok(vec![perf_event::attach(program, &event, None, None)?])
}
