//! Places in the running system that a program can be attached to: one file for each provider.

pub mod fentry;
pub mod iterator;
pub mod kprobe;
pub mod raw_tracepoint;
pub mod sampling;
pub mod tracepoint;
pub mod uprobe;

mod perf_event;

use std::{
    ffi::CString,
    fmt,
    os::fd::{BorrowedFd, OwnedFd},
};

use crate::kernel::{Kernel, sys::SysError, tracepoint::Tracefs};

pub use kprobe::Functions;
pub use uprobe::UserFunctions;

/// A place that a program is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A tracepoint with its raw arguments, by name without category: the cheapest way in.
    RawTracepoint(&'static str),
    /// A tracepoint by its `format`: category and name. Costs some 55 ns more an event than the raw
    /// one, and a grace period of the kernel's to detach.
    Tracepoint(&'static str, &'static str),
    /// Kernel functions, one perf event each. From Linux 5.15 on the cookie of each is its index.
    Kprobe(Functions),
    /// Kernel functions by one link for all of them. Linux 5.18 with `CONFIG_FPROBE`. The cookie of
    /// each is its index.
    KprobeMulti(Functions),
    /// Functions of a user binary, one perf event each. From Linux 5.15 on the cookie of each is its
    /// index.
    Uprobe(UserFunctions),
    /// Functions of a user binary by one link for all of them. Linux 6.6. The cookie of each is its
    /// index.
    UprobeMulti(UserFunctions),
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hook::RawTracepoint(name) => write!(f, "rawtracepoint:{name}"),
            Hook::Tracepoint(category, name) => write!(f, "tracepoint:{category}:{name}"),
            Hook::Kprobe(functions) => write!(f, "{functions}"),
            Hook::KprobeMulti(functions) => write!(f, "{functions} by one link"),
            Hook::Uprobe(functions) => write!(f, "{functions}"),
            Hook::UprobeMulti(functions) => write!(f, "{functions} by one link"),
        }
    }
}

impl Hook {
    /// Whether this kernel has the place; where it has not, why.
    pub fn available(&self, kernel: &Kernel) -> Result<(), String> {
        match self {
            Hook::RawTracepoint(name) => raw_tracepoint::available(kernel, name),
            Hook::Tracepoint(category, name) => tracepoint::available(kernel, category, name),
            Hook::Kprobe(_) => kprobe::available(kernel),
            Hook::KprobeMulti(_) => kprobe::available_multi(kernel),
            Hook::Uprobe(_) => uprobe::available(kernel),
            Hook::UprobeMulti(_) => uprobe::available_multi(kernel),
        }
    }

    /// Attaches `program`. What comes back are descriptors: closing them detaches.
    pub fn attach(&self, program: BorrowedFd<'_>) -> Result<Vec<OwnedFd>, AttachError> {
        let attached = match self {
            Hook::RawTracepoint(name) => {
                raw_tracepoint::attach(program, name, None).map(|link| vec![link])
            }
            Hook::Tracepoint(category, name) => Tracefs::find()
                .map_err(|error| Failure::from(error.to_string()))
                .and_then(|tracefs| tracepoint::attach(program, &tracefs, category, name, None))
                .map(|link| vec![link]),
            Hook::Kprobe(functions) => kprobe::attach_each(program, functions),
            Hook::KprobeMulti(functions) => kprobe::attach_all(program, functions),
            Hook::Uprobe(functions) => uprobe::attach_each(program, functions),
            Hook::UprobeMulti(functions) => uprobe::attach_all(program, functions),
        };
        attached.map_err(|failure| failure.at(&self.to_string()))
    }
}

/// Why a program could not be attached.
#[derive(Debug, thiserror::Error)]
#[error("cannot attach to {hook}: {reason}")]
pub struct AttachError {
    hook: String,
    reason: String,
    /// The error number, where the kernel gave one.
    pub errno: Option<i32>,
}

/// What a provider reports, before the hook's name is put to it.
#[derive(Debug)]
pub struct Failure {
    /// The one of several places that failed.
    hook: Option<String>,
    reason: String,
    errno: Option<i32>,
}

impl Failure {
    /// With the name of the place, unless it names one itself.
    pub fn at(self, hook: &str) -> AttachError {
        let Self {
            hook: own,
            reason,
            errno,
        } = self;
        AttachError {
            hook: own.unwrap_or_else(|| hook.to_owned()),
            reason,
            errno,
        }
    }
}

impl From<SysError> for Failure {
    fn from(error: SysError) -> Self {
        let hint = match error.errno() {
            libc::ENOENT => ": this kernel has no such place; see `tracer list`",
            libc::EILSEQ => ": no instruction begins at that offset",
            libc::EOPNOTSUPP => "; this machine has no counter for it",
            libc::EPERM | libc::EACCES => {
                "; attaching needs root, or CAP_BPF and CAP_PERFMON, and CAP_SYS_ADMIN where \
                 kernel.perf_event_paranoid is 3 and, on newer kernels, for uprobes"
            }
            libc::EMFILE => {
                "; too many open files for one process: raise `ulimit -n`, or match fewer"
            }
            _ => "",
        };
        Self {
            hook: None,
            errno: Some(error.errno()),
            reason: format!("{error}{hint}"),
        }
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self {
            hook: None,
            reason,
            errno: None,
        }
    }
}

fn c_string(bytes: &[u8]) -> Result<CString, Failure> {
    CString::new(bytes).map_err(|_| Failure::from("a name cannot hold a NUL byte".to_owned()))
}

/// Closes descriptors on several threads at once: each perf event that is closed waits for a grace
/// period of the kernel's, and these can pass side by side.
pub fn detach(links: Vec<OwnedFd>) {
    const THREADS: usize = 16;
    if links.len() < 2 {
        return;
    }
    let mut shares: Vec<Vec<OwnedFd>> = (0..THREADS.min(links.len())).map(|_| Vec::new()).collect();
    let count = shares.len();
    for (index, link) in links.into_iter().enumerate() {
        shares[index % count].push(link);
    }
    std::thread::scope(|scope| {
        for share in shares {
            scope.spawn(move || drop(share));
        }
    });
}
