//! The calls that a thread is in the midst of, as a stack: a function may call itself, or another one that
//! is timed.

use aya_ebpf::{helpers::bpf_get_smp_processor_id, macros::map, maps::HashMap};
use tracer_common::{
    function::{DEPTH, Frame, Frames},
    loss::Loss,
};

use crate::{
    aggregate::opaque,
    loss::lost,
    task_storage::{TASK_STORAGE, TaskStorage},
};

#[unsafe(link_section = "maps")]
#[unsafe(export_name = "FRAMES_BY_TASK")]
static FRAMES_BY_TASK: TaskStorage<Frames> = TaskStorage::new();

/// Where there is no task storage: by thread id. User space sets the size.
#[map]
static FRAMES_BY_TID: HashMap<u32, Frames> = HashMap::with_max_entries(1, 0);

/// The value that an entry begins as: too large for the stack.
static NO_FRAMES: Frames = Frames {
    depth: 0,
    frames: [Frame {
        time: 0,
        index: 0,
        stack: 0,
    }; DEPTH],
};

/// The idle tasks of all CPUs have the thread id 0: each counts as one of its own.
#[inline(always)]
fn key_of(tid: u32) -> u32 {
    // SAFETY: the helper takes no argument.
    if tid == 0 {
        1 << 31 | unsafe { bpf_get_smp_processor_id() }
    } else {
        tid
    }
}

#[inline(always)]
fn frames(tid: u32, create: bool) -> Option<&'static mut Frames> {
    let frames = if TASK_STORAGE.load() != 0 {
        FRAMES_BY_TASK.current(create)
    } else {
        let key = key_of(tid);
        if create && FRAMES_BY_TID.get_ptr_mut(&key).is_none() {
            let _ = FRAMES_BY_TID.insert(&key, &NO_FRAMES, 0);
        }
        FRAMES_BY_TID.get_ptr_mut(&key)
    };
    // SAFETY: only the thread itself, or what interrupts it, uses its frames.
    frames.map(|frames| unsafe { &mut *frames })
}

/// The running thread begins a call.
#[inline(always)]
pub fn push(tid: u32, frame: Frame) {
    let Some(frames) = frames(tid, true) else {
        return lost(Loss::StartMissed);
    };
    drop_stale(frames, frame.stack);
    let depth = opaque(frames.depth);
    if depth < DEPTH as u64 {
        frames.frames[depth as usize] = frame;
    } else {
        lost(Loss::StartMissed);
    }
    frames.depth = depth + 1;
}

/// Bytes of a kernel stack, as a power of two: addresses in the same one are compared.
const STACK_SHIFT: u32 = 14;

/// Drops calls that are over, though the kernel has not shown their return: a call that is under way has
/// its place further up the stack than one that begins.
#[inline(always)]
fn drop_stale(frames: &mut Frames, stack: u64) {
    for _ in 0..DEPTH {
        let top = opaque(frames.depth).wrapping_sub(1);
        if top >= DEPTH as u64 {
            return;
        }
        let above = frames.frames[top as usize].stack;
        if above > stack || (above ^ stack) >> STACK_SHIFT != 0 {
            return;
        }
        frames.depth = top;
        lost(Loss::EndMissed);
    }
}

/// The running thread returns from a call: from that of `index`, where that is known. Calls above it whose
/// return was not seen are dropped.
#[inline(always)]
pub fn pop(tid: u32, index: Option<u32>) -> Option<Frame> {
    let frames = frames(tid, false)?;
    for _ in 0..DEPTH {
        let depth = opaque(frames.depth);
        if depth == 0 {
            return None;
        }
        frames.depth = depth - 1;
        let top = depth - 1;
        if top >= DEPTH as u64 {
            // Its start found no room, which was counted then.
            return None;
        }
        let frame = frames.frames[top as usize];
        if index.is_none_or(|index| frame.index == u64::from(index)) {
            return Some(frame);
        }
        lost(Loss::EndMissed);
    }
    None
}
