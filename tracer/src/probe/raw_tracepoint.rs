//! Raw tracepoints: a program gets the arguments of the tracepoint's function as they are.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::{Failure, c_string};
use crate::kernel::{Kernel, sys};

/// Whether the kernel has a tracepoint of this name, in whatever category. Told by the type
/// `btf_trace_<name>` that every built-in tracepoint has, and by tracefs, which knows those of modules, too.
pub(super) fn available(kernel: &Kernel, name: &str) -> Result<(), String> {
    let btf = kernel.btf().map_err(|error| format!("{error:#}"));
    if btf
        .as_ref()
        .is_ok_and(|btf| btf.raw_tracepoint(name).is_some())
    {
        return Ok(());
    }
    match kernel.tracefs().map(|tracefs| tracefs.category_of(name)) {
        Ok(Ok(Some(_))) => Ok(()),
        Ok(Ok(None)) => Err(format!("this kernel has no tracepoint {name}")),
        Ok(Err(error)) => Err(error.to_string()),
        // Without tracefs the types have the last word.
        Err(_) => Err(btf
            .err()
            .unwrap_or_else(|| format!("this kernel has no tracepoint {name}"))),
    }
}

/// Attaches to the tracepoint `name`. A cookie needs Linux 6.10.
pub fn attach(
    program: BorrowedFd<'_>,
    name: &str,
    cookie: Option<u64>,
) -> Result<OwnedFd, Failure> {
    let name = c_string(name.as_bytes())?;
    let link = sys::raw_tracepoint_open(program, Some(&name), cookie.unwrap_or(0))?;
    Ok(link)
}
