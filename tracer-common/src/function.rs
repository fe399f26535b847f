//! What the function tools share with the kernel.

/// How the kernel side tells which function was hit.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identify {
    /// There is only one.
    Only = 0,
    /// By the cookie of its attachment, which is its index. Linux 5.15.
    Cookie = 1,
    /// By the instruction pointer: kernel functions on older kernels.
    Address = 2,
}

/// Calls that a thread is in the midst of, one inside the other, at most.
pub const DEPTH: usize = 24;

/// One call that has not returned.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Frame {
    /// When it began, in nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// The function's index.
    pub index: u64,
    /// The stack pointer then.
    pub stack: u64,
}

/// The calls that a thread is in the midst of, the innermost last.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Frames {
    /// How many there are; more than [`DEPTH`] where the innermost found no room.
    pub depth: u64,
    /// The calls.
    pub frames: [Frame; DEPTH],
}

const _: () = assert!(size_of::<Frames>() == 8 + 24 * DEPTH);
