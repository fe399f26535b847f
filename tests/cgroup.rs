//! Cgroups that come and go while something looks at them.

use std::{fs, io, path::Path};

use crate::harness::{retry, run_workload};

/// Makes a cgroup, has calls made in it, and removes it. `words` are those of the workload `in-cgroup` behind its
/// path.
#[track_caller]
pub fn calls_in_new(place: &Path, words: &[&str]) {
    fs::create_dir(place).expect("a cgroup");
    let path = place.to_str().expect("UTF-8");
    run_workload(&[&["in-cgroup", path], words].concat());
    remove(place);
}

/// Removes a cgroup.
#[track_caller]
pub fn remove(cgroup: &Path) {
    try_remove(cgroup).unwrap_or_else(|error| panic!("{}: {error}", cgroup.display()));
}

/// Removes a cgroup that a test no longer needs, where a panic may be under way, and another one would end the process
/// at once: what cannot be removed is told.
pub fn remove_or_tell(cgroup: &Path) {
    if let Err(error) = try_remove(cgroup) {
        eprintln!("{} is left behind: {error}", cgroup.display());
    }
}

/// Removes a cgroup; who was in it may be leaving it yet.
fn try_remove(cgroup: &Path) -> io::Result<()> {
    retry(|| fs::remove_dir(cgroup))
}
