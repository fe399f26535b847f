//! A tracer at work while something else is measured.

use std::{
    fs,
    io::Read as _,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::process::output;

/// A process that is ended when it is no longer needed.
pub struct Background {
    child: Child,
}

impl Background {
    /// Starts it, and waits until it writes `sign`, on either stream; not at all for an empty one.
    pub fn start(command: &mut Command, sign: &str) -> anyhow::Result<Self> {
        let (mut reader, writer) = std::io::pipe()?;
        command.stdout(writer.try_clone()?).stderr(writer);
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start it")?;
        // The command holds the pipe's other end, too.
        *command = Command::new("true");
        let background = Self { child };
        let mut said = String::new();
        let mut buffer = [0; 4096];
        while !sign.is_empty() && !said.contains(sign) {
            let read = reader.read(&mut buffer)?;
            if read == 0 {
                bail!("it ended before it was attached: {said}");
            }
            said.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        // What it writes from here on is thrown away.
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        Ok(background)
    }

    /// The memory that it has resident, in MB.
    pub fn memory_mb(&self) -> anyhow::Result<f64> {
        self.status_mb("VmRSS:")
    }

    /// The most that it ever had resident, in MB.
    pub fn memory_max_mb(&self) -> anyhow::Result<f64> {
        self.status_mb("VmHWM:")
    }

    fn status_mb(&self, name: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .with_context(|| format!("no {name}"))?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024.0 / 1e6)
    }

    /// Ends it as Ctrl-C does, and waits. One that does not listen yet is told again.
    pub fn end(mut self) -> anyhow::Result<()> {
        while self.child.try_wait()?.is_none() {
            output(Command::new("kill").args(["-INT", &self.child.id().to_string()]))?;
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It has ended already, unless a measurement failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
