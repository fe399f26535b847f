//! The script language beside bpftrace: what it costs to compile, to attach, and for each event.

use std::{path::Path, time::Instant};

use anyhow::Context as _;

use crate::process::{find, output, workspace};

use super::{
    Programs, contender,
    figure::{Figure, Table},
    measure, present, stream, time_calls, undisturbed,
};

/// What is done at each call of the workload, in the order of the table.
const SCRIPTS: [(&str, &str, &str); 3] = [
    (
        "tracer run, count()",
        "bpftrace, count()",
        "tracepoint:syscalls:sys_enter_getppid { @ = count(); }",
    ),
    (
        "tracer run, by comm",
        "bpftrace, by comm",
        "tracepoint:syscalls:sys_enter_getppid { @[comm] = count(); }",
    ),
    (
        "tracer run, start and hist()",
        "bpftrace, start and hist()",
        "tracepoint:syscalls:sys_enter_getppid { @s[tid] = nsecs; } \
         tracepoint:syscalls:sys_exit_getppid /@s[tid]/ \
         { @ = hist(nsecs - @s[tid]); delete(@s[tid]); }",
    ),
];

/// All tables about scripts.
pub fn tables(programs: &Programs, rounds: u32) -> anyhow::Result<Vec<Table>> {
    Ok(vec![
        compile(programs)?,
        per_event(programs, rounds)?,
        every_call(programs, rounds)?,
        stream::lines(programs, rounds)?,
    ])
}

/// The compiler alone, with all that it asks of the kernel, each time anew.
fn compile(programs: &Programs) -> anyhow::Result<Table> {
    const TIMES: &str = "50";
    let script = workspace().join("xtask/bench/server.bt");
    let mut command = undisturbed(&programs.compile_time);
    let times = output(command.arg(&script).arg(TIMES))?;
    let times = String::from_utf8_lossy(&times);
    let taken: Result<Vec<f64>, _> = times.lines().map(str::parse).collect();
    let lines = lines_of(&script)?;
    Ok(Table {
        title: "compiling",
        unit: "ms",
        figures: vec![Figure::of(&format!("a script of {lines} lines"), taken?)],
    })
}

fn lines_of(script: &Path) -> anyhow::Result<usize> {
    let text = std::fs::read_to_string(script);
    let text = text.with_context(|| format!("cannot read {}", script.display()))?;
    Ok(text.lines().count())
}

fn per_event(programs: &Programs, rounds: u32) -> anyhow::Result<Table> {
    let (tracer, e2e) = (
        programs.tracer.display().to_string(),
        programs.e2e.display().to_string(),
    );
    let empty = &[&e2e, "workload", "empty-programs", "sys_enter", "sys_exit"];
    let mut contenders = vec![
        contender("nothing", &["true"]),
        contender("an empty program on sys_enter", &empty[..4]),
        contender("empty programs on both ends", empty),
    ];
    for (own, peer, script) in SCRIPTS {
        contenders.push(contender(own, &[&tracer, "run", "-e", script]));
        contenders.push(contender(peer, &["bpftrace", "-e", script]));
    }
    let title = "a system call (getppid), traced by scripts";
    time_calls(programs, title, &present(contenders), rounds)
}

/// All system calls by one wildcard, attached and detached. bpftrace takes half a minute for it: it gets one round.
fn every_call(programs: &Programs, rounds: u32) -> anyhow::Result<Table> {
    let script = "BEGIN { exit() } tracepoint:syscalls:sys_enter_* { @[probe] = count(); }";
    let time = |contender, rounds| {
        let title = "start to exit with sys_enter_* attached";
        measure(title, "ms", &[contender], rounds, |contender| {
            let begin = Instant::now();
            output(&mut contender.command())?;
            Ok(begin.elapsed().as_secs_f64() * 1e3)
        })
    };
    let tracer = programs.tracer.display().to_string();
    let mut table = time(
        contender("tracer run", &[&tracer, "run", "-e", script]),
        rounds,
    )?;
    if find("bpftrace").is_some() {
        let peer = time(contender("bpftrace", &["bpftrace", "-e", script]), 1)?;
        table.figures.extend(peer.figures);
    }
    Ok(table)
}
