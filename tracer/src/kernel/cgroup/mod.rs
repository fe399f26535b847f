//! Cgroups: which container or systemd unit a task belongs to.
//!
//! The kernel side gives the id of a task's cgroup: `bpf_get_current_cgroup_id()` for cgroup v2,
//! `task->cgroups->subsys[i]->cgroup->kn->id` for a controller of v1. Either is the id of a kernfs node,
//! and that is the inode number of the cgroup's folder. [`Cgroups`] makes names of ids, and ids of what
//! people name.

pub mod container;
pub mod layout;

pub use container::{Container, Runtime};
pub use layout::{Controller, Hierarchy, Layout, Mount};
