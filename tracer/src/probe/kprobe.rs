//! Kernel functions, at their start or their return.

use std::{
    ffi::c_char,
    fmt,
    os::fd::{BorrowedFd, OwnedFd},
};

use super::{Failure, c_string, perf_event};
use crate::kernel::{
    Kernel,
    sys::{self, PerfEvent},
};

/// Functions of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Functions {
    /// Their names, 1 or more.
    pub names: Vec<String>,
    /// At the return.
    pub on_return: bool,
}

impl fmt::Display for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = if self.on_return {
            "kretprobe"
        } else {
            "kprobe"
        };
        match self.names.as_slice() {
            [function] => write!(f, "{provider}:{function}"),
            many => write!(f, "{provider} on {} functions", many.len()),
        }
    }
}

pub(super) fn available(kernel: &Kernel) -> Result<(), String> {
    if kernel.has_kprobes() {
        Ok(())
    } else {
        Err("this kernel was built without kprobes (CONFIG_KPROBES)".to_owned())
    }
}

/// Told by version and by the tracefs file that comes with fprobe; attaching is the last word.
pub(super) fn available_multi(kernel: &Kernel) -> Result<(), String> {
    available(kernel)?;
    if !kernel.since(5, 18) {
        return Err(format!(
            "kprobe.multi came with Linux 5.18; this is {}",
            kernel.release
        ));
    }
    let btf = kernel.btf().map_err(|error| format!("{error:#}"))?;
    match btf.function("register_fprobe_ips") {
        Some(_) => Ok(()),
        None => Err("this kernel was built without fprobe (CONFIG_FPROBE)".to_owned()),
    }
}

pub(super) fn attach(
    program: BorrowedFd<'_>,
    functions: &Functions,
) -> Result<Vec<OwnedFd>, Failure> {
    let (kind, return_config) = perf_event::pmu("kprobe")?;
    let config = if functions.on_return {
        return_config
    } else {
        0
    };
    let attach_one = |(index, name): (usize, &String)| {
        let function = c_string(name.as_bytes())?;
        let event = PerfEvent {
            kind,
            config,
            config1: function.as_ptr() as u64,
            config2: 0,
        };
        perf_event::attach(program, &event, None, Some(index as u64)).map_err(|error| Failure {
            hook: Some(format!("kprobe:{name}")),
            ..error.into()
        })
    };
    functions.names.iter().enumerate().map(attach_one).collect()
}

pub(super) fn attach_multi(
    program: BorrowedFd<'_>,
    functions: &Functions,
) -> Result<Vec<OwnedFd>, Failure> {
    let names = functions
        .names
        .iter()
        .map(|name| c_string(name.as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    let pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let cookies: Vec<u64> = (0..names.len() as u64).collect();
    Ok(vec![sys::link_kprobe_multi(
        program,
        &pointers,
        &cookies,
        functions.on_return,
    )?])
}
