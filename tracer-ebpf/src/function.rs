//! Which of the functions that are traced has been hit.

use aya_ebpf::{EbpfContext, helpers::bpf_get_attach_cookie, macros::map, maps::HashMap};
use tracer_common::function::Identify;

use crate::task;

constants! {
    /// How a function is told: an [`Identify`].
    IDENTIFY: u32 = 0;
    /// Byte offset of the instruction pointer in `pt_regs`.
    OFFSET_REGS_IP: u32 = 0;
    /// Byte offset of the stack pointer in `pt_regs`.
    OFFSET_REGS_SP: u32 = 0;
    /// How far a kprobe's instruction pointer is behind the function's address: 1 on x86, where it
    /// stands behind the breakpoint.
    IP_AHEAD: u32 = 0;
}

/// The index of a function by its address. User space fills it where it is needed.
#[map]
static INDEX_OF: HashMap<u64, u32> = HashMap::with_max_entries(1, 0);

/// The index of the function that was hit; `None` for one that is not known.
#[inline(always)]
pub fn index(ctx: &impl EbpfContext) -> Option<u32> {
    let identify = IDENTIFY.load();
    if identify == Identify::Only as u32 {
        return Some(0);
    }
    if identify == Identify::Cookie as u32 {
        // SAFETY: the helper takes the program's own context.
        return Some(unsafe { bpf_get_attach_cookie(ctx.as_ptr()) } as u32);
    }
    let address = task::read::<u64>(ctx.as_ptr() as u64, OFFSET_REGS_IP.load())?;
    // SAFETY: user space fills the map before anything is attached.
    unsafe { INDEX_OF.get(&(address - u64::from(IP_AHEAD.load()))) }.copied()
}

/// The stack pointer where the function was hit.
#[inline(always)]
pub fn stack_pointer(ctx: &impl EbpfContext) -> u64 {
    task::read::<u64>(ctx.as_ptr() as u64, OFFSET_REGS_SP.load()).unwrap_or(0)
}
