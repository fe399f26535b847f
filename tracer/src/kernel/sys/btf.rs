//! Type information: that of programs and maps, and that of modules.

use std::{
    mem,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use aya_obj::generated::{bpf_btf_info, bpf_cmd};

use super::{Result, bpf, bpf_fd, object_info, zeroed_attr};

/// Loads BTF type information, which some map kinds demand.
pub fn btf_load(btf: &[u8]) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_7.btf = btf.as_ptr() as u64;
    attr.__bindgen_anon_7.btf_size = btf.len() as u32;
    bpf_fd(bpf_cmd::BPF_BTF_LOAD, "BPF_BTF_LOAD", &mut attr)
}

/// The BTF object of a module of the kernel; [`None`] where there is none of this name. Programs that are
/// attached to a module's functions name it. Linux 5.11.
///
/// Goes through all BTF objects that are loaded: there is no call that finds one by its name.
pub fn btf_of_module(name: &str) -> Result<Option<OwnedFd>> {
    let mut id = 0;
    while let Some(next) = btf_next_id(id)? {
        id = next;
        let object = match btf_by_id(id) {
            // It has gone meanwhile.
            Err(error) if error.errno() == libc::ENOENT => continue,
            object => object?,
        };
        if btf_module_name(object.as_fd())?.as_deref() == Some(name.as_bytes()) {
            return Ok(Some(object));
        }
    }
    Ok(None)
}

fn btf_next_id(id: u32) -> Result<Option<u32>> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.start_id = id;
    match bpf(
        bpf_cmd::BPF_BTF_GET_NEXT_ID,
        "BPF_BTF_GET_NEXT_ID",
        &mut attr,
    ) {
        // SAFETY: the kernel has written the id to this member.
        Ok(_) => Ok(Some(unsafe { attr.__bindgen_anon_6.next_id })),
        Err(error) if error.errno() == libc::ENOENT => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn btf_by_id(id: u32) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.btf_id = id;
    bpf_fd(
        bpf_cmd::BPF_BTF_GET_FD_BY_ID,
        "BPF_BTF_GET_FD_BY_ID",
        &mut attr,
    )
}

/// The name of the kernel's part that a BTF object describes; [`None`] for a program's.
fn btf_module_name(object: BorrowedFd<'_>) -> Result<Option<Vec<u8>>> {
    // `MODULE_NAME_LEN` of include/linux/module.h is 64 minus a word.
    let mut name = [0u8; 64];
    // SAFETY: bpf_btf_info is plain integers, for which zero is a valid value.
    let mut info: bpf_btf_info = unsafe { mem::zeroed() };
    info.name = name.as_mut_ptr() as u64;
    info.name_len = name.len() as u32;
    object_info(object, &mut info)?;
    let length = name.iter().position(|&byte| byte == 0);
    let name = name[..length.unwrap_or(name.len())].to_vec();
    Ok((info.kernel_btf != 0).then_some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_types_are_found_by_name() {
        match btf_of_module("vmlinux") {
            Ok(found) => assert!(found.is_some()),
            Err(error) if error.errno() == libc::EPERM => {
                return eprintln!("SKIPPED: needs CAP_SYS_ADMIN: {error}");
            }
            Err(error) => panic!("{error}"),
        }
        let none = btf_of_module("no_such_module").expect("as before");
        assert!(none.is_none());
    }
}
