//! Providers, and the places that programs are attached to.

use crate::marker::Argument;

/// What kind of place it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are named as in scripts")]
pub enum AttachKind {
    Begin,
    End,
    SelfSignal,
    Test,
    Bench,
    Kprobe,
    Kretprobe,
    Fentry,
    Fexit,
    RawTracepoint,
    Tracepoint,
    Uprobe,
    Uretprobe,
    Usdt,
    Profile,
    Interval,
    Software,
    Hardware,
    Watchpoint,
    Iter,
}

/// Names and short names.
pub const PROVIDERS: [(&str, &str, AttachKind); 23] = [
    ("begin", "", AttachKind::Begin),
    ("end", "", AttachKind::End),
    ("self", "", AttachKind::SelfSignal),
    ("test", "", AttachKind::Test),
    ("bench", "", AttachKind::Bench),
    ("kprobe", "k", AttachKind::Kprobe),
    ("kretprobe", "kr", AttachKind::Kretprobe),
    ("fentry", "f", AttachKind::Fentry),
    ("fexit", "fr", AttachKind::Fexit),
    ("kfunc", "", AttachKind::Fentry),
    ("kretfunc", "", AttachKind::Fexit),
    ("rawtracepoint", "rt", AttachKind::RawTracepoint),
    ("tracepoint", "t", AttachKind::Tracepoint),
    ("uprobe", "u", AttachKind::Uprobe),
    ("uretprobe", "ur", AttachKind::Uretprobe),
    ("usdt", "U", AttachKind::Usdt),
    ("profile", "p", AttachKind::Profile),
    ("interval", "i", AttachKind::Interval),
    ("software", "s", AttachKind::Software),
    ("hardware", "h", AttachKind::Hardware),
    ("watchpoint", "w", AttachKind::Watchpoint),
    ("asyncwatchpoint", "aw", AttachKind::Watchpoint),
    ("iter", "it", AttachKind::Iter),
];

impl AttachKind {
    /// By name or short name. Names may be written in capitals, short names may not.
    pub fn by_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        PROVIDERS
            .iter()
            .find(|(long, short, _)| *long == lower || !short.is_empty() && *short == name)
            .map(|&(.., kind)| kind)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        PROVIDERS
            .iter()
            .find(|(.., kind)| *kind == self)
            .map_or("", |&(name, ..)| name)
    }

    /// What the builtin `probetype` says.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Begin | Self::End => "special",
            kind => kind.name(),
        }
    }

    /// True where the program's context is a perf event's, which begins with the registers.
    pub fn is_sampled(self) -> bool {
        use AttachKind::*;
        matches!(self, Profile | Software | Hardware | Watchpoint)
    }

    /// True where the program's context is the registers.
    pub fn has_registers(self) -> bool {
        use AttachKind::*;
        matches!(self, Kprobe | Kretprobe | Uprobe | Uretprobe | Usdt)
    }

    /// True where pointers lead into the memory of a process.
    pub fn is_user(self) -> bool {
        use AttachKind::*;
        matches!(self, Uprobe | Uretprobe | Usdt)
    }

    /// True where the program runs at a function's return.
    pub fn is_return(self) -> bool {
        use AttachKind::*;
        matches!(self, Kretprobe | Uretprobe | Fexit)
    }
}

/// What the number of a BPF program follows in [`Target::group`], where the function is one of that program.
pub const PROGRAM: &str = "bpf:";

/// One place that a program is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What kind of place.
    pub kind: AttachKind,
    /// As the builtin `probe` shows it.
    pub name: String,
    /// Kernel module or BPF program ([`PROGRAM`] and its number), category, path, unit or event; the file that an
    /// iterator is pinned at.
    pub group: String,
    /// Function, tracepoint, argument.
    pub item: String,
    /// Offset in the function, or the place in a file.
    pub offset: u64,
    /// A count: hertz, nanoseconds, events.
    pub count: u64,
    /// Only this process.
    pub pid: Option<u32>,
    /// Where a marker's arguments are found, for USDT.
    pub arguments: Vec<Argument>,
    /// Where in the file a marker's semaphore lies, which the kernel counts up while something is attached; 0 where
    /// there is none.
    pub semaphore: u64,
}

impl Target {
    /// A place of this kind and name.
    pub fn new(kind: AttachKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            group: String::new(),
            item: String::new(),
            offset: 0,
            count: 0,
            pid: None,
            arguments: Vec::new(),
            semaphore: 0,
        }
    }

    /// Whether it is an iterator that stays in the kernel, as a file: what it prints is for whoever reads that.
    pub fn is_pinned(&self) -> bool {
        self.kind == AttachKind::Iter && !self.group.is_empty()
    }
}
