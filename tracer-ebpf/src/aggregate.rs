//! Adding up by key, exactly: every counter is per CPU, and is added to atomically where a program may be
//! interrupted by one that adds to the same counter.

use aya_ebpf::{
    helpers::bpf_get_current_comm,
    macros::map,
    maps::{HashMap, PerCpuArray, PerCpuHashMap, Queue},
};
use tracer_common::{
    COMM_BYTES,
    aggregate::{OTHER_ROW, Row, SlotKey, Totals},
    hist::{Hist, SLOTS, slot_of},
    loss::Loss,
};

use crate::{loss::lost, task};

/// `BPF_NOEXIST`: make the entry, unless another CPU was first.
const NO_EXIST: u64 = 1;

/// Adds to a counter that lives in a map value. In assembly, as the form without fetch is the one that
/// kernels before 5.12 know.
#[inline(always)]
pub fn add(counter: *mut u64, value: u64) {
    // SAFETY: the counter lies in a map value, which is aligned and outlives the program's run.
    #[cfg(target_arch = "bpf")]
    unsafe {
        core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) counter, in(reg) value, options(nostack));
    }
    #[cfg(not(target_arch = "bpf"))]
    let _ = (counter, value);
}

/// Adds to a counter that lives in a map value of this CPU, and that nothing adds to but this one program,
/// which the kernel never begins within itself on a CPU: some 6 ns cheaper than [`add`].
#[inline(always)]
pub fn add_alone(counter: *mut u64, value: u64) {
    // SAFETY: the counter lies in a map value, which is aligned and outlives the program's run.
    unsafe { *counter += value };
}

/// The same value, about which the compiler knows nothing: so that it keeps a check of bounds that it could
/// prove needless, and the verifier could not.
#[inline(always)]
pub fn opaque(mut value: u64) -> u64 {
    // SAFETY: a move from a register to itself.
    #[cfg(target_arch = "bpf")]
    unsafe {
        core::arch::asm!("{0} = {0}", inout(reg) value, options(nomem, nostack));
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        value = core::hint::black_box(value);
    }
    value
}

/// Histograms of few keys. User space sets the number of rows.
#[map]
static ROWS: PerCpuArray<Row> = PerCpuArray::with_max_entries(1, 0);

/// Rows that no key has yet: filled by user space with all but [`OTHER_ROW`].
#[map]
static FREE_ROWS: Queue<u32> = Queue::with_max_entries(1, 0);

/// Which row a key has.
#[map]
static ROW_OF: HashMap<u64, u32> = HashMap::with_max_entries(1, 0);

/// Takes a free row; [`OTHER_ROW`] where there is none. A queue refuses under contention rather than
/// wait: a few tries are enough, as claims are rare.
#[inline(always)]
pub fn claim_row() -> u32 {
    for _ in 0..4 {
        match FREE_ROWS.pop() {
            Ok(Some(row)) => return row,
            Ok(None) => break,
            Err(_) => {}
        }
    }
    OTHER_ROW
}

/// The row of `key`, a claimed one for a key that is met for the first time.
#[inline(always)]
pub fn row_of(key: u64) -> u32 {
    // SAFETY: a row number is written once, before the entry can be found.
    if let Some(&row) = unsafe { ROW_OF.get(&key) } {
        return row;
    }
    let row = claim_row();
    if row == OTHER_ROW {
        return row;
    }
    if ROW_OF.insert(&key, &row, NO_EXIST).is_ok() {
        return row;
    }
    // Another CPU was first, or there is no room: either way this row is not needed.
    let _ = FREE_ROWS.push(row, 0);
    // SAFETY: as above.
    unsafe { ROW_OF.get(&key) }.copied().unwrap_or(OTHER_ROW)
}

/// The row itself, marked as `key`'s.
#[inline(always)]
pub fn row(row: u32, key: u64) -> Option<&'static mut Row> {
    if row == OTHER_ROW {
        lost(Loss::Folded);
    }
    let row = ROWS.get_ptr_mut(row)?;
    // SAFETY: the value lives as long as the map, and only this CPU writes it.
    let row = unsafe { &mut *row };
    if row.used == 0 {
        row.key = key;
        row.used = 1;
    }
    Some(row)
}

/// Adds a value to a histogram.
#[inline(always)]
pub fn record(hist: &mut Hist, value: u64) {
    record_by(hist, value, add);
}

/// The same for a histogram that nothing adds to but this one program: see [`add_alone`].
#[inline(always)]
pub fn record_alone(hist: &mut Hist, value: u64) {
    record_by(hist, value, add_alone);
}

#[inline(always)]
fn record_by(hist: &mut Hist, value: u64, add: impl Fn(*mut u64, u64)) {
    let slot = opaque(slot_of(value) as u64) as usize;
    if slot < SLOTS {
        add(&raw mut hist.slots[slot], 1);
    }
    add(&raw mut hist.sum, value);
    if value > hist.max {
        hist.max = value;
    }
}

/// Totals of many keys.
#[map]
static TOTALS: PerCpuHashMap<u64, Totals> = PerCpuHashMap::with_max_entries(1, 0);

/// Histogram slots of many keys, those that were hit.
#[map]
static SLOT_COUNTS: PerCpuHashMap<SlotKey, u64> = PerCpuHashMap::with_max_entries(1, 0);

/// The totals of `key`, made where it is met for the first time; `None`, counted as lost, where the map
/// is full.
#[inline(always)]
fn find_totals(key: u64) -> Option<&'static mut Totals> {
    if TOTALS.get_ptr_mut(&key).is_none() {
        let _ = TOTALS.insert(&key, &Totals::default(), NO_EXIST);
    }
    let Some(totals) = TOTALS.get_ptr_mut(&key) else {
        lost(Loss::MapFull);
        return None;
    };
    // SAFETY: the value lives as long as the entry, which only user space removes, and only after the
    // process that it counts is gone.
    Some(unsafe { &mut *totals })
}

/// The totals of `key`, which the running task belongs to.
#[inline(always)]
pub fn totals(key: u64) -> Option<&'static mut Totals> {
    let totals = find_totals(key)?;
    if totals.comm[0] == 0 {
        totals.comm = bpf_get_current_comm().unwrap_or_default();
        totals.cgroup = task::cgroup_id();
    }
    Some(totals)
}

/// Counts one value under `key`, which the running task belongs to, with its slot.
#[inline(always)]
pub fn record_totals(key: u64, value: u64, failed: bool) {
    if let Some(totals) = totals(key) {
        count_value(totals, key, value, failed);
    }
}

/// Counts one value under `key`, which belongs to another task than the running one.
#[inline(always)]
pub fn record_totals_of(key: u64, value: u64, failed: bool, comm: [u8; COMM_BYTES], cgroup: u64) {
    let Some(totals) = find_totals(key) else {
        return;
    };
    if totals.comm[0] == 0 {
        totals.comm = comm;
        totals.cgroup = cgroup;
    }
    count_value(totals, key, value, failed);
}

#[inline(always)]
fn count_value(totals: &mut Totals, key: u64, value: u64, failed: bool) {
    add(&raw mut totals.count, 1);
    add(&raw mut totals.sum, value);
    if failed {
        add(&raw mut totals.errors, 1);
    }
    if value > totals.max {
        totals.max = value;
    }
    count_slot(key, value);
}

#[inline(always)]
fn count_slot(key: u64, value: u64) {
    let key = SlotKey {
        key,
        slot: slot_of(value) as u32,
        padding: 0,
    };
    if SLOT_COUNTS.get_ptr_mut(&key).is_none() {
        let _ = SLOT_COUNTS.insert(&key, &0, NO_EXIST);
    }
    match SLOT_COUNTS.get_ptr_mut(&key) {
        Some(count) => add(count, 1),
        None => lost(Loss::SlotFull),
    }
}
