//! Whose events are wanted: by process, name, cgroup, or descent from a command. The tracer's own are
//! not.

use aya_ebpf::{
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid},
    macros::map,
    maps::HashMap,
};

use crate::task;

constants! {
    /// The tracer's own process.
    SELF_TGID: u32 = 0;
    /// Only this process; 0 for all.
    FILTER_TGID: u32 = 0;
    /// 1: only processes in `TREE`.
    FILTER_TREE: u32 = 0;
    /// 1: only tasks with the name in `FILTER_COMM_LOW` and `FILTER_COMM_HIGH`.
    FILTER_COMM: u32 = 0;
    /// The name's first 8 bytes.
    FILTER_COMM_LOW: u64 = 0;
    /// The name's last 8 bytes.
    FILTER_COMM_HIGH: u64 = 0;
    /// Only tasks in the cgroup with this id, or in one below it; 0 for all.
    FILTER_CGROUP: u64 = 0;
    /// The depth of that cgroup below the root of its hierarchy.
    FILTER_CGROUP_LEVEL: u32 = 0;
    /// Byte offset of `cgroup.level`.
    OFFSET_CGROUP_LEVEL: u32 = 0;
    /// Byte offset of `cgroup.ancestors[]` or `cgroup.ancestor_ids[]`.
    OFFSET_CGROUP_ANCESTORS: u32 = 0;
    /// 1 where the former is there: pointers to cgroups, from Linux 6.1 on; before, ids.
    CGROUP_ANCESTORS_ARE_POINTERS: u32 = 0;
}

/// The processes that descend from the command: shared with the object that follows it, which makes
/// it larger.
#[map]
pub static TREE: HashMap<u32, u8> = HashMap::with_max_entries(1, 0);

/// A task whose event is wanted.
#[derive(Clone, Copy)]
pub struct Task {
    /// The process: what user space calls pid.
    pub tgid: u32,
    /// The thread.
    pub tid: u32,
}

/// The running task.
#[inline(always)]
pub fn current() -> Task {
    let pid_tgid = bpf_get_current_pid_tgid();
    Task {
        tgid: (pid_tgid >> 32) as u32,
        tid: pid_tgid as u32,
    }
}

/// The running task, where its events are wanted.
#[inline(always)]
pub fn wanted() -> Option<Task> {
    let task = current();
    let wanted = task.tgid != SELF_TGID.load()
        && (FILTER_TGID.load() == 0 || task.tgid == FILTER_TGID.load())
        && (FILTER_TREE.load() == 0 || in_tree(task.tgid))
        && (FILTER_COMM.load() == 0 || has_comm())
        && (FILTER_CGROUP.load() == 0 || in_cgroup());
    wanted.then_some(task)
}

#[inline(always)]
fn in_tree(tgid: u32) -> bool {
    // SAFETY: the value is a flag that no one reads.
    unsafe { TREE.get(&tgid) }.is_some()
}

#[inline(always)]
fn has_comm() -> bool {
    let Ok(comm) = bpf_get_current_comm() else {
        return false;
    };
    let (low, high) = halves(&comm);
    low == FILTER_COMM_LOW.load() && high == FILTER_COMM_HIGH.load()
}

#[inline(always)]
fn halves(comm: &[u8; 16]) -> (u64, u64) {
    let words = comm.as_ptr().cast::<u64>();
    // SAFETY: 16 bytes are two words; the array may be unaligned.
    unsafe { (words.read_unaligned(), words.add(1).read_unaligned()) }
}

#[inline(always)]
fn in_cgroup() -> bool {
    ancestor(FILTER_CGROUP_LEVEL.load()) == Some(FILTER_CGROUP.load())
}

/// The id of the cgroup at this level that the running task is in or below. Read from the kernel's own
/// structs, as older kernels offer no helper for it to these programs.
#[inline(always)]
fn ancestor(level: u32) -> Option<u64> {
    let cgroup = task::cgroup()?;
    let depth = task::read::<u32>(cgroup, OFFSET_CGROUP_LEVEL.load())?;
    if depth < level {
        return None;
    }
    let ancestor = task::read::<u64>(cgroup, OFFSET_CGROUP_ANCESTORS.load() + 8 * level)?;
    if CGROUP_ANCESTORS_ARE_POINTERS.load() == 0 {
        return Some(ancestor);
    }
    task::cgroup_node_id(ancestor)
}
