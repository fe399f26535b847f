//! Facts of processes, from `/proc`.
//!
//! A process may vanish at any time, so every question can be answered by
//! [`ProcessError::NoProcess`]. Source: `man 5 proc`.

mod code_history;
mod mapping;
mod maps;
mod privileges;
mod regions;

pub use code_history::{CodeHistory, Place};
pub use maps::files_in_use;
pub use privileges::{PrivilegeError, Privileges};
pub use regions::{CodeRegion, Origin, code_regions};

use std::{fs, io, os::unix::fs::MetadataExt as _, path::PathBuf};

/// A question about a process cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is none with this number, or it has just ended.
    #[error("there is no process {pid}")]
    NoProcess {
        /// The number that was asked for.
        pid: u32,
    },
    /// A file of `/proc` cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of `/proc` does not say what it should.
    #[error("{} holds no {field} that can be understood", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What was looked for in it.
        field: &'static str,
    },
}

/// A process, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The number of the process (thread group).
    pub tgid: u32,
    /// The process that it came from; 0 for those that the kernel made.
    pub parent: u32,
    /// How many threads it has.
    pub threads: u32,
    /// The effective user id.
    pub uid: u32,
    /// The name of the thread that was asked for: at most 15 bytes, longer for some kernel threads.
    pub comm: Vec<u8>,
}

impl Process {
    /// Looks at a process. People give the number of a thread, too: then it is that thread's process.
    pub fn read(pid: u32) -> Result<Self, ProcessError> {
        let status = Status::read(pid)?;
        let mut comm = read(pid, "comm")?;
        comm.pop_if(|last| *last == b'\n');
        Ok(Self {
            tgid: status.number("Tgid")?,
            parent: status.number("PPid")?,
            threads: status.number("Threads")?,
            uid: status.effective_uid()?,
            comm,
        })
    }
}

/// True where a process or thread has this number. One that has ended and whose parent has not asked for
/// its exit status is still there.
pub fn exists(pid: u32) -> bool {
    fs::metadata(path(pid, "")).is_ok()
}

/// The command line of a process, an argument each. Empty for kernel threads.
pub fn cmdline(pid: u32) -> Result<Vec<Vec<u8>>, ProcessError> {
    Ok(arguments(&read(pid, "cmdline")?))
}

/// Memory of this process that is resident, in bytes. The kernel counts it in batches, so that it may
/// be off by some 100 kB for each CPU.
pub fn resident_bytes() -> Result<u64, ProcessError> {
    let kilobytes: u64 = Status::read_own()?.number("VmRSS")?;
    Ok(kilobytes << 10)
}

/// True where the numbers that this process sees are those of the kernel: not in a container with numbers
/// of its own. Otherwise the numbers that the kernel side reports mean nothing to this process.
pub fn in_initial_pid_namespace() -> Result<bool, ProcessError> {
    /// `PROC_PID_INIT_INO` of `include/linux/proc_ns.h`.
    const INITIAL: u64 = 0xEFFF_FFFC;
    is_namespace("pid", INITIAL)
}

fn is_namespace(kind: &str, inode: u64) -> Result<bool, ProcessError> {
    let path = PathBuf::from(format!("/proc/self/ns/{kind}"));
    match fs::metadata(&path) {
        Ok(facts) => Ok(facts.ino() == inode),
        // The kernel was built without this kind of namespace: there is only the initial one.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(ProcessError::Read { path, source }),
    }
}

fn path(pid: u32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

fn read(pid: u32, file: &str) -> Result<Vec<u8>, ProcessError> {
    let path = path(pid, file);
    fs::read(&path).map_err(|source| match source.raw_os_error() {
        // ESRCH where it ended between the opening of the file and the reading.
        Some(libc::ENOENT | libc::ESRCH) => ProcessError::NoProcess { pid },
        _ => ProcessError::Read { path, source },
    })
}

/// What a process has in a part of its memory.
pub fn memory(pid: u32, range: std::ops::Range<u64>) -> Result<Vec<u8>, ProcessError> {
    use std::os::unix::fs::FileExt as _;
    let path = path(pid, "mem");
    let mut bytes = vec![0; range.end.saturating_sub(range.start) as usize];
    let read = fs::File::open(&path).and_then(|file| file.read_exact_at(&mut bytes, range.start));
    match read {
        Ok(()) => Ok(bytes),
        Err(source) => Err(ProcessError::Read { path, source }),
    }
}

/// Arguments end with a NUL each; a process may have overwritten them with other text.
fn arguments(cmdline: &[u8]) -> Vec<Vec<u8>> {
    if cmdline.is_empty() {
        return Vec::new();
    }
    let cmdline = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    cmdline
        .split(|&byte| byte == 0)
        .map(<[u8]>::to_vec)
        .collect()
}

/// `/proc/PID/status`: lines of `NAME:<tab>VALUE…`.
struct Status {
    path: PathBuf,
    text: String,
}

impl Status {
    fn read(pid: u32) -> Result<Self, ProcessError> {
        let text = read(pid, "status")?;
        Ok(Self {
            path: path(pid, "status"),
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }

    fn read_own() -> Result<Self, ProcessError> {
        Self::read(std::process::id())
    }

    fn values(&self, field: &'static str) -> Result<impl Iterator<Item = &str>, ProcessError> {
        let line = self
            .text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.map(str::split_ascii_whitespace)
            .ok_or_else(|| self.malformed(field))
    }

    fn number<T: std::str::FromStr>(&self, field: &'static str) -> Result<T, ProcessError> {
        let value = self.values(field)?.next();
        value
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| self.malformed(field))
    }

    fn effective_uid(&self) -> Result<u32, ProcessError> {
        let value = self.values("Uid")?.nth(1);
        value
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| self.malformed("Uid"))
    }

    fn effective_capabilities(&self) -> Result<u64, ProcessError> {
        let value = self.values("CapEff")?.next();
        let bits = value.and_then(|value| u64::from_str_radix(value, 16).ok());
        bits.ok_or_else(|| self.malformed("CapEff"))
    }

    fn malformed(&self, field: &'static str) -> ProcessError {
        ProcessError::Malformed {
            path: self.path.clone(),
            field,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn status(text: &str) -> Status {
        Status {
            path: "/proc/7/status".into(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_own_process_is_read() {
        let own = Process::read(std::process::id()).expect("it runs");
        assert_eq!(own.tgid, std::process::id());
        assert_eq!(own.parent, std::os::unix::process::parent_id());
        assert!(own.threads >= 1);
        assert!(!own.comm.is_empty() && !own.comm.contains(&b'\n'));
        assert!(exists(own.tgid));
        assert!(resident_bytes().expect("it runs") > 100_000);
        let arguments = cmdline(own.tgid).expect("it runs");
        assert_eq!(arguments.len(), std::env::args_os().count());
    }

    #[test]
    fn a_thread_leads_to_its_process() {
        let thread = fs::read_link("/proc/thread-self").expect("/proc is mounted");
        let tid = thread
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok())
            .expect("a number");
        assert_eq!(
            Process::read(tid).expect("it runs").tgid,
            std::process::id()
        );
    }

    #[test]
    fn a_process_that_vanished_is_told_so() {
        let mut child = Command::new("true").spawn().expect("true can be run");
        let pid = child.id();
        child.wait().expect("it is a child of ours");
        assert!(!exists(pid));
        let error = Process::read(pid).expect_err("it has ended");
        assert_eq!(error.to_string(), format!("there is no process {pid}"));
        assert!(matches!(cmdline(pid), Err(ProcessError::NoProcess { .. })));
        assert!(matches!(
            Process::read(u32::MAX),
            Err(ProcessError::NoProcess { .. })
        ));
    }

    #[test]
    fn a_zombie_has_no_command_line() {
        let mut child = Command::new("true").spawn().expect("true can be run");
        while !String::from_utf8_lossy(&read(child.id(), "status").expect("it is not waited for"))
            .contains("State:\tZ")
        {
            std::thread::yield_now();
        }
        let zombie = Process::read(child.id()).expect("it is not waited for");
        assert_eq!(
            (zombie.parent, zombie.comm),
            (std::process::id(), b"true".to_vec())
        );
        assert_eq!(
            cmdline(child.id()).expect("it is not waited for"),
            Vec::<Vec<u8>>::new()
        );
        child.wait().expect("it is a child of ours");
    }

    #[test]
    fn arguments_are_split() {
        let split = |text: &[u8]| arguments(text).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(split(b"ls\0-l\0\0x"), [2, 2, 0, 1]);
        assert_eq!(split(b"ls\0-l\0"), [2, 2]);
        assert_eq!(split(b"sh\0-c\0\0"), [2, 2, 0]);
        assert_eq!(split(b"postgres: writer"), [16]);
        assert_eq!(split(b""), [0; 0]);
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text =
            "Name:\tTgid:\nNStgid:\t9\nTgid:\t7\nUid:\t1\t2\t3\t4\nCapEff:\t000001fffeffffff\n";
        let status = status(text);
        assert_eq!(status.number::<u32>("Tgid").expect("it is there"), 7);
        assert_eq!(status.effective_uid().expect("it is there"), 2);
        assert_eq!(
            status.effective_capabilities().expect("it is there"),
            0x1ff_feff_ffff
        );
        let error = status.number::<u32>("Tg").expect_err("no such field");
        assert_eq!(
            error.to_string(),
            "/proc/7/status holds no Tg that can be understood"
        );
        assert!(status.number::<u32>("Name").is_err());
    }

    #[test]
    fn the_own_namespace_is_recognized() {
        let link = fs::read_link("/proc/self/ns/pid").expect("/proc is mounted");
        let initial = link.as_os_str() == "pid:[4026531836]";
        assert_eq!(
            in_initial_pid_namespace().expect("/proc is mounted"),
            initial
        );
    }
}
