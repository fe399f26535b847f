//! From the id of a cgroup to its folder, by a file handle.
//!
//! The id that the kernel gives (`cgroup_id()` of `include/linux/cgroup.h`) is that of the cgroup's node
//! in kernfs. On 64-bit kernels it is the inode number of the cgroup's folder as well
//! (`kernfs_ino()`, `include/linux/kernfs.h`), and from Linux 5.5 on it makes a handle of type
//! `FILEID_KERNFS` (`include/linux/exportfs.h`), which `kernfs_fh_to_dentry()` of `fs/kernfs/mount.c`
//! opens. Ids are not used again: their upper half counts the rounds that the lower half has made.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    path::PathBuf,
};

/// `FILEID_KERNFS` of `include/linux/exportfs.h`.
const FILEID_KERNFS: i32 = 0xfe;

/// `struct file_handle` of `include/linux/fs.h` with the 8 bytes that kernfs has in one.
#[repr(C)]
struct KernfsHandle {
    handle_bytes: u32,
    handle_type: i32,
    id: u64,
}

/// The absolute path of the cgroup's folder; `None` where there is no such cgroup (any more). `mount` is
/// the mount point, open for reading.
///
/// Needs `CAP_DAC_READ_SEARCH`: without it the error is `EPERM`.
pub(super) fn path_of(mount: &File, id: u64) -> io::Result<Option<PathBuf>> {
    let folder = match open(mount, id) {
        Ok(folder) => folder,
        Err(error) if error.raw_os_error() == Some(libc::ESTALE) => return Ok(None),
        Err(error) => return Err(error),
    };
    let link = format!("/proc/self/fd/{}", folder.as_raw_fd());
    let path = std::fs::read_link(link)?;
    // What the kernel writes behind the name where the folder has just been removed.
    let name = path.as_os_str().as_bytes();
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    Ok(Some(OsString::from_vec(name.to_vec()).into()))
}

fn open(mount: &File, id: u64) -> io::Result<OwnedFd> {
    let mut handle = KernfsHandle {
        handle_bytes: size_of::<u64>() as u32,
        handle_type: FILEID_KERNFS,
        id,
    };
    // SAFETY: the handle is laid out as struct file_handle with as many bytes behind the header as
    // handle_bytes says, and lives through the call, which only reads it.
    let fd = unsafe {
        libc::open_by_handle_at(
            mount.as_raw_fd(),
            (&raw mut handle).cast(),
            libc::O_PATH | libc::O_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
