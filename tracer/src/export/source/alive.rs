//! Whether processes and cgroups are still there.

use std::path::PathBuf;

use crate::{
    export::group::Owner,
    kernel::{
        cgroup::{Cgroups, Hierarchy},
        process,
    },
};

/// Looks for owners of series.
pub struct Alive {
    /// Where the hierarchy that tells containers apart is mounted.
    root: Option<PathBuf>,
}

impl Alive {
    /// Of this host.
    pub fn new(cgroups: &Cgroups) -> Self {
        let root = match cgroups.hierarchy() {
            Hierarchy::V2 { mount } | Hierarchy::V1 { mount, .. } => Some(mount.point.clone()),
            Hierarchy::Unmounted => None,
        };
        Self { root }
    }

    /// True while it lives.
    pub fn is(&self, owner: &Owner) -> bool {
        match (owner, &self.root) {
            (Owner::Process(pid), _) => process::exists(*pid),
            (Owner::Cgroup(path), Some(root)) => root.join(path.trim_start_matches('/')).exists(),
            (Owner::Cgroup(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_lives() {
        let alive = Alive {
            root: Some("/proc".into()),
        };
        assert!(alive.is(&Owner::Process(std::process::id())));
        assert!(!alive.is(&Owner::Process(u32::MAX)));
        assert!(alive.is(&Owner::Cgroup("/self".into())));
        assert!(!alive.is(&Owner::Cgroup("/no.such/cgroup".into())));
        assert!(alive.is(&Owner::Cgroup("/".into())));
    }
}
