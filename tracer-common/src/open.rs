//! opensnoop's part of the border.

use crate::COMM_BYTES;

/// What comes before the strings of an open's event.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Open {
    /// When it returned, in nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// The cgroup of the thread.
    pub cgroup: u64,
    /// `O_*`.
    pub flags: u64,
    /// The descriptor, or the negative error.
    pub result: i64,
    /// The process.
    pub tgid: u32,
    /// The thread.
    pub tid: u32,
    /// The user.
    pub uid: u32,
    /// Which call: an index of [`CALLS`].
    pub call: u32,
    /// Bytes of the path that was asked for; it stands behind this struct.
    pub path_bytes: u32,
    /// Bytes of the names, each with a NUL behind, of the folders that a relative path begins at, from
    /// the innermost to the root; they stand behind the path.
    pub base_bytes: u32,
    /// [`PATH_CUT`], [`BASE_CUT`], [`PATH_UNREADABLE`].
    pub marks: u32,
    /// Zero.
    pub padding: u32,
    /// The thread's name.
    pub comm: [u8; COMM_BYTES],
}

const _: () = assert!(size_of::<Open>() == 80);

/// The path is longer than what is here.
pub const PATH_CUT: u32 = 1;
/// The folders go on towards the root.
pub const BASE_CUT: u32 = 2;
/// The path could not be read.
pub const PATH_UNREADABLE: u32 = 4;

/// The calls that open.
pub const CALLS: [&str; 4] = ["open", "creat", "openat", "openat2"];

/// Bytes of a path: `PATH_MAX` of `include/uapi/linux/limits.h`.
pub const PATH_BYTES: usize = 4096;

/// Bytes of the names of folders.
pub const BASE_BYTES: usize = 4096;

/// Bytes of one name with its NUL: `NAME_MAX` is 255.
pub const NAME_BYTES: usize = 256;

/// Folders between one and the root, at most.
pub const DEPTH: usize = 64;
