//! execsnoop: each exec with all its arguments, and how long the process ran.
//!
//! Hooks: raw tracepoints `sched_process_exec` and `sched_process_exit`; with `-x` also `sys_exit`, for
//! those that fail.

use std::sync::Arc;

use clap::Args;
use tracer_common::exec::{Exec, Kind};

use super::{Setup, Tool, syscall, text::trim};
use crate::{
    cli::Common,
    glob::Glob,
    kernel::{
        Kernel,
        plan::{Attachment, Choice, Global, Plan},
        session::{read_u32, read_u64},
        syscalls::{Abi, errno},
    },
    names::Names,
    objects,
    probe::Hook,
    report::{Column, Event, Role, Schema, Unit, Value},
};

/// Processes whose end is waited for, at most, unless `--max-keys` says otherwise.
const PROCESSES: u32 = 16_384;

/// Flags of execsnoop.
#[derive(Args, Debug)]
pub struct Options {
    /// Also execs that fail
    #[arg(short = 'x', long = "fails")]
    pub failures: bool,

    /// Leave out the lines that tell how a process ended and how long it ran
    #[arg(long)]
    pub no_exits: bool,

    /// Only commands whose name matches this, with *, ? and [ ]
    #[arg(long, value_name = "PATTERN")]
    pub name: Option<String>,

    #[command(flatten)]
    /// Flags that all tools have.
    pub common: Common,
}

impl Options {
    /// The tool.
    pub fn into_tool(self) -> anyhow::Result<Execsnoop> {
        let name = self.name.as_deref().map(Glob::new);
        Ok(Execsnoop { options: self, schema: Arc::new(schema()), name })
    }
}

/// What execsnoop attaches to.
pub fn hooks(kernel: &Kernel) -> anyhow::Result<Vec<Choice>> {
    let choice = |purpose, program, name| {
        Choice::only(purpose, Attachment::new(program, Hook::RawTracepoint(name)))
    };
    Ok(vec![
        choice("a program is run", "process_exec", "sched_process_exec"),
        choice("a process ends", "process_exit", "sched_process_exit"),
        syscall::exit(kernel, "an exec fails (with -x)"),
    ])
}

fn schema() -> Schema {
    let column = |name, title, role, width, help| Column { name, title, unit: Unit::None, role, width, help };
    Schema {
        name: "execs",
        columns: vec![
            column("event", "EVENT", Role::Key, 6, "exec, failed or exit"),
            column("pid", "PID", Role::Info, 7, "the process"),
            column("ppid", "PPID", Role::Info, 7, "its parent"),
            column("comm", "COMM", Role::Key, 16, "its name"),
            column("container", "CONTAINER", Role::Key, 20, "the container or unit that it runs in"),
            column("user", "USER", Role::Key, 8, "the user"),
            column("result", "RESULT", Role::Info, 8, "0, the error of an exec that failed, or how the process ended"),
            Column {
                unit: Unit::Nanoseconds,
                ..column("duration", "DURATION", Role::Info, 8, "time from exec to exit")
            },
            column("args", "ARGS", Role::Info, 0, "the arguments; [...] where they are cut"),
        ],
    }
}

/// execsnoop at work.
pub struct Execsnoop {
    options: Options,
    schema: Arc<Schema>,
    name: Option<Glob>,
}

impl Tool for Execsnoop {
    fn plan(&mut self, setup: &Setup<'_>) -> anyhow::Result<Plan> {
        let kernel = setup.kernel;
        let processes = setup.common.output.max_keys.unwrap_or(PROCESSES);
        let mut plan = Plan {
            object: objects::EXECSNOOP,
            facts: syscall::facts(kernel)?,
            map_sizes: vec![("EVENTS", setup.common.output.ring_bytes()), ("EXECS", processes)],
            ..Plan::default()
        };
        for choice in hooks(kernel)? {
            plan.attachments.extend(choice.attachments(kernel)?);
        }
        let (exits, failures) = (!self.options.no_exits, self.options.failures);
        plan.attachments.retain(|attachment| match attachment.program {
            "process_exit" => exits,
            "sys_exit" | "sys_exit_event" => failures,
            _ => true,
        });
        let calls = ["execve", "execveat"];
        plan.facts.push(Global::u32s("EXEC_CALLS", &syscall::numbers(Abi::Native, &calls)));
        plan.facts.push(Global::u32s("EXEC_CALLS_COMPAT", &syscall::numbers(Abi::Compat, &calls)));
        plan.facts.push(Global::u32("WATCH_EXITS", exits.into()));
        for (name, structure, member) in OFFSETS {
            plan.facts.push(Global::u32(name, kernel.offset(structure, member)?));
        }
        Ok(plan)
    }

    fn events(&self) -> Option<Arc<Schema>> {
        Some(self.schema.clone())
    }

    fn event(
        &mut self,
        record: &[u8],
        names: &mut Names,
        emit: &mut dyn FnMut(Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (exec, strings) = read_exec(record);
        let comm = trim(&exec.comm).to_vec();
        if self.name.as_ref().is_some_and(|name| !name.matches(&comm)) {
            return Ok(());
        }
        let ended = exec.kind == Kind::Exit as u32;
        let values = vec![
            kind_name(exec.kind).into(),
            Value::U64(exec.tgid.into()),
            Value::U64(exec.parent.into()),
            Value::Text(comm),
            names.container(exec.cgroup),
            names.user(exec.uid),
            if ended { end_text(exec.result).into() } else { error_text(exec.result).into() },
            if ended { Value::U64(exec.duration) } else { Value::Null },
            if ended { Value::Null } else { arguments(&exec, strings) },
        ];
        emit(Event { schema: self.schema.clone(), time_ns: names.unix_ns(exec.time), values })
    }
}

/// Where the kernel keeps a process' parent, arguments and end.
const OFFSETS: [(&str, &str, &str); 9] = [
    ("OFFSET_TASK_MM", "task_struct", "mm"),
    ("OFFSET_TASK_PARENT", "task_struct", "real_parent"),
    ("OFFSET_TASK_TGID", "task_struct", "tgid"),
    ("OFFSET_TASK_SIGNAL", "task_struct", "signal"),
    ("OFFSET_TASK_EXIT_CODE", "task_struct", "exit_code"),
    ("OFFSET_SIGNAL_LIVE", "signal_struct", "live"),
    ("OFFSET_SIGNAL_EXIT_CODE", "signal_struct", "group_exit_code"),
    ("OFFSET_MM_ARG_START", "mm_struct", "arg_start"),
    ("OFFSET_MM_ARG_END", "mm_struct", "arg_end"),
];

/// Takes an event apart by the layout of [`Exec`]: the struct, and the strings behind it.
fn read_exec(bytes: &[u8]) -> (Exec, &[u8]) {
    let word = |at: usize| read_u64(&bytes[at..]);
    let half = |at: usize| read_u32(&bytes[at..]);
    let exec = Exec {
        time: word(0),
        cgroup: word(8),
        duration: word(16),
        kind: half(24),
        tgid: half(28),
        parent: half(32),
        uid: half(36),
        result: half(40) as i32,
        bytes: half(44),
        bytes_all: half(48),
        padding: 0,
        comm: bytes[56..72].try_into().expect("16 bytes"),
    };
    (exec, &bytes[size_of::<Exec>()..])
}

fn kind_name(kind: u32) -> &'static str {
    match kind {
        kind if kind == Kind::Exec as u32 => "exec",
        kind if kind == Kind::Failed as u32 => "failed",
        _ => "exit",
    }
}

fn error_text(result: i32) -> String {
    let number = result.unsigned_abs();
    match number {
        0 => "0".to_owned(),
        _ => errno::name(number).map_or_else(|| result.to_string(), str::to_owned),
    }
}

/// How a process ended, by the status that `wait(2)` would tell: `0`, `status 3`, `SIGKILL`.
fn end_text(status: i32) -> String {
    match (libc::WTERMSIG(status), libc::WEXITSTATUS(status)) {
        (0, code) => code.to_string(),
        (signal, _) => format!("signal {signal}"),
    }
}

/// The arguments as a shell would take them; marked where there were more.
fn arguments(exec: &Exec, strings: &[u8]) -> Value {
    let strings = &strings[..(exec.bytes as usize).min(strings.len())];
    let strings = strings.strip_suffix(&[0]).unwrap_or(strings);
    let mut words = strings.split(|&byte| byte == 0);
    if exec.kind == Kind::Failed as u32 {
        // The path comes first; the name that the program is to see, `argv[0]`, is not told apart.
        let path = words.next().unwrap_or_default();
        let rest = words.skip(1).map(quote);
        return joined(std::iter::once(quote(path)).chain(rest), exec);
    }
    joined(words.map(quote), exec)
}

fn joined(words: impl Iterator<Item = Vec<u8>>, exec: &Exec) -> Value {
    let mut text = words.collect::<Vec<_>>().join(&b' ');
    if exec.bytes_all > exec.bytes {
        text.extend(b" [...]");
    }
    Value::Text(text)
}

/// An argument that a shell would take apart is put in quotes.
fn quote(word: &[u8]) -> Vec<u8> {
    let special = |byte: &u8| byte.is_ascii_whitespace() || b"'\"\\$`*?[]{}()<>|&;#!~".contains(byte);
    if !word.is_empty() && !word.iter().any(special) {
        return word.to_vec();
    }
    let mut quoted = vec![b'\''];
    for &byte in word {
        match byte {
            b'\'' => quoted.extend(b"'\\''"),
            byte => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: Kind, strings: &[u8], bytes_all: u32) -> String {
        let exec = Exec { kind: kind as u32, bytes: strings.len() as u32, bytes_all, ..Exec::default() };
        match arguments(&exec, strings) {
            Value::Text(text) => String::from_utf8(text).expect("UTF-8"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_are_written_for_a_shell() {
        assert_eq!(shown(Kind::Exec, b"ls\0-l\0a b\0\0", 0), "ls -l 'a b' ''");
        assert_eq!(shown(Kind::Exec, b"echo\0it's\0", 0), r"echo 'it'\''s'");
        assert_eq!(shown(Kind::Exec, b"cut\0off", 100), "cut off [...]");
        assert_eq!(shown(Kind::Failed, b"/bin/nothing\0nothing\0x\0", 0), "/bin/nothing x");
    }

    #[test]
    fn ends_are_told() {
        assert_eq!(end_text(0), "0");
        assert_eq!(end_text(3 << 8), "3");
        assert_eq!(end_text(libc::SIGKILL), "signal 9");
    }
}
