//! From the filters on the command line to constants of the kernel side.

use std::{fs, path::Path};

use anyhow::{Context as _, bail};

use crate::{
    cli::common::Filters,
    kernel::{
        Kernel,
        cgroup::{Cgroups, Hierarchy, Selection},
        plan::Global,
    },
};

/// The constants that say whose events are wanted.
pub fn globals(
    filters: &Filters,
    kernel: &Kernel,
    cgroups: &Cgroups,
) -> anyhow::Result<Vec<Global>> {
    let mut globals = vec![Global::u32("SELF_TGID", std::process::id())];
    if let Some(pid) = filters.pid {
        globals.push(Global::u32("FILTER_TGID", process(pid)?));
    }
    if let Some(comm) = &filters.comm {
        globals.extend(comm_globals(comm));
    }
    if let Some(selection) = selected_cgroup(filters, cgroups)? {
        globals.extend(cgroup_globals(&selection, kernel)?);
    }
    Ok(globals)
}

/// The process that `pid` belongs to: people give the number of a thread, too.
fn process(pid: u32) -> anyhow::Result<u32> {
    if !Path::new(&format!("/proc/{pid}")).exists() {
        bail!("there is no process {pid}");
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} has vanished"))?;
    let tgid = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    tgid.and_then(|tgid| tgid.trim().parse().ok())
        .with_context(|| format!("cannot tell the process of {pid} from /proc/{pid}/status"))
}

fn comm_globals(comm: &str) -> [Global; 3] {
    let mut bytes = [0; 16];
    bytes[..comm.len()].copy_from_slice(comm.as_bytes());
    let half = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    [
        Global::u32("FILTER_COMM", 1),
        Global::u64("FILTER_COMM_LOW", half(0)),
        Global::u64("FILTER_COMM_HIGH", half(8)),
    ]
}

fn selected_cgroup(filters: &Filters, cgroups: &Cgroups) -> anyhow::Result<Option<Selection>> {
    match (&filters.cgroup, &filters.container) {
        (Some(path), _) => Ok(Some(cgroups.select_path(path)?)),
        (None, Some(container)) => Ok(Some(cgroups.select_container(container)?)),
        (None, None) => Ok(None),
    }
}

fn cgroup_globals(selection: &Selection, kernel: &Kernel) -> anyhow::Result<Vec<Global>> {
    let mut globals = vec![
        Global::u64("FILTER_CGROUP", selection.id),
        Global::u32("FILTER_CGROUP_LEVEL", selection.level),
        Global::u32("OFFSET_CGROUP_LEVEL", kernel.offset("cgroup", "level")?),
    ];
    // From Linux 6.1 on pointers to the ancestors; before, their ids.
    let (ancestors, pointers) = match kernel.offset("cgroup", "ancestors") {
        Ok(offset) => (offset, true),
        Err(_) => (kernel.offset("cgroup", "ancestor_ids")?, false),
    };
    globals.push(Global::u32("OFFSET_CGROUP_ANCESTORS", ancestors));
    globals.push(Global::u32(
        "CGROUP_ANCESTORS_ARE_POINTERS",
        pointers.into(),
    ));
    Ok(globals)
}

/// The constants by which the kernel side finds a task's cgroup: for the tools that show it, and for the
/// filter. On a host of cgroup v2 the tools need none, as there is a helper that tells its id.
pub fn cgroup_id_globals(
    filters: &Filters,
    kernel: &Kernel,
    hierarchy: &Hierarchy,
) -> anyhow::Result<Vec<Global>> {
    let v1 = matches!(hierarchy, Hierarchy::V1 { .. });
    if !v1 && filters.cgroup.is_none() && filters.container.is_none() {
        return Ok(Vec::new());
    }
    let mut globals = vec![
        Global::u32(
            "OFFSET_TASK_CGROUPS",
            kernel.offset("task_struct", "cgroups")?,
        ),
        Global::u32(
            "OFFSET_CSS_SET_DEFAULT",
            kernel.offset("css_set", "dfl_cgrp")?,
        ),
        Global::u32("OFFSET_CGROUP_KN", kernel.offset("cgroup", "kn")?),
        Global::u32("OFFSET_KN_ID", kernel.offset("kernfs_node", "id")?),
    ];
    if let Hierarchy::V1 { controller, .. } = hierarchy {
        // The enumerators of the v1 controllers are named as in include/linux/cgroup_subsys.h.
        let name = format!("{}_cgrp_id", controller.subsystem);
        let index = kernel.enumerator("cgroup_subsys_id", &name)?;
        let subsys = kernel.offset("css_set", "subsys")? + 8 * index as u32;
        globals.extend([
            Global::u32("CGROUP_V1", 1),
            Global::u32("OFFSET_CSS_SET_SUBSYS", subsys),
            Global::u32(
                "OFFSET_CSS_CGROUP",
                kernel.offset("cgroup_subsys_state", "cgroup")?,
            ),
        ]);
    }
    Ok(globals)
}
