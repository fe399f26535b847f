//! What the running kernel is and has, each fact looked up once, when it is first asked for.

use std::{cell::OnceCell, fmt, fs, path::Path};

use anyhow::{Context as _, anyhow};

use super::{btf::Btf, sys, tracepoint::Tracefs};

/// A version of Linux: `6.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl Release {
    /// Reads the beginning of what `uname -r` prints.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        Some(Self { major, minor })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The running kernel.
pub struct Kernel {
    /// Its version.
    pub release: Release,
    btf: OnceCell<Result<Btf, String>>,
    tracefs: OnceCell<Result<Tracefs, String>>,
    traceable: Option<String>,
}

impl Kernel {
    /// Looks at the running kernel.
    pub fn running() -> anyhow::Result<Self> {
        const PATH: &str = "/proc/sys/kernel/osrelease";
        let text = fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
        let release = Release::parse(&text).ok_or_else(|| {
            anyhow!(
                "cannot tell the kernel's version from {:?} ({PATH})",
                text.trim()
            )
        })?;
        Ok(Self {
            release,
            btf: OnceCell::new(),
            tracefs: OnceCell::new(),
            traceable: None,
        })
    }

    /// Takes the list of functions that can be traced from a file, where one is given: it has the form of tracefs'
    /// `available_filter_functions`, which a kernel with many modules is slow to make, and one without ftrace lacks.
    pub fn with_traceable_functions(mut self, path: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = path {
            let text = fs::read_to_string(path).with_context(|| {
                format!(
                    "cannot read the functions that can be traced from {}",
                    path.display()
                )
            })?;
            self.traceable = Some(text);
        }
        Ok(self)
    }

    /// The list of functions that can be traced, where it was given.
    pub fn traceable_functions(&self) -> Option<&str> {
        self.traceable.as_deref()
    }

    /// True from Linux `major.minor` on.
    pub fn since(&self, major: u32, minor: u32) -> bool {
        self.release >= Release { major, minor }
    }

    /// Makes room for maps and programs, which count as locked memory before Linux 5.11.
    pub fn make_room(&self) -> sys::Result<()> {
        match self.since(5, 11) {
            true => Ok(()),
            false => sys::raise_memlock(),
        }
    }

    /// The kernel's type information.
    pub fn btf(&self) -> anyhow::Result<&Btf> {
        let btf = self
            .btf
            .get_or_init(|| Btf::vmlinux().map_err(|error| error.to_string()));
        btf.as_ref()
            .map_err(|reason| anyhow!("cannot read the kernel's type information: {reason}"))
    }

    /// Gives back the memory of the type information: some 6 MB that are not needed after loading.
    pub fn forget_btf(&mut self) {
        self.btf.take();
    }

    /// Where a member lies in a struct, in bytes. The path may go through nested structs:
    /// `thread_info.status`.
    pub fn offset(&self, structure: &str, path: &str) -> anyhow::Result<u32> {
        let field = self.btf()?.member_offset(structure, path);
        let field = field.with_context(|| format!("this kernel has no {structure}.{path}"))?;
        Ok(field.offset_bytes())
    }

    /// The value of an enumerator.
    pub fn enumerator(&self, enumeration: &str, name: &str) -> anyhow::Result<i64> {
        self.btf()?
            .enum_value(enumeration, name)
            .with_context(|| format!("this kernel has no {name} in enum {enumeration}"))
    }

    /// How many arguments a tracepoint has, by the prototype that its type `btf_trace_<name>` points to,
    /// without the first parameter, which is the listener's own.
    pub fn raw_tracepoint_parameters(&self, name: &str) -> anyhow::Result<u32> {
        let parameters = self.btf()?.raw_tracepoint_parameters(name);
        parameters.with_context(|| format!("this kernel has no tracepoint {name}"))
    }

    /// The tracing file system.
    pub fn tracefs(&self) -> anyhow::Result<&Tracefs> {
        let tracefs = self
            .tracefs
            .get_or_init(|| Tracefs::find().map_err(|error| error.to_string()));
        tracefs.as_ref().map_err(|reason| anyhow!("{reason}"))
    }

    /// True where kernel functions can be traced.
    pub fn has_kprobes(&self) -> bool {
        has_pmu("kprobe")
    }

    /// True where functions of user programs can be traced.
    pub fn has_uprobes(&self) -> bool {
        has_pmu("uprobe")
    }

    /// True where tracing programs can have task storage.
    pub fn has_task_storage(&self) -> bool {
        self.since(5, 13)
    }
}

/// True where the kernel has made this PMU at boot.
fn has_pmu(name: &str) -> bool {
    Path::new("/sys/bus/event_source/devices")
        .join(name)
        .exists()
}

/// The largest thread id that the kernel gives, and one more: `man 5 proc`, `pid_max`.
pub fn pid_max() -> anyhow::Result<u32> {
    const PATH: &str = "/proc/sys/kernel/pid_max";
    let text = fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
    text.trim()
        .parse()
        .with_context(|| format!("{PATH} holds no number: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_and_compared() {
        let parse = |text| Release::parse(text).map(|r| (r.major, r.minor));
        assert_eq!(parse("6.1.0-44-cloud-amd64"), Some((6, 1)));
        assert_eq!(parse("7.3+deb14-amd64"), Some((7, 3)));
        assert_eq!(parse("6.18.44-fc-v669\n"), Some((6, 18)));
        assert_eq!(parse("six"), None);
        assert!(
            Release {
                major: 6,
                minor: 10
            } > Release { major: 6, minor: 9 }
        );
    }
}
