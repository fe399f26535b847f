//! Which cgroup hierarchies this host has, and which of them tells containers apart.
//!
//! A host has one hierarchy of v2, or several of v1, each with its controllers, or both (hybrid). A
//! process is in one cgroup of each. Pure: the texts of `/proc` go in.
//!
//! Sources: `man 7 cgroups`, `man 5 proc_pid_mountinfo`, `Documentation/admin-guide/cgroup-v2.rst`.

use std::{
    collections::HashMap,
    ffi::OsString,
    fmt,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use super::container::Owner;

/// A controller of cgroup v1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Controller {
    /// What mount options and `/proc/PID/cgroup` call it.
    pub name: &'static str,
    /// What the kernel's source calls it: `NAME_cgrp_id` is its index in `css_set.subsys[]`, see
    /// `include/linux/cgroup_subsys.h`.
    pub subsystem: &'static str,
}

impl fmt::Display for Controller {
    /// Writes the subsystem's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.subsystem)
    }
}

const fn controller(name: &'static str, subsystem: &'static str) -> Controller {
    Controller { name, subsystem }
}

/// The controllers by which containers are told apart, the likeliest first: container runtimes limit
/// memory nearly always. Named hierarchies such as systemd's own are not here: they have no subsystem,
/// and a program in the kernel finds a task's cgroup only by one.
const CONTROLLERS: &[Controller] = &[
    controller("memory", "memory"),
    controller("cpu", "cpu"),
    controller("pids", "pids"),
    controller("cpuacct", "cpuacct"),
    controller("devices", "devices"),
    controller("freezer", "freezer"),
    controller("blkio", "io"),
    controller("cpuset", "cpuset"),
];

/// A mounted cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// Which of its cgroups is mounted there, as seen from the reader's cgroup namespace: `/` mostly.
    pub root: PathBuf,
}

/// The hierarchy that tells containers apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// That of cgroup v2. `bpf_get_current_cgroup_id()` gives the id of a task's cgroup.
    V2 {
        /// Where it is.
        mount: Mount,
    },
    /// One of cgroup v1. `task->cgroups->subsys[i]->cgroup->kn->id` is the id of a task's cgroup, with
    /// the index of `controller` for `i`.
    V1 {
        /// Where it is.
        mount: Mount,
        /// A controller of it.
        controller: Controller,
    },
    /// No cgroup file system is mounted: ids cannot be named.
    Unmounted,
}

impl Hierarchy {
    /// Where it is mounted.
    pub fn mount(&self) -> Option<&Mount> {
        match self {
            Self::V2 { mount } | Self::V1 { mount, .. } => Some(mount),
            Self::Unmounted => None,
        }
    }
}

impl fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V2 { mount } => write!(f, "cgroup v2 at {}", mount.point.display()),
            Self::V1 { mount, controller } => {
                write!(
                    f,
                    "cgroup v1, {}, at {}",
                    controller.name,
                    mount.point.display()
                )
            }
            Self::Unmounted => f.write_str("no cgroup file system"),
        }
    }
}

/// All cgroup hierarchies that are mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// That of cgroup v2.
    pub v2: Option<Mount>,
    /// Those of cgroup v1, in the order of preference.
    pub v1: Vec<(Controller, Mount)>,
}

impl Layout {
    /// Reads the text of `/proc/PID/mountinfo`. Lines that are not understood are passed over.
    pub fn parse(mountinfo: &[u8]) -> Self {
        let mut layout = Self::default();
        let lines = mountinfo
            .split(|&byte| byte == b'\n')
            .filter_map(CgroupLine::parse);
        for CgroupLine { mount, v2, options } in lines {
            if v2 {
                if prefers(layout.v2.as_ref(), &mount) {
                    layout.v2 = Some(mount);
                }
                continue;
            }
            let named = |option: &[u8]| CONTROLLERS.iter().find(|c| c.name.as_bytes() == option);
            for &controller in options.split(|&byte| byte == b',').filter_map(named) {
                layout.add_v1(controller, mount.clone());
            }
        }
        let rank = |controller| CONTROLLERS.iter().position(|&known| known == controller);
        layout.v1.sort_by_key(|&(controller, _)| rank(controller));
        layout
    }

    fn add_v1(&mut self, controller: Controller, mount: Mount) {
        match self.v1.iter_mut().find(|(known, _)| *known == controller) {
            Some((_, held)) if prefers(Some(held), &mount) => *held = mount,
            Some(_) => {}
            None => self.v1.push((controller, mount)),
        }
    }

    /// True where processes are in cgroups of v1 and v2: then only a [`Census`] tells which counts.
    pub fn is_hybrid(&self) -> bool {
        self.v2.is_some() && !self.v1.is_empty()
    }

    /// The hierarchy that tells containers apart: the one with most processes in containers, then the
    /// one with most processes outside of its root. v2 wins a draw, because runc and systemd place
    /// processes in both on a hybrid host, and a task's cgroup of v2 is cheaper to read. Where nothing
    /// is placed anywhere, v1 wins: its controllers are then what a runtime will use.
    pub fn choose(&self, census: &Census) -> Hierarchy {
        let v2 = self.v2.as_ref();
        let evidence_v2 = v2
            .map(|_| census.of(""))
            .filter(|count| *count != Count::default());
        // max_by_key takes the last of equals, and the first one is preferred.
        let best_v1 = self
            .v1
            .iter()
            .rev()
            .max_by_key(|(controller, _)| census.of(controller.name));
        match (v2, best_v1) {
            (None, None) => Hierarchy::Unmounted,
            (Some(mount), None) => Hierarchy::V2 {
                mount: mount.clone(),
            },
            (Some(mount), Some((controller, _)))
                if evidence_v2.is_some_and(|count| count >= census.of(controller.name)) =>
            {
                Hierarchy::V2 {
                    mount: mount.clone(),
                }
            }
            (_, Some((controller, mount))) => Hierarchy::V1 {
                mount: mount.clone(),
                controller: *controller,
            },
        }
    }
}

/// A later mount covers an earlier one, but one of the whole tree beats one of a part.
fn prefers(held: Option<&Mount>, other: &Mount) -> bool {
    held.is_none_or(|held| other.root == Path::new("/") || held.root != Path::new("/"))
}

/// What mountinfo says of one cgroup mount.
struct CgroupLine<'a> {
    mount: Mount,
    v2: bool,
    /// The options of the file system, among them the controllers.
    options: &'a [u8],
}

impl<'a> CgroupLine<'a> {
    /// `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG]… - TYPE SOURCE SUPER_OPTIONS`
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|&byte| byte == b' ');
        let root = unescape(fields.nth(3)?);
        let point = unescape(fields.next()?);
        let v2 = match fields.by_ref().skip_while(|&field| field != b"-").nth(1)? {
            b"cgroup2" => true,
            b"cgroup" => false,
            _ => return None,
        };
        let options = fields.nth(1).unwrap_or_default();
        Some(Self {
            mount: Mount { point, root },
            v2,
            options,
        })
    }
}

/// Undoes the `\040` for a space, a tab, a line feed and a backslash: `seq_path()` of `fs/seq_file.c`.
fn unescape(field: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        match octal(after) {
            Some(byte) if first == b'\\' => {
                out.push(byte);
                rest = &after[3..];
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    OsString::from_vec(out).into()
}

fn octal(text: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(text.get(..3)?).ok()?;
    u8::from_str_radix(digits, 8).ok()
}

/// How many processes a hierarchy holds. Ordered: those in containers weigh more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// In a container's cgroup.
    pub in_containers: u32,
    /// Outside of the root.
    pub placed: u32,
}

/// Where processes are: gathered from the text of `/proc/PID/cgroup` of several of them.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// By controller, v2 under the empty name.
    counts: HashMap<String, Count>,
}

impl Census {
    /// Counts one process. A line is `NUMBER:CONTROLLER[,CONTROLLER]…:PATH`, `0::PATH` for v2.
    pub fn add(&mut self, proc_pid_cgroup: &str) {
        for line in proc_pid_cgroup.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if path == "/" {
                continue;
            }
            let in_container = Owner::of(path).container.is_some();
            for controller in controllers.split(',') {
                let count = self.counts.entry(controller.to_owned()).or_default();
                count.placed += 1;
                count.in_containers += u32::from(in_container);
            }
        }
    }

    /// What was counted for a controller of v1 (or for v2, by the empty name).
    pub fn of(&self, controller: &str) -> Count {
        self.counts.get(controller).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str =
        "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 master:3 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const ID: &str = "3f2a9c0d1e5b4c7786a1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7081";

    fn census(processes: &[&str]) -> Census {
        let mut census = Census::default();
        for process in processes {
            census.add(&process.replace("ID", ID));
        }
        census
    }

    fn chosen(mountinfo: &str, processes: &[&str]) -> String {
        Layout::parse(mountinfo.as_bytes())
            .choose(&census(processes))
            .to_string()
    }

    #[test]
    fn a_host_of_v2() {
        let layout = Layout::parse(V2.as_bytes());
        assert!(!layout.is_hybrid());
        assert_eq!(chosen(V2, &[]), "cgroup v2 at /sys/fs/cgroup");
    }

    #[test]
    fn a_host_of_v1() {
        let v1 = HYBRID.replace("cgroup2", "nothing");
        assert_eq!(
            chosen(&v1, &[]),
            "cgroup v1, memory, at /sys/fs/cgroup/memory"
        );
        let no_memory = v1.replace("rw,memory", "rw");
        assert_eq!(
            chosen(&no_memory, &[]),
            "cgroup v1, cpu, at /sys/fs/cgroup/cpu,cpuacct"
        );
        let placed = ["3:memory:/\n2:blkio:/docker/ID\n"];
        assert_eq!(
            chosen(&v1, &placed),
            "cgroup v1, blkio, at /sys/fs/cgroup/blkio"
        );
    }

    #[test]
    fn the_name_of_a_subsystem_is_the_kernels() {
        let layout = Layout::parse(HYBRID.as_bytes());
        let names: Vec<_> = layout.v1.iter().map(|(c, _)| c.to_string()).collect();
        assert_eq!(names, ["memory", "cpu", "cpuacct", "io"]);
    }

    #[test]
    fn a_hybrid_host_is_judged_by_its_processes() {
        const V2_CHOSEN: &str = "cgroup v2 at /sys/fs/cgroup/unified";
        const V1_CHOSEN: &str = "cgroup v1, memory, at /sys/fs/cgroup/memory";
        assert!(Layout::parse(HYBRID.as_bytes()).is_hybrid());
        assert_eq!(chosen(HYBRID, &[]), V1_CHOSEN);
        assert_eq!(chosen(HYBRID, &["4:memory:/\n0::/\n"]), V1_CHOSEN);
        assert_eq!(chosen(HYBRID, &["4:memory:/x\n0::/\n"]), V1_CHOSEN);
        assert_eq!(chosen(HYBRID, &["4:memory:/\n0::/x\n"]), V2_CHOSEN);
        // Placed in both: a draw.
        assert_eq!(
            chosen(HYBRID, &["4:memory:/docker/ID\n0::/docker/ID\n"]),
            V2_CHOSEN
        );
        // Services in v2, containers in v1.
        let mixed = [
            "4:memory:/\n0::/a.service\n",
            "4:memory:/docker/ID\n0::/b.service\n",
        ];
        assert_eq!(chosen(HYBRID, &mixed), V1_CHOSEN);
    }

    #[test]
    fn a_host_without_cgroups() {
        assert_eq!(chosen("", &[]), "no cgroup file system");
        assert_eq!(
            chosen("23 1 0:21 / /proc rw - proc proc rw\n", &[]),
            "no cgroup file system"
        );
        // Only systemd's own hierarchy of v1.
        let named = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n";
        assert_eq!(chosen(named, &[]), "no cgroup file system");
    }

    #[test]
    fn mount_points_are_unescaped() {
        let line = r"31 23 0:28 /a\134b /mnt/c\040g\9 rw - cgroup2 none rw";
        let mount = Layout::parse(line.as_bytes()).v2.expect("one mount");
        assert_eq!(mount.point, Path::new(r"/mnt/c g\9"));
        assert_eq!(mount.root, Path::new(r"/a\b"));
    }

    #[test]
    fn the_whole_tree_beats_a_part_of_it() {
        let part = "50 23 0:28 /docker/x /mnt/part rw - cgroup2 cgroup2 rw\n";
        for text in [format!("{V2}{part}"), format!("{part}{V2}")] {
            assert_eq!(chosen(&text, &[]), "cgroup v2 at /sys/fs/cgroup");
        }
    }

    #[test]
    fn broken_lines_are_passed_over() {
        let broken = "1 2 3\n\n- - - - - - -\n1 2 3 / /x rw - cgroup2\n1 2 3 / /x rw cgroup cgroup rw,memory\n";
        let layout = Layout::parse(format!("{broken}{V2}").as_bytes());
        assert_eq!(
            layout.v2.map(|mount| mount.point),
            Some(PathBuf::from("/sys/fs/cgroup"))
        );
        let mut census = Census::default();
        census.add("x\n1:memory\n::\n");
        assert_eq!(census.of("memory"), Count::default());
    }

    #[test]
    fn paths_with_colons_are_kept_whole() {
        let census = census(&["0::/system.slice:docker:ID\n"]);
        assert_eq!(
            census.of(""),
            Count {
                in_containers: 1,
                placed: 1
            }
        );
    }
}
