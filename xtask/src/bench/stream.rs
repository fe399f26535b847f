//! Events that reach user space: opens that one thread makes as fast as it can, each shown as a line.

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

/// How many opens a second were made while each was shown, and how many of them were not, for each path.
pub fn tables(programs: &Programs, rounds: u32) -> anyhow::Result<Vec<Table>> {
    let mut tables = Vec::new();
    for (path, title) in PATHS {
        tables.push(table(programs, rounds, path, title)?);
    }
    Ok(tables)
}

fn table(
    programs: &Programs,
    rounds: u32,
    path: &str,
    title: &'static str,
) -> anyhow::Result<Table> {
    let tracer = programs.tracer.display().to_string();
    let every_open = "tracepoint:syscalls:sys_enter_open, tracepoint:syscalls:sys_enter_openat \
                      { printf(\"%s %s\\n\", comm, str(args->filename)); }";
    let contenders = present(vec![
        contender("not traced", &["true"]),
        contender(
            "tracer opensnoop, JSON",
            &[&tracer, "opensnoop", "-f", "json", "-v", "-o"],
        ),
        contender("bpftrace, text", &["bpftrace", "-e", every_open, "-o"]),
    ]);
    let mut rates: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    let mut lost = rates.clone();
    for _ in 0..rounds {
        for (index, contender) in contenders.iter().enumerate() {
            let (rate, missing) = run(programs, contender, path)?;
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
        title,
        unit: "/s",
        figures,
    })
}

/// Opens a second, and how many of them were not shown.
fn run(programs: &Programs, contender: &Contender, path: &str) -> anyhow::Result<(f64, usize)> {
    let rate = || -> anyhow::Result<f64> {
        let mut command = undisturbed(&programs.e2e);
        command.args(["workload", "timed-opens", &OPENS.to_string()]);
        let rate = output(command.args(["--cpu", "1", "--path", path]))?;
        Ok(String::from_utf8_lossy(&rate).trim().parse()?)
    };
    if contender.words[0] == "true" {
        return Ok((rate()?, 0));
    }
    let file = target().join(format!("bench-stream-{}", std::process::id()));
    let sign = match contender.words[0].as_str() {
        "bpftrace" => "",
        _ => "attached:",
    };
    let mut command = undisturbed(&contender.words[0]);
    command.args(&contender.words[1..]).arg(&file);
    let background = Background::start(&mut command, sign)?;
    if sign.is_empty() {
        // It says nothing when it writes to a file.
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
    let rate = rate()?;
    background.end()?;
    let lines = lines_of_workload(&file, path)?;
    std::fs::remove_file(&file)?;
    Ok((rate, OPENS.saturating_sub(lines)))
}

/// Lines about opens of this path by the workload, as either tracer writes them.
fn lines_of_workload(file: &Path, path: &str) -> anyhow::Result<usize> {
    let text = std::fs::read_to_string(file)?;
    let json = [
        "\"comm\":\"e2e\"".to_owned(),
        format!("\"path\":\"{path}\""),
    ];
    let plain = format!("e2e {path}");
    let is_one =
        |line: &&str| *line == plain || json.iter().all(|part| line.contains(part.as_str()));
    Ok(text.lines().filter(is_one).count())
}
