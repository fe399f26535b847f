//! Facts of the running task.

use aya_ebpf::helpers::{
    bpf_get_current_cgroup_id, bpf_get_current_task, bpf_get_current_task_btf, bpf_ktime_get_ns,
    bpf_probe_read_kernel,
};

constants! {
    /// Byte offset of `task_struct.cgroups`.
    OFFSET_TASK_CGROUPS: u32 = 0;
    /// Byte offset of the entry of `css_set.subsys[]` that tells containers apart on a host of cgroup
    /// v1; 0 on a host of v2.
    OFFSET_CSS_SET_SUBSYS: u32 = 0;
    /// Byte offset of `css_set.dfl_cgrp`, the cgroup in the hierarchy of v2.
    OFFSET_CSS_SET_DEFAULT: u32 = 0;
    /// Byte offset of `cgroup_subsys_state.cgroup`.
    OFFSET_CSS_CGROUP: u32 = 0;
    /// Byte offset of `cgroup.kn`.
    OFFSET_CGROUP_KN: u32 = 0;
    /// Byte offset of `kernfs_node.id`.
    OFFSET_KN_ID: u32 = 0;
    /// 1 on a host whose containers are told apart by cgroup v1.
    CGROUP_V1: u32 = 0;
    /// 1 where the helpers hand out the running task and its registers as pointers that plain loads may
    /// follow (`bpf_get_current_task_btf`, `bpf_task_pt_regs`): Linux 5.15. The helper that reads any
    /// address costs some 20 ns more.
    TYPED_TASK: u32 = 0;
}

/// The time: nanoseconds of `CLOCK_MONOTONIC`.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper takes no argument.
    unsafe { bpf_ktime_get_ns() }
}

/// Reads a `T` at `base + offset` in kernel memory; `None` where it cannot be read.
#[inline(always)]
pub fn read<T>(base: u64, offset: u32) -> Option<T> {
    // SAFETY: the helper checks the address, and fails on one that cannot be read.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.ok()
}

/// Reads a `T` at this offset of the running task's `task_struct`.
#[inline(always)]
pub fn read_current<T: Copy>(offset: u32) -> Option<T> {
    if TYPED_TASK.load() == 0 {
        // SAFETY: the helper takes no argument.
        return read(unsafe { bpf_get_current_task() }, offset);
    }
    // SAFETY: the helper hands out the running task, which outlives the program's run, and the verifier
    // checks that a member of this size is at the offset.
    let value = unsafe {
        let task: *const u8 = bpf_get_current_task_btf().cast();
        task.add(offset as usize).cast::<T>().read_volatile()
    };
    Some(value)
}

/// The id of the running task's cgroup: the inode number of its folder. 0 where it cannot be read.
#[inline(always)]
pub fn cgroup_id() -> u64 {
    if CGROUP_V1.load() == 0 {
        // SAFETY: the helper takes no argument.
        return unsafe { bpf_get_current_cgroup_id() };
    }
    cgroup().and_then(cgroup_node_id).unwrap_or(0)
}

/// The address of the running task's cgroup in the hierarchy that tells containers apart.
#[inline(always)]
pub fn cgroup() -> Option<u64> {
    // SAFETY: the helper takes no argument.
    let task = unsafe { bpf_get_current_task() };
    let css_set = read::<u64>(task, OFFSET_TASK_CGROUPS.load())?;
    if CGROUP_V1.load() == 0 {
        return read::<u64>(css_set, OFFSET_CSS_SET_DEFAULT.load());
    }
    let subsys = read::<u64>(css_set, OFFSET_CSS_SET_SUBSYS.load())?;
    read::<u64>(subsys, OFFSET_CSS_CGROUP.load())
}

/// The id of the cgroup at this address.
#[inline(always)]
pub fn cgroup_node_id(cgroup: u64) -> Option<u64> {
    let node = read::<u64>(cgroup, OFFSET_CGROUP_KN.load())?;
    read::<u64>(node, OFFSET_KN_ID.load())
}
