//! What is asked of the machine beside types and attach points.

use std::{fs, os::linux::fs::MetadataExt as _, path::Path};

use tracer_script::{facts::UserSymbol, probe::AttachKind};

use crate::{
    kernel::{
        Kernel, symbols,
        syscalls::{self, Abi},
    },
    probe::{Functions, Hook, UserFunctions},
};

/// The address of a symbol of the kernel; [`None`] where there is none of this name, or the kernel hides
/// addresses (`man 5 proc`, `kernel.kptr_restrict`).
pub(super) fn kernel_symbol(name: &str) -> Option<u64> {
    const KALLSYMS: &str = "/proc/kallsyms";
    let symbols = match fs::read(KALLSYMS) {
        Ok(symbols) => symbols,
        Err(error) => {
            log::warn!("cannot read {KALLSYMS}: {error}");
            return None;
        }
    };
    address_of(&symbols, name)
}

/// `ffffffff81000000 T _stext`, or with `<tab>[module]` behind, a line.
fn address_of(symbols: &[u8], name: &str) -> Option<u64> {
    let wanted = format!(" {name}");
    for at in memchr::memmem::find_iter(symbols, wanted.as_bytes()) {
        let ends = symbols.get(at + wanted.len());
        if !matches!(ends, None | Some(b'\n' | b'\t')) {
            continue;
        }
        let line = symbols[..at].rsplit(|&byte| byte == b'\n').next()?;
        let digits = line.split(|&byte| byte == b' ').next()?;
        let address = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        return (address != 0).then_some(address);
    }
    None
}

/// A function or variable of a file.
pub(super) fn user_symbol(path: &str, name: &str) -> Option<UserSymbol> {
    let found = readable(path, symbols::address(Path::new(path), name));
    found.map(|(address, size)| UserSymbol { address, size })
}

/// The address of a place of a file, in the program's own numbering.
pub(super) fn user_address(path: &str, offset: u64) -> Option<u64> {
    readable(path, symbols::address_of_offset(Path::new(path), offset))
}

/// What was found in a file, with a warning where it cannot be read.
fn readable<T>(path: &str, found: anyhow::Result<Option<T>>) -> Option<T> {
    found.unwrap_or_else(|error| {
        log::warn!("cannot read the symbols of {path}: {error:#}");
        None
    })
}

/// The number of a cgroup: the inode number of its folder, on 64-bit kernels (`kernfs_ino()` of
/// include/linux/kernfs.h). A folder that is no cgroup has none.
pub(super) fn cgroup_id(path: &str) -> Option<u64> {
    let folder = Path::new(path);
    if !folder.join("cgroup.procs").exists() {
        return None;
    }
    fs::metadata(folder).ok().map(|found| found.st_ino())
}

pub(super) fn syscall_number(name: &str) -> Option<u32> {
    let numbers = syscalls::numbers(name);
    let native = numbers.into_iter().find(|(abi, _)| *abi == Abi::Native);
    native.map(|(_, number)| number)
}

/// True where one link attaches to many functions.
pub(super) fn has_multi(kernel: &Kernel, kind: AttachKind) -> bool {
    let hook = match kind {
        AttachKind::Kprobe | AttachKind::Kretprobe => Hook::KprobeMulti(Functions {
            names: Vec::new(),
            on_return: kind.is_return(),
        }),
        AttachKind::Uprobe | AttachKind::Uretprobe => Hook::UprobeMulti(UserFunctions {
            path: "/".into(),
            offsets: Vec::new(),
            pid: None,
            on_return: kind.is_return(),
        }),
        _ => return false,
    };
    hook.available(kernel).is_ok()
}

/// True where each place that a program is attached to can have a number of its own, which the program asks for
/// by `bpf_get_attach_cookie`.
pub(super) fn has_cookie(kernel: &Kernel, kind: AttachKind) -> bool {
    use AttachKind::*;
    match kind {
        Kprobe | Kretprobe | Uprobe | Uretprobe | Usdt | Tracepoint | Profile | Interval
        | Software | Hardware | Watchpoint => kernel.since(5, 15),
        Fentry | Fexit => kernel.since(6, 0),
        RawTracepoint => kernel.since(6, 10),
        Begin | End | SelfSignal | Test | Bench | Iter => false,
    }
}

/// The inode and the device of this process's pid namespace, where it is not the first one.
pub(super) fn pid_namespace() -> Option<(u64, u64)> {
    // `PROC_PID_INIT_INO` of include/linux/proc_ns.h.
    const FIRST: u64 = 0xefff_fffc;
    let namespace = fs::metadata("/proc/self/ns/pid").ok()?;
    let inode = namespace.st_ino();
    (inode != FIRST).then(|| (inode, namespace.st_dev()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_found_by_their_whole_names() {
        let symbols = b"ffffffff81000010 T vfs_read_iter\nffffffff81000020 T vfs_read\n\
                        ffffffffc0000030 t in_module\t[xfs]\n0000000000000000 A hidden\n";
        assert_eq!(address_of(symbols, "vfs_read"), Some(0xffff_ffff_8100_0020));
        assert_eq!(
            address_of(symbols, "in_module"),
            Some(0xffff_ffff_c000_0030)
        );
        assert_eq!(address_of(symbols, "vfs"), None);
        assert_eq!(address_of(symbols, "hidden"), None);
    }

    #[test]
    fn only_cgroups_have_numbers() {
        assert_eq!(cgroup_id("/tmp"), None);
        assert_eq!(cgroup_id("/no/such/folder"), None);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn calls_have_their_native_numbers() {
        assert_eq!(syscall_number("openat"), Some(257));
        assert_eq!(syscall_number("nosuchcall"), None);
    }
}
