//! From what people name on the command line, `--cgroup PATH` and `--container NAME|ID`, to a cgroup.

use std::{
    collections::HashSet,
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{
    container::{Container, Owner},
    records,
    resolve::{Cgroups, Tree},
};

/// What exists instead is listed up to this number.
const MAX_CANDIDATES: usize = 10;

/// A cgroup that was asked for. Events of tasks in it and in those below it are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Its id.
    pub id: u64,
    /// Its depth below the root of the hierarchy, 0 for the root: the argument of
    /// `bpf_get_current_ancestor_cgroup_id()`.
    pub level: u32,
    /// Its path from the root of the hierarchy.
    pub path: String,
}

/// Names that an error message lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    names: Vec<String>,
    more: usize,
}

impl FromIterator<String> for Candidates {
    /// Keeps the first 10, counts the others.
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        let mut names = names.into_iter();
        Self {
            names: names.by_ref().take(MAX_CANDIDATES).collect(),
            more: names.count(),
        }
    }
}

impl fmt::Display for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() {
            return f.write_str("there are none");
        }
        write!(f, "there are: {}", self.names.join(", "))?;
        if self.more > 0 {
            write!(f, ", and {} more", self.more)?;
        }
        Ok(())
    }
}

/// The cgroup that was asked for cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// There is no file system with cgroups.
    #[error(
        "no cgroup file system is mounted, so cgroups and containers cannot be found; {}",
        super::MOUNT
    )]
    Unmounted,
    /// There is no cgroup with this path.
    #[error("there is no cgroup {} in {hierarchy}; {candidates}", path.display())]
    NoCgroup {
        /// What was asked for.
        path: PathBuf,
        /// Where it was looked for.
        hierarchy: String,
        /// What there is.
        candidates: Candidates,
    },
    /// The path is there, but is something else.
    #[error("{} is not a cgroup: {reason}", path.display())]
    NotCgroup {
        /// What was asked for.
        path: PathBuf,
        /// What it is.
        reason: &'static str,
    },
    /// The path is of a hierarchy that tracing does not go by.
    #[error(
        "{} is a cgroup of another hierarchy; on this host containers are told apart by {hierarchy}: \
         give the path of the cgroup there",
        path.display()
    )]
    OtherHierarchy {
        /// What was asked for.
        path: PathBuf,
        /// The hierarchy that counts.
        hierarchy: String,
    },
    /// A cgroup namespace hides where the cgroup is.
    #[error(
        "cannot tell how deep {} is in the host's cgroups, because a cgroup namespace hides it; \
         run outside of containers, or in one with `--cgroupns=host`",
        path.display()
    )]
    Hidden {
        /// The folder that was found.
        path: PathBuf,
    },
    /// There is no container with this name or id.
    #[error("there is no container {wanted:?} in {hierarchy}; {candidates}")]
    NoContainer {
        /// What was asked for.
        wanted: String,
        /// Where it was looked for.
        hierarchy: String,
        /// What there is.
        candidates: Candidates,
    },
    /// There are several.
    #[error("{wanted:?} fits more than one container: give more of the id; {candidates}")]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// Those that it fits.
        candidates: Candidates,
    },
    /// The folders of the hierarchy cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A container that is there, and its cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The container.
    pub container: Container,
    /// Its cgroup's folder.
    pub folder: PathBuf,
}

impl Cgroups {
    /// The cgroup with this path: from the root of the hierarchy (`/system.slice/nginx.service`, the
    /// slash before it may be left out), or in the file system (`/sys/fs/cgroup/system.slice`).
    pub fn select_path(&self, path: &Path) -> Result<Selection, SelectError> {
        let tree = self.tree().ok_or(SelectError::Unmounted)?;
        let from_root = tree.point().join(path.strip_prefix("/").unwrap_or(path));
        let folder = match fs::canonicalize(&from_root) {
            Ok(folder) => folder,
            Err(_) => self.in_file_system(tree, path)?,
        };
        if !folder.starts_with(tree.point()) {
            return Err(self.outside(path, &folder));
        }
        selection(tree, &folder)
    }

    fn in_file_system(&self, tree: &Tree, path: &Path) -> Result<PathBuf, SelectError> {
        match fs::canonicalize(path) {
            Ok(folder) if path.is_absolute() => Ok(folder),
            _ => Err(SelectError::NoCgroup {
                path: path.to_owned(),
                hierarchy: self.hierarchy().to_string(),
                candidates: similar(tree, path)?,
            }),
        }
    }

    fn outside(&self, path: &Path, folder: &Path) -> SelectError {
        let path = path.to_owned();
        let v1 = self.layout.v1.iter().map(|(_, mount)| mount);
        if v1
            .chain(&self.layout.v2)
            .any(|mount| folder.starts_with(&mount.point))
        {
            return SelectError::OtherHierarchy {
                path,
                hierarchy: self.hierarchy().to_string(),
            };
        }
        SelectError::NotCgroup {
            path,
            reason: "it is in no cgroup file system",
        }
    }

    /// The cgroup of the container with this name, or with an id that begins like this. What a label
    /// shows is understood, too: `docker:web`; and so is the end of a name: `web-0/nginx` for
    /// `shop/web-0/nginx`.
    pub fn select_container(&self, wanted: &str) -> Result<Selection, SelectError> {
        let tree = self.tree().ok_or(SelectError::Unmounted)?;
        let running = self.containers()?;
        match pick(&running, wanted) {
            Pick::One(at) => selection(tree, &running[at].folder),
            Pick::None => Err(SelectError::NoContainer {
                wanted: wanted.to_owned(),
                hierarchy: self.hierarchy().to_string(),
                candidates: running
                    .iter()
                    .map(|running| describe(&running.container))
                    .collect(),
            }),
            Pick::Several(several) => Err(SelectError::Ambiguous {
                wanted: wanted.to_owned(),
                candidates: several
                    .iter()
                    .map(|&at| describe(&running[at].container))
                    .collect(),
            }),
        }
    }

    /// All containers that are there, outer ones before inner ones.
    pub fn containers(&self) -> Result<Vec<Running>, SelectError> {
        let tree = self.tree().ok_or(SelectError::Unmounted)?;
        let mut seen = HashSet::new();
        let mut running = Vec::new();
        for visited in walk(tree)? {
            let Some(path) = tree.relative(&visited.path) else {
                continue;
            };
            let Some(mut container) = Owner::of(&path).container else {
                continue;
            };
            if container.root == path && seen.insert((container.runtime, container.id.clone())) {
                container.name = container
                    .name
                    .take()
                    .or_else(|| records::name(self.records(), &container));
                running.push(Running {
                    container,
                    folder: visited.path,
                });
            }
        }
        Ok(running)
    }
}

fn walk(tree: &Tree) -> Result<Vec<super::walk::Visited>, SelectError> {
    tree.walk().map_err(|source| SelectError::Read {
        path: tree.point().to_owned(),
        source,
    })
}

fn selection(tree: &Tree, folder: &Path) -> Result<Selection, SelectError> {
    let path = folder.to_owned();
    let facts = match fs::metadata(folder) {
        Ok(facts) => facts,
        Err(source) => return Err(SelectError::Read { path, source }),
    };
    if !facts.is_dir() {
        let reason = "it is a file; a cgroup is the folder that it is in";
        return Err(SelectError::NotCgroup { path, reason });
    }
    let (Some(level), Some(path)) = (tree.level(folder), tree.relative(folder)) else {
        return Err(SelectError::Hidden { path });
    };
    Ok(Selection {
        id: facts.ino(),
        level,
        path,
    })
}

/// Cgroups with the last part of `path` for a name or in their paths, or else all, those at the top
/// first.
fn similar(tree: &Tree, path: &Path) -> Result<Candidates, SelectError> {
    let paths = walk(tree)?
        .into_iter()
        .filter_map(|visited| tree.relative(&visited.path))
        .skip(1);
    let mut paths: Vec<String> = paths.collect();
    let Some(wanted) = path
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
    else {
        return Ok(paths.into_iter().collect());
    };
    let is_alike = |path: &String| path.to_lowercase().contains(&wanted);
    if paths.iter().any(is_alike) {
        paths.retain(is_alike);
        let is_named = |path: &String| path.to_lowercase().ends_with(&format!("/{wanted}"));
        paths.sort_by_key(|path| !is_named(path));
    }
    Ok(paths.into_iter().collect())
}

/// `docker:web (3f2a9c0d1e5b)`.
fn describe(container: &Container) -> String {
    match container.name.as_deref() {
        Some(name) if name != container.short() => {
            format!("{} ({})", container.label(), container.short())
        }
        _ => container.label(),
    }
}

/// Which of several is wanted, by index.
#[derive(Debug, PartialEq, Eq)]
enum Pick {
    None,
    One(usize),
    Several(Vec<usize>),
}

/// A name or id in full beats the beginning of an id and the end of a name.
fn pick(running: &[Running], wanted: &str) -> Pick {
    for fits in [fits_fully, fits_partly] {
        let fitting = |at: &usize| fits(&running[*at].container, wanted);
        let found: Vec<usize> = (0..running.len()).filter(fitting).collect();
        match found[..] {
            [] => {}
            [at] => return Pick::One(at),
            _ => return Pick::Several(found),
        }
    }
    Pick::None
}

fn fits_fully(container: &Container, wanted: &str) -> bool {
    container.id == wanted
        || container.name.as_deref() == Some(wanted)
        || container.label() == wanted
}

fn fits_partly(container: &Container, wanted: &str) -> bool {
    let prefix = format!("{}:", container.runtime.name());
    let wanted = wanted.strip_prefix(&prefix).unwrap_or(wanted);
    let ends_name = |name: &str| {
        name.strip_suffix(wanted)
            .is_some_and(|rest| rest.ends_with('/'))
    };
    !wanted.is_empty()
        && (container.id.starts_with(wanted) || container.name.as_deref().is_some_and(ends_name))
}

#[cfg(test)]
mod tests {
    use super::{super::container::Runtime, *};

    const A: &str = "3f2a9c0d1e5b4c7786a1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7081";
    const B: &str = "3f2b9c0d1e5b4c7786a1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7081";

    fn running(runtime: Runtime, id: &str, name: Option<&str>) -> Running {
        let name = name.map(str::to_owned);
        let container = Container {
            runtime,
            id: id.into(),
            name,
            pod: None,
            root: "/".into(),
            outer: None,
        };
        Running {
            container,
            folder: PathBuf::new(),
        }
    }

    #[test]
    fn containers_are_picked_by_name_id_and_label() {
        let all = [
            running(Runtime::Docker, A, Some("web")),
            running(Runtime::Containerd, B, Some("shop/web-0/nginx")),
            running(Runtime::Lxc, "3f", Some("3f")),
        ];
        for (wanted, expected) in [
            ("web", Pick::One(0)),
            ("docker:web", Pick::One(0)),
            (A, Pick::One(0)),
            ("3f2a", Pick::One(0)),
            ("docker:3f", Pick::One(0)),
            ("3f2b9c0d1e5b", Pick::One(1)),
            ("containerd:3f2b9c0d1e5b", Pick::One(1)),
            ("nginx", Pick::One(1)),
            ("web-0/nginx", Pick::One(1)),
            ("containerd:web-0/nginx", Pick::One(1)),
            // A name in full, though two ids begin so.
            ("3f", Pick::One(2)),
            ("3f2", Pick::Several(vec![0, 1])),
            ("0/nginx", Pick::None),
            ("we", Pick::None),
            ("", Pick::None),
            ("docker:", Pick::None),
            ("podman:web", Pick::None),
        ] {
            assert_eq!(pick(&all, wanted), expected, "{wanted}");
        }
    }

    #[test]
    fn candidates_are_bounded() {
        let names = |count: usize| (0..count).map(|n| n.to_string()).collect::<Candidates>();
        assert_eq!(names(0).to_string(), "there are none");
        assert_eq!(names(2).to_string(), "there are: 0, 1");
        assert_eq!(
            names(12).to_string(),
            "there are: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more"
        );
    }

    #[test]
    fn candidates_show_name_and_id() {
        let web = running(Runtime::Docker, A, Some("web")).container;
        assert_eq!(describe(&web), "docker:web (3f2a9c0d1e5b)");
        assert_eq!(
            describe(&running(Runtime::Docker, A, None).container),
            "docker:3f2a9c0d1e5b"
        );
        assert_eq!(
            describe(&running(Runtime::Lxc, "c", Some("c")).container),
            "lxc:c"
        );
    }
}
