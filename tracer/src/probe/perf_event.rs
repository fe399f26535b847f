//! Programs on perf events: what tracepoints, kprobes and uprobes are attached through, and events that count
//! or sample by themselves.

use std::{
    fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use super::Failure;
use crate::kernel::sys::{self, PerfEvent, SysError};

const PMUS: &str = "/sys/bus/event_source/devices";

/// Opens a perf event, attaches the program to it and starts it. The descriptor keeps all of it.
pub(super) fn attach(
    program: BorrowedFd<'_>,
    event: &PerfEvent,
    pid: Option<u32>,
    cookie: Option<u64>,
) -> Result<OwnedFd, SysError> {
    // A probe is hit on every CPU whichever one the event names; for one process, it follows that.
    let (pid, cpu) = pid.map_or((-1, 0), |pid| (pid as i32, -1));
    attach_to(program, sys::perf_event_open(event, pid, cpu)?, cookie)
}

/// Attaches the program to an open perf event and starts that.
pub(super) fn attach_to(
    program: BorrowedFd<'_>,
    fd: OwnedFd,
    cookie: Option<u64>,
) -> Result<OwnedFd, SysError> {
    if let Some(cookie) = cookie {
        match sys::link_perf_event(program, fd.as_fd(), cookie) {
            // The link holds the event: closing it detaches, and closes the event.
            Ok(link) => return sys::perf_event_enable(fd.as_fd()).map(|()| link),
            // Before Linux 5.15 there is no such link, and no cookie.
            Err(error) if error.errno() == libc::EINVAL => {}
            Err(error) => return Err(error),
        }
    }
    sys::perf_event_set_bpf(fd.as_fd(), program)?;
    sys::perf_event_enable(fd.as_fd())?;
    Ok(fd)
}

/// The number of a PMU that the kernel makes at boot (`kprobe`, `uprobe`), and the `config` that asks
/// for the return of a function.
pub(super) fn pmu(name: &str) -> Result<(u32, u64), Failure> {
    let folder = format!("{PMUS}/{name}");
    let read = |file: &str| fs::read_to_string(format!("{folder}/{file}"));
    let kind = read("type").map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("this kernel has no {name}s ({folder} is missing)"),
        _ => format!("cannot read {folder}/type: {error}"),
    })?;
    let kind = kind
        .trim()
        .parse()
        .map_err(|_| format!("{folder}/type holds no number: {kind:?}"))?;
    let bit = read("format/retprobe")
        .map_err(|error| format!("cannot read {folder}/format/retprobe: {error}"))?;
    let bit = bit
        .trim()
        .strip_prefix("config:")
        .and_then(|bit| bit.parse::<u32>().ok());
    let bit = bit.ok_or_else(|| format!("{folder}/format/retprobe names no bit of config"))?;
    Ok((kind, 1 << bit))
}
