//! Links: programs attached to places of the kernel and of other programs.

use std::{
    ffi::{CStr, c_char},
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use aya_obj::generated::{
    BPF_F_KPROBE_MULTI_RETURN, BPF_F_UPROBE_MULTI_RETURN, bpf_attach_type, bpf_cmd,
};

use super::{Result, bpf_fd, zeroed_attr};

/// Attaches to a tracepoint's raw arguments; without a name, a program of `BPF_PROG_TYPE_TRACING` to what it
/// was loaded for. A cookie other than 0 for a tracepoint needs Linux 6.10. Detached when the descriptor is
/// closed.
pub fn raw_tracepoint_open(
    program: BorrowedFd<'_>,
    name: Option<&CStr>,
    cookie: u64,
) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.raw_tracepoint.name = name.map_or(0, |name| name.as_ptr() as u64);
    attr.raw_tracepoint.prog_fd = program.as_raw_fd() as u32;
    attr.raw_tracepoint.cookie = cookie;
    bpf_fd(
        bpf_cmd::BPF_RAW_TRACEPOINT_OPEN,
        "BPF_RAW_TRACEPOINT_OPEN",
        &mut attr,
    )
}

/// Attaches a program of `BPF_PROG_TYPE_TRACING` to what it was loaded for, with a cookie. Linux 6.0. `attach`
/// is what it was loaded with.
pub fn link_tracing(
    program: BorrowedFd<'_>,
    attach: bpf_attach_type,
    cookie: u64,
) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let link = unsafe { &mut attr.link_create };
    link.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    link.attach_type = attach as u32;
    link.__bindgen_anon_3.tracing.cookie = cookie;
    bpf_fd(
        bpf_cmd::BPF_LINK_CREATE,
        "BPF_LINK_CREATE (tracing)",
        &mut attr,
    )
}

/// Attaches to many kernel functions at once, each with a cookie. Linux 5.18 with `CONFIG_FPROBE`.
pub fn link_kprobe_multi(
    program: BorrowedFd<'_>,
    functions: &[*const c_char],
    cookies: &[u64],
    on_return: bool,
) -> Result<OwnedFd> {
    debug_assert_eq!(functions.len(), cookies.len());
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let link = unsafe { &mut attr.link_create };
    link.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    link.attach_type = bpf_attach_type::BPF_TRACE_KPROBE_MULTI as u32;
    // SAFETY: as above.
    let multi = unsafe { &mut link.__bindgen_anon_3.kprobe_multi };
    multi.flags = if on_return {
        BPF_F_KPROBE_MULTI_RETURN
    } else {
        0
    };
    multi.cnt = functions.len() as u32;
    multi.syms = functions.as_ptr() as u64;
    multi.cookies = cookies.as_ptr() as u64;
    bpf_fd(
        bpf_cmd::BPF_LINK_CREATE,
        "BPF_LINK_CREATE (kprobe.multi)",
        &mut attr,
    )
}

/// Where in a file to attach, for [`link_uprobe_multi`].
pub struct UprobeTargets<'a> {
    /// The binary or library.
    pub path: &'a CStr,
    /// File offsets of the instructions.
    pub offsets: &'a [u64],
    /// A cookie for each.
    pub cookies: &'a [u64],
    /// Where in the file the count lies that says whether each is attached to, 0 for none; empty for none at all.
    pub semaphores: &'a [u64],
    /// Only this process; 0 for all.
    pub pid: u32,
    /// At the function's return.
    pub on_return: bool,
}

/// Attaches to many places of a user binary at once, each with a cookie. Linux 6.6.
pub fn link_uprobe_multi(program: BorrowedFd<'_>, targets: &UprobeTargets<'_>) -> Result<OwnedFd> {
    debug_assert_eq!(targets.offsets.len(), targets.cookies.len());
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let link = unsafe { &mut attr.link_create };
    link.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    link.attach_type = bpf_attach_type::BPF_TRACE_UPROBE_MULTI as u32;
    // SAFETY: as above.
    let multi = unsafe { &mut link.__bindgen_anon_3.uprobe_multi };
    multi.path = targets.path.as_ptr() as u64;
    multi.offsets = targets.offsets.as_ptr() as u64;
    multi.cookies = targets.cookies.as_ptr() as u64;
    if !targets.semaphores.is_empty() {
        debug_assert_eq!(targets.offsets.len(), targets.semaphores.len());
        multi.ref_ctr_offsets = targets.semaphores.as_ptr() as u64;
    }
    multi.cnt = targets.offsets.len() as u32;
    multi.flags = if targets.on_return {
        BPF_F_UPROBE_MULTI_RETURN
    } else {
        0
    };
    multi.pid = targets.pid;
    bpf_fd(
        bpf_cmd::BPF_LINK_CREATE,
        "BPF_LINK_CREATE (uprobe.multi)",
        &mut attr,
    )
}

/// Attaches to a perf event with a cookie. Linux 5.15. Detached when the descriptor is closed.
pub fn link_perf_event(
    program: BorrowedFd<'_>,
    event: BorrowedFd<'_>,
    cookie: u64,
) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let link = unsafe { &mut attr.link_create };
    link.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    link.__bindgen_anon_2.target_fd = event.as_raw_fd() as u32;
    link.attach_type = bpf_attach_type::BPF_PERF_EVENT as u32;
    link.__bindgen_anon_3.perf_event.bpf_cookie = cookie;
    bpf_fd(
        bpf_cmd::BPF_LINK_CREATE,
        "BPF_LINK_CREATE (perf event)",
        &mut attr,
    )
}
