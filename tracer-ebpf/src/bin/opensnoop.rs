//! opensnoop: each call that opens a file, as it returns, with the path that was asked for and, where that
//! is relative, the folder that it begins at.
//!
//! One program, on the return of every call: the arguments are still in the registers, and the path is
//! in memory, as the kernel has just read it.

#![no_std]
#![no_main]

use aya_ebpf::{
    helpers::{
        bpf_get_current_comm, bpf_get_current_task, bpf_get_current_uid_gid,
        generated::{bpf_probe_read_kernel_str, bpf_probe_read_user_str},
    },
    macros::{map, raw_tracepoint, tracepoint},
    maps::PerCpuArray,
    programs::{RawTracePointContext, TracePointContext},
};
use tracer_common::{
    loss::Loss,
    open::{BASE_BYTES, BASE_CUT, DEPTH, NAME_BYTES, Open, PATH_BYTES, PATH_CUT, PATH_UNREADABLE},
};
use tracer_ebpf::{
    aggregate::opaque,
    constants, events,
    filter::{self, Task},
    loss::lost,
    syscall::{self, Exit},
    task,
};

constants! {
    /// Numbers of `open`, `creat`, `openat` and `openat2`.
    OPEN_CALLS: [u32; 4] = [u32::MAX; 4];
    /// The same for a 32-bit call.
    OPEN_CALLS_COMPAT: [u32; 4] = [u32::MAX; 4];
    /// 1: only those that fail.
    FAILED_ONLY: u32 = 0;
    /// Byte offset of `task_struct.fs`.
    OFFSET_TASK_FS: u32 = 0;
    /// Byte offset of `fs_struct.pwd.mnt`.
    OFFSET_FS_PWD_MNT: u32 = 0;
    /// Byte offset of `fs_struct.pwd.dentry`.
    OFFSET_FS_PWD_DENTRY: u32 = 0;
    /// Byte offset of `task_struct.files`.
    OFFSET_TASK_FILES: u32 = 0;
    /// Byte offset of `files_struct.fdt`.
    OFFSET_FILES_FDT: u32 = 0;
    /// Byte offset of `fdtable.fd`.
    OFFSET_FDTABLE_FD: u32 = 0;
    /// Byte offset of `fdtable.max_fds`.
    OFFSET_FDTABLE_MAX: u32 = 0;
    /// Byte offset of `file.f_path.mnt`.
    OFFSET_FILE_MNT: u32 = 0;
    /// Byte offset of `file.f_path.dentry`.
    OFFSET_FILE_DENTRY: u32 = 0;
    /// Byte offset of `dentry.d_parent`.
    OFFSET_DENTRY_PARENT: u32 = 0;
    /// Byte offset of `dentry.d_name.name`.
    OFFSET_DENTRY_NAME: u32 = 0;
    /// Byte offset of `vfsmount.mnt_root`.
    OFFSET_VFSMOUNT_ROOT: u32 = 0;
    /// Byte offset of `mount.mnt`, the `vfsmount` in it.
    OFFSET_MOUNT_MNT: u32 = 0;
    /// Byte offset of `mount.mnt_parent`.
    OFFSET_MOUNT_PARENT: u32 = 0;
    /// Byte offset of `mount.mnt_mountpoint`.
    OFFSET_MOUNT_MOUNTPOINT: u32 = 0;
}

/// `AT_FDCWD`.
const CURRENT_FOLDER: i32 = -100;

/// Bytes behind the header: the path, the folders, and room for one more name than fits, so that a bound
/// on where a name begins is enough.
const STRING_BYTES: usize = PATH_BYTES + BASE_BYTES + NAME_BYTES;

#[repr(C)]
struct Scratch {
    open: Open,
    strings: [u8; STRING_BYTES],
}

#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

#[raw_tracepoint(tracepoint = "sys_exit")]
pub fn sys_exit(ctx: RawTracePointContext) -> u32 {
    returned(&ctx);
    0
}

/// The same by the tracepoint's event.
#[tracepoint]
pub fn sys_exit_event(ctx: TracePointContext) -> u32 {
    returned(&ctx);
    0
}

#[inline(always)]
fn returned(ctx: &impl Exit) {
    let number = ctx.number();
    // The 32-bit numbers are other calls' in a 64-bit program: only a candidate is looked at twice.
    let (native, compat) = (
        index(OPEN_CALLS.load(), number),
        index(OPEN_CALLS_COMPAT.load(), number),
    );
    if native.is_none() && compat.is_none() {
        return;
    }
    let is_compat = syscall::is_compat();
    let Some(call) = (if is_compat { compat } else { native }) else {
        return;
    };
    let result = ctx.result();
    if FAILED_ONLY.load() != 0 && result >= 0 {
        return;
    }
    if let Some(task) = filter::wanted() {
        opened(task, ctx.registers(), call, is_compat, result);
    }
}

#[inline(always)]
fn index(calls: [u32; 4], number: u32) -> Option<u32> {
    if number == calls[0] {
        Some(0)
    } else if number == calls[1] {
        Some(1)
    } else if number == calls[2] {
        Some(2)
    } else if number == calls[3] {
        Some(3)
    } else {
        None
    }
}

#[inline(always)]
fn opened(task: Task, regs: u64, call: u32, compat: bool, result: i64) {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: the value lives as long as the map, and only this CPU uses it: tracepoints of calls do not
    // nest.
    let scratch = unsafe { &mut *scratch };
    let at_folder = call >= 2;
    let path = syscall::argument(regs, at_folder as usize, compat);
    let flags = syscall::argument(regs, at_folder as usize + 1, compat);
    scratch.open = Open {
        time: task::now(),
        cgroup: task::cgroup_id(),
        flags: match call {
            1 => (O_CREAT | O_WRONLY | O_TRUNC) as u64,
            3 => read_user(flags).unwrap_or(0),
            _ => flags,
        },
        result,
        tgid: task.tgid,
        tid: task.tid,
        uid: bpf_get_current_uid_gid() as u32,
        call,
        comm: bpf_get_current_comm().unwrap_or_default(),
        ..Open::default()
    };
    read_path(scratch, path);
    if scratch.open.path_bytes > 0 && scratch.strings[0] != b'/' {
        let folder = if at_folder {
            syscall::argument(regs, 0, compat) as i32
        } else {
            CURRENT_FOLDER
        };
        read_base(scratch, folder);
    }
    send(scratch);
}

const O_WRONLY: u32 = 1;
const O_CREAT: u32 = 0o100;
const O_TRUNC: u32 = 0o1000;

/// `open_how.flags`, its first member.
#[inline(always)]
fn read_user(address: u64) -> Option<u64> {
    // SAFETY: the helper checks the address.
    unsafe { aya_ebpf::helpers::bpf_probe_read_user(address as *const u64) }.ok()
}

#[inline(always)]
fn read_path(scratch: &mut Scratch, path: u64) {
    let to = scratch.strings.as_mut_ptr().cast();
    // SAFETY: the buffer has room for PATH_BYTES; the helper checks the address.
    let read = unsafe { bpf_probe_read_user_str(to, PATH_BYTES as u32, path as *const _) };
    if read <= 0 {
        scratch.open.marks |= PATH_UNREADABLE;
        return lost(Loss::ReadFault);
    }
    // The string's length with its NUL; a cut one fills the buffer.
    let length = read as u32 - 1;
    if length as usize == PATH_BYTES - 1 {
        // The kernel refuses a path of PATH_MAX bytes or more with ENAMETOOLONG: this one may be longer.
        scratch.open.marks |= PATH_CUT;
        lost(Loss::StringCut);
    }
    scratch.open.path_bytes = length;
}

/// The folder that a relative path begins at: mount and dentry.
#[inline(always)]
fn base_of(folder: i32) -> Option<(u64, u64)> {
    // SAFETY: the helper takes no argument.
    let task = unsafe { bpf_get_current_task() };
    if folder == CURRENT_FOLDER {
        let fs = task::read::<u64>(task, OFFSET_TASK_FS.load())?;
        let mount = task::read::<u64>(fs, OFFSET_FS_PWD_MNT.load())?;
        return Some((mount, task::read::<u64>(fs, OFFSET_FS_PWD_DENTRY.load())?));
    }
    let files = task::read::<u64>(task, OFFSET_TASK_FILES.load())?;
    let table = task::read::<u64>(files, OFFSET_FILES_FDT.load())?;
    if folder < 0 || folder as u32 >= task::read::<u32>(table, OFFSET_FDTABLE_MAX.load())? {
        return None;
    }
    let descriptors = task::read::<u64>(table, OFFSET_FDTABLE_FD.load())?;
    let file = task::read::<u64>(descriptors + 8 * u64::from(folder as u32), 0)?;
    if file == 0 {
        return None;
    }
    let mount = task::read::<u64>(file, OFFSET_FILE_MNT.load())?;
    Some((mount, task::read::<u64>(file, OFFSET_FILE_DENTRY.load())?))
}

/// Walks from a folder to the root, across mounts, and notes each name.
#[inline(always)]
fn read_base(scratch: &mut Scratch, folder: i32) {
    let Some((mut mount, mut dentry)) = base_of(folder) else {
        scratch.open.marks |= BASE_CUT;
        return;
    };
    let begin = scratch.open.path_bytes;
    let mut end = begin;
    for _ in 0..DEPTH {
        let Some(parent) = step(&mut mount, &mut dentry) else {
            break;
        };
        if parent == 0 {
            scratch.open.base_bytes = end - begin;
            return;
        }
        let name = task::read::<u64>(dentry, OFFSET_DENTRY_NAME.load()).unwrap_or(0);
        let place = opaque(u64::from(end));
        if place > (PATH_BYTES + BASE_BYTES) as u64 {
            break;
        }
        // SAFETY: NAME_BYTES fit behind any place up to the bound above; the helper checks the address.
        let read = unsafe {
            let to = scratch.strings.as_mut_ptr().add(place as usize).cast();
            bpf_probe_read_kernel_str(to, NAME_BYTES as u32, name as *const _)
        };
        if read <= 0 || read > NAME_BYTES as i64 {
            break;
        }
        end += read as u32;
        dentry = parent;
    }
    scratch.open.base_bytes = end - begin;
    scratch.open.marks |= BASE_CUT;
    lost(Loss::StringCut);
}

/// Goes from the root of a mount to where it is mounted, and gives the parent of where that is; 0 at the
/// root of all.
#[inline(always)]
fn step(mount: &mut u64, dentry: &mut u64) -> Option<u64> {
    // A mount may be mounted on the root of another.
    for _ in 0..4 {
        if *dentry != task::read::<u64>(*mount, OFFSET_VFSMOUNT_ROOT.load())? {
            return task::read::<u64>(*dentry, OFFSET_DENTRY_PARENT.load());
        }
        let whole = *mount - u64::from(OFFSET_MOUNT_MNT.load());
        let parent = task::read::<u64>(whole, OFFSET_MOUNT_PARENT.load())?;
        if parent == whole {
            return Some(0);
        }
        *dentry = task::read::<u64>(whole, OFFSET_MOUNT_MOUNTPOINT.load())?;
        *mount = parent + u64::from(OFFSET_MOUNT_MNT.load());
    }
    None
}

#[inline(always)]
fn send(scratch: &mut Scratch) {
    let strings = scratch.open.path_bytes + scratch.open.base_bytes;
    let mut bytes = opaque(size_of::<Open>() as u64 + u64::from(strings));
    if bytes > size_of::<Scratch>() as u64 {
        bytes = size_of::<Scratch>() as u64;
    }
    // SAFETY: the value is as large as the bound above.
    let bytes =
        unsafe { core::slice::from_raw_parts((&raw const *scratch).cast::<u8>(), bytes as usize) };
    events::output(bytes);
}

tracer_ebpf::license!();
