//! Events that reach user space: calls that one thread makes as fast as it can, each shown as a line.

use std::path::Path;

use crate::process::{output, target};

use super::{
    Background, Contender, Programs, contender,
    figure::{Figure, Table},
    present, undisturbed,
};

/// Opens of each measurement.
const OPENS: usize = 1_000_000;

/// What is opened: a path that is looked for, and none, which the kernel refuses sooner, so that more events
/// come in a second.
const PATHS: [(&str, &str); 2] = [
    ("/no/such/file", "opens of a missing file by one thread"),
    ("", "opens of an empty path by one thread"),
];

/// Calls that are timed, and those that come before, to warm up: the workload's tenth.
const CALLS: usize = 2_000_000;
const CALLS_MADE: usize = CALLS + CALLS / 10;

/// What makes events, and how it is seen that they were shown.
struct Load<'a> {
    title: &'static str,
    /// The words of the workload.
    workload: Vec<&'a str>,
    /// How many events a second there were, by the number that the workload prints.
    rate: fn(f64) -> f64,
    /// How many events it makes.
    events: usize,
    /// Whether a line tells of one.
    is_event: &'a dyn Fn(&str) -> bool,
}

/// How many opens a second were made while each was shown, and how many of them were not, for each path.
pub fn tables(programs: &Programs, rounds: u32) -> anyhow::Result<Vec<Table>> {
    let tracer = programs.tracer.display().to_string();
    let every_open = "tracepoint:syscalls:sys_enter_open, tracepoint:syscalls:sys_enter_openat \
                      { printf(\"%s %s\\n\", comm, str(args->filename)); }";
    let contenders = present(vec![
        contender("not traced", &["true"]),
        contender(
            "tracer opensnoop, JSON",
            &[&tracer, "opensnoop", "-f", "json", "-v", "-o"],
        ),
        contender(
            "tracer run, text",
            &[&tracer, "run", "-e", every_open, "-o"],
        ),
        contender("bpftrace, text", &["bpftrace", "-e", every_open, "-o"]),
    ]);
    let opens = OPENS.to_string();
    let of_path = |(path, title): (&str, &'static str)| {
        let load = Load {
            title,
            workload: vec!["timed-opens", &opens, "--path", path],
            rate: |rate| rate,
            events: OPENS,
            is_event: &|line| is_open(line, path),
        };
        table(programs, rounds, &load, &contenders)
    };
    PATHS.into_iter().map(of_path).collect()
}

/// How many calls a second were made while a script printed a line for each, and how many lines are missing.
pub fn lines(programs: &Programs, rounds: u32) -> anyhow::Result<Table> {
    let tracer = programs.tracer.display().to_string();
    let every_call = "tracepoint:syscalls:sys_enter_getppid { printf(\"%s %d\\n\", comm, tid); }";
    let contenders = present(vec![
        contender("not traced", &["true"]),
        contender("tracer run", &[&tracer, "run", "-e", every_call, "-o"]),
        contender("bpftrace", &["bpftrace", "-e", every_call, "-o"]),
    ]);
    let calls = CALLS.to_string();
    let load = Load {
        title: "calls by one thread, a line printed for each",
        workload: vec!["timed-calls", &calls],
        rate: |ns| 1e9 / ns,
        events: CALLS_MADE,
        is_event: &|line| line.starts_with("e2e "),
    };
    table(programs, rounds, &load, &contenders)
}

fn table(
    programs: &Programs,
    rounds: u32,
    load: &Load<'_>,
    contenders: &[Contender],
) -> anyhow::Result<Table> {
    let mut rates: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    let mut lost = rates.clone();
    for _ in 0..rounds {
        for (index, contender) in contenders.iter().enumerate() {
            let (rate, missing) = run(programs, contender, load)?;
            rates[index].push(rate);
            lost[index].push(missing as f64);
        }
    }
    let mut figures = Vec::new();
    for (index, contender) in contenders.iter().enumerate() {
        figures.push(Figure::of(contender.name, rates[index].clone()));
        if contender.words[0] != "true" {
            figures.push(Figure::of_lost(contender.name, lost[index].clone()));
        }
    }
    Ok(Table {
        title: load.title,
        unit: "/s",
        figures,
    })
}

/// Events a second, and how many of them were not shown.
fn run(
    programs: &Programs,
    contender: &Contender,
    load: &Load<'_>,
) -> anyhow::Result<(f64, usize)> {
    let rate = || -> anyhow::Result<f64> {
        let mut command = undisturbed(&programs.e2e);
        command.arg("workload").args(&load.workload);
        let number = output(command.args(["--cpu", "1"]))?;
        Ok((load.rate)(
            String::from_utf8_lossy(&number).trim().parse()?,
        ))
    };
    if contender.words[0] == "true" {
        return Ok((rate()?, 0));
    }
    let file = target().join(format!("bench-stream-{}", std::process::id()));
    // bpftrace says nothing when it writes to a file.
    let sign = match contender.sign() {
        "Attaching" => "",
        sign => sign,
    };
    let mut command = undisturbed(&contender.words[0]);
    command.args(&contender.words[1..]).arg(&file);
    let background = Background::start(&mut command, sign)?;
    if sign.is_empty() {
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
    let rate = rate()?;
    background.end()?;
    let lines = count_events(&file, load)?;
    std::fs::remove_file(&file)?;
    Ok((rate, load.events.saturating_sub(lines)))
}

fn count_events(file: &Path, load: &Load<'_>) -> anyhow::Result<usize> {
    let text = std::fs::read_to_string(file)?;
    Ok(text.lines().filter(|line| (load.is_event)(line)).count())
}

/// True of a line about an open of this path by the workload, as either tracer writes it.
fn is_open(line: &str, path: &str) -> bool {
    let json = [
        "\"comm\":\"e2e\"".to_owned(),
        format!("\"path\":\"{path}\""),
    ];
    line == format!("e2e {path}") || json.iter().all(|part| line.contains(part.as_str()))
}
