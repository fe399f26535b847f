//! All cgroups of a hierarchy, by walking its folders.

use std::{
    fs, io,
    os::unix::fs::{DirEntryExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// Cgroups that one walk visits at most.
pub(super) const MAX_CGROUPS: usize = 50_000;

/// Levels below the root that one walk goes down at most.
const MAX_DEPTH: usize = 64;

/// A cgroup that a walk came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visited {
    /// Its id: the folder's inode number.
    pub(super) id: u64,
    /// Its folder, absolute.
    pub(super) path: PathBuf,
}

/// Visits the cgroups of the hierarchy mounted at `point`, those above before those below. Cgroups that
/// vanish on the way are left out, and so is what is beyond the bounds.
pub(super) fn walk(point: &Path, max_cgroups: usize) -> io::Result<Vec<Visited>> {
    let id = fs::metadata(point)?.ino();
    let mut visited = vec![Visited {
        id,
        path: point.to_owned(),
    }];
    let mut level_start = 0;
    for _ in 0..MAX_DEPTH {
        let level_end = visited.len();
        for at in level_start..level_end {
            if visited.len() >= max_cgroups {
                visited.truncate(max_cgroups);
                return Ok(visited);
            }
            let children = children(&visited[at].path);
            visited.extend(children);
        }
        level_start = level_end;
    }
    Ok(visited)
}

fn children(folder: &Path) -> Vec<Visited> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map_while(Result::ok)
        // The type comes with the entry, as does the inode number: no further call is made.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| Visited {
            id: entry.ino(),
            path: entry.path(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_visited_level_by_level_up_to_the_bound() {
        let root = std::env::temp_dir().join(format!("tracer-walk-{}", std::process::id()));
        fs::create_dir_all(root.join("a/b/c")).expect("folders can be made");
        fs::write(root.join("a/file"), "").expect("files can be made");
        let names = |max| -> Vec<PathBuf> {
            let visited = walk(&root, max).expect("it is there");
            visited
                .into_iter()
                .map(|v| v.path.strip_prefix(&root).expect("below").into())
                .collect()
        };
        assert_eq!(names(100), ["", "a", "a/b", "a/b/c"].map(PathBuf::from));
        assert_eq!(names(2), ["", "a"].map(PathBuf::from));
        let ids = walk(&root, 100).expect("it is there");
        assert!(
            ids.iter()
                .all(|v| fs::metadata(&v.path).is_ok_and(|m| m.ino() == v.id))
        );
        fs::remove_dir_all(&root).expect("folders can be removed");
        assert!(walk(&root, 100).is_err());
    }
}
