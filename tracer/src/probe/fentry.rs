//! Functions of the kernel by a trampoline: what a program is attached to is settled when it is loaded.

use std::os::fd::{BorrowedFd, OwnedFd};

use aya_obj::generated::bpf_attach_type;

use super::Failure;
use crate::kernel::sys;

/// Attaches a program that was loaded for a function. A cookie needs Linux 6.0.
pub fn attach(
    program: BorrowedFd<'_>,
    kind: bpf_attach_type,
    cookie: Option<u64>,
) -> Result<OwnedFd, Failure> {
    let link = match cookie {
        Some(cookie) => sys::link_tracing(program, kind, cookie),
        // Before Linux 5.17 there is no other way.
        None => sys::raw_tracepoint_open(program, None, 0),
    };
    Ok(link?)
}
