//! Perf events, to which programs are attached.

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use aya_obj::generated::{perf_event_attr, perf_event_sample_format, perf_sw_ids, perf_type_id};

use super::{Result, SysError};

/// A perf event to attach a program to. `config`, `config1` and `config2` mean what the PMU says.
#[derive(Clone, Copy, Default)]
pub struct PerfEvent {
    /// `PERF_TYPE_*`, or the number in `/sys/bus/event_source/devices/<pmu>/type`.
    pub kind: u32,
    /// The event: for tracepoints their id.
    pub config: u64,
    /// For kprobe and uprobe PMUs: address of the function's name or the file's path. For breakpoints: the address.
    pub config1: u64,
    /// For kprobe and uprobe PMUs: the offset. For breakpoints: how many bytes.
    pub config2: u64,
    /// How often the program runs.
    pub rate: Rate,
    /// For breakpoints: `HW_BREAKPOINT_*` of `include/uapi/linux/hw_breakpoint.h`.
    pub breakpoint: u32,
    /// Threads that the observed one makes from here on are observed, too.
    pub follow_threads: bool,
}

/// How often a perf event has its program run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Each time that so much was counted: events, or nanoseconds of a clock.
    Every(u64),
    /// So many times a second.
    Hertz(u64),
}

impl Default for Rate {
    fn default() -> Self {
        Self::Every(1)
    }
}

/// Opens a perf event on `cpu` for `pid` (-1 for all processes). It counts nothing until a program is
/// attached and it is enabled.
pub fn perf_event_open(event: &PerfEvent, pid: i32, cpu: i32) -> Result<OwnedFd> {
    // SAFETY: perf_event_attr is plain integers and bit fields, for which zero is a valid value.
    let mut attr: perf_event_attr = unsafe { mem::zeroed() };
    attr.size = size_of::<perf_event_attr>() as u32;
    attr.type_ = event.kind;
    attr.config = event.config;
    match event.rate {
        Rate::Every(period) => attr.__bindgen_anon_1.sample_period = period,
        Rate::Hertz(hertz) => {
            attr.__bindgen_anon_1.sample_freq = hertz;
            attr.set_freq(1);
        }
    }
    if event.follow_threads {
        attr.set_inherit(1);
        attr.set_inherit_thread(1);
    }
    attr.__bindgen_anon_2.wakeup_events = 1;
    attr.bp_type = event.breakpoint;
    attr.__bindgen_anon_3.config1 = event.config1;
    attr.__bindgen_anon_4.config2 = event.config2;
    open(&attr, pid, cpu)
}

/// Opens an event that tells, for all processes on a CPU, what code they map (`PERF_RECORD_MMAP2`), that they become
/// other programs (`PERF_RECORD_COMM`) and that they make others (`PERF_RECORD_FORK`), each with the time. It is
/// ready to be read once there are so many bytes.
pub fn perf_code_events(cpu: u32, wake_bytes: u32) -> Result<OwnedFd> {
    // SAFETY: perf_event_attr is plain integers and bit fields, for which zero is a valid value.
    let mut attr: perf_event_attr = unsafe { mem::zeroed() };
    attr.size = size_of::<perf_event_attr>() as u32;
    attr.type_ = perf_type_id::PERF_TYPE_SOFTWARE as u32;
    attr.config = perf_sw_ids::PERF_COUNT_SW_DUMMY as u64;
    attr.sample_type = perf_event_sample_format::PERF_SAMPLE_TIME as u64;
    attr.set_sample_id_all(1);
    attr.set_mmap(1);
    attr.set_mmap2(1);
    attr.set_comm(1);
    attr.set_comm_exec(1);
    attr.set_task(1);
    attr.set_watermark(1);
    attr.__bindgen_anon_2.wakeup_watermark = wake_bytes;
    open(&attr, -1, cpu as i32)
}

fn open(attr: &perf_event_attr, pid: i32, cpu: i32) -> Result<OwnedFd> {
    const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
    // SAFETY: attr is valid and lives through the call; what config1 points to is borrowed by the caller.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            std::ptr::from_ref(attr),
            pid,
            cpu,
            -1 as libc::c_int,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(SysError {
            call: "perf_event_open",
            source: io::Error::last_os_error(),
        });
    }
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Attaches a program to a perf event the way that works before Linux 5.15, without a cookie. Detached
/// when the event's descriptor is closed.
pub fn perf_event_set_bpf(event: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;
    perf_event_ioctl(
        event,
        PERF_EVENT_IOC_SET_BPF,
        program.as_raw_fd(),
        "PERF_EVENT_IOC_SET_BPF",
    )
}

/// Starts a perf event.
pub fn perf_event_enable(event: BorrowedFd<'_>) -> Result<()> {
    const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
    perf_event_ioctl(event, PERF_EVENT_IOC_ENABLE, 0, "PERF_EVENT_IOC_ENABLE")
}

fn perf_event_ioctl(
    event: BorrowedFd<'_>,
    request: libc::c_ulong,
    argument: libc::c_int,
    call: &'static str,
) -> Result<()> {
    // SAFETY: both requests take an integer argument and touch no memory of ours.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), request as _, argument) };
    if result < 0 {
        Err(SysError {
            call,
            source: io::Error::last_os_error(),
        })
    } else {
        Ok(())
    }
}
