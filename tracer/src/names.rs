//! Names for the numbers that the kernel side sends: cgroups, processes, users, disks, times.

use std::collections::BTreeSet;

use crate::{
    kernel::{
        cgroup::Cgroups,
        clock::Clock,
        disk::{DeviceNumber, Disks},
        process,
        user::Users,
    },
    report::Value,
};

/// Caches of names, each filled when it is first asked.
pub struct Names {
    cgroups: Cgroups,
    disks: Disks,
    users: Users,
    clock: Clock,
}

impl Names {
    /// Looks at how this host keeps cgroups and time.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            cgroups: Cgroups::open()?,
            disks: Disks::open()?,
            users: Users::new(),
            clock: Clock::measure(),
        })
    }

    /// Keeps few names of what comes and goes: for what runs for weeks.
    pub fn keep_few(&mut self) {
        self.cgroups.keep_few();
    }

    /// The host's cgroups.
    pub fn cgroups(&self) -> &Cgroups {
        &self.cgroups
    }

    /// The time that it is, in nanoseconds since the Unix epoch.
    pub fn now_ns(&mut self) -> u64 {
        self.clock.refresh();
        self.clock.now_ns()
    }

    /// A time of the kernel's `CLOCK_MONOTONIC` in nanoseconds since the Unix epoch.
    pub fn unix_ns(&self, monotonic_ns: u64) -> u64 {
        self.clock.epoch_ns(monotonic_ns)
    }

    /// Learns the names of all cgroups there are, so that those of cgroups that vanish are known.
    pub fn learn_cgroups(&mut self) {
        self.cgroups.learn();
    }

    /// The container of a cgroup, or its systemd unit; nothing where it is in neither.
    pub fn container(&mut self, cgroup: u64) -> Value {
        let name = self.cgroups.name(cgroup);
        let known = name.container.is_some() || name.unit.is_some();
        if known {
            name.label().into()
        } else {
            Value::Null
        }
    }

    /// The path of a cgroup.
    pub fn cgroup_path(&mut self, cgroup: u64) -> Value {
        self.cgroups.name(cgroup).path.clone().into()
    }

    /// A user; the number where it has no name.
    pub fn user(&mut self, uid: u32) -> Value {
        self.users.label(uid).into()
    }

    /// A disk, as the kernel keeps its number; `-` for none.
    pub fn disk(&mut self, device: u32) -> Value {
        match device {
            0 => Value::Null,
            device => self.disks.label(DeviceNumber::from_kernel(device)).into(),
        }
    }

    /// Those of these processes that have ended.
    pub fn gone_processes(&self, pids: &[u64]) -> BTreeSet<u64> {
        let gone = pids.iter().filter(|pid| !process::exists(**pid as u32));
        gone.copied().collect()
    }

    /// Those of these cgroups that are known to have been removed.
    pub fn gone_cgroups(&mut self, cgroups: &[u64]) -> BTreeSet<u64> {
        self.cgroups.gone(cgroups)
    }
}
