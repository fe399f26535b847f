//! execsnoop's part of the border.

use crate::COMM_BYTES;

/// What an event tells.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A process runs another program.
    Exec = 1,
    /// It could not.
    Failed = 2,
    /// A process that was seen to do so has ended.
    Exit = 3,
}

/// What comes before the strings of an event.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Exec {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// The process' cgroup.
    pub cgroup: u64,
    /// Nanoseconds since the exec, for an exit.
    pub duration: u64,
    /// A [`Kind`].
    pub kind: u32,
    /// The process.
    pub tgid: u32,
    /// Its parent.
    pub parent: u32,
    /// The user.
    pub uid: u32,
    /// 0, the negative error of a failed exec, or how a process ended, as `wait(2)` tells it.
    pub result: i32,
    /// Bytes of the arguments here, each with a NUL behind; they stand behind this struct. A failed
    /// exec's are preceded by the path.
    pub bytes: u32,
    /// Bytes of all arguments, where they are known to be more than what is here.
    pub bytes_all: u32,
    /// Zero.
    pub padding: u32,
    /// The process' name.
    pub comm: [u8; COMM_BYTES],
}

const _: () = assert!(size_of::<Exec>() == 72);

/// Bytes of arguments, at most.
pub const ARGUMENT_BYTES: usize = 16_384;

/// Arguments of an exec that failed, at most.
pub const ARGUMENTS: usize = 320;
