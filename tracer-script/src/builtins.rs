//! The functions and values that the language has of its own.

/// Where a builtin may stand, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Wherever a value may.
    Value,
    /// As a statement: it yields nothing.
    Statement,
    /// To the right of `@x =` alone.
    Map,
}

/// A builtin that is called.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Arguments at least.
    pub min: usize,
    /// Arguments at most.
    pub max: usize,
    /// Where it may stand.
    pub place: Place,
    /// Whether it changes the system.
    pub is_unsafe: bool,
}

const fn function(name: &'static str, min: usize, max: usize, place: Place) -> Function {
    Function {
        name,
        min,
        max,
        place,
        is_unsafe: false,
    }
}

const fn acting(name: &'static str, min: usize, max: usize) -> Function {
    Function {
        name,
        min,
        max,
        place: Place::Statement,
        is_unsafe: true,
    }
}

/// More than anyone writes.
const MANY: usize = 64;

use Place::{Map, Statement, Value};

/// All of them.
pub const FUNCTIONS: [Function; 89] = [
    function("count", 0, 0, Map),
    function("sum", 1, 1, Map),
    function("avg", 1, 1, Map),
    function("min", 1, 1, Map),
    function("max", 1, 1, Map),
    function("stats", 1, 1, Map),
    function("hist", 1, 2, Map),
    function("lhist", 4, 4, Map),
    function("tseries", 3, 4, Map),
    function("printf", 1, MANY, Statement),
    function("errorf", 1, MANY, Statement),
    function("warnf", 1, MANY, Statement),
    function("debugf", 1, 4, Statement),
    function("cat", 1, MANY, Statement),
    acting("system", 1, MANY),
    function("print", 1, 3, Statement),
    function("clear", 1, 1, Statement),
    function("zero", 1, 1, Statement),
    function("exit", 0, 1, Statement),
    function("time", 0, 1, Statement),
    function("join", 1, 2, Statement),
    function("fail", 1, MANY, Statement),
    function("assert", 2, 2, Statement),
    function("assert_str", 1, 1, Statement),
    function("static_assert", 1, 2, Statement),
    acting("signal", 1, 1),
    acting("signal_thread", 1, 1),
    acting("override", 1, 1),
    acting("write_user", 3, 3),
    function("unwatch", 1, 1, Statement),
    function("skboutput", 4, 4, Value),
    function("delete", 1, 2, Value),
    function("has_key", 2, 2, Value),
    function("find", 3, 3, Value),
    function("len", 1, 1, Value),
    function("str", 1, 2, Value),
    function("buf", 1, 2, Value),
    function("path", 1, 2, Value),
    function("strlen", 1, 1, Value),
    function("strcap", 1, 1, Value),
    function("strncmp", 3, 3, Value),
    function("strstr", 2, 2, Value),
    function("strcontains", 2, 2, Value),
    function("str_concat", 2, 2, Value),
    function("strerror", 1, 1, Value),
    function("signal_name", 1, 1, Value),
    function("syscall_name", 1, 1, Value),
    function("strftime", 2, 2, Value),
    function("memcmp", 3, 3, Value),
    function("bswap", 1, 1, Value),
    function("default_str_length", 0, 0, Value),
    function("ntop", 1, 2, Value),
    function("pton", 1, 1, Value),
    function("macaddr", 1, 1, Value),
    function("socket_cookie", 1, 1, Value),
    function("ksym", 1, 1, Value),
    function("usym", 1, 1, Value),
    function("kaddr", 1, 1, Value),
    function("uaddr", 1, 1, Value),
    function("percpu_kaddr", 1, 2, Value),
    function("reg", 1, 1, Value),
    function("kptr", 1, 1, Value),
    function("uptr", 1, 1, Value),
    function("cgroupid", 1, 1, Value),
    function("cgroup_path", 1, 2, Value),
    function("container_of", 3, 3, Value),
    function("is_err", 1, 1, Value),
    function("is_array", 1, 1, Value),
    function("is_integer", 1, 1, Value),
    function("is_unsigned_integer", 1, 1, Value),
    function("is_ptr", 1, 1, Value),
    function("is_str", 1, 1, Value),
    function("is_literal", 1, 1, Value),
    function("kfunc_exist", 1, 1, Value),
    function("kfunc_allowed", 1, 1, Value),
    function("getopt", 1, 3, Value),
    function("nsecs", 0, 1, Value),
    function("kstack", 0, 2, Value),
    function("ustack", 0, 2, Value),
    function("comm", 0, 1, Value),
    function("pid", 0, 1, Value),
    function("tid", 0, 1, Value),
    function("pcomm", 0, 1, Value),
    function("ppid", 0, 1, Value),
    function("leader_comm", 0, 1, Value),
    function("leader_tid", 0, 1, Value),
    function("is_compat", 0, 0, Value),
    function("strcmp", 2, 2, Value),
    function("typeinfo", 1, 1, Value),
];

/// The values, which can be written with or without `()`.
pub const VALUES: [&str; 29] = [
    "args",
    "ctx",
    "cgroup",
    "comm",
    "cpid",
    "has_cpid",
    "cpu",
    "curtask",
    "elapsed",
    "func",
    "gid",
    "jiffies",
    "ncpus",
    "nsecs",
    "numaid",
    "pid",
    "tid",
    "probe",
    "probetype",
    "rand",
    "retval",
    "uid",
    "usermode",
    "username",
    "kstack",
    "ustack",
    "ppid",
    "pcomm",
    "default_str_length",
];

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The number of `argN`.
pub fn argument_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("arg")?;
    let number: u32 = digits.parse().ok()?;
    (digits.len() == 1 || !digits.starts_with('0')).then_some(number)
}

/// True where this word is a builtin value.
pub fn is_value(name: &str) -> bool {
    VALUES.contains(&name)
        || argument_number(name).is_some()
        || matches!(name, "leader_comm" | "leader_tid")
}
