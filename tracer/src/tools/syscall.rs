//! What the kernel side must know to read system calls from registers.

use crate::{
    kernel::{
        Kernel,
        plan::{Attachment, Choice, Global},
        syscalls::{self, Abi},
    },
    probe::Hook,
};

/// A system call begins: programs `sys_enter` or `sys_enter_event`.
pub fn enter(kernel: &Kernel) -> Choice {
    choice(
        kernel,
        "a system call begins",
        ["sys_enter", "sys_enter_event"],
        "sys_enter",
    )
}

/// A system call returns: programs `sys_exit` or `sys_exit_event`.
pub fn exit(kernel: &Kernel, purpose: &'static str) -> Choice {
    choice(kernel, purpose, ["sys_exit", "sys_exit_event"], "sys_exit")
}

/// The raw tracepoint is the cheaper one. But since Linux 6.19 a task may be preempted within it, and what
/// other tasks do on that CPU until it runs again is then not shown at all: there the event is taken,
/// which is not interrupted.
fn choice(
    kernel: &Kernel,
    purpose: &'static str,
    programs: [&'static str; 2],
    name: &'static str,
) -> Choice {
    let [raw, event] = programs;
    let raw = vec![Attachment::new(raw, Hook::RawTracepoint(name))];
    let event = vec![Attachment::new(
        event,
        Hook::Tracepoint("raw_syscalls", name),
    )];
    let alternatives = if kernel.since(6, 19) {
        vec![event, raw]
    } else {
        vec![raw, event]
    };
    Choice {
        purpose,
        alternatives,
    }
}

/// Where the events of system calls have their fields, where tracefs tells.
fn event_facts(kernel: &Kernel) -> Vec<Global> {
    const FIELDS: [(&str, &str, &str); 3] = [
        ("OFFSET_ENTER_NUMBER", "sys_enter", "id"),
        ("OFFSET_EXIT_NUMBER", "sys_exit", "id"),
        ("OFFSET_EXIT_RESULT", "sys_exit", "ret"),
    ];
    let Ok(tracefs) = kernel.tracefs() else {
        return Vec::new();
    };
    let fact = |(global, event, field): (&'static str, &str, &str)| {
        let format = tracefs.format("raw_syscalls", event).ok()?;
        Some(Global::u32(global, format.field(field)?.offset))
    };
    FIELDS.into_iter().filter_map(fact).collect()
}

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

/// Where the kernel keeps a call's number, arguments and result.
pub fn facts(kernel: &Kernel) -> anyhow::Result<Vec<Global>> {
    let mut facts = register_facts(kernel)?;
    facts.push(Global::u32("TYPED_TASK", kernel.since(5, 15).into()));
    facts.extend(event_facts(kernel));
    Ok(facts)
}

/// Where `pt_regs` keeps a call's number and arguments (`man 2 syscall`).
#[cfg(target_arch = "x86_64")]
fn register_facts(kernel: &Kernel) -> anyhow::Result<Vec<Global>> {
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
fn register_facts(kernel: &Kernel) -> anyhow::Result<Vec<Global>> {
    let registers = kernel.offset("pt_regs", "regs")?;
    // The first argument's register holds the result when the call returns: it is kept beside.
    let first = kernel.offset("pt_regs", "orig_x0")?;
    let arguments = [first, registers + 8, registers + 16, registers + 24];
    Ok(vec![
        Global::u32("OFFSET_REGS_NUMBER", kernel.offset("pt_regs", "syscallno")?),
        Global::u32s("OFFSET_REGS_ARGUMENTS", &arguments),
    ])
}
