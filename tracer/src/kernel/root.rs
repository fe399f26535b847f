//! Paths as a process sees them.
//!
//! `/proc/<pid>/root` leads to where the process has its root, in whatever mount namespace (`man 5 proc`). The
//! links behind it must be followed by hand: the kernel takes one that is absolute from our own root.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

/// `MAXSYMLINKS` of include/linux/namei.h.
const LINKS_MAX: u32 = 40;

/// The root that paths begin at.
pub(super) struct Root {
    /// [`None`] for our own.
    at: Option<PathBuf>,
}

impl Root {
    /// The root of a process; our own where none is given, or where it is the same one.
    pub(super) fn of(pid: Option<u32>) -> Self {
        let at = pid.map(|pid| PathBuf::from(format!("/proc/{pid}/root")));
        Self {
            at: at.filter(|root| !is_our_own(root)),
        }
    }

    /// The absolute path, without links, that we reach a file by.
    pub(super) fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        match &self.at {
            None => path.canonicalize(),
            Some(root) => resolve_in(root, path),
        }
    }
}

fn is_our_own(root: &Path) -> bool {
    match (fs::metadata(root), fs::metadata("/")) {
        (Ok(theirs), Ok(ours)) => (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()),
        _ => false,
    }
}

fn resolve_in(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut rest = components(path);
    let mut found = root.to_owned();
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            // The parent of the root is the root.
            if found != root {
                found.pop();
            }
            continue;
        }
        let next = found.join(&part);
        if !fs::symlink_metadata(&next)?.is_symlink() {
            found = next;
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        let target = fs::read_link(&next)?;
        if target.is_absolute() {
            root.clone_into(&mut found);
        }
        let mut longer = components(&target);
        longer.append(&mut rest);
        rest = longer;
    }
    Ok(found)
}

/// The names of a path, from the root on.
fn components(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        _ => None,
    });
    names.map(OsStr::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_within_the_root() {
        let root = std::env::temp_dir().join(format!("tracer-root-{}", std::process::id()));
        fs::create_dir_all(root.join("usr/bin")).expect("writable");
        fs::write(root.join("usr/bin/sh"), "").expect("writable");
        symlink("/usr/bin", root.join("bin")).expect("writable");
        symlink("../../../../usr/bin/sh", root.join("usr/bin/up")).expect("writable");
        symlink("round", root.join("round")).expect("writable");
        let inner = |path: &str| resolve_in(&root, Path::new(path));
        let expected = root.join("usr/bin/sh");
        assert_eq!(inner("/bin/sh").ok(), Some(expected.clone()));
        assert_eq!(inner("/bin/up").ok(), Some(expected));
        assert_eq!(
            inner("/round").map_err(|error| error.raw_os_error()),
            Err(Some(libc::ELOOP))
        );
        assert!(inner("/bin/none").is_err());
        fs::remove_dir_all(&root).expect("it is there");
    }

    #[test]
    fn our_own_root_is_no_other() {
        assert!(Root::of(Some(std::process::id())).at.is_none());
    }
}
