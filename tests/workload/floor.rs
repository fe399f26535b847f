//! Programs that do nothing, on the tracepoints of system calls: what every tracer pays at least.

use std::{ffi::CStr, io, os::fd::RawFd};

const BPF_PROG_LOAD: i64 = 5;
const BPF_RAW_TRACEPOINT_OPEN: i64 = 17;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;

/// `empty-programs NAME…`: attaches a program that returns at once to each raw tracepoint, says
/// `attached:` on standard error, and waits to be ended.
pub fn empty_programs(arguments: &[&str]) {
    for name in arguments {
        let program = load();
        attach(program, &std::ffi::CString::new(*name).expect("no NUL"));
    }
    eprintln!("attached:");
    loop {
        // SAFETY: the call takes no argument.
        unsafe { libc::pause() };
    }
}

fn bpf(command: i64, attribute: &[u64]) -> RawFd {
    // SAFETY: the attribute lives through the call, and what it points to is borrowed by the callers.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attribute.as_ptr(),
            size_of_val(attribute),
        )
    };
    assert!(fd >= 0, "bpf({command}): {}", io::Error::last_os_error());
    fd as RawFd
}

/// `r0 = 0; exit`.
fn load() -> RawFd {
    let instructions: [u64; 2] = [0xb7, 0x95];
    let license = c"GPL";
    let count = instructions.len() as u64;
    bpf(
        BPF_PROG_LOAD,
        &[
            u64::from(BPF_PROG_TYPE_RAW_TRACEPOINT) | count << 32,
            instructions.as_ptr() as u64,
            license.as_ptr() as u64,
        ],
    )
}

fn attach(program: RawFd, name: &CStr) {
    bpf(
        BPF_RAW_TRACEPOINT_OPEN,
        &[name.as_ptr() as u64, program as u64],
    );
}
