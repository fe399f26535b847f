//! syscount's part of the border.

/// What syscount counts by: the value of its `MODE`.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By system call.
    Syscall = 0,
    /// By process (thread group).
    Process = 1,
    /// By cgroup.
    Cgroup = 2,
    /// By error number; failed calls only.
    Errno = 3,
}

/// Numbers of one ABI's system calls: an index is `abi * ABI_STRIDE + number`.
pub const ABI_STRIDE: u32 = 1024;

/// ABIs: native, 32-bit compat, and x32 (x86-64 only).
pub const ABIS: u32 = 3;

/// Indices in all.
pub const INDICES: u32 = ABI_STRIDE * ABIS;

/// The bit that marks an x32 call: `__X32_SYSCALL_BIT` of `arch/x86/include/uapi/asm/unistd.h`.
pub const X32_BIT: u64 = 0x4000_0000;
