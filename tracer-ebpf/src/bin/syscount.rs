//! syscount: counts and times system calls, by call, process, cgroup or error.
//!
//! A call is counted when it returns, with its duration; `exit` and `exit_group`, which don't, when they
//! begin. Without durations (`COUNT_ONLY`) every call is counted when it begins.

#![no_std]
#![no_main]

use aya_ebpf::{
    EbpfContext,
    macros::{map, raw_tracepoint, tracepoint},
    maps::{Array, PerCpuArray},
    programs::{RawTracePointContext, TracePointContext},
};
use aya_log_ebpf::debug;
use tracer_common::{
    aggregate::{OTHER_ROW, Row},
    loss::Loss,
    syscount::{ABI_STRIDE, INDICES, Mode, X32_BIT},
};
use tracer_ebpf::{
    aggregate::{self, add, add_alone},
    constants,
    filter::{self, FILTER_TREE, Task},
    loss::lost,
    starts::{self, Ended, Start},
    syscall::{self, Exit},
    task,
};

constants! {
    /// A [`Mode`].
    MODE: u32 = 0;
    /// 1: count calls as they begin, and nothing else.
    COUNT_ONLY: u32 = 0;
    /// 1: only calls marked in `SELECTED`.
    SELECT: u32 = 0;
    /// 1: only calls that fail.
    FAILED_ONLY: u32 = 0;
    /// Only calls that fail with this error; 0 for any.
    FAILED_WITH: u32 = 0;
    /// Indices of `exit` and `exit_group`, native and compat.
    EXIT_CALLS: [u32; 4] = [u32::MAX; 4];
    /// Numbers of `fork`, `vfork`, `clone` and `clone3`, native and compat.
    FORK_CALLS: [u32; 8] = [u32::MAX; 8];
}

/// Calls as they begin, by index.
#[map]
static COUNTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(INDICES, 0);

/// Nonzero for the calls that are asked for, by index.
#[map]
static SELECTED: Array<u8> = Array::with_max_entries(INDICES, 0);

/// The row of each call, by index; 0 for one that has none yet.
#[map]
static ROW_OF_CALL: Array<u32> = Array::with_max_entries(INDICES, 0);

#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn sys_enter(ctx: RawTracePointContext) -> u32 {
    if let Some(task) = filter::wanted() {
        enter(task, ctx.arg::<u64>(1));
    }
    0
}

/// The same by the tracepoint's event.
#[tracepoint]
pub fn sys_enter_event(ctx: TracePointContext) -> u32 {
    if let Some(task) = filter::wanted() {
        enter(task, syscall::entered_number(&ctx));
    }
    0
}

#[inline(always)]
fn enter(task: Task, number: u64) {
    let index = index_of(number);
    if SELECT.load() != 0 && SELECTED.get(index).is_none_or(|&selected| selected == 0) {
        return;
    }
    if COUNT_ONLY.load() != 0 {
        return count(task, index);
    }
    if EXIT_CALLS.load().contains(&index) {
        return untimed(task, index);
    }
    let time = task::now();
    starts::begin(Start {
        time,
        what: u64::from(index),
    });
}

/// The call's index: a number that no table can hold goes to the last one of its ABI, which no call has.
#[inline(always)]
fn index_of(number: u64) -> u32 {
    let (abi, number) = if syscall::X86.load() == 0 {
        (0, number)
    } else if syscall::is_compat() {
        (1, number)
    } else if number & X32_BIT != 0 && number >> 32 == 0 {
        (2, number & !X32_BIT)
    } else {
        (0, number)
    };
    let last = u64::from(ABI_STRIDE) - 1;
    abi * ABI_STRIDE + (if number < last { number } else { last }) as u32
}

/// Counts a call that begins, where only that is asked for.
#[inline(always)]
fn count(task: Task, index: u32) {
    if MODE.load() == Mode::Syscall as u32 {
        if let Some(counter) = COUNTS.get_ptr_mut(index) {
            add_alone(counter, 1);
        }
    } else if let Some(totals) = aggregate::totals(key(task)) {
        add(&raw mut totals.count, 1);
    }
}

/// Counts a call that will not return.
#[inline(always)]
fn untimed(task: Task, index: u32) {
    if FAILED_ONLY.load() != 0 {
        return;
    }
    if MODE.load() == Mode::Syscall as u32 {
        if let Some(row) = row_of_call(index) {
            add_alone(&raw mut row.untimed, 1);
        }
    } else if let Some(totals) = aggregate::totals(key(task)) {
        add(&raw mut totals.count, 1);
    }
}

#[inline(always)]
fn key(task: Task) -> u64 {
    if MODE.load() == Mode::Process as u32 {
        u64::from(task.tgid)
    } else {
        task::cgroup_id()
    }
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
fn returned(ctx: &(impl Exit + EbpfContext)) {
    match starts::end() {
        Ended::Since(start) => exit(start, ctx.result()),
        Ended::Nothing => {}
        Ended::Unseen => unseen(ctx),
    }
}

#[inline(always)]
fn exit(start: Start, result: i64) {
    let duration = task::now() - start.time;
    let errno = if (-4095..0).contains(&result) {
        -result as u32
    } else {
        0
    };
    if FAILED_ONLY.load() != 0 && errno == 0
        || FAILED_WITH.load() != 0 && errno != FAILED_WITH.load()
    {
        return;
    }
    let mode = MODE.load();
    if mode == Mode::Syscall as u32 {
        if let Some(row) = row_of_call(start.what as u32) {
            record(row, duration, errno);
        }
    } else if mode == Mode::Errno as u32 {
        let key = u64::from(errno);
        if let Some(row) = aggregate::row(aggregate::row_of(key), key) {
            record(row, duration, errno);
        }
    } else {
        aggregate::record_totals(key(filter::current()), duration, errno != 0);
    }
}

#[inline(always)]
fn record(row: &mut Row, duration: u64, errno: u32) {
    aggregate::record_alone(&mut row.hist, duration);
    if errno != 0 {
        add_alone(&raw mut row.errors, 1);
    }
}

/// The row of a call. Two CPUs that meet a call for the first time at once both claim one: user space
/// adds up rows of the same key.
#[inline(always)]
fn row_of_call(index: u32) -> Option<&'static mut Row> {
    let known = ROW_OF_CALL.get_ptr_mut(index)?;
    // SAFETY: the value lives as long as the map; a row number is written whole.
    let mut row = unsafe { *known };
    if row == OTHER_ROW {
        row = aggregate::claim_row();
        // SAFETY: as above.
        unsafe { *known = row };
    }
    aggregate::row(row, u64::from(index))
}

/// A call returns that was not seen to begin: it was under way before tracing, or it is a new thread's
/// first return, from the call that made it. A command's tree is followed from its first instruction.
#[inline(always)]
fn unseen(ctx: &(impl Exit + EbpfContext)) {
    if FILTER_TREE.load() != 0 || filter::wanted().is_none() {
        return;
    }
    let number = ctx.number();
    let new_thread = ctx.result() == 0 && FORK_CALLS.load().contains(&number);
    if !new_thread {
        lost(Loss::InFlight);
        debug!(ctx, "call {} was under way when tracing began", number);
    }
}

tracer_ebpf::license!();
