//! Other processes, and how this one is scheduled.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

use super::{Result, SysError};

/// A descriptor that becomes readable when the process ends: `man 2 pidfd_open`. A thread other than a
/// process's first is refused with `EINVAL`.
pub fn pidfd_open(pid: u32) -> Result<OwnedFd> {
    // SAFETY: the call takes two integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(SysError {
            call: "pidfd_open",
            source: io::Error::last_os_error(),
        });
    }
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sends a signal to the process of a descriptor by [`pidfd_open`]. One that has ended is no error.
pub fn pidfd_signal(process: BorrowedFd<'_>, signal: i32) -> Result<()> {
    // SAFETY: the call takes integers; without a siginfo the kernel makes one.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    let error = io::Error::last_os_error();
    if result < 0 && error.raw_os_error() != Some(libc::ESRCH) {
        return Err(SysError {
            call: "pidfd_send_signal",
            source: error,
        });
    }
    Ok(())
}

/// While this lives, the calling thread yields its processor to real-time tasks only.
///
/// Reading a map keeps programs on events from running on that processor (`bpf_disable_instrumentation` of
/// `include/linux/bpf.h`). Were the thread preempted in it, events of other tasks would be left out until it
/// runs again: counted as such, but left out.
pub struct Undisturbed {
    /// What the thread was scheduled by before.
    policy: i32,
    parameter: libc::sched_param,
}

impl Undisturbed {
    /// Begins. Without the right to do so nothing changes.
    pub fn begin() -> Self {
        let mut parameter = libc::sched_param { sched_priority: 0 };
        // SAFETY: the parameter lives through the calls; 0 is the calling thread.
        let policy = unsafe {
            libc::sched_getparam(0, &mut parameter);
            libc::sched_getscheduler(0)
        };
        if policy == libc::SCHED_OTHER {
            set_scheduler(libc::SCHED_FIFO, libc::sched_param { sched_priority: 1 });
        }
        Self { policy, parameter }
    }
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        // Who started this with another policy knows why: it is left as it is.
        if self.policy == libc::SCHED_OTHER {
            set_scheduler(self.policy, self.parameter);
        }
    }
}

fn set_scheduler(policy: i32, parameter: libc::sched_param) {
    // SAFETY: the parameter lives through the call; 0 is the calling thread.
    unsafe { libc::sched_setscheduler(0, policy, &parameter) };
}
