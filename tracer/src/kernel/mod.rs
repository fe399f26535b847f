//! The running kernel: what it is, what it can do, and the way into it.
//!
//! **Architecture invariant:** no kernel layout is fixed at build time. Offsets come from here, out of
//! the running kernel's BTF or the tracepoints' `format` files, and reach the kernel side as constants.

pub mod btf;
pub mod cgroup;
pub mod clock;
pub mod cpus;
pub mod demangle;
pub mod disk;
pub mod dwarf;
pub mod facts;
pub mod functions;
pub mod instructions;
pub mod local_storage;
pub mod map;
pub mod markers;
pub mod mini_debug;
pub mod object;
pub mod plan;
pub mod process;
pub mod programs;
mod root;
pub mod session;
pub mod symbols;
pub mod sys;
pub mod sys_privileges;
pub mod syscalls;
pub mod tracepoint;
pub mod unwind;
pub mod user;

pub use facts::Kernel;
