//! The tests, in lanes: without root, on this kernel, in virtual machines with others.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use crate::{
    build,
    process::{as_root, cargo, output, say, target},
    setup,
    vm::{Guest, KERNELS, Kernel},
};

/// Where tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lane {
    /// Without root: units and golden tests
    Unit,
    /// This host's kernel
    Host,
    /// Virtual machines
    Vm,
}

/// Flags of `test`.
#[derive(Args)]
pub struct Options {
    /// Only this lane
    #[arg(long, value_enum)]
    lane: Option<Lane>,

    /// Only these kernels in virtual machines
    #[arg(long, value_name = "KERNEL")]
    kernel: Vec<String>,

    /// Every kernel, as where CI is set
    #[arg(long, conflicts_with = "kernel")]
    all: bool,

    /// Only tests whose names contain this
    filter: Option<String>,
}

/// Kernels of an everyday run: the oldest, and that of Debian 12.
const EVERYDAY: [&str; 2] = ["5.10", "6.1"];

/// Seconds that the tests may take in a guest: many times what they need, as machines differ.
const GUEST_SECONDS: u64 = 1800;

/// How many tests did what, and what those that failed said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// Each lane's account of its failures
    failures: Vec<String>,
    /// Tests that failed, and passed when they were run once more
    flaky: Vec<String>,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
        self.flaky.extend(other.flaky);
    }

    /// A failure that no test told of, such as a guest that died.
    fn failure(account: String) -> Self {
        Self {
            failed: 1,
            failures: vec![account],
            ..Self::default()
        }
    }
}

/// `cargo xtask test`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let wanted = |lane| options.lane.is_none_or(|only| only == lane);
    build::objects()?;
    let mut counts = Counts::default();
    if wanted(Lane::Unit) {
        counts.add(unit(options)?);
    }
    // One build serves this host and the guests: static, so that it runs in both.
    if wanted(Lane::Host) || wanted(Lane::Vm) {
        let programs = Programs::build()?;
        if wanted(Lane::Host) {
            counts.add(host(&programs, options)?);
        }
        if wanted(Lane::Vm) {
            counts.add(guests(&programs, options)?);
        }
    }
    // Once more, and last: the lanes print thousands of lines after the first failure.
    for account in counts.flaky.iter().chain(&counts.failures) {
        println!("\n{account}");
    }
    println!(
        "{} passed ({} when run once more), {} failed, {} skipped",
        counts.passed,
        counts.flaky.len(),
        counts.failed,
        counts.skipped
    );
    if counts.failed > 0 || counts.passed == 0 {
        bail!("the tests failed");
    }
    Ok(())
}

/// Has the end-to-end tests run a test that fails once more.
const TWICE: &str = "E2E_TWICE";

/// Whether this is a machine of continuous integration, which others load, too.
fn is_shared() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Runs a test program, shows what it prints, and counts.
fn observe(lane: &str, command: &mut Command) -> anyhow::Result<Counts> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = output.with_context(|| format!("cannot run the tests of {lane}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{text}");
    let mut counts = count(lane, &text);
    if !output.status.success() && counts.failed == 0 {
        let account = format!("{lane}: the tests ended with {}", output.status);
        counts.add(Counts::failure(account));
    }
    Ok(counts)
}

/// Adds up lines such as `test result: ok. 5 passed; 0 failed; 1 ignored; …`, and keeps what stands between the
/// first `failures:` and such a line.
fn count(lane: &str, text: &str) -> Counts {
    let mut counts = Counts::default();
    for line in text
        .lines()
        .filter_map(|line| line.strip_prefix("test result: "))
    {
        let number = |what: &str| {
            let mut parts = line.split(['.', ';']).map(str::trim);
            parts
                .find_map(|part| part.strip_suffix(what)?.trim().parse().ok())
                .unwrap_or(0)
        };
        counts.add(Counts {
            passed: number("passed"),
            failed: number("failed"),
            skipped: number("ignored"),
            ..Counts::default()
        });
    }
    let flaky = text.lines().filter(|line| line.starts_with("FLAKY "));
    counts.flaky = flaky.map(|line| format!("{lane}: {line}")).collect();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("\nfailures:\n") {
        let (account, after) = after.split_once("\ntest result: ").unwrap_or((after, ""));
        counts
            .failures
            .push(format!("{lane}: failures:\n{}", account.trim_end()));
        rest = after;
    }
    counts
}

fn unit(options: &Options) -> anyhow::Result<Counts> {
    say("units and golden tests");
    let mut command = cargo();
    command.args([
        "test",
        "--quiet",
        "--workspace",
        "--exclude",
        "tracer-ebpf",
        "--exclude",
        "tracer-tests",
    ]);
    command.args(["--no-fail-fast", "--"]).args(&options.filter);
    observe("the unit lane", &mut command)
}

/// The program and the tests, linked statically.
struct Programs {
    tracer: PathBuf,
    e2e: PathBuf,
}

const STATIC_TARGET: &str = "x86_64-unknown-linux-gnu";

impl Programs {
    fn build() -> anyhow::Result<Self> {
        say("building the program and its end-to-end tests");
        let mut command = cargo();
        command.args([
            "build",
            "--quiet",
            "--target",
            STATIC_TARGET,
            "--package",
            "tracer",
            "--package",
            "tracer-tests",
        ]);
        command.env("RUSTFLAGS", "-Ctarget-feature=+crt-static");
        crate::process::run(&mut command)?;
        let folder = target().join(STATIC_TARGET).join("debug");
        Ok(Self {
            tracer: folder.join("tracer"),
            e2e: folder.join("e2e"),
        })
    }
}

fn host(programs: &Programs, options: &Options) -> anyhow::Result<Counts> {
    say("end-to-end tests on this kernel");
    mount_tracefs()?;
    let disk = LoopDisk::new();
    let mut command = as_root(&programs.e2e);
    if is_shared() {
        command.env(TWICE, "1");
    }
    command
        .env("TRACER", &programs.tracer)
        .args(&options.filter);
    match &disk {
        Ok(disk) => {
            command.env("E2E_DISK", &disk.device);
        }
        Err(error) => say(format!("no scratch disk for the tests: {error:#}")),
    }
    observe("this kernel", &mut command)
}

/// Some tests look at tracepoints by name.
fn mount_tracefs() -> anyhow::Result<()> {
    if Path::new("/sys/kernel/tracing/events").exists() {
        return Ok(());
    }
    say("mounting tracefs on /sys/kernel/tracing");
    crate::process::run(as_root("mount").args(["-t", "tracefs", "tracefs", "/sys/kernel/tracing"]))
}

/// A disk made of a file: its requests are requests like any other's.
struct LoopDisk {
    device: String,
    file: PathBuf,
}

impl LoopDisk {
    fn new() -> anyhow::Result<Self> {
        let file = target().join(format!("scratch-disk-{}", std::process::id()));
        fs::File::create(&file)?.set_len(64 << 20)?;
        let device = output(as_root("losetup").args(["--find", "--show"]).arg(&file));
        let device = device.inspect_err(|_| drop(fs::remove_file(&file)))?;
        Ok(Self {
            device: String::from_utf8(device)?.trim().to_owned(),
            file,
        })
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        if let Err(error) = output(as_root("losetup").args(["--detach", &self.device])) {
            say(format!("cannot take down {}: {error:#}", self.device));
        }
        let _ = fs::remove_file(&self.file);
    }
}

fn guests(programs: &Programs, options: &Options) -> anyhow::Result<Counts> {
    setup::vm_packages()?;
    let every = options.all || is_shared();
    let names: Vec<String> = match (&options.kernel, every) {
        (kernels, _) if !kernels.is_empty() => kernels.clone(),
        (_, true) => KERNELS.map(str::to_owned).to_vec(),
        (_, false) => EVERYDAY.map(str::to_owned).to_vec(),
    };
    let kernels = names
        .iter()
        .map(|name| Kernel::get(name))
        .collect::<anyhow::Result<Vec<_>>>()?;
    say(format!(
        "end-to-end tests in virtual machines: {}",
        names.join(", ")
    ));
    // The newest first: they take longest, and the others fit in beside them.
    let waiting: Vec<_> = names.iter().zip(kernels).rev().collect();
    let waiting = Mutex::new(waiting.into_iter());
    let total = Mutex::new(Counts::default());
    // Two at a time: each has a processor of its own on the smallest of machines.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("lock").next();
                    let Some((name, kernel)) = next else { return };
                    let counts = guest(name, kernel, programs, options);
                    total.lock().expect("lock").add(counts);
                }
            });
        }
    });
    Ok(total.into_inner().expect("lock"))
}

/// Runs the tests in one guest. A guest that dies is a failed test.
fn guest(name: &str, kernel: Kernel, programs: &Programs, options: &Options) -> Counts {
    let mut command = vec!["/bin/e2e".to_owned()];
    command.extend(options.filter.clone());
    let mut variables = vec![
        ("TRACER", "/bin/tracer"),
        ("E2E_DISK", "/dev/vda"),
        ("RUST_BACKTRACE", "0"),
    ];
    if is_shared() {
        variables.push((TWICE, "1"));
    }
    let guest = Guest {
        command,
        environment: variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        files: vec![
            (programs.tracer.clone(), "bin/tracer".to_owned()),
            (programs.e2e.clone(), "bin/e2e".to_owned()),
        ],
        modules: Vec::new(),
        disk_mib: 256,
        // One each: two emulated processors that share one real one can lock each other out.
        cpus: 1,
        timeout_seconds: GUEST_SECONDS,
        kernel,
    };
    let release = guest.kernel.release.clone();
    match guest.run() {
        Ok(outcome) => {
            let mut counts = count(name, &outcome.stdout);
            let failed = outcome.status != Some(0);
            if failed && counts.failed == 0 {
                counts.add(Counts::failure(format!(
                    "{name}: the tests did not end well"
                )));
            }
            let seconds = outcome.elapsed.as_secs();
            println!("--- {name} ({release}), {seconds} s\n{}", outcome.stdout);
            let skipped = outcome
                .stderr
                .lines()
                .filter(|line| line.starts_with("SKIPPED"));
            let skipped = skipped.collect::<Vec<_>>().join("\n");
            println!("{}", if failed { &outcome.stderr } else { &skipped });
            if let Some(trouble) = outcome.trouble {
                counts.failures.push(format!("{name}: {trouble}"));
            }
            counts
        }
        Err(error) => Counts::failure(format!("{name} ({release}): {error:#}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let text = "x\ntest result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 1s\n\
                    y\n\nfailures:\n\n---- a ----\nwhy\n\n\nfailures:\n    a\n\n\
                    test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured\nFLAKY b: \"why\"\n";
        assert_eq!(
            count("here", text),
            Counts {
                passed: 7,
                failed: 3,
                skipped: 1,
                failures: vec![
                    "here: failures:\n\n---- a ----\nwhy\n\n\nfailures:\n    a".to_owned()
                ],
                flaky: vec!["here: FLAKY b: \"why\"".to_owned()],
            }
        );
        assert_eq!(count("here", "nothing"), Counts::default());
    }
}
