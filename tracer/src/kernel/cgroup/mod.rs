//! Cgroups: which container or systemd unit a task belongs to.
//!
//! The kernel side gives the id of a task's cgroup: `bpf_get_current_cgroup_id()` for cgroup v2,
//! `task->cgroups->subsys[i]->cgroup->kn->id` for a controller of v1. Either is the id of a kernfs node,
//! and that is the inode number of the cgroup's folder. [`Cgroups`] makes names of ids, and ids of what
//! people name.

mod cache;
pub mod container;
mod handle;
#[cfg(test)]
mod host_tests;
pub mod layout;
mod records;
mod resolve;
mod select;
mod walk;

pub use container::{Container, Runtime};
pub use layout::{Controller, Hierarchy, Layout, Mount};
pub use resolve::{CgroupError, CgroupName, Cgroups};
pub use select::{Running, SelectError, Selection};

/// What to do where no cgroups are mounted.
const MOUNT: &str = "`mount -t cgroup2 none /sys/fs/cgroup` mounts it";
