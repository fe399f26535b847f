//! Functions of user programs and libraries, at their start or their return.

use std::{
    fmt,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
};

use super::{Failure, c_string, perf_event};
use crate::kernel::{
    Kernel,
    sys::{self, PerfEvent},
};

/// Functions of a user binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFunctions {
    /// The binary or library.
    pub path: PathBuf,
    /// File offsets, 1 or more.
    pub offsets: Vec<u64>,
    /// Only in this process.
    pub pid: Option<u32>,
    /// At the return.
    pub on_return: bool,
}

impl fmt::Display for UserFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = if self.on_return {
            "uretprobe"
        } else {
            "uprobe"
        };
        let path = self.path.display();
        match self.offsets.as_slice() {
            [offset] => write!(f, "{provider}:{path}:{offset:#x}"),
            many => write!(f, "{provider} on {} functions of {path}", many.len()),
        }
    }
}

pub(super) fn available(kernel: &Kernel) -> Result<(), String> {
    if kernel.has_uprobes() {
        Ok(())
    } else {
        Err("this kernel was built without uprobes (CONFIG_UPROBES)".to_owned())
    }
}

pub(super) fn available_multi(kernel: &Kernel) -> Result<(), String> {
    available(kernel)?;
    if kernel.since(6, 6) {
        Ok(())
    } else {
        Err(format!(
            "uprobe.multi came with Linux 6.6; this is {}",
            kernel.release
        ))
    }
}

pub(super) fn attach(
    program: BorrowedFd<'_>,
    functions: &UserFunctions,
) -> Result<Vec<OwnedFd>, Failure> {
    let (kind, return_config) = perf_event::pmu("uprobe")?;
    let config = if functions.on_return {
        return_config
    } else {
        0
    };
    let path = c_string(functions.path.as_os_str().as_bytes())?;
    let attach_one = |(index, &offset): (usize, &u64)| {
        let event = PerfEvent {
            kind,
            config,
            config1: path.as_ptr() as u64,
            config2: offset,
        };
        perf_event::attach(program, &event, functions.pid, Some(index as u64))
            .map_err(Failure::from)
    };
    functions
        .offsets
        .iter()
        .enumerate()
        .map(attach_one)
        .collect()
}

pub(super) fn attach_multi(
    program: BorrowedFd<'_>,
    functions: &UserFunctions,
) -> Result<Vec<OwnedFd>, Failure> {
    let path = c_string(functions.path.as_os_str().as_bytes())?;
    let cookies: Vec<u64> = (0..functions.offsets.len() as u64).collect();
    let targets = sys::UprobeTargets {
        path: &path,
        offsets: &functions.offsets,
        cookies: &cookies,
        pid: functions.pid.unwrap_or(0),
        on_return: functions.on_return,
    };
    Ok(vec![sys::link_uprobe_multi(program, &targets)?])
}
