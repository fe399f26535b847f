//! What ends a run: a signal, the time, the command's end, or that of the process that is traced.

use std::{os::fd::OwnedFd, process::ExitStatus, time::Duration};

use anyhow::{Context as _, bail};
use tokio::{
    io::unix::AsyncFd,
    select,
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep_until},
};

use super::command::{Held, Running};
use crate::kernel::sys;

/// Why a run ends.
pub enum End {
    /// By a signal, the time, or because what is traced has gone.
    Asked,
    /// The command has ended.
    Command(ExitStatus),
}

/// Signals that end a run. From their making on none of them ends the process at once: nothing is left half
/// done.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
}

impl Signals {
    /// Begins to catch them.
    pub fn catch() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: Some(signal(SignalKind::hangup())?),
        })
    }

    /// Begins to catch those that end a service: a hang-up has another meaning there.
    pub fn catch_all_but_hang_up() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: None,
        })
    }

    /// Waits for one of them.
    pub async fn caught(&mut self) {
        select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = received(&mut self.hang_up) => {}
        }
    }
}

/// Waits for the end.
pub struct Stop {
    signals: Signals,
    deadline: Option<Instant>,
    process: Option<AsyncFd<OwnedFd>>,
    command: Option<Running>,
}

impl Stop {
    /// Begins to count the time, and lets the command go. Ends with `process`, too.
    pub fn new(
        signals: Signals,
        duration: Option<Duration>,
        process: Option<AsyncFd<OwnedFd>>,
        command: Option<Held>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            signals,
            process,
            deadline: duration.map(|duration| Instant::now() + duration),
            command: command.map(Held::go).transpose()?,
        })
    }

    /// Comes back when it is time to end.
    pub async fn wait(&mut self) -> anyhow::Result<End> {
        let Self {
            signals,
            deadline,
            process,
            command,
        } = self;
        select! {
            () = signals.caught() => Ok(End::Asked),
            () = until(*deadline) => Ok(End::Asked),
            () = gone(process) => Ok(End::Asked),
            status = ended(command) => Ok(End::Command(status?)),
        }
    }
}

/// Waits for a signal; for ever where there is none.
pub(crate) async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn gone(process: &mut Option<AsyncFd<OwnedFd>>) {
    match process {
        Some(process) => drop(process.readable().await),
        None => std::future::pending().await,
    }
}

async fn ended(command: &mut Option<Running>) -> anyhow::Result<ExitStatus> {
    match command {
        Some(command) => command.ended().await,
        None => std::future::pending().await,
    }
}

/// The end of a process, to be waited for. `None` for a thread other than a process's first: the run then
/// does not end with it.
pub fn watch_process(pid: u32) -> anyhow::Result<Option<AsyncFd<OwnedFd>>> {
    match sys::pidfd_open(pid) {
        Ok(fd) => Ok(Some(sys::readable(fd)?)),
        Err(error) if error.errno() == libc::EINVAL => Ok(None),
        Err(error) if error.errno() == libc::ESRCH => bail!("there is no process {pid}"),
        Err(error) => Err(error).with_context(|| format!("cannot watch process {pid}")),
    }
}
