//! The types of values, and how values lie in memory.

mod names;

use std::rc::Rc;

pub(crate) use names::user_type;
pub use names::{integer_type, is_type_name};

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
            // An array of characters.
            Self::Str(_) => 1,
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
