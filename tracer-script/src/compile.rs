//! The passes, in their order.

use crate::{check::Params, diagnostic::Diagnostics, facts::Facts, program::Image};

/// What is compiled, and for whom.
pub struct Input<'a> {
    /// The script's text.
    pub source: &'a str,
    /// Parameters and what is allowed.
    pub params: &'a Params,
    /// The environment, of which `BPFTRACE_*` is looked at.
    pub environment: &'a [(String, String)],
    /// The kernel.
    pub facts: &'a dyn Facts,
}

/// Compiles a script. Without an image, the diagnostics have an error.
pub fn compile(input: &Input<'_>) -> (Option<Image>, Diagnostics) {
    let _ = input;
    (None, Diagnostics::default())
}

/// The number of a signal by its name.
pub fn signal_number(_name: &str) -> Option<u32> {
    None
}

/// Where a register lies in `struct pt_regs`.
pub fn register_offset(_name: &str) -> Option<u32> {
    None
}
