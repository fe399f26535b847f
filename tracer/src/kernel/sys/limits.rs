//! Limits of the process: `man 2 setrlimit`.

use std::io;

use super::{Result, SysError};

/// Takes away the limit on locked memory, which kernels before 5.11 charge maps to.
pub fn raise_memlock() -> Result<()> {
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: limit is a valid rlimit and lives through the call.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) };
    if result < 0 {
        return Err(SysError {
            call: "setrlimit(RLIMIT_MEMLOCK)",
            source: io::Error::last_os_error(),
        });
    }
    Ok(())
}

/// Allows as many open files as may be allowed: each place that is attached to may take one.
pub fn raise_open_files() -> Result<()> {
    let failed = |call| SysError {
        call,
        source: io::Error::last_os_error(),
    };
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call fills in the limit, which lives through it.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } < 0 {
        return Err(failed("getrlimit(RLIMIT_NOFILE)"));
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: limit is a valid rlimit and lives through the call.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } < 0 {
        return Err(failed("setrlimit(RLIMIT_NOFILE)"));
    }
    Ok(())
}
