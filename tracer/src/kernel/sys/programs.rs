//! Programs that others have loaded, and their types.
//!
//! Source: `man 2 bpf`, `struct bpf_prog_info` and `struct bpf_btf_info` of `include/uapi/linux/bpf.h`.

use std::{
    mem,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use aya_obj::generated::{bpf_btf_info, bpf_cmd, bpf_prog_info};

use super::{Result, bpf, bpf_fd, btf::btf_by_id, object_info, zeroed_attr};

/// The number of the program after this one, 0 for the first; [`None`] at the end.
pub fn prog_next_id(id: u32) -> Result<Option<u32>> {
    const CALL: &str = "BPF_PROG_GET_NEXT_ID";
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.start_id = id;
    match bpf(bpf_cmd::BPF_PROG_GET_NEXT_ID, CALL, &mut attr) {
        // SAFETY: the kernel has written the id to this member.
        Ok(_) => Ok(Some(unsafe { attr.__bindgen_anon_6.next_id })),
        Err(error) if error.errno() == libc::ENOENT => Ok(None),
        Err(error) => Err(error),
    }
}

/// A program by its number.
pub fn prog_by_id(id: u32) -> Result<OwnedFd> {
    const CALL: &str = "BPF_PROG_GET_FD_BY_ID";
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.prog_id = id;
    bpf_fd(bpf_cmd::BPF_PROG_GET_FD_BY_ID, CALL, &mut attr)
}

/// The numbers of the types of a program's functions, the main one first; none where it was loaded without types.
pub fn prog_functions(program: BorrowedFd<'_>) -> Result<Vec<u32>> {
    let count = super::prog_info(program)?.nr_func_info as usize;
    let mut records = vec![[0u32; 2]; count];
    // SAFETY: bpf_prog_info is plain integers and arrays, for which zero is a valid value.
    let mut info: bpf_prog_info = unsafe { mem::zeroed() };
    info.func_info = records.as_mut_ptr() as u64;
    info.func_info_rec_size = size_of::<[u32; 2]>() as u32;
    info.nr_func_info = count as u32;
    object_info(program, &mut info)?;
    // Each is the place of its first instruction, and its type.
    Ok(records.into_iter().map(|[_, type_id]| type_id).collect())
}

/// The types of this number, as bytes.
pub fn btf_data(id: u32) -> Result<Vec<u8>> {
    let object = btf_by_id(id)?;
    let mut data = Vec::new();
    loop {
        // SAFETY: bpf_btf_info is plain integers, for which zero is a valid value.
        let mut info: bpf_btf_info = unsafe { mem::zeroed() };
        info.btf = data.as_mut_ptr() as u64;
        info.btf_size = data.len() as u32;
        object_info(object.as_fd(), &mut info)?;
        if info.btf_size as usize <= data.len() {
            data.truncate(info.btf_size as usize);
            return Ok(data);
        }
        data = vec![0; info.btf_size as usize];
    }
}
