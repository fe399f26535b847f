//! The functions and values that the language has of its own: one table tells what each takes, how its
//! arguments are checked, and what it becomes.

use crate::{
    ast::{Call, Expr},
    check::Checker,
    ir::Operand,
    lower::{Lower, Piece},
    types::Type,
};

/// Where a builtin may stand, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Wherever a value may.
    Value,
    /// As a statement: it yields nothing.
    Statement,
    /// To the right of `@x =` alone.
    Map,
}

/// What a call becomes.
#[derive(Clone, Copy)]
pub(crate) enum Lowering {
    /// Nothing: its value is a constant, or it only matters to the compiler.
    Known,
    /// Operations without a value.
    Act(fn(&mut Lower<'_, '_>, &Call)),
    /// A value that fits into a register.
    Word(fn(&mut Lower<'_, '_>, &Call) -> Operand),
    /// A value of this type that lies in memory.
    Bytes(fn(&mut Lower<'_, '_>, &Call, &Type) -> Piece),
}

/// Tells the type of a call whose number of arguments is right.
type Check = fn(&mut Checker<'_>, &Expr, &Call) -> Type;

/// A builtin that is called.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: &'static str,
    /// Arguments at least.
    pub(crate) min: usize,
    /// Arguments at most.
    pub(crate) max: usize,
    /// Where it may stand.
    pub(crate) place: Place,
    /// Whether it changes the system.
    pub(crate) is_unsafe: bool,
    /// How it is checked.
    pub(crate) check: Check,
    /// What it becomes.
    pub(crate) lowering: Lowering,
}

impl Function {
    const fn acting(self) -> Self {
        Self {
            is_unsafe: true,
            ..self
        }
    }
}

const fn row(
    name: &'static str,
    (min, max): (usize, usize),
    place: Place,
    check: Check,
    lowering: Lowering,
) -> Function {
    Function {
        name,
        min,
        max,
        place,
        is_unsafe: false,
        check,
        lowering,
    }
}

/// More than anyone writes.
const MANY: usize = 64;

use Lowering::Known;
use Place::{Map, Statement, Value};

/// The method that checks a call.
macro_rules! check {
    ($method:ident) => {
        |checker, expr, call| checker.$method(expr, call)
    };
}

/// The method that a statement becomes.
macro_rules! act {
    ($method:ident) => {
        Lowering::Act(|lower, call| lower.$method(call))
    };
}

/// The method that gives a value which fits into a register.
macro_rules! word {
    ($method:ident) => {
        Lowering::Word(|lower, call| lower.$method(call))
    };
}

/// The method that gives a value which lies in memory.
macro_rules! bytes {
    ($method:ident) => {
        Lowering::Bytes(|lower, call, kind| lower.$method(call, kind))
    };
}

/// All of them.
#[rustfmt::skip]
pub(crate) const FUNCTIONS: &[Function] = &[
    row("count", (0, 0), Map, check!(aggregate), Known),
    row("sum", (1, 1), Map, check!(aggregate), Known),
    row("avg", (1, 1), Map, check!(aggregate), Known),
    row("min", (1, 1), Map, check!(aggregate), Known),
    row("max", (1, 1), Map, check!(aggregate), Known),
    row("stats", (1, 1), Map, check!(aggregate), Known),
    row("hist", (1, 2), Map, check!(aggregate), Known),
    row("lhist", (4, 4), Map, check!(aggregate), Known),
    row("tseries", (3, 4), Map, check!(aggregate), Known),
    row("printf", (1, MANY), Statement, check!(formatted), act!(formatted)),
    row("errorf", (1, MANY), Statement, check!(formatted), act!(formatted)),
    row("warnf", (1, MANY), Statement, check!(formatted), act!(formatted)),
    row("debugf", (1, 4), Statement, check!(debugf), act!(debugf)),
    row("cat", (1, MANY), Statement, check!(formatted), act!(formatted)),
    row("system", (1, MANY), Statement, check!(formatted), act!(formatted)).acting(),
    row("print", (1, 3), Statement, check!(print), act!(print)),
    row("clear", (1, 1), Statement, check!(clear_or_zero), act!(whole_map)),
    row("zero", (1, 1), Statement, check!(clear_or_zero), act!(whole_map)),
    row("exit", (0, 1), Statement, check!(exit), act!(exit_call)),
    row("time", (0, 1), Statement, check!(time), act!(time)),
    row("join", (1, 2), Statement, check!(join), act!(join)),
    row("fail", (1, MANY), Statement, check!(fail), Known),
    row("assert", (2, 2), Statement, check!(assert), act!(assert_call)),
    row("assert_str", (1, 1), Statement, check!(assert_str), Known),
    row("static_assert", (1, 2), Statement, check!(static_assert), Known),
    row("signal", (1, 1), Statement, check!(signal), act!(signal)).acting(),
    row("signal_thread", (1, 1), Statement, check!(signal), act!(signal_thread)).acting(),
    row("override", (1, 1), Statement, check!(override_return), act!(override_return)).acting(),
    row("write_user", (3, 3), Statement, check!(write_user), act!(write_user)).acting(),
    row("unwatch", (1, 1), Statement, check!(unwatch), act!(unwatch)),
    row("skboutput", (4, 4), Value, check!(skboutput), word!(skboutput)),
    row("delete", (1, 2), Value, check!(delete), word!(delete_call)),
    row("has_key", (2, 2), Value, check!(has_key), word!(has_key_call)),
    row("find", (3, 3), Value, check!(find), word!(find_call)),
    row("len", (1, 1), Value, check!(len), word!(len)),
    row("str", (1, 2), Value, check!(str), bytes!(str_piece)),
    row("buf", (1, 2), Value, check!(buf), bytes!(buf_piece)),
    row("path", (1, 2), Value, check!(path), bytes!(path_piece)),
    row("strlen", (1, 1), Value, check!(strlen), word!(strlen)),
    row("strcap", (1, 1), Value, check!(strcap), word!(strlen)),
    row("strncmp", (3, 3), Value, check!(strncmp), word!(strncmp)),
    row("strstr", (2, 2), Value, check!(strstr), word!(strstr)),
    row("strcontains", (2, 2), Value, check!(strcontains), word!(strcontains)),
    row("str_concat", (2, 2), Value, check!(str_concat), bytes!(str_concat)),
    row("strerror", (1, 1), Value, check!(strerror), word!(first)),
    row("signal_name", (1, 1), Value, check!(signal_name), word!(first)),
    row("syscall_name", (1, 1), Value, check!(syscall_name), word!(first)),
    row("strftime", (2, 2), Value, check!(strftime), word!(second)),
    row("memcmp", (3, 3), Value, check!(memcmp), word!(memcmp)),
    row("bswap", (1, 1), Value, check!(bswap), word!(bswap)),
    row("default_str_length", (0, 0), Value, check!(not_supported), Known),
    row("ntop", (1, 2), Value, check!(ntop), bytes!(inet_piece)),
    row("pton", (1, 1), Value, check!(pton), bytes!(pton)),
    row("macaddr", (1, 1), Value, check!(macaddr), bytes!(macaddr)),
    row("socket_cookie", (1, 1), Value, check!(socket_cookie), word!(socket_cookie)),
    row("ksym", (1, 1), Value, check!(ksym), word!(address_of_first)),
    row("usym", (1, 1), Value, check!(usym), bytes!(usym)),
    row("kaddr", (1, 1), Value, check!(kaddr), Known),
    row("uaddr", (1, 1), Value, check!(uaddr), word!(uaddr)),
    row("percpu_kaddr", (1, 2), Value, check!(percpu_kaddr), word!(percpu_kaddr)),
    row("reg", (1, 1), Value, check!(reg), word!(reg_call)),
    row("kptr", (1, 1), Value, check!(kptr), word!(address_of_first)),
    row("uptr", (1, 1), Value, check!(uptr), word!(address_of_first)),
    row("cgroupid", (1, 1), Value, check!(cgroupid), Known),
    row("in_cgroup", (1, 1), Value, check!(in_cgroup), word!(in_cgroup)),
    row("cgroup_path", (1, 2), Value, check!(cgroup_path), word!(first)),
    row("container_of", (3, 3), Value, check!(container_of), word!(container_of)),
    row("is_err", (1, 1), Value, check!(is_err), word!(is_err)),
    row("is_array", (1, 1), Value, check!(introspection), Known),
    row("is_integer", (1, 1), Value, check!(introspection), Known),
    row("is_unsigned_integer", (1, 1), Value, check!(introspection), Known),
    row("is_ptr", (1, 1), Value, check!(introspection), Known),
    row("is_str", (1, 1), Value, check!(introspection), Known),
    row("is_literal", (1, 1), Value, check!(introspection), Known),
    row("kfunc_exist", (1, 1), Value, check!(kfunc), Known),
    row("kfunc_allowed", (1, 1), Value, check!(kfunc), Known),
    row("getopt", (1, 3), Value, check!(getopt), bytes!(getopt)),
    row("nsecs", (0, 1), Value, check!(nsecs_of_clock), word!(nsecs_of_clock)),
    row("kstack", (0, 2), Value, check!(stack), bytes!(stack_call)),
    row("ustack", (0, 2), Value, check!(stack), bytes!(stack_call)),
    row(UNWOUND, (0, 2), Value, check!(stack), bytes!(stack_call)),
    row("comm", (0, 1), Value, check!(comm_of), bytes!(comm_of)),
    row("pid", (0, 1), Value, check!(id_in_namespace), word!(pid_of_namespace)),
    row("tid", (0, 1), Value, check!(id_in_namespace), word!(tid_of_namespace)),
    row("pcomm", (0, 1), Value, check!(comm_of_relative), bytes!(pcomm_of)),
    row("ppid", (0, 1), Value, check!(id_of_relative), word!(ppid_of)),
    row("leader_comm", (0, 1), Value, check!(comm_of_relative), bytes!(leader_comm_of)),
    row("leader_tid", (0, 1), Value, check!(id_of_relative), word!(leader_tid_of)),
    row("is_compat", (0, 0), Value, check!(is_compat), word!(is_compat)),
    row("strcmp", (2, 2), Value, check!(strcmp), word!(strcmp)),
    row("typeinfo", (1, 1), Value, check!(typeinfo), bytes!(typeinfo)),
];

/// User stacks by the call frame information of programs.
pub(crate) const UNWOUND: &str = "dw_ustack";

/// The values, which can be written with or without `()`.
pub(crate) const VALUES: [&str; 30] = [
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
    UNWOUND,
    "ppid",
    "pcomm",
    "default_str_length",
];

/// The function of this name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The number of `argN`.
pub(crate) fn argument_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("arg")?;
    let number: u32 = digits.parse().ok()?;
    (digits.len() == 1 || !digits.starts_with('0')).then_some(number)
}

/// True where this word is a builtin value.
pub(crate) fn is_value(name: &str) -> bool {
    VALUES.contains(&name)
        || argument_number(name).is_some()
        || matches!(name, "leader_comm" | "leader_tid")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the language that have cases.
    const ROWS: &str = include_str!("../../tests/scripts/rows.txt");

    #[test]
    fn each_has_a_row() {
        let rows: Vec<&str> = ROWS
            .lines()
            .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
            .collect();
        let functions = FUNCTIONS.iter().map(|function| function.name);
        let without: Vec<&str> = functions
            .chain(VALUES)
            .filter(|name| !rows.contains(name))
            .collect();
        assert!(
            without.is_empty(),
            "no row in tests/scripts/rows.txt: {without:?}"
        );
    }
}
