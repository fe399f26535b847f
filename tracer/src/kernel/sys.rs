//! The one seam to bpf(2) and perf_event_open(2). Every call that loads, reads or attaches something
//! in the kernel goes through here, and every `unsafe` that such a call needs stands here and in the modules below.
//!
//! Sources: `man 2 bpf`, `include/uapi/linux/bpf.h`, `man 2 perf_event_open`.

pub mod iterator;
pub mod programs;

mod btf;
mod limits;
mod link;
mod load;
mod map;
mod mapping;
mod memory;
mod perf_event;
mod perf_ring;
mod process;
mod readable;
mod terminal;
mod time;

use std::{
    ffi::{c_char, c_long},
    io, mem,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd, OwnedFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd};

pub use btf::{btf_load, btf_of_module};
pub use limits::{allow_real_time, raise_memlock, raise_open_files};
pub use link::{
    UprobeTargets, link_kprobe_multi, link_perf_event, link_tracing, link_uprobe_multi,
    raw_tracepoint_open,
};
pub use load::{
    LogLevel, ProgramInfo, ProgramSpec, log_text, measure_programs, prog_info, prog_load, prog_run,
};
pub use map::{
    Batch, MapSpec, map_create, map_delete, map_freeze, map_lookup, map_lookup_batch, map_next_key,
    map_update, map_update_batch,
};
pub use mapping::Mapping;
pub use memory::{give_back_memory, keep_little_memory};
pub use perf_event::{
    PerfEvent, Rate, perf_code_events, perf_event_enable, perf_event_open, perf_event_set_bpf,
};
pub use perf_ring::PerfRing;
pub use process::{Undisturbed, pidfd_open, pidfd_signal};
pub use readable::{ReadableSource, readable};
pub use terminal::terminal_size;
pub use time::{clock_ns, format_time, timer};

/// A system call that failed: which, and with what error.
///
/// Its text holds the kernel's answer: there is no source to go on to.
#[derive(Debug)]
pub struct SysError {
    /// The command, as its manual page names it: `BPF_MAP_CREATE`.
    pub call: &'static str,
    /// What the kernel answered.
    pub source: io::Error,
}

impl std::fmt::Display for SysError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { call, source } = self;
        write!(f, "{call}: {source}")
    }
}

impl std::error::Error for SysError {}

impl SysError {
    /// The error number, 0 where there is none.
    pub fn errno(&self) -> i32 {
        self.source.raw_os_error().unwrap_or(0)
    }
}

/// The outcome of a system call.
pub type Result<T> = std::result::Result<T, SysError>;

fn zeroed_attr() -> bpf_attr {
    // SAFETY: bpf_attr is a union of plain integers and arrays, for which zero is a valid value; the
    // kernel demands that bytes a command does not use are zero.
    unsafe { mem::zeroed() }
}

fn bpf(command: bpf_cmd, call: &'static str, attr: &mut bpf_attr) -> Result<c_long> {
    // SAFETY: attr is a valid bpf_attr of the size given, and lives through the call; the buffers that it
    // points to are borrowed by the callers of this module for the same time.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_int,
            std::ptr::from_mut(attr),
            size_of::<bpf_attr>(),
        )
    };
    if result < 0 {
        Err(SysError {
            call,
            source: io::Error::last_os_error(),
        })
    } else {
        Ok(result)
    }
}

fn bpf_fd(command: bpf_cmd, call: &'static str, attr: &mut bpf_attr) -> Result<OwnedFd> {
    let fd = bpf(command, call, attr)?;
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it. bpf(2) opens
    // every descriptor with O_CLOEXEC.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Fills in what the kernel tells of an object: `struct bpf_prog_info` or `struct bpf_btf_info`.
fn object_info<T>(object: BorrowedFd<'_>, info: &mut T) -> Result<()> {
    let mut attr = zeroed_attr();
    attr.info.bpf_fd = object.as_raw_fd() as u32;
    attr.info.info_len = size_of::<T>() as u32;
    attr.info.info = std::ptr::from_mut(info) as u64;
    bpf(
        bpf_cmd::BPF_OBJ_GET_INFO_BY_FD,
        "BPF_OBJ_GET_INFO_BY_FD",
        &mut attr,
    )
    .map(drop)
}

/// Writes a name the way the kernel takes it: at most 15 of `[A-Za-z0-9_.]`, NUL behind.
fn object_name(name: &str) -> [c_char; 16] {
    let mut out = [0; 16];
    for (slot, byte) in out[..15].iter_mut().zip(name.bytes()) {
        let known = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
        *slot = if known {
            byte as c_char
        } else {
            b'_' as c_char
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_cleaned() {
        let name = object_name("a-rather.long_map_name");
        let text: Vec<u8> = name.iter().map(|&c| c as u8).collect();
        assert_eq!(text, b"a_rather.long_m\0");
    }
}
