//! The types, functions and events that there are.

use std::rc::Rc;

use crate::{
    facts::{EventField, Field, Signature, Struct, char_pointer},
    types::{Space, Type},
};

/// Enumerations with their enumerators.
pub(super) const ENUMS: [(&str, &[(&str, i64)]); 2] = [
    (
        "pid_type",
        &[
            ("PIDTYPE_PID", 0),
            ("PIDTYPE_TGID", 1),
            ("PIDTYPE_PGID", 2),
            ("PIDTYPE_SID", 3),
        ],
    ),
    ("migrate_mode", &[("MIGRATE_ASYNC", 0), ("MIGRATE_SYNC", 2)]),
];

pub(super) fn enum_type(name: &str) -> Type {
    Type::Enum {
        name: name.into(),
        size: 4,
        signed: false,
    }
}

pub(super) fn typedef(name: &str) -> Option<Type> {
    Some(match name {
        "pid_t" | "tid_t" => Type::int(4, true),
        "uid_t" | "gid_t" | "dev_t" => Type::int(4, false),
        "umode_t" => Type::int(2, false),
        "loff_t" => Type::int(8, true),
        "atomic_t" => Type::Struct("struct (anonymous 2)".into()),
        _ => return None,
    })
}

fn u8s(count: u32) -> Type {
    Type::Array(Rc::new(Type::int(1, false)), count)
}

fn structure(key: &str) -> Type {
    Type::Struct(key.into())
}

fn pointer(key: &str) -> Type {
    Type::pointer(structure(key), Space::Kernel)
}

fn field(name: &str, kind: Type, offset: u32) -> Field {
    Field {
        name: name.into(),
        kind,
        offset,
        bits: None,
    }
}

/// A bit field of an `unsigned int`.
fn bits(name: &str, start: u32, count: u32) -> Field {
    Field {
        name: name.into(),
        kind: Type::int(4, false),
        offset: start / 32 * 4,
        bits: Some((start, count)),
    }
}

fn of(name: &str, size: u32, fields: Vec<Field>) -> Struct {
    Struct {
        name: name.into(),
        size,
        fields,
    }
}

/// All structures.
pub(super) fn structures() -> Vec<Struct> {
    let mut all = of_tasks();
    all.extend(of_files());
    all.extend(of_sockets());
    all.push(registers());
    all
}

fn of_tasks() -> Vec<Struct> {
    let (int, long) = (Type::int(4, true), Type::int(8, false));
    vec![
        of(
            "struct task_struct",
            256,
            vec![
                field("thread_info", structure("struct thread_info"), 0),
                field("__state", Type::int(4, false), 24),
                field("usage", structure("struct (anonymous 2)"), 28),
                // An anonymous union, whose members belong to the task.
                field("", structure("union (anonymous 1)"), 32),
                bits("in_execve", 320, 1),
                bits("in_iowait", 321, 1),
                bits("sched_class", 322, 5),
                field("pid", int.clone(), 48),
                field("tgid", int.clone(), 52),
                field("real_parent", pointer("struct task_struct"), 56),
                field("group_leader", pointer("struct task_struct"), 64),
                field("mm", pointer("struct mm_struct"), 72),
                field("files", pointer("struct files_struct"), 80),
                field("comm", Type::Str(16), 88),
                field("pid_kind", enum_type("pid_type"), 104),
                field("numbers", Type::Array(Rc::new(int.clone()), 4), 112),
                field("start_time", long.clone(), 128),
                field("cpus_mask", u8s(8), 136),
                field("on_rq", Type::Bool, 144),
                field("cgroups", pointer("struct css_set"), 152),
            ],
        ),
        of(
            "struct css_set",
            16,
            vec![field("dfl_cgrp", pointer("struct cgroup"), 8)],
        ),
        // As it was until Linux 6.0.
        of(
            "struct cgroup",
            32,
            vec![
                field("level", int.clone(), 16),
                field("ancestor_ids", Type::Array(Rc::new(long.clone()), 1), 24),
            ],
        ),
        of(
            "union (anonymous 1)",
            8,
            vec![
                field("wake_cpu", int.clone(), 0),
                field("wake_time", long.clone(), 0),
            ],
        ),
        of(
            "struct (anonymous 2)",
            4,
            vec![field("counter", int.clone(), 0)],
        ),
        of(
            "struct thread_info",
            24,
            vec![
                field("flags", long.clone(), 0),
                field("status", Type::int(4, false), 16),
                field("cpu", Type::int(4, false), 20),
            ],
        ),
        of(
            "struct mm_struct",
            64,
            vec![
                field("pgd", long.clone(), 0),
                field("total_vm", long.clone(), 8),
                field("arg_start", long.clone(), 16),
                field("exe_file", pointer("struct file"), 24),
            ],
        ),
        of(
            "struct files_struct",
            32,
            vec![
                field("count", int, 0),
                field("next_fd", Type::int(4, false), 4),
            ],
        ),
    ]
}

fn of_files() -> Vec<Struct> {
    vec![
        of(
            "struct file",
            64,
            vec![
                field("f_mode", Type::int(4, false), 0),
                field("f_flags", Type::int(4, false), 4),
                field("f_path", structure("struct path"), 16),
                field("f_pos", Type::int(8, true), 32),
                field("f_inode", pointer("struct inode"), 40),
            ],
        ),
        of(
            "struct path",
            16,
            vec![
                field("mnt", pointer("struct vfsmount"), 0),
                field("dentry", pointer("struct dentry"), 8),
            ],
        ),
        of(
            "struct dentry",
            96,
            vec![
                field("d_flags", Type::int(4, false), 0),
                field("d_parent", pointer("struct dentry"), 24),
                field("d_name", structure("struct qstr"), 32),
                field("d_inode", pointer("struct inode"), 48),
                field("d_iname", Type::Str(32), 56),
            ],
        ),
        of(
            "struct qstr",
            16,
            vec![
                field("hash", Type::int(4, false), 0),
                field("len", Type::int(4, false), 4),
                field("name", char_pointer(Space::Kernel), 8),
            ],
        ),
        of(
            "struct inode",
            32,
            vec![
                field("i_mode", Type::int(2, false), 0),
                field("i_ino", Type::int(8, false), 8),
                field("i_size", Type::int(8, true), 16),
            ],
        ),
    ]
}

fn of_sockets() -> Vec<Struct> {
    let (port, address) = (Type::int(2, false), Type::int(4, false));
    vec![
        of(
            "struct sock",
            128,
            vec![
                field("__sk_common", structure("struct sock_common"), 0),
                field("sk_rcvbuf", Type::int(4, true), 80),
            ],
        ),
        of(
            "struct sock_common",
            72,
            vec![
                field("skc_daddr", address.clone(), 0),
                field("skc_rcv_saddr", address.clone(), 4),
                field("skc_dport", port.clone(), 12),
                field("skc_num", port.clone(), 14),
                field("skc_family", port.clone(), 16),
                field("skc_state", Type::int(1, false), 18),
                field("skc_v6_daddr", structure("struct in6_addr"), 32),
            ],
        ),
        of("struct in6_addr", 16, vec![field("u6_addr8", u8s(16), 0)]),
        // include/uapi/linux/in.h
        of(
            "struct sockaddr_in",
            16,
            vec![
                field("sin_family", port.clone(), 0),
                field("sin_port", port, 2),
                field("sin_addr", structure("struct in_addr"), 4),
                field("__pad", u8s(8), 8),
            ],
        ),
        of("struct in_addr", 4, vec![field("s_addr", address, 0)]),
    ]
}

/// `struct pt_regs` of arch/x86/include/asm/ptrace.h, by the names of 64 bits.
fn registers() -> Struct {
    const NAMES: [&str; 21] = [
        "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si",
        "di", "orig_ax", "ip", "cs", "flags", "sp", "ss",
    ];
    let fields = NAMES
        .iter()
        .zip((0..).step_by(8))
        .map(|(name, offset)| field(name, Type::int(8, false), offset));
    of("struct pt_regs", 168, fields.collect())
}

/// A function or raw tracepoint: its name, parameters, and what it returns.
type Prototype = (&'static str, Vec<(&'static str, Type)>, Type);

/// Functions of the kernel.
pub(super) fn functions() -> Vec<Prototype> {
    let (int, ssize) = (Type::int(4, true), Type::int(8, true));
    let position = Type::pointer(Type::int(8, true), Space::Kernel);
    let transfer = || {
        vec![
            ("file", pointer("struct file")),
            ("buf", char_pointer(Space::User)),
            ("count", Type::int(8, false)),
            ("pos", position.clone()),
        ]
    };
    vec![
        (
            "do_nanosleep",
            vec![("mode", enum_type("migrate_mode"))],
            int.clone(),
        ),
        (
            "tcp_connect",
            vec![("sk", pointer("struct sock"))],
            int.clone(),
        ),
        (
            "vfs_open",
            vec![
                (
                    "path",
                    Type::pointer(structure("struct path"), Space::Kernel),
                ),
                ("file", pointer("struct file")),
            ],
            int,
        ),
        ("vfs_read", transfer(), ssize.clone()),
        ("vfs_write", transfer(), ssize),
        (
            "wake_up_new_task",
            vec![("p", pointer("struct task_struct"))],
            Type::Void,
        ),
    ]
}

/// Raw tracepoints, without the listener's own parameter.
pub(super) fn raw_tracepoints() -> Vec<Prototype> {
    let task = || pointer("struct task_struct");
    vec![
        (
            "sched_process_exec",
            vec![("p", task()), ("old_pid", Type::int(4, true))],
            Type::Void,
        ),
        (
            "sched_switch",
            vec![
                ("preempt", Type::Bool),
                ("prev", task()),
                ("next", task()),
                ("prev_state", Type::int(4, false)),
            ],
            Type::Void,
        ),
        (
            "sys_enter",
            vec![
                ("regs", pointer("struct pt_regs")),
                ("id", Type::int(8, true)),
            ],
            Type::Void,
        ),
        (
            "sys_exit",
            vec![
                ("regs", pointer("struct pt_regs")),
                ("ret", Type::int(8, true)),
            ],
            Type::Void,
        ),
    ]
}

/// The prototype of this name.
pub(super) fn signature(all: Vec<Prototype>, name: &str) -> Option<Rc<Signature>> {
    let (_, params, returns) = all.into_iter().find(|(known, ..)| *known == name)?;
    Some(Rc::new(Signature {
        parts: Vec::new(),
        params: params
            .into_iter()
            .map(|(name, kind)| (name.into(), kind))
            .collect(),
        unreadable: Vec::new(),
        returns,
    }))
}

fn event_field(name: &str, kind: Type, offset: u32, size: u32) -> EventField {
    EventField {
        name: name.into(),
        kind,
        offset,
        size,
        data_loc: false,
    }
}

/// Tracepoints: category, name, and the fields behind those that all have.
pub(super) fn tracepoints() -> Vec<(&'static str, &'static str, Vec<EventField>)> {
    let int = Type::int(4, true);
    let number = || event_field("__syscall_nr", Type::int(4, true), 8, 4);
    let word = || Type::int(8, true);
    vec![
        (
            "raw_syscalls",
            "sys_enter",
            vec![
                event_field("id", word(), 8, 8),
                event_field("args", Type::Array(Type::int(8, false).into(), 6), 16, 48),
            ],
        ),
        (
            "raw_syscalls",
            "sys_exit",
            vec![
                event_field("id", word(), 8, 8),
                event_field("ret", word(), 16, 8),
            ],
        ),
        ("sched", "sched_process_exec", exec_fields()),
        ("sched", "sched_switch", switch_fields()),
        (
            "syscalls",
            "sys_enter_openat",
            vec![
                number(),
                event_field("dfd", int.clone(), 16, 4),
                event_field("filename", char_pointer(Space::User), 24, 8),
                event_field("flags", int, 32, 4),
                event_field("mode", Type::int(2, false), 40, 2),
            ],
        ),
        (
            "syscalls",
            "sys_enter_read",
            vec![
                number(),
                event_field("fd", Type::int(4, false), 16, 4),
                event_field("buf", char_pointer(Space::User), 24, 8),
                event_field("count", Type::int(8, false), 32, 8),
            ],
        ),
        (
            "syscalls",
            "sys_exit_openat",
            vec![number(), event_field("ret", Type::int(8, true), 16, 8)],
        ),
        (
            "syscalls",
            "sys_exit_read",
            vec![number(), event_field("ret", Type::int(8, true), 16, 8)],
        ),
    ]
}

fn exec_fields() -> Vec<EventField> {
    vec![
        EventField {
            data_loc: true,
            ..event_field("filename", Type::Str(0), 8, 4)
        },
        event_field("pid", Type::int(4, true), 12, 4),
        event_field("old_pid", Type::int(4, true), 16, 4),
    ]
}

fn switch_fields() -> Vec<EventField> {
    let int = || Type::int(4, true);
    vec![
        event_field("prev_comm", Type::Str(16), 8, 16),
        event_field("prev_pid", int(), 24, 4),
        event_field("prev_prio", int(), 28, 4),
        event_field("prev_state", Type::int(8, true), 32, 8),
        event_field("next_comm", Type::Str(16), 40, 16),
        event_field("next_pid", int(), 56, 4),
        event_field("next_prio", int(), 60, 4),
    ]
}
