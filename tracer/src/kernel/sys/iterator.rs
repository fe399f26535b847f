//! Iterators: programs that the kernel runs for each of its objects of a kind while a descriptor is read.
//!
//! Source: `Documentation/bpf/bpf_iterators.rst`. Linux 5.8.

use std::{
    ffi::CStr,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use aya_obj::generated::{bpf_attach_type, bpf_cmd};

use super::{Result, bpf, bpf_fd, zeroed_attr};

/// Makes the link of a program that was loaded for an iterator. Nothing is run yet.
pub fn link_iterator(program: BorrowedFd<'_>) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let link = unsafe { &mut attr.link_create };
    link.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    link.attach_type = bpf_attach_type::BPF_TRACE_ITER as u32;
    bpf_fd(
        bpf_cmd::BPF_LINK_CREATE,
        "BPF_LINK_CREATE (iterator)",
        &mut attr,
    )
}

/// Keeps an object of the kernel as a file, for as long as that is there: in a file system of type `bpf` (bpf(2)).
pub fn pin(object: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_4.bpf_fd = object.as_raw_fd() as u32;
    attr.__bindgen_anon_4.pathname = path.as_ptr() as u64;
    bpf(bpf_cmd::BPF_OBJ_PIN, "BPF_OBJ_PIN", &mut attr).map(drop)
}

/// Begins to go through all objects: each read from the descriptor runs the program for some of them, until it has
/// written as many bytes as there is room for. Nothing read is the end.
pub fn iterator_begin(link: BorrowedFd<'_>) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.iter_create.link_fd = link.as_raw_fd() as u32;
    bpf_fd(bpf_cmd::BPF_ITER_CREATE, "BPF_ITER_CREATE", &mut attr)
}
