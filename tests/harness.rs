//! Running the program, and reading what it says.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::stuck;

/// One test.
pub struct Test {
    /// Its name: the tool, two colons, what is shown.
    pub name: &'static str,
    /// What the kernel must have for it.
    pub needs: Vec<Need>,
    /// Panics where it fails.
    pub run: fn(),
}

/// What a test needs of the kernel or the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// kprobes.
    Kprobes,
    /// None.
    NoKprobes,
    /// Cookies on perf events: Linux 5.15.
    Cookies,
    /// 32-bit system calls.
    Compat,
    /// A disk that may be written to: `/dev/vdb`, or `E2E_DISK`.
    ScratchDisk,
    /// Two CPUs or more.
    TwoCpus,
    /// A place for cgroups of our own.
    Cgroups,
    /// Markers of the workloads are written for this machine.
    X86,
    /// Counters of the processor.
    Pmu,
    /// None.
    NoPmu,
    /// Memory can be watched by the processor.
    Breakpoints,
    /// fentry and fexit.
    Fentry,
    /// Linux of this version, or later.
    Kernel(u32, u32),
    /// The addresses of the kernel's variables: `CONFIG_KALLSYMS_ALL`.
    Variables,
    /// bpftrace, to compare with.
    Peer,
    /// Prometheus and promtool.
    Prometheus,
    /// Chromium, to look at pages with.
    Chromium,
    /// systemd's checks of units: 252 or later, which can do without systemd at work.
    SystemdAnalyze,
    /// The C library as a shared one.
    Libc,
    /// `objcopy`, which takes debug information out of programs.
    Objcopy,
    /// `gcc`, for programs in C.
    Gcc,
    /// `xz`.
    Xz,
    /// `bpftool`, which loads objects by libbpf.
    Bpftool,
}

impl Need {
    /// Why it is missing here; [`None`] where it is there.
    pub fn missing(&self) -> Option<String> {
        let unless = |there: bool, reason: &str| (!there).then(|| reason.to_owned());
        match self {
            Need::Kprobes => unless(has_kprobes(), "this kernel has no kprobes"),
            Need::NoKprobes => unless(!has_kprobes(), "this kernel has kprobes"),
            Need::Cookies => unless(
                release() >= (5, 15),
                "attachments have no cookies before Linux 5.15",
            ),
            Need::Compat => unless(
                crate::workload::has_compat(),
                "this kernel has no 32-bit system calls",
            ),
            Need::ScratchDisk => unless(scratch_disk().is_some(), "there is no scratch disk"),
            Need::TwoCpus => unless(cpus() >= 2, "this machine has one CPU"),
            Need::Cgroups => unless(cgroups().is_some(), "no cgroup hierarchy is mounted"),
            Need::Pmu => unless(has_pmu(), "this machine has no PMU"),
            Need::NoPmu => unless(!has_pmu(), "this machine has a PMU"),
            Need::Breakpoints => unless(
                has_breakpoints(),
                "this machine has no breakpoints that work",
            ),
            Need::X86 => unless(cfg!(target_arch = "x86_64"), "this is not x86-64"),
            Need::Fentry => unless(has_fentry(), "this kernel has no fentry"),
            Need::Kernel(major, minor) => unless(
                release() >= (*major, *minor),
                &format!("this kernel is older than {major}.{minor}"),
            ),
            Need::Variables => unless(
                has_variables(),
                "this kernel hides its variables' addresses",
            ),
            Need::Peer => unless(has_peer(), "bpftrace 0.17 is not installed"),
            Need::Prometheus => unless(
                crate::prometheus::is_there(),
                "Prometheus is not installed: cargo xtask setup --peers",
            ),
            Need::Chromium => unless(
                chromium().is_some(),
                "Chromium is not installed: cargo xtask setup --peers",
            ),
            Need::SystemdAnalyze => unless(
                systemd() >= Some(252),
                "systemd-analyze is not installed, or older than 252",
            ),
            Need::Libc => unless(has_libc(), "there is no shared C library"),
            Need::Objcopy => unless(
                Command::new("objcopy").arg("--version").output().is_ok(),
                "objcopy is not installed",
            ),
            Need::Gcc => unless(
                Command::new("gcc").arg("--version").output().is_ok(),
                "gcc is not installed",
            ),
            Need::Xz => unless(
                Command::new("xz").arg("--version").output().is_ok(),
                "xz is not installed",
            ),
            Need::Bpftool => unless(
                Command::new("bpftool").arg("version").output().is_ok(),
                "bpftool is not installed, so nothing shows that libbpf loads the objects: cargo xtask setup --peers",
            ),
        }
    }

    /// True for what a machine that tests every change must have: what is missing there fails.
    pub fn is_required(self) -> bool {
        let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        in_ci && self == Need::Prometheus
    }
}

/// Whether a program is there and does well.
/// What Chromium is called here; [`None`] where it is not installed.
pub fn chromium() -> Option<&'static str> {
    let names = ["chromium-headless-shell", "chromium"];
    names.into_iter().find(|name| answers(name, &["--version"]))
}

fn answers(program: &str, words: &[&str]) -> bool {
    let output = Command::new(program).args(words).output();
    output.is_ok_and(|output| output.status.success())
}

/// The version of systemd's tools.
fn systemd() -> Option<u32> {
    let output = Command::new("systemd-analyze").arg("--version").output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}

fn has_kprobes() -> bool {
    Path::new("/sys/bus/event_source/devices/kprobe").exists()
}

/// Programs at the entries of functions need ftrace's call there.
fn has_fentry() -> bool {
    has_kprobes() && Path::new("/sys/kernel/tracing/available_filter_functions").exists()
}

/// The processor's own counters are a PMU by this name, on hybrid processors several that begin so.
fn has_pmu() -> bool {
    let pmus = std::fs::read_dir("/sys/bus/event_source/devices");
    let names = pmus
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    names
        .into_iter()
        .any(|name| name.to_string_lossy().starts_with("cpu"))
}

fn has_breakpoints() -> bool {
    Path::new("/sys/bus/event_source/devices/breakpoint").exists()
}

fn has_variables() -> bool {
    let symbols = std::fs::read_to_string("/proc/kallsyms");
    symbols.is_ok_and(|symbols| symbols.lines().any(|line| line.ends_with(" runqueues")))
}

fn has_libc() -> bool {
    [
        "/lib64",
        "/lib/x86_64-linux-gnu",
        "/lib/aarch64-linux-gnu",
        "/usr/lib",
    ]
    .iter()
    .any(|folder| Path::new(folder).join("libc.so.6").exists())
}

fn has_peer() -> bool {
    let version = Command::new("bpftrace").arg("--version").output();
    version.is_ok_and(|output| output.stdout.starts_with(b"bpftrace v0.17"))
}

/// The running kernel's version.
fn release() -> (u32, u32) {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("osrelease");
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().expect("number"));
    (
        numbers.next().expect("major"),
        numbers.next().expect("minor"),
    )
}

/// The CPUs that this process may run on.
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A disk that tests may overwrite: the one that `E2E_DISK` names.
pub fn scratch_disk() -> Option<PathBuf> {
    std::env::var_os("E2E_DISK")
        .map(PathBuf::from)
        .filter(|disk| disk.exists())
}

/// Where cgroups that tell containers apart are made: below the memory controller of cgroup v1 where a host
/// has that, else below cgroup v2.
pub fn cgroups() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let find = |kind: &str, option: &str| {
        let is_it = |words: &Vec<&str>| {
            words.get(2) == Some(&kind)
                && words
                    .get(3)
                    .is_some_and(|options| options.split(',').any(|o| o == option))
        };
        let mount = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .find(is_it)?;
        Some(PathBuf::from(mount[1]))
    };
    find("cgroup", "memory").or_else(|| find("cgroup2", "rw"))
}

/// The program under test.
pub fn tracer_path() -> PathBuf {
    std::env::var_os("TRACER")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let own = std::env::current_exe().expect("own path");
            own.with_file_name("tracer")
        })
}

/// No test's run of the program takes longer than this, nor anything that is waited for, even where the kernel is emulated
/// on a machine that others load, too.
const LIMIT: Duration = Duration::from_secs(300);

/// What a run printed, and how it ended.
pub struct Ran {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Its end.
    pub status: ExitStatus,
}

impl Ran {
    /// The objects of its JSON lines.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| match serde_json::from_str(line) {
            Ok(value) => value,
            Err(error) => panic!("not JSON ({error}): {line}\n{}", self.stderr),
        };
        self.stdout.lines().map(parse).collect()
    }

    /// The `data` of all lines of this type.
    #[track_caller]
    pub fn of_type(&self, kind: &str) -> Vec<Value> {
        self.json()
            .into_iter()
            .filter(|line| line["type"] == kind)
            .map(|mut line| line["data"].take())
            .collect()
    }

    /// The rows of the last table.
    #[track_caller]
    pub fn rows(&self) -> Vec<Value> {
        let table = self.of_type("table").pop();
        let Some(table) = table else {
            panic!("no table in:\n{}\n{}", self.stdout, self.stderr)
        };
        table["rows"].as_array().expect("rows").clone()
    }

    /// The row of the last table whose `column` is `value`.
    #[track_caller]
    pub fn row(&self, column: &str, value: &str) -> Value {
        let row = self.rows().into_iter().find(|row| row[column] == value);
        row.unwrap_or_else(|| {
            panic!(
                "no row with {column} {value} in:\n{}\n{}",
                self.stdout, self.stderr
            )
        })
    }

    /// How much was lost by this cause, as the last report says.
    #[track_caller]
    pub fn lost(&self, cause: &str) -> u64 {
        let last = self
            .of_type("loss")
            .into_iter()
            .rev()
            .find(|loss| loss["cause"] == cause);
        last.map_or(0, |loss| loss["count"].as_u64().expect("count"))
    }

    /// Fails unless it ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(
            self.status.success(),
            "{}\n{}\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }
}

/// The program, with these words.
pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new(tracer_path());
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs the program to its end.
#[track_caller]
pub fn tracer(words: &[&str]) -> Ran {
    finish(
        command(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start tracer"),
    )
}

/// Runs the program with a workload of ours as its command.
#[track_caller]
pub fn trace_workload(words: &[&str], workload: &[&str]) -> Ran {
    let own = own_path();
    let mut all = words.to_vec();
    all.extend(["--", &own, "workload"]);
    all.extend(workload);
    tracer(&all)
}

/// The path of this binary, which is also the workloads'.
pub fn own_path() -> String {
    std::env::current_exe()
        .expect("own path")
        .into_os_string()
        .into_string()
        .expect("UTF-8 path")
}

/// A workload of ours, to be started by hand.
pub fn workload(words: &[&str]) -> Command {
    let mut command = Command::new(own_path());
    command.arg("workload").args(words).stdin(Stdio::null());
    command
}

/// Runs one to its end.
#[track_caller]
pub fn run_workload(words: &[&str]) {
    let status = workload(words).status().expect("start");
    assert!(status.success(), "{words:?}");
}

#[track_caller]
fn finish(child: Child) -> Ran {
    let pid = child.id();
    // Waited for without sleeping: sleeps are among what is traced.
    let (send, ended) = mpsc::channel();
    std::thread::spawn(move || send.send(child.wait_with_output()));
    let output = ended.recv_timeout(LIMIT).unwrap_or_else(|_| {
        let account = stuck::killed(pid);
        let output = ended.recv().expect("an end").expect("wait");
        panic!("not done after {LIMIT:?}: {}\n{account}", describe(&output));
    });
    let output = output.expect("wait");
    Ran {
        stdout: String::from_utf8(output.stdout).expect("UTF-8 output"),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status,
    }
}

fn describe(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Starts `calls-on-signal N`, and waits until it has got as far as to wait for the signal.
#[track_caller]
pub fn calls_on_signal(times: &str) -> Child {
    const CAUGHT: u64 = 1 << (libc::SIGUSR1 - 1);
    let child = workload(&["calls-on-signal", times])
        .spawn()
        .expect("start");
    let path = format!("/proc/{}/status", child.id());
    wait_for("a process that waits for its signal", || {
        let status = fs::read_to_string(&path).expect("its status");
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))?;
        let mask = u64::from_str_radix(mask.trim(), 16).expect("a mask");
        (status.contains("State:\tS") && mask & CAUGHT != 0).then_some(())
    });
    child
}

/// Looks again and again until there is something.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    match retry(|| look().ok_or(())) {
        Ok(found) => found,
        Err(()) => panic!("waited {LIMIT:?} in vain: {what}"),
    }
}

/// Tries again and again until it does well; the last error where it never does.
pub fn retry<T, E>(mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match attempt() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            result => return result,
        }
    }
}

/// Has a process of this name sleep that often, for 0.5 to 8 ms, and gives back the seconds that each took, in order.
#[track_caller]
pub fn measured_sleeps(comm: &str, times: usize) -> Vec<f64> {
    let mut sleeps = workload(&["measured-sleeps", &times.to_string(), "--comm", comm]);
    let output = sleeps.stderr(Stdio::inherit()).output().expect("start");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let seconds = |line: &str| line.parse().expect("seconds");
    let mut took: Vec<f64> = text.lines().map(seconds).collect();
    assert_eq!(took.len(), times);
    took.sort_by(f64::total_cmp);
    took
}

/// Sends a signal.
pub fn kill(pid: u32, signal: i32) {
    // SAFETY: kill takes two integers.
    unsafe { libc::kill(pid as i32, signal) };
}

/// The program at work, attached. Ended where a test fails before it has.
pub struct Tracing {
    child: Option<Child>,
    stderr: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Tracing {
    /// Starts the program, and waits until it says that it is attached.
    #[track_caller]
    pub fn start(words: &[&str]) -> Self {
        let mut all = words.to_vec();
        all.push("-v");
        let mut child = command(&all)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start tracer");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr"));
        let mut said = String::new();
        while !said.contains("attached:") {
            let read = lines.read_line(&mut said).expect("read stderr");
            assert!(read > 0, "ended before it was attached: {said}");
        }
        let stderr = Arc::new(Mutex::new(said));
        let rest = stderr.clone();
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = lines.read_to_end(&mut text);
            rest.lock()
                .expect("lock")
                .push_str(&String::from_utf8_lossy(&text));
        });
        Self {
            child: Some(child),
            stderr,
            reader: Some(reader),
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Has it end as by Ctrl-C, and takes what it printed.
    #[track_caller]
    pub fn interrupt(self) -> Ran {
        kill(self.pid(), libc::SIGINT);
        self.wait()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Ran {
        let mut ran = finish(self.child.take().expect("it runs"));
        self.reader
            .take()
            .expect("it is read")
            .join()
            .expect("join");
        ran.stderr = self.stderr.lock().expect("lock").clone();
        ran
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
