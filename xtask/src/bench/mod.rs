//! Measurements, side by side in one run: machines are noisy, and only what was taken together compares.
//!
//! Every figure is the median of some rounds, with the least and the largest. Rounds go through all tracers in
//! turn, so that a slow spell meets all of them.

mod background;
mod figure;
mod scrape;
mod script;
mod stream;

use std::{
    ffi::OsStr,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::{
    build,
    process::{cargo, find, is_root, output, run as run_command, say, target},
};

use background::Background;
use figure::{Figure, Table};

/// Flags of `bench`.
#[derive(Args)]
pub struct Options {
    /// Rounds of each measurement
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Measure scrapes of the exporter only
    #[arg(long)]
    scrape: bool,
}

/// A tracer, and the words that have it do one thing.
struct Contender {
    name: &'static str,
    words: Vec<String>,
}

/// The programs that take part.
struct Programs {
    tracer: PathBuf,
    e2e: PathBuf,
    /// Times the compiler alone.
    compile_time: PathBuf,
}

/// `cargo xtask bench`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if !is_root() {
        bail!("measuring needs root: run it by sudo");
    }
    build::objects()?;
    if options.scrape {
        scrape::table(&build::program(true)?, options.rounds)?.print();
        return Ok(());
    }
    let programs = programs()?;
    for peer in ["bpftrace", "perf", "strace", "syscount-bpfcc"] {
        if find(peer).is_none() {
            say(format!("{peer} is not installed: left out"));
        }
    }
    start(&programs, options.rounds)?.print();
    attach(&programs, options.rounds)?.print();
    per_call(&programs, options.rounds)?.print();
    for table in stream::tables(&programs, options.rounds)? {
        table.print();
    }
    for table in script::tables(&programs, options.rounds)? {
        table.print();
    }
    scrape::table(&programs.tracer, options.rounds)?.print();
    let bytes = programs.tracer.metadata()?.len();
    println!("size of the program: {:.2} MB", bytes as f64 / 1e6);
    Ok(())
}

fn programs() -> anyhow::Result<Programs> {
    let tracer = build::program(true)?;
    let mut command = cargo();
    command.args(["build", "--quiet", "--release", "--package", "tracer-tests"]);
    run_command(&mut command)?;
    let mut command = cargo();
    command.args(["build", "--quiet", "--release", "--package", "tracer"]);
    run_command(command.args(["--example", "compile_time"]))?;
    let release = target().join("release");
    Ok(Programs {
        tracer,
        e2e: release.join("e2e"),
        compile_time: release.join("examples/compile_time"),
    })
}

fn contender(name: &'static str, words: &[&str]) -> Contender {
    Contender {
        name,
        words: words.iter().map(|word| (*word).to_owned()).collect(),
    }
}

impl Contender {
    fn is_there(&self) -> bool {
        let program = &self.words[0];
        program.contains('/') || find(program).is_some()
    }

    /// What it says when it is attached, or before; empty for those that say nothing.
    fn sign(&self) -> &'static str {
        match self.words[0].as_str() {
            "bpftrace" => "Attaching",
            "perf" => "",
            "syscount-bpfcc" => "Tracing",
            _ if self.words[1] == "run" => "Attached",
            _ => "attached:",
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).stdin(Stdio::null());
        command
    }
}

/// A command that what else the machine has to do does not interrupt, where `chrt` is installed.
fn undisturbed(program: impl AsRef<OsStr>) -> Command {
    if find("chrt").is_none() {
        return Command::new(program);
    }
    let mut command = Command::new("chrt");
    command.args(["--fifo", "5"]).arg(program);
    command
}

/// Those whose programs are installed.
fn present(contenders: Vec<Contender>) -> Vec<Contender> {
    contenders.into_iter().filter(Contender::is_there).collect()
}

/// Takes a figure of each contender in each round.
fn measure(
    title: &'static str,
    unit: &'static str,
    contenders: &[Contender],
    rounds: u32,
    mut take: impl FnMut(&Contender) -> anyhow::Result<f64>,
) -> anyhow::Result<Table> {
    let mut taken: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (contender, taken) in contenders.iter().zip(&mut taken) {
            taken.push(take(contender).with_context(|| format!("measuring {}", contender.name))?);
        }
    }
    let figures = contenders.iter().zip(taken);
    let figures = figures
        .map(|(contender, taken)| Figure::of(contender.name, taken))
        .collect();
    Ok(Table {
        title,
        unit,
        figures,
    })
}

fn start(programs: &Programs, rounds: u32) -> anyhow::Result<Table> {
    let tracer = programs.tracer.display().to_string();
    let contenders = present(vec![
        contender("true, alone", &["true"]),
        contender(
            "tracer syscount -c -- true",
            &[&tracer, "syscount", "-c", "--", "true"],
        ),
        contender(
            "tracer syscount -- true",
            &[&tracer, "syscount", "--", "true"],
        ),
        contender("strace -c true", &["strace", "-c", "true"]),
        contender(
            "tracer run BEGIN exit",
            &[&tracer, "run", "-e", "BEGIN { exit() }"],
        ),
        contender(
            "bpftrace BEGIN exit",
            &["bpftrace", "-e", "BEGIN { exit() }"],
        ),
    ]);
    measure("start to exit", "ms", &contenders, rounds, |contender| {
        let begin = Instant::now();
        output(&mut contender.command())?;
        Ok(begin.elapsed().as_secs_f64() * 1e3)
    })
}

/// Tracers that count calls.
fn counters(programs: &Programs) -> Vec<Contender> {
    let tracer = programs.tracer.display().to_string();
    let count = "tracepoint:raw_syscalls:sys_enter { @[args->id] = count(); }";
    let count_opens = "tracepoint:syscalls:sys_enter_openat { @ = count(); }";
    present(vec![
        contender("tracer syscount -c", &[&tracer, "syscount", "-c", "-v"]),
        contender("tracer syscount", &[&tracer, "syscount", "-v"]),
        contender("bpftrace count by id", &["bpftrace", "-e", count]),
        contender("tracer run, a count", &[&tracer, "run", "-e", count_opens]),
        contender("bpftrace, a count", &["bpftrace", "-e", count_opens]),
    ])
}

fn attach(programs: &Programs, rounds: u32) -> anyhow::Result<Table> {
    let contenders = counters(programs);
    let mut memory: Vec<(&'static str, f64)> = Vec::new();
    let mut table = measure("exec to attached", "ms", &contenders, rounds, |contender| {
        // The kernel has whoever attaches wait for what the last tracer left: it gets time to be done with that.
        std::thread::sleep(std::time::Duration::from_millis(300));
        let begin = Instant::now();
        let background = Background::start(&mut contender.command(), contender.sign())?;
        let elapsed = begin.elapsed().as_secs_f64() * 1e3;
        std::thread::sleep(std::time::Duration::from_millis(500));
        memory.push((contender.name, background.memory_mb()?));
        background.end()?;
        Ok(elapsed)
    })?;
    for contender in &contenders {
        let taken = memory
            .iter()
            .filter(|(name, _)| *name == contender.name)
            .map(|(_, mb)| *mb)
            .collect();
        table.figures.push(Figure::of_memory(contender.name, taken));
    }
    Ok(table)
}

/// Calls of each timing.
const CALLS: &str = "2000000";

fn per_call(programs: &Programs, rounds: u32) -> anyhow::Result<Table> {
    let (tracer, e2e) = (
        programs.tracer.display().to_string(),
        programs.e2e.display().to_string(),
    );
    let latency = "tracepoint:raw_syscalls:sys_enter { @start[tid] = nsecs; } \
                   tracepoint:raw_syscalls:sys_exit /@start[tid]/ \
                   { @[args->id] = hist(nsecs - @start[tid]); delete(@start[tid]); }";
    let count = "tracepoint:raw_syscalls:sys_enter { @[args->id] = count(); }";
    let contenders = present(vec![
        contender("nothing", &["true"]),
        contender(
            "an empty program on sys_enter",
            &[&e2e, "workload", "empty-programs", "sys_enter"],
        ),
        contender("tracer syscount -c", &[&tracer, "syscount", "-c", "-v"]),
        contender("bpftrace count by id", &["bpftrace", "-e", count]),
        contender("BCC's syscount", &["syscount-bpfcc"]),
        contender(
            "perf stat, a count of all",
            &["perf", "stat", "-a", "-e", "raw_syscalls:sys_enter"],
        ),
        contender(
            "empty programs on both ends",
            &[&e2e, "workload", "empty-programs", "sys_enter", "sys_exit"],
        ),
        contender("tracer syscount", &[&tracer, "syscount", "-v"]),
        contender("bpftrace histogram by id", &["bpftrace", "-e", latency]),
        contender("BCC's syscount -L", &["syscount-bpfcc", "-L"]),
        contender("perf trace -s", &["perf", "trace", "-a", "-s"]),
    ]);
    let title = "a system call (getppid), traced";
    let mut table = time_calls(programs, title, &contenders, rounds)?;
    if find("strace").is_some() {
        table.figures.push(strace(programs, rounds)?);
    }
    Ok(table)
}

/// Nanoseconds that a call takes while each contender traces; `true` is none.
fn time_calls(
    programs: &Programs,
    title: &'static str,
    contenders: &[Contender],
    rounds: u32,
) -> anyhow::Result<Table> {
    let time = || -> anyhow::Result<f64> {
        let mut command = undisturbed(&programs.e2e);
        let ns = output(command.args(["workload", "timed-calls", CALLS, "--cpu", "1"]))?;
        Ok(String::from_utf8_lossy(&ns).trim().parse()?)
    };
    measure(title, "ns", contenders, rounds, |contender| {
        if contender.words[0] == "true" {
            return time();
        }
        let sign = contender.sign();
        let background = Background::start(&mut contender.command(), sign)?;
        // What says nothing, or says it early, gets time to attach.
        if !matches!(sign, "attached:" | "Attached") {
            std::thread::sleep(std::time::Duration::from_millis(700));
        }
        let ns = time();
        background.end()?;
        ns
    })
}

/// strace stops the program at each call: it gets fewer of them.
fn strace(programs: &Programs, rounds: u32) -> anyhow::Result<Figure> {
    let taken = (0..rounds.min(3)).map(|_| {
        let mut command = Command::new("strace");
        command.args(["-c", "-o", "/dev/null"]).arg(&programs.e2e);
        let ns = output(command.args(["workload", "timed-calls", "50000", "--cpu", "1"]))?;
        Ok(String::from_utf8_lossy(&ns).trim().parse()?)
    });
    Ok(Figure::of(
        "strace -c",
        taken.collect::<anyhow::Result<Vec<f64>>>()?,
    ))
}
