//! execsnoop: each exec with its arguments, and each end of a process that was seen to exec.
//!
//! The arguments of an exec that succeeds are read from the new program's own memory, where the kernel
//! has just put them one behind the other; those of one that fails, from where the caller has them.

#![no_std]
#![no_main]

use aya_ebpf::{
    helpers::{
        bpf_get_current_comm, bpf_get_current_task, bpf_get_current_uid_gid, bpf_probe_read_user,
        generated::{bpf_probe_read_user as probe_read_user, bpf_probe_read_user_str},
    },
    macros::{map, raw_tracepoint, tracepoint},
    maps::{HashMap, PerCpuArray},
    programs::{RawTracePointContext, TracePointContext},
};
use tracer_common::{
    exec::{ARGUMENT_BYTES, ARGUMENTS, Exec, Kind},
    loss::Loss,
};
use tracer_ebpf::{
    aggregate::opaque,
    constants, events,
    filter::{self, Task},
    loss::lost,
    syscall::{self, Exit},
    task,
};

constants! {
    /// 1 where the ends of processes are watched.
    WATCH_EXITS: u32 = 0;
    /// Byte offset of `task_struct.mm`.
    OFFSET_TASK_MM: u32 = 0;
    /// Byte offset of `task_struct.real_parent`.
    OFFSET_TASK_PARENT: u32 = 0;
    /// Byte offset of `task_struct.tgid`.
    OFFSET_TASK_TGID: u32 = 0;
    /// Byte offset of `task_struct.signal`.
    OFFSET_TASK_SIGNAL: u32 = 0;
    /// Byte offset of `task_struct.exit_code`.
    OFFSET_TASK_EXIT_CODE: u32 = 0;
    /// Byte offset of `signal_struct.live`: threads that have not ended.
    OFFSET_SIGNAL_LIVE: u32 = 0;
    /// Byte offset of `signal_struct.group_exit_code`.
    OFFSET_SIGNAL_EXIT_CODE: u32 = 0;
    /// Byte offset of `mm_struct.arg_start`.
    OFFSET_MM_ARG_START: u32 = 0;
    /// Byte offset of `mm_struct.arg_end`.
    OFFSET_MM_ARG_END: u32 = 0;
    /// Numbers of `execve` and `execveat`.
    EXEC_CALLS: [u32; 2] = [u32::MAX; 2];
    /// The same for a 32-bit call.
    EXEC_CALLS_COMPAT: [u32; 2] = [u32::MAX; 2];
}

/// Bytes of one argument of an exec that fails, with its NUL.
const WORD_BYTES: usize = 1024;

#[repr(C)]
struct Scratch {
    exec: Exec,
    strings: [u8; ARGUMENT_BYTES + WORD_BYTES],
}

#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// When the processes that were seen to exec did so.
#[map]
static EXECS: HashMap<u32, u64> = HashMap::with_max_entries(1, 0);

#[inline(always)]
fn current() -> u64 {
    // SAFETY: the helper takes no argument.
    unsafe { bpf_get_current_task() }
}

#[inline(always)]
fn scratch() -> Option<&'static mut Scratch> {
    let scratch = SCRATCH.get_ptr_mut(0)?;
    // SAFETY: the value lives as long as the map, and only this CPU uses it: these tracepoints are in
    // process context, and do not nest.
    Some(unsafe { &mut *scratch })
}

#[inline(always)]
fn describe(task: Task, kind: Kind) -> Exec {
    let parent = task::read::<u64>(current(), OFFSET_TASK_PARENT.load());
    Exec {
        time: task::now(),
        cgroup: task::cgroup_id(),
        kind: kind as u32,
        tgid: task.tgid,
        parent: parent
            .and_then(|parent| task::read(parent, OFFSET_TASK_TGID.load()))
            .unwrap_or(0),
        uid: bpf_get_current_uid_gid() as u32,
        comm: bpf_get_current_comm().unwrap_or_default(),
        ..Exec::default()
    }
}

/// Arguments: the task, its thread id before, the binary.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn process_exec(_ctx: RawTracePointContext) -> u32 {
    if let Some(task) = filter::wanted() {
        exec(task);
    }
    0
}

#[inline(always)]
fn exec(task: Task) {
    let Some(scratch) = scratch() else { return };
    scratch.exec = describe(task, Kind::Exec);
    if WATCH_EXITS.load() != 0 && EXECS.insert(&task.tgid, &scratch.exec.time, 0).is_err() {
        lost(Loss::MapFull);
    }
    if read_arguments(scratch).is_none() {
        lost(Loss::ReadFault);
    }
    send(scratch);
}

#[inline(always)]
fn read_arguments(scratch: &mut Scratch) -> Option<()> {
    let memory = task::read::<u64>(current(), OFFSET_TASK_MM.load())?;
    let start = task::read::<u64>(memory, OFFSET_MM_ARG_START.load())?;
    let end = task::read::<u64>(memory, OFFSET_MM_ARG_END.load())?;
    scratch.exec.bytes_all = (end - start) as u32;
    let mut bytes = opaque(end - start);
    if bytes > ARGUMENT_BYTES as u64 {
        bytes = ARGUMENT_BYTES as u64;
        lost(Loss::StringCut);
    }
    let to = scratch.strings.as_mut_ptr().cast();
    // SAFETY: the buffer has room for so many bytes; the helper checks the address.
    let result = unsafe { probe_read_user(to, bytes as u32, start as *const _) };
    if result != 0 {
        return None;
    }
    scratch.exec.bytes = bytes as u32;
    Some(())
}

#[raw_tracepoint(tracepoint = "sys_exit")]
pub fn sys_exit(ctx: RawTracePointContext) -> u32 {
    returned(&ctx);
    0
}

/// The same by the tracepoint's event.
#[tracepoint]
pub fn sys_exit_event(ctx: TracePointContext) -> u32 {
    returned(&ctx);
    0
}

#[inline(always)]
fn returned(ctx: &impl Exit) {
    let result = ctx.result();
    if result >= 0 {
        return;
    }
    let number = ctx.number();
    let (native, compat) = (EXEC_CALLS.load(), EXEC_CALLS_COMPAT.load());
    if number != native[0] && number != native[1] && number != compat[0] && number != compat[1] {
        return;
    }
    let is_compat = syscall::is_compat();
    let calls = if is_compat { compat } else { native };
    let at_folder = number == calls[1];
    if (number == calls[0] || at_folder)
        && let Some(task) = filter::wanted()
    {
        failed(task, ctx.registers(), at_folder, is_compat, result as i32);
    }
}

#[inline(always)]
fn failed(task: Task, regs: u64, at_folder: bool, compat: bool, result: i32) {
    let Some(scratch) = scratch() else { return };
    scratch.exec = describe(task, Kind::Failed);
    scratch.exec.result = result;
    let path = syscall::argument(regs, at_folder as usize, compat);
    let words = syscall::argument(regs, at_folder as usize + 1, compat);
    if append(scratch, path).is_none() {
        lost(Loss::ReadFault);
    }
    read_words(scratch, words, compat);
    send(scratch);
}

/// Reads a vector of strings that ends with a null pointer.
#[inline(always)]
fn read_words(scratch: &mut Scratch, words: u64, compat: bool) {
    for index in 0..ARGUMENTS as u64 {
        // SAFETY: the helper checks the address.
        let word = unsafe {
            if compat {
                bpf_probe_read_user((words + 4 * index) as *const u32).map(u64::from)
            } else {
                bpf_probe_read_user((words + 8 * index) as *const u64)
            }
        };
        let Ok(word) = word else {
            return lost(Loss::ReadFault);
        };
        if word == 0 {
            return;
        }
        if append(scratch, word).is_none() {
            return lost(Loss::ReadFault);
        }
        if scratch.exec.bytes as usize >= ARGUMENT_BYTES {
            break;
        }
    }
    // There may be more.
    scratch.exec.bytes_all = u32::MAX;
    lost(Loss::StringCut);
}

/// Reads one string behind those that are there.
#[inline(always)]
fn append(scratch: &mut Scratch, string: u64) -> Option<()> {
    let end = opaque(u64::from(scratch.exec.bytes));
    if end > ARGUMENT_BYTES as u64 {
        return None;
    }
    // SAFETY: WORD_BYTES fit behind any place up to the bound above; the helper checks the address.
    let read = unsafe {
        let to = scratch.strings.as_mut_ptr().add(end as usize).cast();
        bpf_probe_read_user_str(to, WORD_BYTES as u32, string as *const _)
    };
    if read <= 0 {
        return None;
    }
    if read as usize == WORD_BYTES {
        scratch.exec.bytes_all = u32::MAX;
        lost(Loss::StringCut);
    }
    scratch.exec.bytes += read as u32;
    Some(())
}

/// The running thread ends; its process, where it was the last one.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn process_exit(_ctx: RawTracePointContext) -> u32 {
    exit(filter::current());
    0
}

#[inline(always)]
fn exit(task: Task) {
    let Some(signal) = task::read::<u64>(current(), OFFSET_TASK_SIGNAL.load()) else {
        return;
    };
    if task::read::<u32>(signal, OFFSET_SIGNAL_LIVE.load()) != Some(0) {
        return;
    }
    // SAFETY: the value is written once, before the entry can be found.
    let Some(&began) = (unsafe { EXECS.get(&task.tgid) }) else {
        return;
    };
    let _ = EXECS.remove(task.tgid);
    let Some(mut entry) = events::reserve::<Exec>() else {
        return;
    };
    let mut exec = describe(task, Kind::Exit);
    exec.duration = exec.time - began;
    // The process' own code where it ended as a whole, else that of the thread that was the last.
    let whole = task::read::<u32>(signal, OFFSET_SIGNAL_EXIT_CODE.load()).unwrap_or(0);
    let last = task::read::<u32>(current(), OFFSET_TASK_EXIT_CODE.load()).unwrap_or(0);
    exec.result = if whole != 0 { whole } else { last } as i32;
    entry.write(exec);
    entry.submit(0);
}

#[inline(always)]
fn send(scratch: &mut Scratch) {
    let mut bytes = opaque(u64::from(scratch.exec.bytes) + size_of::<Exec>() as u64);
    if bytes > size_of::<Scratch>() as u64 {
        bytes = size_of::<Scratch>() as u64;
    }
    // SAFETY: the value is as large as the bound above.
    let bytes =
        unsafe { core::slice::from_raw_parts((&raw const *scratch).cast::<u8>(), bytes as usize) };
    events::output(bytes);
}

tracer_ebpf::license!();
