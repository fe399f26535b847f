//! The exporter's life: sources are loaded and attached, then scrapes are answered until a signal ends it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::bail;
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::LocalSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    config::{Config, Source, Wanted, file},
    http::Listener,
    hub::{Hub, Reply},
    own::{Own, Served},
    source::{self, Handle, script::Ended},
};
use crate::{
    engine::stop::Signals,
    kernel::{Kernel, process::Privileges, sys},
    script::run::Failure,
};

/// Scripts have so long to come to their end when the exporter ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What ends the exporter, other than a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Until {
    /// The time.
    pub duration: Option<Duration>,
    /// The end of its only script.
    pub script: bool,
}

/// Runs the exporter to its end, and gives back the status to exit with. `path` is the file that the configuration
/// is read from again at a hang-up.
pub fn run(config: Config, path: Option<PathBuf>, until: Until) -> anyhow::Result<u8> {
    Privileges::read()?.require_for_tracing()?;
    sys::raise_open_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = LocalSet::new();
    let status = local.block_on(&runtime, async {
        let exporter = Exporter::start(config, path, until)?;
        exporter.until_the_end().await
    })?;
    // All handles are gone: the tasks of sources end, and those of scripts do what they do last.
    if runtime
        .block_on(async { timeout(LAST_WORDS, local).await })
        .is_err()
    {
        log::warn!("a script did not end within {} s", LAST_WORDS.as_secs());
    }
    Ok(status)
}

struct Exporter {
    config: Config,
    path: Option<PathBuf>,
    hub: Hub,
    asked: mpsc::Receiver<Reply>,
    signals: Signals,
    hang_up: Signal,
    deadline: Option<Instant>,
    /// The end of the script that it is run for.
    script: Option<Ended>,
}

impl Exporter {
    fn start(config: Config, path: Option<PathBuf>, until: Until) -> anyhow::Result<Self> {
        let signals = Signals::catch_all_but_hang_up()?;
        let hang_up = signal(SignalKind::hangup())?;
        // Before anything is loaded: a port that is taken is found out at once.
        let listener = Listener::bind(config.listen)?;
        if !config.listen.ip().is_loopback() {
            log::warn!("{} can be reached from other hosts", config.listen);
        }
        let served = Arc::new(Served::default());
        let (handles, mut ends) = start_all(&config.sources)?;
        let hub = Hub::new(handles, Own::new(served.clone()));
        let (requests, asked) = mpsc::channel(1);
        let address = listener.address();
        listener.serve(requests, served)?;
        log::info!("serving http://{address}/metrics");
        Ok(Self {
            config,
            path,
            hub,
            asked,
            signals,
            hang_up,
            deadline: until.duration.map(|duration| Instant::now() + duration),
            script: if until.script { ends.pop() } else { None },
        })
    }

    async fn until_the_end(mut self) -> anyhow::Result<u8> {
        loop {
            select! {
                () = self.signals.caught() => return Ok(0),
                () = until(self.deadline) => return Ok(0),
                result = ended(&mut self.script) => return status(result),
                _ = self.hang_up.recv() => self.reload(),
                reply = self.asked.recv() => {
                    let Some(reply) = reply else { return Ok(0) };
                    // Who asked may have gone away meanwhile.
                    let _ = reply.send(Arc::new(self.hub.snapshot().await));
                }
            }
        }
    }

    /// Reads the configuration again. What is the same in it runs on; where it is wrong, all does.
    fn reload(&mut self) {
        let Some(path) = &self.path else {
            log::warn!("there is no configuration file to read again");
            return;
        };
        match file::read(path) {
            Ok(config) => match self.change_to(config) {
                Ok(()) => log::info!("the configuration was read again"),
                Err(error) => log::error!("the configuration was not taken: {error:#}"),
            },
            Err(error) => log::error!("the configuration was not taken: {error:#}"),
        }
    }

    fn change_to(&mut self, config: Config) -> anyhow::Result<()> {
        if config.listen != self.config.listen {
            bail!("another address to listen on takes effect at the next start only");
        }
        let old = &self.config.sources;
        let is_kept = |source: &&Source| old.contains(source);
        let (kept, new): (Vec<&Source>, Vec<&Source>) = config.sources.iter().partition(is_kept);
        let new: Vec<Source> = new.into_iter().cloned().collect();
        let (handles, _) = start_all(&new)?;
        let names: Vec<&str> = kept.iter().map(|source| source.name()).collect();
        self.hub
            .handles()
            .retain(|handle| names.contains(&&*handle.name));
        self.hub.handles().extend(handles);
        self.config = config;
        Ok(())
    }
}

/// Starts all sources. What is learned of the kernel for loading them is let go then.
fn start_all(sources: &[Source]) -> anyhow::Result<(Vec<Handle>, Vec<Ended>)> {
    let wanted: Vec<Wanted> = sources
        .iter()
        .map(Source::wanted)
        .collect::<anyhow::Result<_>>()?;
    let kernel = Kernel::running()?;
    if !kernel.since(5, 11) {
        sys::raise_memlock()?;
    }
    let (mut handles, mut ends) = (Vec::new(), Vec::new());
    for wanted in wanted {
        match wanted {
            Wanted::Tool(wanted) => handles.push(source::tool::start(wanted, &kernel)?),
            Wanted::Script(wanted) => {
                let (handle, ended) = source::script::start(*wanted, &kernel)?;
                handles.push(handle);
                ends.push(ended);
            }
        }
    }
    Ok((handles, ends))
}

/// The status of a script that has ended; its error, which was told already, is 1.
fn status(result: Option<Result<u8, Failure>>) -> anyhow::Result<u8> {
    match result {
        Some(Ok(status)) => Ok(status),
        Some(Err(_)) => Ok(1),
        None => bail!("the script was lost"),
    }
}

async fn ended(script: &mut Option<Ended>) -> Option<Result<u8, Failure>> {
    match script {
        Some(script) => script.await.ok(),
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
