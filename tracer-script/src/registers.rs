//! The machine's registers by name.

/// Registers that `reg` knows, which the kernel's `struct pt_regs` names alike.
#[cfg(target_arch = "x86_64")]
const REGISTERS: [&str; 21] = [
    "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di",
    "orig_ax", "ip", "cs", "flags", "sp", "ss",
];

/// The member of `struct pt_regs` that a register is.
pub(crate) fn register_member(name: &str) -> Option<&'static str> {
    REGISTERS.iter().find(|known| **known == name).copied()
}
