//! opensnoop: each call that opens a file, as it returns, with the whole path.
//!
//! Hook: raw tracepoint `sys_exit`, which sees `open`, `creat`, `openat` and `openat2` of 64-bit and of
//! 32-bit programs. A relative path is put behind the folder that it begins at: the kernel side walks from
//! the task's working folder, or the descriptor's, to the root.

use std::sync::Arc;

use clap::Args;
use tracer_common::open::{BASE_CUT, CALLS, Open, PATH_CUT, PATH_UNREADABLE};

use super::{Setup, Tool, syscall, text::trim};
use crate::{
    cli::Common,
    glob::Glob,
    kernel::{
        Kernel,
        plan::{Choice, Global, Plan},
        session::{read_u32, read_u64},
        syscalls::{Abi, errno},
    },
    names::Names,
    objects,
    report::{Column, Event, Role, Schema, Unit, Value},
};

/// Flags of opensnoop.
#[derive(Args, Debug)]
pub struct Options {
    /// Only opens that fail
    #[arg(short = 'x', long)]
    pub failures: bool,

    /// Only paths that contain this, or that it matches where it has *, ? or [ ]
    #[arg(long, value_name = "PATTERN")]
    pub name: Option<String>,

    /// Show the flags of the open
    #[arg(short = 'F', long = "flags")]
    pub show_flags: bool,

    #[command(flatten)]
    /// Flags that all tools have.
    pub common: Common,
}

impl Options {
    /// The tool.
    pub fn into_tool(self) -> anyhow::Result<Opensnoop> {
        let schema = Arc::new(schema(self.show_flags));
        let name = self.name.as_deref().map(Wanted::new);
        Ok(Opensnoop { options: self, schema, name })
    }
}

/// Which paths are wanted.
#[derive(Debug)]
enum Wanted {
    Containing(Vec<u8>),
    Matching(Glob),
}

impl Wanted {
    fn new(text: &str) -> Self {
        if text.contains(['*', '?', '[']) {
            Self::Matching(Glob::new(text))
        } else {
            Self::Containing(text.as_bytes().to_vec())
        }
    }

    fn has(&self, path: &[u8]) -> bool {
        match self {
            Self::Containing(part) => {
                part.is_empty() || path.windows(part.len()).any(|window| window == part)
            }
            Self::Matching(glob) => glob.matches(path),
        }
    }
}

/// What opensnoop attaches to.
pub fn hooks(kernel: &Kernel) -> anyhow::Result<Vec<Choice>> {
    Ok(vec![syscall::exit(kernel, "an open returns")])
}

fn schema(show_flags: bool) -> Schema {
    let column = |name, title, role, width, help| Column { name, title, unit: Unit::None, role, width, help };
    let mut columns = vec![
        column("pid", "PID", Role::Info, 7, "the process"),
        column("comm", "COMM", Role::Key, 16, "the thread's name"),
        column("container", "CONTAINER", Role::Key, 20, "the container or unit that it runs in"),
        column("user", "USER", Role::Key, 8, "the user"),
        column("fd", "FD", Role::Info, 4, "the descriptor"),
        column("error", "ERROR", Role::Key, 8, "the error, where it failed"),
    ];
    if show_flags {
        columns.push(column("flags", "FLAGS", Role::Info, 20, "how it was opened"));
    }
    columns.push(column("path", "PATH", Role::Info, 0, "the path that was asked for, from the root"));
    Schema { name: "opens", columns }
}

/// opensnoop at work.
pub struct Opensnoop {
    options: Options,
    schema: Arc<Schema>,
    name: Option<Wanted>,
}

impl Tool for Opensnoop {
    fn plan(&mut self, setup: &Setup<'_>) -> anyhow::Result<Plan> {
        let kernel = setup.kernel;
        let mut plan = Plan {
            object: objects::OPENSNOOP,
            globals: vec![Global::u32("FAILED_ONLY", self.options.failures.into())],
            facts: syscall::facts(kernel)?,
            map_sizes: vec![("EVENTS", setup.common.output.ring_bytes())],
            attachments: Vec::new(),
        };
        for choice in hooks(kernel)? {
            plan.attachments.extend(choice.attachments(kernel)?);
        }
        plan.facts.push(Global::u32s("OPEN_CALLS", &syscall::numbers(Abi::Native, &CALLS)));
        plan.facts.push(Global::u32s("OPEN_CALLS_COMPAT", &syscall::numbers(Abi::Compat, &CALLS)));
        for (name, structure, member) in OFFSETS {
            plan.facts.push(Global::u32(name, kernel.offset(structure, member)?));
        }
        Ok(plan)
    }

    fn events(&self) -> Option<Arc<Schema>> {
        Some(self.schema.clone())
    }

    fn event(
        &mut self,
        record: &[u8],
        names: &mut Names,
        emit: &mut dyn FnMut(Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (open, strings) = read_open(record);
        let path = whole_path(&open, strings);
        if self.name.as_ref().is_some_and(|name| !name.has(&path)) {
            return Ok(());
        }
        let failed = open.result < 0;
        let number = open.result.unsigned_abs() as u32;
        let error = errno::name(number).map_or_else(|| number.to_string(), str::to_owned);
        let mut values = vec![
            Value::U64(open.tgid.into()),
            Value::Text(trim(&open.comm).to_vec()),
            names.container(open.cgroup),
            names.user(open.uid),
            if failed { Value::Null } else { Value::I64(open.result) },
            if failed { error.into() } else { Value::Null },
        ];
        if self.options.show_flags {
            values.push(flags_text(open.flags).into());
        }
        let path = if open.marks & PATH_UNREADABLE != 0 { Value::Null } else { Value::Text(path) };
        values.push(path);
        emit(Event { schema: self.schema.clone(), time_ns: names.unix_ns(open.time), values })
    }
}

/// Where the kernel keeps the folders that relative paths begin at.
const OFFSETS: [(&str, &str, &str); 15] = [
    ("OFFSET_TASK_FS", "task_struct", "fs"),
    ("OFFSET_FS_PWD_MNT", "fs_struct", "pwd.mnt"),
    ("OFFSET_FS_PWD_DENTRY", "fs_struct", "pwd.dentry"),
    ("OFFSET_TASK_FILES", "task_struct", "files"),
    ("OFFSET_FILES_FDT", "files_struct", "fdt"),
    ("OFFSET_FDTABLE_FD", "fdtable", "fd"),
    ("OFFSET_FDTABLE_MAX", "fdtable", "max_fds"),
    ("OFFSET_FILE_MNT", "file", "f_path.mnt"),
    ("OFFSET_FILE_DENTRY", "file", "f_path.dentry"),
    ("OFFSET_DENTRY_PARENT", "dentry", "d_parent"),
    ("OFFSET_DENTRY_NAME", "dentry", "d_name.name"),
    ("OFFSET_VFSMOUNT_ROOT", "vfsmount", "mnt_root"),
    ("OFFSET_MOUNT_MNT", "mount", "mnt"),
    ("OFFSET_MOUNT_PARENT", "mount", "mnt_parent"),
    ("OFFSET_MOUNT_MOUNTPOINT", "mount", "mnt_mountpoint"),
];

/// Takes an event apart by the layout of [`Open`]: the struct, and the strings behind it.
fn read_open(bytes: &[u8]) -> (Open, &[u8]) {
    let word = |at: usize| read_u64(&bytes[at..]);
    let half = |at: usize| read_u32(&bytes[at..]);
    let open = Open {
        time: word(0),
        cgroup: word(8),
        flags: word(16),
        result: word(24) as i64,
        tgid: half(32),
        tid: half(36),
        uid: half(40),
        call: half(44),
        path_bytes: half(48),
        base_bytes: half(52),
        marks: half(56),
        padding: 0,
        comm: bytes[64..80].try_into().expect("16 bytes"),
    };
    (open, &bytes[size_of::<Open>()..])
}

/// What marks a part of a path that is not here.
const CUT: &[u8] = b"[...]";

/// The path from the root: what was asked for, behind the folder that it begins at where it is relative.
fn whole_path(open: &Open, strings: &[u8]) -> Vec<u8> {
    let (path, rest) = strings.split_at((open.path_bytes as usize).min(strings.len()));
    let mut whole = Vec::new();
    // An empty path is none, wherever it would begin.
    if path.first().is_some_and(|&first| first != b'/') {
        let base = &rest[..(open.base_bytes as usize).min(rest.len())];
        if open.marks & BASE_CUT != 0 {
            whole.extend(CUT);
        }
        // From the innermost out, each with a NUL behind.
        for name in base.split(|&byte| byte == 0).rev().filter(|name| !name.is_empty()) {
            whole.push(b'/');
            whole.extend(name);
        }
        whole.push(b'/');
    }
    whole.extend(path);
    if open.marks & PATH_CUT != 0 {
        whole.extend(CUT);
    }
    whole
}

/// `O_*` flags in words, as `open(2)` has them.
fn flags_text(flags: u64) -> String {
    const NAMED: [(i32, &str); 12] = [
        (libc::O_CREAT, "O_CREAT"),
        (libc::O_EXCL, "O_EXCL"),
        (libc::O_TRUNC, "O_TRUNC"),
        (libc::O_APPEND, "O_APPEND"),
        (libc::O_NONBLOCK, "O_NONBLOCK"),
        (libc::O_SYNC, "O_SYNC"),
        (libc::O_DIRECT, "O_DIRECT"),
        (libc::O_DIRECTORY, "O_DIRECTORY"),
        (libc::O_NOFOLLOW, "O_NOFOLLOW"),
        (libc::O_CLOEXEC, "O_CLOEXEC"),
        (libc::O_PATH, "O_PATH"),
        (libc::O_TMPFILE & !libc::O_DIRECTORY, "O_TMPFILE"),
    ];
    let access = match flags as i32 & libc::O_ACCMODE {
        libc::O_RDONLY => "O_RDONLY",
        libc::O_WRONLY => "O_WRONLY",
        _ => "O_RDWR",
    };
    let set = NAMED.iter().filter(|(bits, _)| flags as i32 & bits == *bits).map(|(_, name)| *name);
    std::iter::once(access).chain(set).collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &[u8], base: &[u8], marks: u32) -> String {
        let open = Open {
            path_bytes: path.len() as u32,
            base_bytes: base.len() as u32,
            marks,
            ..Open::default()
        };
        String::from_utf8(whole_path(&open, &[path, base].concat())).expect("UTF-8")
    }

    #[test]
    fn paths_begin_at_the_root() {
        assert_eq!(path(b"/etc/passwd", b"", 0), "/etc/passwd");
        assert_eq!(path(b"x", b"inner\0outer\0", 0), "/outer/inner/x");
        assert_eq!(path(b"x", b"", 0), "/x");
        assert_eq!(path(b"", b"", 0), "");
        assert_eq!(path(b"../x", b"a\0", 0), "/a/../x");
        assert_eq!(path(b"x", b"a\0", BASE_CUT), "[...]/a/x");
        assert_eq!(path(b"/long", b"", PATH_CUT), "/long[...]");
    }

    #[test]
    fn flags_are_written_as_in_the_manual() {
        assert_eq!(flags_text((libc::O_WRONLY | libc::O_CREAT) as u64), "O_WRONLY|O_CREAT");
        assert_eq!(flags_text(0), "O_RDONLY");
    }
}
