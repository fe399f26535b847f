//! Types by name, and the names of types.

use std::fmt;

use super::{Named, Type};

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
