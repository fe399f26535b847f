//! Events that the kernel or the processor counts, and clocks: a program runs each time that so many have come.
//!
//! Source: `man 2 perf_event_open`, `include/uapi/linux/perf_event.h`.

use std::{
    fs, io,
    os::fd::{BorrowedFd, OwnedFd},
};

use super::{Failure, perf_event};
use crate::kernel::{
    cpus,
    sys::{self, PerfEvent, Rate, SysError},
};

/// `PERF_TYPE_SOFTWARE`: events by `enum perf_sw_ids`.
const SOFTWARE: (u32, &[(&str, u64)]) = (
    1,
    &[
        ("cpu-clock", 0),
        ("cpu", 0),
        ("task-clock", 1),
        ("page-faults", 2),
        ("faults", 2),
        ("context-switches", 3),
        ("cs", 3),
        ("cpu-migrations", 4),
        ("minor-faults", 5),
        ("major-faults", 6),
        ("alignment-faults", 7),
        ("emulation-faults", 8),
        ("dummy", 9),
        ("bpf-output", 10),
    ],
);

/// `PERF_TYPE_HARDWARE`: events by `enum perf_hw_id`.
const HARDWARE: (u32, &[(&str, u64)]) = (
    0,
    &[
        ("cpu-cycles", 0),
        ("cycles", 0),
        ("instructions", 1),
        ("cache-references", 2),
        ("cache-misses", 3),
        ("branch-instructions", 4),
        ("branches", 4),
        ("branch-misses", 5),
        ("bus-cycles", 6),
        ("frontend-stalls", 7),
        ("backend-stalls", 8),
        ("ref-cycles", 9),
    ],
);

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    kind: u32,
    config: u64,
    watched: Watched,
}

/// Memory that is watched; nothing for other events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Watched {
    address: u64,
    bytes: u64,
    access: u32,
}

/// `PERF_TYPE_BREAKPOINT`.
const BREAKPOINT: u32 = 5;

/// `HW_BREAKPOINT_*` of `include/uapi/linux/hw_breakpoint.h`.
const ACCESS: [(char, u32); 3] = [('r', 1), ('w', 2), ('x', 4)];

impl Event {
    /// The clock that samples are taken by.
    pub const CPU_CLOCK: Self = Self {
        kind: SOFTWARE.0,
        config: 0,
        watched: Watched {
            address: 0,
            bytes: 0,
            access: 0,
        },
    };

    /// Access to `bytes` of memory from `address` on, of the kinds that `mode` names: a part of `rwx`.
    pub fn watch(address: u64, bytes: u64, mode: &str) -> Self {
        let kinds = ACCESS.iter().filter(|(letter, _)| mode.contains(*letter));
        Self {
            kind: BREAKPOINT,
            config: 0,
            watched: Watched {
                address,
                bytes,
                access: kinds.fold(0, |access, (_, bit)| access | bit),
            },
        }
    }

    /// An event that the kernel counts, by its name.
    pub fn software(name: &str) -> Option<Self> {
        Self::find(SOFTWARE, name)
    }

    /// An event that the processor counts, by its name.
    pub fn hardware(name: &str) -> Option<Self> {
        Self::find(HARDWARE, name)
    }

    fn find((kind, table): (u32, &[(&str, u64)]), name: &str) -> Option<Self> {
        let found = table.iter().find(|(known, _)| *known == name);
        found.map(|&(_, config)| Self {
            kind,
            config,
            watched: Watched::default(),
        })
    }
}

/// Attaches on every CPU that is online, or to every thread of the process `pid` and those that it makes.
pub fn attach(
    program: BorrowedFd<'_>,
    event: Event,
    rate: Rate,
    pid: Option<u32>,
    cookie: Option<u64>,
) -> Result<Vec<OwnedFd>, Failure> {
    let event = PerfEvent {
        kind: event.kind,
        config: event.config,
        config1: event.watched.address,
        config2: event.watched.bytes,
        breakpoint: event.watched.access,
        rate,
        follow_threads: pid.is_some(),
    };
    let opened = match pid {
        Some(pid) => open_on_threads(&event, pid)?,
        None => open_on_cpus(&event)?,
    };
    let attached = opened
        .into_iter()
        .map(|fd| perf_event::attach_to(program, fd, cookie));
    Ok(attached.collect::<Result<_, _>>()?)
}

fn open_on_cpus(event: &PerfEvent) -> Result<Vec<OwnedFd>, Failure> {
    let cpus = cpus::online().map_err(|error| format!("cannot tell the CPUs: {error}"))?;
    cpus.into_iter()
        .map(|cpu| {
            sys::perf_event_open(event, -1, cpu as i32).map_err(|error| refused(event, error))
        })
        .collect()
}

fn open_on_threads(event: &PerfEvent, pid: u32) -> Result<Vec<OwnedFd>, Failure> {
    let mut opened = Vec::new();
    for thread in threads(pid).map_err(|error| format!("cannot tell threads of {pid}: {error}"))? {
        match open_on_thread(event, thread) {
            Ok(fd) => opened.push(fd),
            // It has ended meanwhile.
            Err(error) if error.errno() == libc::ESRCH => {}
            Err(error) => return Err(refused(event, error)),
        }
    }
    Ok(opened)
}

fn open_on_thread(event: &PerfEvent, thread: i32) -> Result<OwnedFd, SysError> {
    match sys::perf_event_open(event, thread, -1) {
        // Before Linux 5.13 threads cannot be followed without processes: only those there are observed.
        Err(error) if error.errno() == libc::EINVAL && event.follow_threads => {
            let event = PerfEvent {
                follow_threads: false,
                ..*event
            };
            sys::perf_event_open(&event, thread, -1)
        }
        result => result,
    }
}

fn threads(pid: u32) -> io::Result<Vec<i32>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let name = entry?.file_name();
        threads.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(threads)
}

/// The kernel's answer says nothing of its limit on the rate, nor of what is missing.
fn refused(event: &PerfEvent, error: SysError) -> Failure {
    const LIMIT: &str = "/proc/sys/kernel/perf_event_max_sample_rate";
    let limit = fs::read_to_string(LIMIT)
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    match (event.rate, limit) {
        (Rate::Hertz(hertz), Some(limit)) if error.errno() == libc::EINVAL && hertz > limit => {
            Failure::from(format!(
                "{hertz} times a second is more than the kernel allows, which is {limit} ({LIMIT})"
            ))
        }
        // `reserve_bp_slot()` of kernel/events/hw_breakpoint.c.
        _ if event.kind == BREAKPOINT && error.errno() == libc::ENOSPC => Failure::from(
            "all registers that the processor has for breakpoints are taken (x86 has 4)".to_owned(),
        ),
        _ if event.kind == BREAKPOINT && error.errno() == libc::EINVAL => Failure::from(
            "the processor or the kernel does not watch this address in this way".to_owned(),
        ),
        _ if event.kind == BREAKPOINT && matches!(error.errno(), libc::ENOENT | libc::ENODEV) => {
            Failure::from(
                "this kernel was built without breakpoints (CONFIG_HAVE_HW_BREAKPOINT)".to_owned(),
            )
        }
        // `perf_event_open` finds no PMU that counts it.
        _ if error.errno() == libc::ENOENT => Failure::from(
            "this machine's processor offers no such counter (no PMU), as many virtual machines; \
                 software:cpu-clock counts time instead"
                .to_owned(),
        ),
        _ => error.into(),
    }
}
