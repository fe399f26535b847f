//! One run of a virtual machine: QEMU, without the help of the processor, so that it runs anywhere.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{initramfs, kernel::Kernel};
use crate::process::{find, target};

/// What to boot, and what to run in it.
pub struct Guest {
    /// The kernel.
    pub kernel: Kernel,
    /// The command, run as root.
    pub command: Vec<String>,
    /// Variables that it is given.
    pub environment: Vec<(String, String)>,
    /// Files that are there for it: from where, to where.
    pub files: Vec<(PathBuf, String)>,
    /// Modules that are loaded.
    pub modules: Vec<String>,
    /// The size of the scratch disk, `/dev/vda`.
    pub disk_mib: u32,
    /// Processors.
    pub cpus: u32,
    /// Seconds that it may take.
    pub timeout_seconds: u64,
}

/// What came of a run.
pub struct Outcome {
    /// What the command wrote.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
    /// Its exit status; none where the guest died, or took too long.
    pub status: Option<i32>,
    /// What went wrong with the guest itself.
    pub trouble: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Outcome {
    /// Prints all of it.
    pub fn show(&self, name: &str) {
        print!("{}", self.stdout);
        eprint!("{}", self.stderr);
        let seconds = self.elapsed.as_secs_f64();
        match (&self.trouble, self.status) {
            (Some(trouble), _) => eprintln!("xtask: {name}: {trouble} ({seconds:.1} s)"),
            (None, Some(status)) => {
                eprintln!("xtask: {name}: exit status {status} ({seconds:.1} s)")
            }
            (None, None) => eprintln!("xtask: {name}: no exit status ({seconds:.1} s)"),
        }
    }
}

/// Lines of the console that are shown when a guest dies.
const CONSOLE_LINES: usize = 60;

impl Guest {
    /// Boots it, and waits for its end.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let folder = target().join(format!("vm/run-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let outcome = self.run_in(&folder);
        let _ = fs::remove_dir_all(&folder);
        outcome
    }

    fn run_in(&self, folder: &Path) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        fs::write(folder.join("initramfs"), initramfs::pack(self)?)?;
        fs::File::create(folder.join("disk"))?.set_len(u64::from(self.disk_mib) << 20)?;
        let mut qemu = Running(self.start(folder)?);
        let deadline = started + Duration::from_secs(self.timeout_seconds);
        let timed_out = loop {
            if qemu.0.try_wait()?.is_some() {
                break false;
            }
            if Instant::now() > deadline {
                break true;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        drop(qemu);
        self.outcome(folder, timed_out, started.elapsed())
    }

    fn start(&self, folder: &Path) -> anyhow::Result<Child> {
        let qemu = find("qemu-system-x86_64").context("there is no qemu-system-x86_64")?;
        let path = |name: &str| folder.join(name).display().to_string();
        let mut command = Command::new(qemu);
        command.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-m", "1024"]);
        command.arg("-smp").arg(self.cpus.to_string());
        command.args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
        ]);
        command
            .arg("-serial")
            .arg(format!("file:{}", path("console")));
        command
            .arg("-kernel")
            .arg(&self.kernel.image)
            .arg("-initrd")
            .arg(path("initramfs"));
        command.args([
            "-append",
            "console=ttyS0 quiet panic=-1 oops=panic cryptomgr.notests tsc=reliable mitigations=off",
        ]);
        command.args(["-device", "virtio-serial-pci"]);
        for port in ["out", "err", "control"] {
            command
                .arg("-chardev")
                .arg(format!("file,id={port},path={}", path(port)));
            command
                .arg("-device")
                .arg(format!("virtserialport,chardev={port},name={port}"));
        }
        command.arg("-drive").arg(format!(
            "file={},if=none,id=disk,format=raw,cache=unsafe",
            path("disk")
        ));
        command.args(["-device", "virtio-blk-pci,drive=disk"]);
        let log = fs::File::create(folder.join("qemu.log"))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command.spawn().context("cannot start QEMU")
    }

    fn outcome(
        &self,
        folder: &Path,
        timed_out: bool,
        elapsed: Duration,
    ) -> anyhow::Result<Outcome> {
        let text = |name: &str| {
            let bytes = fs::read(folder.join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (control, console) = (text("control"), text("console"));
        let status = control
            .lines()
            .find_map(|line| line.strip_prefix("status ")?.trim().parse().ok());
        let complaint = kernel_complaint(&console);
        let trouble = match (status, timed_out, complaint) {
            (_, true, _) => Some(format!(
                "the time limit of {} s was reached",
                self.timeout_seconds
            )),
            (None, ..) => Some("the guest died".to_owned()),
            (Some(_), false, Some(line)) => Some(format!("the kernel complained: {line}")),
            (Some(_), false, None) => None,
        };
        let trouble = trouble.map(|trouble| {
            let lines: Vec<&str> = console.lines().collect();
            let end = lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n");
            format!("{trouble}; the console's end:\n{end}\n{}", text("qemu.log"))
        });
        let status = if trouble.is_some() { None } else { status };
        Ok(Outcome {
            stdout: text("out"),
            stderr: text("err"),
            status,
            trouble,
            elapsed,
        })
    }
}

/// The line by which a kernel says that something is wrong with it.
fn kernel_complaint(console: &str) -> Option<String> {
    const SIGNS: [&str; 6] = [
        "BUG:",
        "WARNING:",
        "Oops",
        "Kernel panic",
        "rcu: INFO:",
        "INFO: task",
    ];
    let line = console
        .lines()
        .find(|line| SIGNS.iter().any(|sign| line.contains(sign)))?;
    Some(line.trim().to_owned())
}

/// A QEMU that does not outlive us.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_of_the_kernel_are_seen() {
        assert_eq!(kernel_complaint("all is well\n"), None);
        assert_eq!(
            kernel_complaint("x\n[1.0] BUG: bad\n").as_deref(),
            Some("[1.0] BUG: bad")
        );
    }
}
