//! Timers, clocks and the time of day.

use std::{
    ffi::CStr,
    io, mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
    time::Duration,
};

use super::{Result, SysError};

/// A timer that becomes readable every `period`, the first time one period from its making; reading gives how
/// often it has expired since (`u64`): `man 2 timerfd_create`. A period of 0 is refused.
pub fn timer(period: Duration) -> Result<OwnedFd> {
    let failed = |call| SysError {
        call,
        source: io::Error::last_os_error(),
    };
    if period.is_zero() {
        return Err(SysError {
            call: "timerfd_settime",
            source: io::ErrorKind::InvalidInput.into(),
        });
    }
    // SAFETY: the call takes two integers.
    let fd = unsafe {
        libc::timerfd_create(
            libc::CLOCK_MONOTONIC,
            libc::TFD_CLOEXEC | libc::TFD_NONBLOCK,
        )
    };
    if fd < 0 {
        return Err(failed("timerfd_create"));
    }
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let period = libc::timespec {
        tv_sec: period.as_secs() as libc::time_t,
        tv_nsec: period.subsec_nanos().into(),
    };
    let setting = libc::itimerspec {
        it_interval: period,
        it_value: period,
    };
    // SAFETY: the setting lives through the call; the old one is not asked for.
    let result = unsafe { libc::timerfd_settime(fd.as_raw_fd(), 0, &setting, ptr::null_mut()) };
    if result < 0 {
        return Err(failed("timerfd_settime"));
    }
    Ok(fd)
}

/// What a clock shows, in nanoseconds: `man 2 clock_gettime`. The clock must be one that every kernel has.
pub fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: time is a valid timespec, which the call fills in.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    debug_assert_eq!(result, 0, "clock {clock}");
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// A time in seconds since the Unix epoch, in the host's time zone, by a format of `man 3 strftime`. [`None`]
/// where it needs more than `max` bytes, or the year is beyond what libc can tell.
pub fn format_time(format: &CStr, seconds: i64, max: usize) -> Option<Vec<u8>> {
    // SAFETY: struct tm is plain integers and a pointer, for which zero is a valid value.
    let mut parts: libc::tm = unsafe { mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types. The call may read the environment (TZ),
    // which nothing in this program changes.
    let known = unsafe { !libc::localtime_r(&raw const seconds, &raw mut parts).is_null() };
    if !known {
        return None;
    }
    let mut text = vec![0u8; max.max(1)];
    // SAFETY: the call writes no more than the length given, of a buffer that lives through it; the format and
    // the parts are valid for as long.
    let length = unsafe {
        libc::strftime(
            text.as_mut_ptr().cast(),
            text.len(),
            format.as_ptr(),
            &raw const parts,
        )
    };
    text.truncate(length);
    (length > 0 || format.is_empty()).then_some(text)
}
