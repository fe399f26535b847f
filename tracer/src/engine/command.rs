//! The command that is traced: made and held back until tracing is on, then let go.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, ErrorKind, PipeReader, PipeWriter, Read as _, Write as _},
    os::{
        fd::AsRawFd,
        unix::{fs::PermissionsExt as _, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, anyhow, bail};
use tokio::sync::oneshot;

/// A child process that waits, just before it turns into the command.
pub struct Held {
    name: OsString,
    pid: u32,
    go: PipeWriter,
    spawner: JoinHandle<()>,
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
}

/// A command that runs.
pub struct Running {
    name: OsString,
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Held {
    /// Makes the process. It has the standard streams of ours.
    pub fn spawn(words: &[OsString]) -> anyhow::Result<Self> {
        let [name, arguments @ ..] = words else {
            bail!("no command to run")
        };
        let (mut ready_reader, ready_writer) = io::pipe().context("cannot make a pipe")?;
        let (go_reader, go) = io::pipe().context("cannot make a pipe")?;
        let program = find(name)?;
        let mut command = Command::new(program);
        command.arg0(name).args(arguments);
        hold_back(&mut command, ready_writer, go_reader, go.as_raw_fd());
        let (send, ended) = oneshot::channel();
        // `spawn` comes back only when the child has become the command: it waits on a thread of its own.
        let spawner = thread::Builder::new()
            .name("command".to_owned())
            .spawn(move || {
                let child = command.spawn();
                drop(command);
                let status = child.and_then(|mut child| child.wait());
                let _ = send.send(status);
            })?;
        let mut pid = [0; 4];
        match ready_reader.read_exact(&mut pid) {
            Ok(()) => Ok(Self {
                name: name.clone(),
                pid: u32::from_ne_bytes(pid),
                go,
                spawner,
                ended,
            }),
            Err(_) => {
                let _ = spawner.join();
                bail!("cannot make a process for {}", name.display())
            }
        }
    }

    /// The process that waits.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets it become the command.
    pub fn go(mut self) -> anyhow::Result<Running> {
        self.go
            .write_all(&[1])
            .with_context(|| format!("cannot start {}", self.name.display()))?;
        drop(self.spawner);
        Ok(Running {
            name: self.name,
            ended: self.ended,
        })
    }
}

/// The program that a command means, looked for as a shell does. It is looked for here and not by the child,
/// whose tries would be traced.
fn find(name: &OsStr) -> anyhow::Result<PathBuf> {
    if name.as_encoded_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut programs = env::split_paths(&path).map(|folder| folder.join(name));
    let found = programs.find(|program| is_executable(program));
    found.with_context(|| {
        format!(
            "cannot run {}: there is no such program on PATH",
            name.display()
        )
    })
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Has the child tell its process id and wait for a byte, as the last thing before `execve`. Where the
/// pipe is closed without one, it ends instead.
fn hold_back(command: &mut Command, mut ready: PipeWriter, mut go: PipeReader, other_end: i32) {
    let wait = move || {
        // SAFETY: close takes any number; the child's copy of this end would keep the pipe from closing.
        unsafe { libc::close(other_end) };
        // SAFETY: the default is no function of ours. Up to `execve` the child has our handler, which would
        // swallow the signal that ends it.
        unsafe { libc::signal(libc::SIGTERM, libc::SIG_DFL) };
        ready.write_all(&std::process::id().to_ne_bytes())?;
        let mut byte = [0];
        match go.read_exact(&mut byte) {
            // There may be nobody left to be told.
            // SAFETY: the child ends, without any of the handlers that it has a copy of.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => unsafe { libc::_exit(1) },
            result => result,
        }
    };
    // SAFETY: between fork and exec only write(2), read(2), close(2), signal(2), getpid(2) and _exit(2) are called,
    // which are async-signal-safe.
    unsafe { command.pre_exec(wait) };
}

impl Running {
    /// Waits for its end.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let status = (&mut self.ended)
            .await
            .map_err(|_| anyhow!("lost sight of the command"))?;
        status.with_context(|| format!("cannot run {}", self.name.display()))
    }
}

/// How it ended, in words.
pub fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("the command exited with status {code}"),
        (None, Some(signal)) => format!("the command was ended by signal {signal}"),
        (None, None) => "the command ended".to_owned(),
    }
}
