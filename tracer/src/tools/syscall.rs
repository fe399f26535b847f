//! What the kernel side must know to read system calls from registers.

use crate::kernel::{
    Kernel,
    plan::Global,
    syscalls::{self, Abi},
};

/// The numbers of these calls; what an ABI does not have is a number that no call has.
pub fn numbers(abi: Abi, names: &[&str]) -> Vec<u32> {
    let number = |name: &&str| {
        let numbers = syscalls::numbers(name);
        numbers
            .into_iter()
            .find(|&(of, _)| of == abi)
            .map_or(u32::MAX, |(_, number)| number)
    };
    names.iter().map(number).collect()
}

/// Where `pt_regs` keeps a call's number and arguments (`man 2 syscall`).
#[cfg(target_arch = "x86_64")]
pub fn facts(kernel: &Kernel) -> anyhow::Result<Vec<Global>> {
    let registers = |names: [&str; 4]| {
        names
            .iter()
            .map(|name| kernel.offset("pt_regs", name))
            .collect::<anyhow::Result<Vec<u32>>>()
    };
    Ok(vec![
        Global::u32("X86", 1),
        Global::u32(
            "OFFSET_TASK_STATUS",
            kernel.offset("task_struct", "thread_info.status")?,
        ),
        Global::u32("OFFSET_REGS_NUMBER", kernel.offset("pt_regs", "orig_ax")?),
        Global::u32s(
            "OFFSET_REGS_ARGUMENTS",
            &registers(["di", "si", "dx", "r10"])?,
        ),
        Global::u32s(
            "OFFSET_REGS_ARGUMENTS_COMPAT",
            &registers(["bx", "cx", "dx", "si"])?,
        ),
    ])
}

/// Where `pt_regs` keeps a call's number and arguments (`man 2 syscall`).
#[cfg(target_arch = "aarch64")]
pub fn facts(kernel: &Kernel) -> anyhow::Result<Vec<Global>> {
    let registers = kernel.offset("pt_regs", "regs")?;
    // The first argument's register holds the result when the call returns: it is kept beside.
    let first = kernel.offset("pt_regs", "orig_x0")?;
    let arguments = [first, registers + 8, registers + 16, registers + 24];
    Ok(vec![
        Global::u32("OFFSET_REGS_NUMBER", kernel.offset("pt_regs", "syscallno")?),
        Global::u32s("OFFSET_REGS_ARGUMENTS", &arguments),
    ])
}
