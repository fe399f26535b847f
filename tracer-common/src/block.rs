//! What the block I/O tools share with the kernel.

use crate::COMM_BYTES;

/// One block I/O request on its way, and the event that it ends as.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Io {
    /// When it entered the queue of the kernel, in nanoseconds of `CLOCK_MONOTONIC`; 0 where it went
    /// straight to the driver, or where that was not watched.
    pub queued: u64,
    /// When it was given to the driver, the last time if it was more than once; 0 before that.
    pub issued: u64,
    /// When the driver was done with all of it; 0 before that.
    pub completed: u64,
    /// The first sector, of 512 bytes.
    pub sector: u64,
    /// The cgroup of the task that asked for it.
    pub cgroup: u64,
    /// Bytes of data.
    pub bytes: u32,
    /// Operation and flags: `request.cmd_flags`.
    pub flags: u32,
    /// The disk, as the kernel keeps it: major number << 20 | minor number.
    pub device: u32,
    /// The process that asked for it.
    pub tgid: u32,
    /// Its thread.
    pub tid: u32,
    /// The error it ended with, negative; 0 where it ended well.
    pub error: i32,
    /// 0 where the filters leave it out.
    pub wanted: u32,
    /// Zero.
    pub padding: u32,
    /// The name of that thread.
    pub comm: [u8; COMM_BYTES],
}

const _: () = assert!(size_of::<Io>() == 88);

/// The bits of `request.cmd_flags` that hold the operation: `REQ_OP_MASK` of
/// `include/linux/blk_types.h`.
pub const OPERATION_MASK: u32 = 0xff;

/// What biolatency tells apart: the value of its `MODE`.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: one histogram.
    All = 0,
    /// Disks.
    Disk = 1,
    /// Operations with their flags.
    Flags = 2,
    /// Processes.
    Process = 3,
    /// Cgroups.
    Cgroup = 4,
}
