//! When a thread began something: kept with the thread itself, so that it can be neither lost to a full
//! map nor go stale with a thread that is gone.
//!
//! Task storage where the kernel has it (Linux 5.13), else an array with an entry for each thread id.

use aya_ebpf::{macros::map, maps::Array};
use tracer_common::loss::Loss;

use crate::{
    filter,
    loss::lost,
    task_storage::{TASK_STORAGE, TaskStorage},
};

/// What a thread is in the midst of.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Start {
    /// When it began, in nanoseconds of `CLOCK_MONOTONIC`; 0 when it is in the midst of nothing.
    pub time: u64,
    /// What.
    pub what: u64,
}

#[unsafe(link_section = "maps")]
#[unsafe(export_name = "STARTS_BY_TASK")]
static STARTS_BY_TASK: TaskStorage<Start> = TaskStorage::new();

/// Where there is no task storage: by thread id. User space makes it as large as `pid_max`.
#[map]
static STARTS_BY_TID: Array<Start> = Array::with_max_entries(1, 0);

/// Notes that the running thread begins `what`.
#[inline(always)]
pub fn begin(start: Start) {
    match slot(true) {
        // SAFETY: only the thread itself writes its slot.
        Some(slot) => unsafe { *slot = start },
        None => lost(Loss::StartMissed),
    }
}

/// What came of [`end`].
pub enum Ended {
    /// It began then.
    Since(Start),
    /// The thread began nothing that was wanted.
    Nothing,
    /// The thread has never been seen to begin anything.
    Unseen,
}

/// Takes back what the running thread began.
#[inline(always)]
pub fn end() -> Ended {
    let Some(slot) = slot(false) else {
        return Ended::Unseen;
    };
    // SAFETY: only the thread itself writes its slot.
    let start = unsafe { *slot };
    if start.time == 0 {
        return if TASK_STORAGE.load() == 0 {
            Ended::Unseen
        } else {
            Ended::Nothing
        };
    }
    // SAFETY: as above.
    unsafe { (*slot).time = 0 };
    Ended::Since(start)
}

#[inline(always)]
fn slot(create: bool) -> Option<*mut Start> {
    if TASK_STORAGE.load() == 0 {
        return STARTS_BY_TID.get_ptr_mut(filter::current().tid);
    }
    STARTS_BY_TASK.current(create)
}
