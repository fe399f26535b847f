//! Tests against the cgroups of this host. They make cgroups, which takes root.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::atomic::{AtomicU32, Ordering},
};

use super::{
    layout::{Hierarchy, Layout},
    resolve::Cgroups,
    select::SelectError,
};

const ID: &str = "3f2a9c0d1e5b4c7786a1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7081";

/// A cgroup made for a test, with all above it that had to be made; removed at the end.
struct Made {
    folders: Vec<PathBuf>,
}

impl Made {
    fn new(point: &Path, below: &str) -> Self {
        let mut made = Self {
            folders: Vec::new(),
        };
        let mut folder = point.to_owned();
        for component in Path::new(below) {
            folder.push(component);
            if !folder.exists() {
                fs::create_dir(&folder).expect("root makes cgroups");
                made.folders.push(folder.clone());
            }
        }
        made
    }

    fn folder(&self) -> &Path {
        self.folders.last().expect("the last component is unique")
    }

    fn id(&self) -> u64 {
        fs::metadata(self.folder()).expect("it is there").ino()
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for folder in self.folders.iter().rev() {
            if folder.exists() {
                fs::remove_dir(folder).expect("an empty cgroup can be removed");
            }
        }
    }
}

/// A process that sleeps, ended at the end.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Self {
        Self(
            Command::new("sleep")
                .arg("60")
                .spawn()
                .expect("sleep can be run"),
        )
    }

    fn move_to(&self, folder: &Path) {
        fs::write(folder.join("cgroup.procs"), self.0.id().to_string())
            .expect("root moves processes");
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0
            .kill()
            .and_then(|()| self.0.wait())
            .expect("a child of our own can be ended");
    }
}

/// A name that no other test has, neither of this run nor of one beside it.
fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("tracer-test-{}-{number}", std::process::id())
}

/// Every hierarchy of this host on its own; none where cgroups cannot be made.
fn hierarchies() -> Vec<Cgroups> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !is_root {
        eprintln!("SKIPPED: making cgroups takes root");
        return Vec::new();
    }
    let text = fs::read("/proc/self/mountinfo").expect("/proc is mounted");
    let layout = Layout::parse(&text);
    let v2 = layout.v2.clone().map(|mount| Hierarchy::V2 { mount });
    let v1 = layout.v1.clone().into_iter();
    let v1 = v1.map(|(controller, mount)| Hierarchy::V1 { mount, controller });
    let all = v2.into_iter().chain(v1).filter(can_hold_processes);
    let open = |hierarchy| Cgroups::of(layout.clone(), hierarchy).expect("it is mounted");
    all.map(open).collect()
}

/// Whether a cgroup can be made and take a process without more ado.
fn can_hold_processes(hierarchy: &Hierarchy) -> bool {
    // In a cpuset of v1 there is no CPU to run on before some are set.
    if matches!(hierarchy, Hierarchy::V1 { controller, .. } if controller.name == "cpuset") {
        return false;
    }
    let folder = hierarchy
        .mount()
        .expect("it is mounted")
        .point
        .join(unique());
    let made = fs::create_dir(&folder);
    match made {
        Ok(()) => fs::remove_dir(&folder).expect("an empty cgroup can be removed"),
        Err(ref error) => eprintln!("SKIPPED: {hierarchy}: no cgroup can be made: {error}"),
    }
    made.is_ok()
}

fn point(cgroups: &Cgroups) -> PathBuf {
    cgroups
        .hierarchy()
        .mount()
        .expect("it is mounted")
        .point
        .clone()
}

#[test]
fn ids_are_resolved_and_outlive_their_cgroups() {
    for mut cgroups in hierarchies() {
        let below = format!("{}/docker/{ID}", unique());
        let made = Made::new(&point(&cgroups), &below);
        let id = made.id();
        let name = cgroups.name(id);
        assert_eq!(
            name.path,
            Some(format!("/{below}")),
            "{}",
            cgroups.hierarchy()
        );
        assert_eq!(name.label(), "docker:3f2a9c0d1e5b");
        drop(made);
        assert_eq!(cgroups.name(id).label(), "docker:3f2a9c0d1e5b");
    }
}

#[test]
fn cgroups_that_were_removed_are_found_where_there_are_many() {
    for mut cgroups in hierarchies() {
        let stays = Made::new(&point(&cgroups), &unique());
        let goes = Made::new(&point(&cgroups), &unique());
        let id = goes.id();
        drop(goes);
        // Ids are never given twice, and these are none.
        let never: Vec<u64> = (0..100).map(|number| u64::MAX - number).collect();
        let few = [stays.id(), id];
        assert!(cgroups.gone(&few).is_empty());
        let many = [few.as_slice(), &never].concat();
        let gone = cgroups.gone(&many);
        assert!(
            gone.contains(&id) && !gone.contains(&stays.id()),
            "{gone:?}"
        );
        // Too early to look again.
        assert!(cgroups.gone(&many).is_empty());
    }
}

#[test]
fn a_cgroup_that_vanished_unseen_has_no_name() {
    for mut cgroups in hierarchies() {
        let made = Made::new(&point(&cgroups), &unique());
        let id = made.id();
        drop(made);
        assert_eq!(cgroups.name(id).label(), format!("cgroup:{id}"));
    }
}

#[test]
fn what_was_learned_outlives_its_cgroup() {
    for mut cgroups in hierarchies() {
        let below = unique();
        let made = Made::new(&point(&cgroups), &below);
        let id = made.id();
        cgroups.learn();
        drop(made);
        assert_eq!(
            cgroups.name(id).path,
            Some(format!("/{below}")),
            "{}",
            cgroups.hierarchy()
        );
    }
}

#[test]
fn the_root_has_level_0_and_no_label() {
    for mut cgroups in hierarchies() {
        for path in [Path::new("/"), Path::new(""), &point(&cgroups)] {
            let root = cgroups
                .select_path(path)
                .expect("every hierarchy has a root");
            assert_eq!((root.id, root.level, root.path.as_str()), (1, 0, "/"));
            assert_eq!(cgroups.name(root.id).label(), "-");
        }
    }
}

#[test]
fn a_process_that_is_placed_is_found_by_its_path() {
    for cgroups in hierarchies() {
        let below = format!("{}/inner", unique());
        let made = Made::new(&point(&cgroups), &below);
        let sleeper = Sleeper::new();
        sleeper.move_to(made.folder());
        let proc =
            fs::read_to_string(format!("/proc/{}/cgroup", sleeper.0.id())).expect("it is running");
        assert!(
            proc.lines()
                .any(|line| line.ends_with(&format!("/{below}"))),
            "{proc}"
        );
        for path in [
            format!("/{below}"),
            below.clone(),
            made.folder().display().to_string(),
        ] {
            let found = cgroups.select_path(Path::new(&path)).expect("it is there");
            assert_eq!((found.id, found.level), (made.id(), 2), "{path}");
            assert_eq!(found.path, format!("/{below}"));
        }
        drop(sleeper);
    }
}

#[test]
fn containers_are_selected_by_a_beginning_of_their_id() {
    for cgroups in hierarchies() {
        let own = unique();
        let (a, b) = ("e0".repeat(32), format!("e0e1{}", "f".repeat(60)));
        let first = Made::new(&point(&cgroups), &format!("{own}/docker/{a}/init.scope"));
        let second = Made::new(&point(&cgroups), &format!("{own}/docker-{b}.scope"));
        let found = cgroups.select_container("e0e0").expect("one fits");
        assert_eq!((found.level, found.path), (3, format!("/{own}/docker/{a}")));
        let found = cgroups.select_container("docker:e0e1").expect("one fits");
        assert_eq!((found.level, found.id), (2, second.id()));
        let error = cgroups.select_container("e0e").expect_err("two fit");
        assert!(matches!(error, SelectError::Ambiguous { .. }), "{error}");
        assert!(error.to_string().contains("docker:e0e1ffffffff"), "{error}");
        let error = cgroups
            .select_container("nothing-like-it")
            .expect_err("none fits");
        assert!(matches!(error, SelectError::NoContainer { .. }), "{error}");
        drop((second, first));
    }
}

#[test]
fn what_cannot_be_selected_is_explained() {
    for cgroups in hierarchies() {
        let below = unique();
        let made = Made::new(&point(&cgroups), &format!("{below}/UPPER"));
        let error = |path: &Path| {
            cgroups
                .select_path(path)
                .expect_err("it cannot be")
                .to_string()
        };
        let missing = error(Path::new("/somewhere/upper"));
        assert!(
            missing.contains("there is no cgroup /somewhere/upper in cgroup v"),
            "{missing}"
        );
        assert!(missing.contains(&format!("{below}/UPPER")), "{missing}");
        let file = error(&made.folder().join("cgroup.procs"));
        assert!(file.contains("it is a file"), "{file}");
        let elsewhere = error(Path::new("/proc"));
        assert_eq!(
            elsewhere,
            "/proc is not a cgroup: it is in no cgroup file system"
        );
        let above = error(Path::new("../../.."));
        assert!(above.contains("is not a cgroup"), "{above}");
    }
}

#[test]
fn a_path_of_another_hierarchy_is_named_so() {
    let all = hierarchies();
    let [one, .., other] = &all[..] else { return };
    let made = Made::new(&point(other), &unique());
    let error = one
        .select_path(made.folder())
        .expect_err("it is of another hierarchy");
    assert!(
        matches!(error, SelectError::OtherHierarchy { .. }),
        "{error}"
    );
}

#[test]
fn names_that_are_not_utf8_are_replaced() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    for mut cgroups in hierarchies() {
        let mut name = unique().into_bytes();
        name.extend(b"-\xff\x1b");
        let folder = point(&cgroups).join(OsStr::from_bytes(&name));
        fs::create_dir(&folder).expect("root makes cgroups");
        let made = Made {
            folders: vec![folder.clone()],
        };
        let path = cgroups.name(made.id()).path.clone().expect("it is there");
        assert!(path.ends_with("-\u{fffd}\u{1b}"), "{path:?}");
        let found = cgroups.select_path(&folder).expect("it is there");
        assert_eq!((found.id, found.level), (made.id(), 1));
    }
}

#[test]
fn this_host_is_opened() {
    let mut cgroups = Cgroups::open().expect("/proc is mounted");
    if cgroups.hierarchy() == &Hierarchy::Unmounted {
        eprintln!("SKIPPED: no cgroup file system is mounted");
        return;
    }
    eprintln!("containers are told apart by {}", cgroups.hierarchy());
    cgroups.learn();
    cgroups.containers().expect("the hierarchy can be walked");
}
