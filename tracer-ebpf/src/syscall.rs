//! Numbers and arguments of system calls, as the registers that the tracepoints hand over have them.

use aya_ebpf::{
    helpers::{bpf_get_current_task_btf, generated::bpf_task_pt_regs},
    programs::{RawTracePointContext, TracePointContext},
};

use crate::task::{self, TYPED_TASK};

constants! {
    /// 1 on x86-64, where a 64-bit kernel runs 32-bit programs by other numbers.
    X86: u32 = 0;
    /// Byte offset of `task_struct.thread_info.status`, which tells a 32-bit call (x86-64).
    OFFSET_TASK_STATUS: u32 = 0;
    /// Byte offset of the call's number in `pt_regs`.
    OFFSET_REGS_NUMBER: u32 = 0;
    /// Byte offsets of the first four arguments in `pt_regs`.
    OFFSET_REGS_ARGUMENTS: [u32; 4] = [0; 4];
    /// The same for a 32-bit call.
    OFFSET_REGS_ARGUMENTS_COMPAT: [u32; 4] = [0; 4];
}

constants! {
    /// Byte offset of `id` in the event `raw_syscalls:sys_enter`.
    OFFSET_ENTER_NUMBER: u32 = 0;
    /// Byte offset of `id` in the event `raw_syscalls:sys_exit`.
    OFFSET_EXIT_NUMBER: u32 = 0;
    /// Byte offset of `ret` in that event.
    OFFSET_EXIT_RESULT: u32 = 0;
}

/// A call that returns, as either of the tracepoint's two forms tells it.
pub trait Exit {
    /// Its result.
    fn result(&self) -> i64;
    /// Its number.
    fn number(&self) -> u32;
    /// The address of the registers that it was made with.
    fn registers(&self) -> u64;
}

impl Exit for RawTracePointContext {
    #[inline(always)]
    fn result(&self) -> i64 {
        self.arg::<u64>(1) as i64
    }

    #[inline(always)]
    fn number(&self) -> u32 {
        number(self.registers())
    }

    #[inline(always)]
    fn registers(&self) -> u64 {
        self.arg(0)
    }
}

impl Exit for TracePointContext {
    #[inline(always)]
    fn result(&self) -> i64 {
        read_event(self, OFFSET_EXIT_RESULT.load())
    }

    #[inline(always)]
    fn number(&self) -> u32 {
        read_event(self, OFFSET_EXIT_NUMBER.load()) as u32
    }

    #[inline(always)]
    fn registers(&self) -> u64 {
        task_registers()
    }
}

/// The number of a call that begins, of the event `raw_syscalls:sys_enter`.
#[inline(always)]
pub fn entered_number(ctx: &TracePointContext) -> u64 {
    read_event(ctx, OFFSET_ENTER_NUMBER.load()) as u64
}

#[inline(always)]
fn read_event(ctx: &TracePointContext, offset: u32) -> i64 {
    // SAFETY: the offset is that of a field of 8 bytes; the helper checks the address.
    unsafe { ctx.read_at(offset as usize) }.unwrap_or(0)
}

/// True in a call by the 32-bit entry: `TS_COMPAT` in `thread_info.status`
/// (`arch/x86/include/asm/thread_info.h`), as `in_ia32_syscall()` has it.
#[inline(always)]
pub fn is_compat() -> bool {
    const TS_COMPAT: u32 = 2;
    if X86.load() == 0 {
        return false;
    }
    task::read_current::<u32>(OFFSET_TASK_STATUS.load())
        .is_some_and(|status| status & TS_COMPAT != 0)
}

/// The number of the call that the running task is in, whose registers are at `regs`.
#[inline(always)]
fn number(regs: u64) -> u32 {
    register(regs, OFFSET_REGS_NUMBER.load()).unwrap_or(u64::MAX) as u32
}

/// A register of those at `regs`, which the running task came into the kernel with.
#[inline(always)]
fn register(regs: u64, offset: u32) -> Option<u64> {
    if TYPED_TASK.load() == 0 {
        return task::read::<u64>(regs, offset);
    }
    // SAFETY: the registers lie on the running task's stack, and the verifier checks that a member of this
    // size is at the offset.
    let value = unsafe {
        let regs = task_registers() as *const u8;
        regs.add(offset as usize).cast::<u64>().read_volatile()
    };
    Some(value)
}

/// The address of the registers that the running task came into the kernel with. Linux 5.15.
#[inline(always)]
fn task_registers() -> u64 {
    // SAFETY: the helper takes the running task.
    unsafe { bpf_task_pt_regs(bpf_get_current_task_btf().cast()) as u64 }
}

/// One of the first four arguments. They are still there when the call returns.
#[inline(always)]
pub fn argument(regs: u64, index: usize, compat: bool) -> u64 {
    let offsets = if compat {
        OFFSET_REGS_ARGUMENTS_COMPAT.load()
    } else {
        OFFSET_REGS_ARGUMENTS.load()
    };
    let value = register(regs, offsets[index & 3]).unwrap_or(0);
    if compat { value & 0xffff_ffff } else { value }
}
