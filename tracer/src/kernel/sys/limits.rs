//! Limits of the process: `man 2 setrlimit`.

use std::io;

use super::{Result, SysError};

/// Lets the process use the lowest of the real-time priorities, which [`Undisturbed`](super::Undisturbed) does,
/// without CAP_SYS_NICE. Where that is not allowed already it takes CAP_SYS_RESOURCE.
pub fn allow_real_time() -> Result<()> {
    let mut limit = limit(libc::RLIMIT_RTPRIO, "getrlimit(RLIMIT_RTPRIO)")?;
    limit.rlim_max = limit.rlim_max.max(1);
    limit.rlim_cur = limit.rlim_cur.max(1);
    set_limit(libc::RLIMIT_RTPRIO, limit, "setrlimit(RLIMIT_RTPRIO)")
}

/// Takes away the limit on locked memory, which kernels before 5.11 charge maps to.
pub fn raise_memlock() -> Result<()> {
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    set_limit(libc::RLIMIT_MEMLOCK, limit, "setrlimit(RLIMIT_MEMLOCK)")
}

/// Allows as many open files as may be allowed: each place that is attached to may take one.
pub fn raise_open_files() -> Result<()> {
    let mut limit = limit(libc::RLIMIT_NOFILE, "getrlimit(RLIMIT_NOFILE)")?;
    limit.rlim_cur = limit.rlim_max;
    set_limit(libc::RLIMIT_NOFILE, limit, "setrlimit(RLIMIT_NOFILE)")
}

fn limit(resource: libc::__rlimit_resource_t, call: &'static str) -> Result<libc::rlimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call fills in the limit, which lives through it.
    match unsafe { libc::getrlimit(resource, &mut limit) } {
        0 => Ok(limit),
        _ => Err(failed(call)),
    }
}

fn set_limit(
    resource: libc::__rlimit_resource_t,
    limit: libc::rlimit,
    call: &'static str,
) -> Result<()> {
    // SAFETY: limit is a valid rlimit and lives through the call.
    match unsafe { libc::setrlimit(resource, &limit) } {
        0 => Ok(()),
        _ => Err(failed(call)),
    }
}

fn failed(call: &'static str) -> SysError {
    SysError {
        call,
        source: io::Error::last_os_error(),
    }
}
