//! The types of values, and how values lie in memory.

use std::{fmt, rc::Rc};

/// Where a pointer points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Not known: told by the address when it is followed.
    Any,
    /// Into the kernel.
    Kernel,
    /// Into the memory of the running process.
    User,
}

/// How a stack is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StackMode {
    /// `symbol+offset`
    Bpftrace,
    /// `address symbol+offset (module)`
    Perf,
    /// Addresses.
    Raw,
    /// Build id and offset in the file.
    BuildId,
}

impl StackMode {
    /// Its name in scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bpftrace => "bpftrace",
            Self::Perf => "perf",
            Self::Raw => "raw",
            Self::BuildId => "build_id",
        }
    }

    /// By its name in scripts.
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "bpftrace" => Self::Bpftrace,
            "perf" => Self::Perf,
            "raw" => Self::Raw,
            "build_id" => Self::BuildId,
            _ => return None,
        })
    }
}

/// A number that is shown as the name it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    /// The number of a user.
    Username,
    /// An error number.
    Errno,
    /// The number of a signal.
    Signal,
    /// The number of a system call.
    Syscall,
    /// The number of a probe, in the program's table.
    Probe,
}

/// What a map adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// `count()`
    Count,
    /// `sum(n)`, of signed numbers or not.
    Sum(bool),
    /// `min(n)`
    Min(bool),
    /// `max(n)`
    Max(bool),
    /// `avg(n)`
    Avg(bool),
    /// `stats(n)`
    Stats(bool),
    /// `hist(n, k)`: 2^k buckets for each power of two.
    Hist(u8),
    /// `lhist(n, min, max, step)`
    LHist {
        /// Lower bound.
        min: i64,
        /// Upper bound.
        max: i64,
        /// Width of a bucket.
        step: i64,
    },
    /// `tseries(n, interval, buckets, how)`
    TSeries {
        /// Nanoseconds of a bucket.
        interval: u64,
        /// How many.
        buckets: u32,
        /// What of the values in a bucket.
        how: SeriesKind,
        /// Whether values are signed.
        signed: bool,
    },
}

/// What of the values in one bucket of a time series is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are named as the functions are")]
pub enum SeriesKind {
    Last,
    Avg,
    Max,
    Min,
    Sum,
}

impl Aggregate {
    /// The function's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum(_) => "sum",
            Self::Min(_) => "min",
            Self::Max(_) => "max",
            Self::Avg(_) => "avg",
            Self::Stats(_) => "stats",
            Self::Hist(_) => "hist",
            Self::LHist { .. } => "lhist",
            Self::TSeries { .. } => "tseries",
        }
    }

    /// True where each value has buckets.
    pub fn is_histogram(self) -> bool {
        matches!(
            self,
            Self::Hist(_) | Self::LHist { .. } | Self::TSeries { .. }
        )
    }

    /// True where the value can be read as one number.
    pub fn is_number(self) -> bool {
        !self.is_histogram()
    }

    /// Bytes of the value in the kernel's map, for one CPU, in words of 8: the number for `count` and `sum`; the
    /// number and whether it is set for `min` and `max`; the sum and the count for `avg`, `stats` and each
    /// bucket of a histogram.
    pub fn size(self) -> u32 {
        match self {
            Self::Count | Self::Sum(_) => 8,
            Self::Min(_)
            | Self::Max(_)
            | Self::Avg(_)
            | Self::Stats(_)
            | Self::Hist(_)
            | Self::LHist { .. } => 16,
            Self::TSeries { .. } => 24,
        }
    }
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Not known yet.
    Unknown,
    /// No value.
    Void,
    /// A truth value.
    Bool,
    /// An integer.
    Int {
        /// Bytes.
        size: u8,
        /// Whether it may be negative.
        signed: bool,
    },
    /// An enumeration.
    Enum {
        /// Its name.
        name: Rc<str>,
        /// Bytes.
        size: u8,
        /// Whether it may be negative.
        signed: bool,
    },
    /// A string with its NUL, at most so many bytes.
    Str(u32),
    /// Bytes, at most so many, with their number before.
    Buf(u32),
    /// An array.
    Array(Rc<Type>, u32),
    /// A pointer.
    Ptr(Rc<Type>, Space),
    /// A structure or union, by its key among the facts: `struct x`.
    Struct(Rc<str>),
    /// A function.
    Func,
    /// `(a, b)`
    Tuple(Rc<[Type]>),
    /// `(a = 1, b = 2)`
    Record(Rc<[(Rc<str>, Type)]>),
    /// A stack.
    Stack {
        /// The user's, not the kernel's.
        user: bool,
        /// How it is shown.
        mode: StackMode,
        /// Frames at most.
        limit: u32,
    },
    /// An address in the kernel, shown as a symbol.
    KSym,
    /// An address in a process, shown as a symbol.
    USym,
    /// An address of the internet.
    Inet,
    /// A hardware address.
    Mac,
    /// A number that is shown as a name.
    Named(Named),
    /// A cgroup's path, with the pattern that chooses the hierarchy.
    CgroupPath(Rc<str>),
    /// A time, shown by a format.
    Timestamp(Rc<str>),
    /// What a map adds up.
    Aggregate(Aggregate),
    /// The name of a way to show stacks, as an argument.
    StackModeName(StackMode),
    /// The probe's arguments, as a whole.
    Args,
}

/// The signed integer that arithmetic is done in.
pub const INT: Type = Type::Int {
    size: 8,
    signed: true,
};
/// The unsigned one.
pub const UINT: Type = Type::Int {
    size: 8,
    signed: false,
};

impl Type {
    /// An integer.
    pub fn int(size: u8, signed: bool) -> Self {
        Self::Int { size, signed }
    }

    /// A pointer.
    pub fn pointer(to: Type, space: Space) -> Self {
        Self::Ptr(Rc::new(to), space)
    }

    /// A number, a truth value or an enumerator.
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::Int { .. } | Self::Bool | Self::Enum { .. })
    }

    /// What fits into a register.
    pub fn is_scalar(&self) -> bool {
        self.is_integer()
            || matches!(
                self,
                Self::Ptr(..)
                    | Self::KSym
                    | Self::Named(_)
                    | Self::CgroupPath(_)
                    | Self::Timestamp(_)
                    | Self::Func
            )
    }

    /// What kind of type it is, in a word.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Unknown | Self::Void => "none",
            Self::Bool => "bool",
            Self::Int { .. } => "int",
            Self::Enum { .. } => "enum",
            Self::Str(_) => "string",
            Self::Buf(_) => "buffer",
            Self::Array(..) => "array",
            Self::Ptr(..) => "pointer",
            Self::Struct(_) => "c_struct",
            Self::Func => "function",
            Self::Tuple(_) => "tuple",
            Self::Record(_) => "record",
            Self::Stack { user: true, .. } => "ustack",
            Self::Stack { user: false, .. } => "kstack",
            Self::KSym => "ksym",
            Self::USym => "usym",
            Self::Inet => "inet",
            Self::Mac => "mac_address",
            Self::Named(Named::Username) => "username",
            Self::Named(_) => "string",
            Self::CgroupPath(_) => "cgroup_path",
            Self::Timestamp(_) => "timestamp",
            Self::Aggregate(aggregate) => aggregate.name(),
            Self::StackModeName(_) => "stack_mode",
            Self::Args => "args",
        }
    }

    /// True for the address of a function.
    pub fn is_function_pointer(&self) -> bool {
        matches!(self, Self::Ptr(to, _) if **to == Self::Func)
    }

    /// Whether it may be negative.
    pub fn is_signed(&self) -> bool {
        match self {
            Self::Int { signed, .. } | Self::Enum { signed, .. } => *signed,
            Self::Aggregate(
                Aggregate::Sum(signed)
                | Aggregate::Min(signed)
                | Aggregate::Max(signed)
                | Aggregate::Avg(signed)
                | Aggregate::Stats(signed),
            ) => *signed,
            _ => false,
        }
    }

    /// Bytes of it in keys, values, tuples and events: integers and pointers take 8 there, so that a key
    /// stays the same whatever width its parts came in.
    ///
    /// A buffer's number of bytes (`u32`) stands before them. A stack is its hash (`u64`), the process (`u32`)
    /// and 4 bytes of nothing; a user's symbol the address (`u64`), the process (`u32`) and the same; an
    /// internet address its family (`u64`) and 16 bytes; a hardware address 6 bytes and 2 of nothing.
    /// Structures and arrays are as in C, all else takes 8 bytes.
    pub fn stored_size(&self, sizes: &dyn Sizes) -> u32 {
        match self {
            Self::Unknown | Self::Void | Self::StackModeName(_) | Self::Args => 0,
            Self::Str(size) => *size,
            Self::Buf(size) => size.saturating_add(4),
            Self::Array(..) | Self::Struct(_) => self.c_size(sizes),
            Self::Tuple(elements) => total(elements.iter(), sizes),
            Self::Record(fields) => total(fields.iter().map(|(_, field)| field), sizes),
            Self::Stack { .. } | Self::USym => 16,
            Self::Inet => 24,
            Self::Aggregate(aggregate) => aggregate.size(),
            _ => 8,
        }
    }

    /// Bytes of it in C.
    pub fn c_size(&self, sizes: &dyn Sizes) -> u32 {
        match self {
            Self::Bool => 1,
            Self::Int { size, .. } | Self::Enum { size, .. } => u32::from(*size),
            Self::Array(element, count) => element.c_size(sizes).saturating_mul(*count),
            Self::Struct(name) => sizes.struct_size(name).unwrap_or(0),
            Self::Mac => 6,
            _ => self.stored_size(sizes),
        }
    }

    /// Alignment of it in C.
    pub fn c_align(&self, sizes: &dyn Sizes) -> u32 {
        match self {
            Self::Array(element, _) => element.c_align(sizes),
            Self::Struct(name) => sizes.struct_align(name),
            _ => self.c_size(sizes).clamp(1, 8),
        }
    }

    /// Where the parts of a tuple or a record lie.
    pub fn part_offset(&self, index: usize, sizes: &dyn Sizes) -> u32 {
        match self {
            Self::Tuple(elements) => total(elements[..index].iter(), sizes),
            Self::Record(fields) => total(fields[..index].iter().map(|(_, field)| field), sizes),
            _ => 0,
        }
    }
}

/// Bytes of parts that follow each other; too many to be counted are as many as can be.
fn total<'a>(parts: impl Iterator<Item = &'a Type>, sizes: &dyn Sizes) -> u32 {
    let part = |sum: u32, part: &Type| sum.saturating_add(align(part.stored_size(sizes)));
    parts.fold(0, part)
}

/// The sizes of structures, which the facts know.
pub trait Sizes {
    /// Bytes.
    fn struct_size(&self, name: &str) -> Option<u32>;
    /// Alignment.
    fn struct_align(&self, name: &str) -> u32;
}

/// Rounded up to 8.
pub fn align(size: u32) -> u32 {
    size.saturating_add(7) & !7
}

/// The integer types that scripts may name without any facts.
const INTEGERS: [(&str, u8, bool); 22] = [
    ("int8", 1, true),
    ("int16", 2, true),
    ("int32", 4, true),
    ("int64", 8, true),
    ("uint8", 1, false),
    ("uint16", 2, false),
    ("uint32", 4, false),
    ("uint64", 8, false),
    ("char", 1, true),
    ("short", 2, true),
    ("int", 4, true),
    ("long", 8, true),
    ("unsigned", 4, false),
    ("u8", 1, false),
    ("u16", 2, false),
    ("u32", 4, false),
    ("u64", 8, false),
    ("s8", 1, true),
    ("s16", 2, true),
    ("s32", 4, true),
    ("s64", 8, true),
    ("size_t", 8, false),
];

/// The same by their names of C.
const MORE_INTEGERS: [(&str, u8, bool); 15] = [
    ("int8_t", 1, true),
    ("int16_t", 2, true),
    ("int32_t", 4, true),
    ("int64_t", 8, true),
    ("uint8_t", 1, false),
    ("uint16_t", 2, false),
    ("uint32_t", 4, false),
    ("uint64_t", 8, false),
    ("ssize_t", 8, true),
    ("uintptr_t", 8, false),
    ("__u8", 1, false),
    ("__u16", 2, false),
    ("__u32", 4, false),
    ("__u64", 8, false),
    ("pid_t", 4, true),
];

/// Types of user space by name, which the kernel's BTF does not know, or not always: x86-64 and aarch64 Linux.
const USER_TYPES: [(&str, u8, bool); 27] = [
    ("time_t", 8, true),
    ("suseconds_t", 8, true),
    ("useconds_t", 4, false),
    ("clock_t", 8, true),
    ("clockid_t", 4, true),
    ("off_t", 8, true),
    ("off64_t", 8, true),
    ("loff_t", 8, true),
    ("uid_t", 4, false),
    ("gid_t", 4, false),
    ("id_t", 4, false),
    ("key_t", 4, true),
    ("mode_t", 4, false),
    ("ino_t", 8, false),
    ("nlink_t", 8, false),
    ("blkcnt_t", 8, true),
    ("blksize_t", 8, true),
    ("socklen_t", 4, false),
    ("sa_family_t", 2, false),
    ("in_addr_t", 4, false),
    ("in_port_t", 2, false),
    ("pthread_t", 8, false),
    ("wchar_t", 4, true),
    ("intptr_t", 8, true),
    ("ptrdiff_t", 8, true),
    ("intmax_t", 8, true),
    ("uintmax_t", 8, false),
];

/// The integer type that user space has by this name.
pub(crate) fn user_type(name: &str) -> Option<Type> {
    let found = USER_TYPES.iter().find(|(known, ..)| *known == name);
    found.map(|&(_, size, signed)| Type::int(size, signed))
}

/// The integer type of this name.
pub fn integer_type(name: &str) -> Option<Type> {
    let found = INTEGERS
        .iter()
        .chain(&MORE_INTEGERS)
        .find(|(known, ..)| *known == name);
    if let Some(&(_, size, signed)) = found {
        return Some(Type::int(size, signed));
    }
    if !name.contains(' ') {
        return None;
    }
    let unsigned = name.contains("unsigned");
    let has = |word: &str| name.split(' ').any(|found| found == word);
    let size = if has("char") {
        1
    } else if has("short") {
        2
    } else if has("long") {
        8
    } else {
        4
    };
    let known = name
        .split(' ')
        .all(|word| ["unsigned", "signed", "char", "short", "int", "long"].contains(&word));
    known.then(|| Type::int(size, !unsigned))
}

/// Names that are types by themselves, wherever they stand.
pub fn is_type_name(name: &str) -> bool {
    integer_type(name).is_some()
        || [
            "void",
            "bool",
            "string",
            "buffer",
            "inet",
            "count_t",
            "sum_t",
            "min_t",
            "max_t",
            "avg_t",
            "stats_t",
            "hist_t",
            "lhist_t",
            "tseries_t",
            "ksym_t",
            "usym_t",
            "kstack_t",
            "ustack_t",
            "timestamp",
            "macaddr_t",
            "username_t",
            "cgroup_path_t",
        ]
        .contains(&name)
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Void => f.write_str("void"),
            Self::Bool => f.write_str("bool"),
            Self::Int { size, signed } => {
                let sign = if *signed { "" } else { "u" };
                write!(f, "{sign}int{}", u32::from(*size) * 8)
            }
            Self::Enum { name, .. } => write!(f, "enum {name}"),
            Self::Str(size) => write!(f, "string[{size}]"),
            Self::Buf(size) => write!(f, "buffer[{size}]"),
            Self::Array(element, count) => write!(f, "{element}[{count}]"),
            Self::Ptr(to, _) => write!(f, "{to} *"),
            Self::Struct(name) => f.write_str(name),
            Self::Func => f.write_str("func"),
            Self::Tuple(elements) => {
                f.write_str("(")?;
                for (index, element) in elements.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{element}")?;
                }
                f.write_str(")")
            }
            Self::Record(fields) => {
                f.write_str("record {")?;
                for (index, (name, kind)) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}.{name} = {kind}")?;
                }
                f.write_str("}")
            }
            Self::Stack { user: true, .. } => f.write_str("ustack"),
            Self::Stack { user: false, .. } => f.write_str("kstack"),
            Self::KSym => f.write_str("ksym_t"),
            Self::USym => f.write_str("usym_t"),
            Self::Inet => f.write_str("inet"),
            Self::Mac => f.write_str("macaddr_t"),
            Self::Named(Named::Username) => f.write_str("username_t"),
            Self::Named(_) => f.write_str("string"),
            Self::CgroupPath(_) => f.write_str("cgroup_path_t"),
            Self::Timestamp(_) => f.write_str("timestamp"),
            Self::Aggregate(aggregate) => write!(f, "{}_t", aggregate.name()),
            Self::StackModeName(_) => f.write_str("stack_mode"),
            Self::Args => f.write_str("args"),
        }
    }
}
