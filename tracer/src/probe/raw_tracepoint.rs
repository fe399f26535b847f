//! Raw tracepoints: a program gets the arguments of the tracepoint's function as they are.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::{Failure, c_string};
use crate::kernel::{Kernel, sys};

/// Whether the kernel has a tracepoint of this name, in whatever category. Told by tracefs, and where that
/// cannot be read by the type `btf_trace_<name>` that every tracepoint has.
pub(super) fn available(kernel: &Kernel, name: &str) -> Result<(), String> {
    if let Ok(tracefs) = kernel.tracefs()
        && let Ok(Some(_)) = tracefs.category_of(name)
    {
        return Ok(());
    }
    let btf = kernel.btf().map_err(|error| format!("{error:#}"))?;
    match btf.raw_tracepoint(name) {
        Some(_) => Ok(()),
        None => Err(format!("this kernel has no tracepoint {name}")),
    }
}

pub(super) fn attach(program: BorrowedFd<'_>, name: &str) -> Result<Vec<OwnedFd>, Failure> {
    Ok(vec![sys::raw_tracepoint_open(
        program,
        &c_string(name.as_bytes())?,
    )?])
}
