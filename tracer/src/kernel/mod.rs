//! The running kernel: what it is, what it can do, and the way into it.
//!
//! **Architecture invariant:** no kernel layout is fixed at build time. Offsets come from here, out of
//! the running kernel's BTF or the tracepoints' `format` files, and reach the kernel side as constants.

pub mod cgroup;
pub mod clock;
pub mod disk;
pub mod process;
pub mod user;
