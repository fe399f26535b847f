//! Giving up privileges: `man 2 capset`, `man 2 prctl`, `man 7 capabilities`.

use std::{io, ptr};

use libc::{c_int, c_ulong};

use super::sys::{Result, SysError};

/// `struct __user_cap_header_struct` of `include/uapi/linux/capability.h`.
#[repr(C)]
struct Header {
    version: u32,
    pid: c_int,
}

/// `struct __user_cap_data_struct`: 32 capabilities.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: 64 capabilities, in two halves.
const VERSION_3: u32 = 0x2008_0522;

fn check(call: &'static str, result: i64) -> Result<()> {
    if result < 0 {
        return Err(SysError {
            call,
            source: io::Error::last_os_error(),
        });
    }
    Ok(())
}

/// The capabilities that this thread may take, by bit.
pub fn permitted() -> Result<u64> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: both structs have the layout of version 3 and live through the call.
    let result = unsafe { libc::syscall(libc::SYS_capget, &mut header, data.as_mut_ptr()) };
    check("capget", result)?;
    Ok(u64::from(data[1].permitted) << 32 | u64::from(data[0].permitted))
}

/// Sets the capabilities of this thread: those that it has, and those that it may take. What it may not take any
/// more is given up for good. No program that it runs gets any.
pub fn set_capabilities(effective: u64, permitted: u64) -> Result<()> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let half = |shift: u32| Data {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: 0,
    };
    let data = [half(0), half(32)];
    // SAFETY: both structs have the layout of version 3 and live through the call.
    let result = unsafe { libc::syscall(libc::SYS_capset, &mut header, data.as_ptr()) };
    check("capset", result)
}

fn prctl(call: &'static str, option: c_int, argument: c_ulong) -> Result<()> {
    // SAFETY: the options used here take integers.
    let result = unsafe { libc::prctl(option, argument, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) };
    check(call, result.into())
}

/// No program that this process runs will get privileges, set-user-id or not.
pub fn no_new_privileges() -> Result<()> {
    prctl("prctl(PR_SET_NO_NEW_PRIVS)", libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Becomes another user, in no other group than this one. What this thread may take of capabilities stays; it has
/// none until it sets them.
pub fn become_user(uid: u32, gid: u32) -> Result<()> {
    prctl("prctl(PR_SET_KEEPCAPS)", libc::PR_SET_KEEPCAPS, 1)?;
    // SAFETY: no groups are read from the null pointer, as there are none.
    let result = unsafe { libc::setgroups(0, ptr::null()) };
    check("setgroups", result.into())?;
    // SAFETY: the call takes three integers.
    let result = unsafe { libc::setresgid(gid, gid, gid) };
    check("setresgid", result.into())?;
    // SAFETY: the call takes three integers.
    let result = unsafe { libc::setresuid(uid, uid, uid) };
    check("setresuid", result.into())
}
