//! The user side of what threads are in the midst of: sizes of the kernel's maps for it.

use crate::kernel::{
    Kernel,
    facts::pid_max,
    plan::{Global, Plan},
};

/// Task storage where the kernel has it, else an array with an entry for each thread id there can be.
pub fn plan(plan: &mut Plan, kernel: &Kernel) -> anyhow::Result<()> {
    if kernel.has_task_storage() {
        plan.facts.push(Global::u32("TASK_STORAGE", 1));
    } else {
        plan.map_sizes.push(("STARTS_BY_TID", pid_max()?));
    }
    Ok(())
}
