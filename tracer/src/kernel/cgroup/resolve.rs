//! From ids of cgroups to their paths and owners, and back.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    cache::Cache,
    container::{Container, Owner},
    handle,
    layout::{Census, Hierarchy, Layout, Mount},
    records,
    walk::{self, Visited},
};

/// Cgroups whose names are kept.
const MAX_NAMES: usize = 10_000;

/// The same where memory counts for more: some 300 bytes each.
const FEW_NAMES: usize = 2000;

/// The least time between two walks of the hierarchy.
const WALK_INTERVAL: Duration = Duration::from_secs(1);

/// The least time between two walks to find cgroups that have gone, and how many must be known for that.
const CENSUS_INTERVAL: Duration = Duration::from_secs(30);
const MANY: usize = 100;

/// Processes that are asked for their cgroups on a host that uses v1 and v2: some 14 µs each.
const MAX_CENSUS: usize = 250;

/// The id of a hierarchy's root: kernfs counts from 1, see `kernfs_create_root()`.
const ROOT_ID: u64 = 1;

/// The inode number of the initial cgroup namespace: `PROC_CGROUP_INIT_INO` of
/// `include/linux/proc_ns.h`.
const INITIAL_CGROUP_NAMESPACE: u64 = 0xEFFF_FFFB;

/// The cgroups of this host cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// Cgroups of v2 are wanted, and are not mounted.
    #[error("no cgroup2 file system is mounted; {}", super::MOUNT)]
    NoV2,
    /// A file of `/proc` could not be read.
    #[error(
        "cannot tell the cgroups of this host: reading {path} failed: {source}; is /proc mounted?"
    )]
    Proc {
        /// Which file.
        path: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The hierarchy is mounted, but its folder could not be opened.
    #[error("cannot open the cgroup file system at {}: {source}", point.display())]
    Mount {
        /// The mount point.
        point: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A cgroup, and whom it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupName {
    /// Its id.
    pub id: u64,
    /// Its path from the root of the hierarchy, `/` for the root itself; `None` where the cgroup
    /// vanished before it was seen. Bytes that are not UTF-8 are replaced.
    pub path: Option<String>,
    /// The innermost container.
    pub container: Option<Container>,
    /// The innermost systemd unit.
    pub unit: Option<String>,
    label: String,
}

impl CgroupName {
    fn new(id: u64, path: Option<String>, records: &Path) -> Self {
        let Owner {
            mut container,
            unit,
        } = path.as_deref().map(Owner::of).unwrap_or_default();
        if let Some(container) = container
            .as_mut()
            .filter(|container| container.name.is_none())
        {
            container.name = records::name(records, container);
        }
        let label = match (&container, &unit, path.as_deref()) {
            (Some(container), ..) => container.label(),
            (None, Some(unit), _) => unit.clone(),
            (None, None, Some("/")) => "-".to_owned(),
            (None, None, Some(path)) => path.to_owned(),
            (None, None, None) => format!("cgroup:{id}"),
        };
        Self {
            id,
            path,
            container,
            unit,
            label,
        }
    }

    /// What a column shows: the container (`docker:web`, `docker:3f2a9c0d1e5b`), else the systemd unit
    /// (`nginx.service`), else the path, `-` for the root, `cgroup:ID` where nothing is known.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl fmt::Display for CgroupName {
    /// Writes the label.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

/// The cgroups of the hierarchy that tells containers apart.
#[derive(Debug)]
pub struct Cgroups {
    pub(super) layout: Layout,
    hierarchy: Hierarchy,
    tree: Option<Tree>,
    names: Cache<Arc<CgroupName>>,
    /// Names that are kept, at most.
    names_max: usize,
    /// Where the records of container runtimes are looked for.
    records: PathBuf,
}

impl Cgroups {
    /// Looks at how this host lays out its cgroups, and decides by which hierarchy to go.
    pub fn open() -> Result<Self, CgroupError> {
        let layout = read_layout()?;
        // Where v2 has no cgroup but its root, it tells no processes apart.
        let undecided = layout.is_hybrid() && layout.v2.as_ref().is_some_and(is_used);
        let census = if undecided {
            take_census()?
        } else {
            Census::default()
        };
        let hierarchy = layout.choose(&census);
        Self::of(layout, hierarchy)
    }

    /// The cgroups of v2, whichever tell containers apart: those whose ids `bpf_get_current_cgroup_id` gives.
    pub fn open_v2() -> Result<Self, CgroupError> {
        let layout = read_layout()?;
        let mount = layout.v2.clone().ok_or(CgroupError::NoV2)?;
        Self::of(layout, Hierarchy::V2 { mount })
    }

    /// The cgroups of a hierarchy that has been decided for.
    pub(super) fn of(layout: Layout, hierarchy: Hierarchy) -> Result<Self, CgroupError> {
        let tree = hierarchy.mount().map(Tree::open).transpose()?;
        let names = Cache::new(MAX_NAMES);
        Ok(Self {
            layout,
            hierarchy,
            tree,
            names,
            names_max: MAX_NAMES,
            records: PathBuf::from("/"),
        })
    }

    /// The hierarchy that ids and paths are of.
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    pub(super) fn tree(&self) -> Option<&Tree> {
        self.tree.as_ref()
    }

    pub(super) fn records(&self) -> &Path {
        &self.records
    }

    /// The name of the cgroup with this id. Cgroups keep their names after they have vanished, as long
    /// as they were asked for before, or [learned](Self::learn).
    pub fn name(&mut self, id: u64) -> Arc<CgroupName> {
        if let Some(name) = self.names.get(id) {
            return Arc::clone(name);
        }
        match self.find(id) {
            Lookup::Found(path) => self.remember(id, Some(path)),
            Lookup::Gone => self.remember(id, None),
            Lookup::Unknown => Arc::new(CgroupName::new(id, None, &self.records)),
        }
    }

    /// Those of these cgroups that are not there any more: no process will ever be in one. To find them the hierarchy
    /// is walked, so it is done now and then only, where there are many.
    pub fn gone(&mut self, ids: &[u64]) -> BTreeSet<u64> {
        if ids.len() < MANY {
            return BTreeSet::new();
        }
        let Some(there) = self.tree.as_mut().and_then(Tree::census) else {
            return BTreeSet::new();
        };
        ids.iter()
            .filter(|id| !there.contains(id))
            .copied()
            .collect()
    }

    /// Keeps the names of so many cgroups only: for what runs for weeks, while cgroups come and go. Those that are
    /// there are found again.
    pub fn keep_few(&mut self) {
        self.names = Cache::new(FEW_NAMES);
        self.names_max = FEW_NAMES;
    }

    /// Remembers the names of the cgroups that are there, up to 10,000, so that those which vanish while
    /// a trace runs can be named. It takes some 30 µs for each of them. Does nothing where it was done
    /// within the last second.
    pub fn learn(&mut self) {
        for (id, path) in self.walk().into_iter().take(self.names_max) {
            if self.names.get(id).is_none_or(|name| name.path.is_none()) {
                self.remember(id, Some(path));
            }
        }
    }

    fn find(&mut self, id: u64) -> Lookup {
        let Some(tree) = &self.tree else {
            return Lookup::Gone;
        };
        match tree.path_of(id) {
            Ok(Some(path)) => return Lookup::Found(path),
            Ok(None) => return Lookup::Gone,
            Err(error) => log::debug!("cgroup {id} cannot be opened by its id: {error}"),
        }
        // All that the walk comes by is kept: the next id is mostly one of these.
        let mut found = Lookup::Unknown;
        for (visited, path) in self.walk() {
            if visited == id {
                found = Lookup::Found(path);
            } else if self.names.get(visited).is_none() {
                self.remember(visited, Some(path));
            }
        }
        found
    }

    /// The ids and paths of the cgroups that are there; none within a second of the last time.
    fn walk(&mut self) -> Vec<(u64, String)> {
        let Some(tree) = &mut self.tree else {
            return Vec::new();
        };
        let visited = tree.walk_at_intervals().unwrap_or_default();
        visited
            .into_iter()
            .filter_map(|v| Some((v.id, tree.relative(&v.path)?)))
            .collect()
    }

    fn remember(&mut self, id: u64, path: Option<String>) -> Arc<CgroupName> {
        let name = Arc::new(CgroupName::new(id, path, &self.records));
        self.names.insert(id, Arc::clone(&name));
        name
    }
}

fn read_layout() -> Result<Layout, CgroupError> {
    const PATH: &str = "/proc/self/mountinfo";
    let text = fs::read(PATH).map_err(|source| CgroupError::Proc { path: PATH, source })?;
    Ok(Layout::parse(&text))
}

/// What became of the search for a cgroup.
enum Lookup {
    /// It has this path.
    Found(String),
    /// There is none with this id, and there will be none: ids are not used again.
    Gone,
    /// It may be there, or may be found later.
    Unknown,
}

/// A mounted hierarchy, open.
#[derive(Debug)]
pub(super) struct Tree {
    folder: File,
    point: PathBuf,
    /// How far below the root of the hierarchy the mounted cgroup is; `None` where a cgroup namespace
    /// hides it.
    base_level: Option<u32>,
    last_walk: Option<Instant>,
    last_census: Option<Instant>,
    /// All cgroups are below the mount.
    is_whole: bool,
}

impl Tree {
    fn open(mount: &Mount) -> Result<Self, CgroupError> {
        let point = &mount.point;
        let failed = |source| CgroupError::Mount {
            point: point.clone(),
            source,
        };
        let folder = File::open(point).map_err(failed)?;
        let id = folder.metadata().map_err(failed)?.ino();
        let base_level = base_level(id, &mount.root, in_initial_namespace());
        Ok(Self {
            folder,
            point: point.clone(),
            base_level,
            last_walk: None,
            last_census: None,
            is_whole: id == ROOT_ID,
        })
    }

    /// Where it is mounted.
    pub(super) fn point(&self) -> &Path {
        &self.point
    }

    /// The path from the root to the cgroup in this folder; `None` for one outside of the mount.
    pub(super) fn relative(&self, folder: &Path) -> Option<String> {
        let below = folder.strip_prefix(&self.point).ok()?;
        Some(format!(
            "/{}",
            String::from_utf8_lossy(below.as_os_str().as_bytes())
        ))
    }

    /// The depth of the cgroup in this folder below the root of the hierarchy, which is what
    /// `bpf_get_current_ancestor_cgroup_id()` takes; 0 for the root. `None` where a cgroup namespace
    /// hides how deep the mount itself is, or the folder is outside of it.
    pub(super) fn level(&self, folder: &Path) -> Option<u32> {
        Some(self.base_level? + depth(folder.strip_prefix(&self.point).ok()?))
    }

    /// All cgroups below the mount.
    pub(super) fn walk(&self) -> io::Result<Vec<Visited>> {
        walk::walk(&self.point, walk::MAX_CGROUPS)
    }

    fn path_of(&self, id: u64) -> io::Result<Option<String>> {
        Ok(handle::path_of(&self.folder, id)?.and_then(|folder| self.relative(&folder)))
    }

    /// The ids of all cgroups, unless it is too early, or they cannot all be seen.
    fn census(&mut self) -> Option<BTreeSet<u64>> {
        if is_early(self.last_census, CENSUS_INTERVAL) || !self.is_whole {
            return None;
        }
        self.last_census = Some(Instant::now());
        let visited = self.walk().ok()?;
        let is_whole = visited.len() < walk::MAX_CGROUPS;
        is_whole.then(|| visited.into_iter().map(|visited| visited.id).collect())
    }

    fn walk_at_intervals(&mut self) -> Option<Vec<Visited>> {
        if is_early(self.last_walk, WALK_INTERVAL) {
            return None;
        }
        let visited = self.walk();
        self.last_walk = Some(Instant::now());
        visited
            .inspect_err(|error| log::debug!("{}: {error}", self.point.display()))
            .ok()
    }
}

fn is_early(last: Option<Instant>, interval: Duration) -> bool {
    last.is_some_and(|last| last.elapsed() < interval)
}

fn depth(path: &Path) -> u32 {
    path.iter().filter(|component| *component != "/").count() as u32
}

fn base_level(id: u64, root: &Path, initial_namespace: bool) -> Option<u32> {
    match id {
        ROOT_ID => Some(0),
        _ => initial_namespace.then(|| depth(root)),
    }
}

fn in_initial_namespace() -> bool {
    fs::metadata("/proc/self/ns/cgroup").is_ok_and(|ns| ns.ino() == INITIAL_CGROUP_NAMESPACE)
}

/// True where the hierarchy has a cgroup below its root: kernfs counts folders as links.
fn is_used(mount: &Mount) -> bool {
    const LINKS_OF_AN_EMPTY_FOLDER: u64 = 2;
    fs::metadata(&mount.point).is_ok_and(|facts| facts.nlink() > LINKS_OF_AN_EMPTY_FOLDER)
}

/// Asks processes for their cgroups. Where there are too many, ones spread evenly over all.
fn take_census() -> Result<Census, CgroupError> {
    const PATH: &str = "/proc";
    let entries = fs::read_dir(PATH).map_err(|source| CgroupError::Proc { path: PATH, source })?;
    let is_process = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let names = entries.map_while(Result::ok).map(|entry| entry.file_name());
    let pids: Vec<_> = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| is_process(name))
        .collect();
    let mut census = Census::default();
    for pid in pids.iter().step_by(pids.len().div_ceil(MAX_CENSUS).max(1)) {
        // A process that is gone is in no cgroup.
        if let Ok(text) = fs::read(format!("/proc/{pid}/cgroup")) {
            census.add(&String::from_utf8_lossy(&text));
        }
    }
    Ok(census)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt as _;

    use super::*;

    fn label(path: Option<&str>) -> String {
        let nowhere = Path::new("/nonexistent");
        CgroupName::new(7, path.map(str::to_owned), nowhere)
            .label()
            .to_owned()
    }

    #[test]
    fn labels() {
        let id = "3f2a9c0d1e5b4c7786a1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7081";
        assert_eq!(
            label(Some(&format!("/docker/{id}/init.scope"))),
            "docker:3f2a9c0d1e5b"
        );
        assert_eq!(label(Some("/lxc.payload.web")), "lxc:web");
        assert_eq!(label(Some("/system.slice/nginx.service")), "nginx.service");
        assert_eq!(label(Some("/system.slice")), "/system.slice");
        assert_eq!(label(Some("/")), "-");
        assert_eq!(label(None), "cgroup:7");
    }

    #[test]
    fn the_level_of_a_mount() {
        assert_eq!(base_level(1, Path::new("/../.."), false), Some(0));
        assert_eq!(base_level(1, Path::new("/"), true), Some(0));
        assert_eq!(base_level(35, Path::new("/docker/x"), true), Some(2));
        assert_eq!(base_level(35, Path::new("/"), false), None);
    }

    /// Cgroups in a folder of which no handle can be opened, as without CAP_DAC_READ_SEARCH.
    fn without_handles(point: &Path) -> Cgroups {
        let folder = File::options()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open(point)
            .expect("the folder is there");
        let tree = Tree {
            folder,
            point: point.to_owned(),
            base_level: None,
            last_walk: None,
            last_census: None,
            is_whole: true,
        };
        let mut cgroups = Cgroups::of(Layout::default(), Hierarchy::Unmounted).expect("no files");
        cgroups.tree = Some(tree);
        cgroups
    }

    #[test]
    fn a_walk_finds_what_no_handle_opens_once_a_second() {
        let point = std::env::temp_dir().join(format!("tracer-resolve-{}", std::process::id()));
        let make = |name: &str| {
            fs::create_dir_all(point.join(name)).expect("folders can be made");
            fs::metadata(point.join(name)).expect("it is there").ino()
        };
        let (first, second) = (make("a.service"), make("b.service"));
        let mut cgroups = without_handles(&point);
        assert_eq!(cgroups.name(first).label(), "a.service");
        assert_eq!(
            cgroups.name(second).label(),
            "b.service",
            "the walk came by it"
        );
        let third = make("c.service");
        assert_eq!(cgroups.name(third).path, None, "too early for another walk");
        cgroups.tree.as_mut().expect("set above").last_walk = None;
        assert_eq!(
            cgroups.name(third).label(),
            "c.service",
            "not knowing is not kept"
        );
        fs::remove_dir_all(&point).expect("folders can be removed");
    }

    #[test]
    fn a_host_without_cgroups_names_nothing() {
        let mut cgroups = Cgroups::of(Layout::default(), Hierarchy::Unmounted).expect("no files");
        cgroups.learn();
        assert_eq!(cgroups.name(1).label(), "cgroup:1");
        assert_eq!(cgroups.hierarchy(), &Hierarchy::Unmounted);
    }
}
