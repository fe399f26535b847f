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

/// Attaches to the tracepoint `category`:`name`. A cookie is left out before Linux 5.15.
pub fn attach(
    program: BorrowedFd<'_>,
    tracefs: &Tracefs,
    category: &str,
    name: &str,
    cookie: Option<u64>,
) -> Result<OwnedFd, Failure> {
    let id = tracefs
        .id(category, name)
        .map_err(|error| error.to_string())?;
    let event = PerfEvent {
        kind: PMU,
        config: u64::from(id),
        ..Default::default()
    };
    Ok(perf_event::attach(program, &event, None, cookie)?)
}
