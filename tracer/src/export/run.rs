//! The exporter's life: sources are loaded and attached, then scrapes are answered until a signal ends it.

use std::{net::SocketAddr, os::fd::OwnedFd, path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::LocalSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    config::{Config, Source, Wanted, file},
    http::{
        Listener,
        web::{Current, Web},
    },
    hub::{Hub, Reply},
    notify::Notify,
    own::{Own, Served},
    privileges::{Left, User},
    retry::Retry,
    source::{self, Handle, Health, script::Ended},
};
use crate::{
    engine::{every, stop::Signals, tick},
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

/// What the command line says, whatever the configuration does.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Where it listens.
    pub listen: Option<SocketAddr>,
    /// The web configuration file.
    pub web: Option<PathBuf>,
    /// The user to become.
    pub user: Option<User>,
}

impl Flags {
    /// Puts them in the place of what a configuration says.
    pub fn apply(&self, config: &mut Config) {
        config.listen = self.listen.unwrap_or(config.listen);
        config.user = self.user.or(config.user);
        if self.web.is_some() {
            config.web.clone_from(&self.web);
        }
    }
}

/// Runs the exporter to its end, and gives back the status to exit with. `path` is the file that the configuration
/// is read from again at a hang-up.
pub fn run(
    config: Config,
    path: Option<PathBuf>,
    flags: Flags,
    until: Until,
) -> anyhow::Result<u8> {
    Privileges::read()?.require_for_tracing()?;
    sys::raise_open_files()?;
    sys::keep_little_memory();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = LocalSet::new();
    let status = local.block_on(&runtime, async {
        let exporter = Exporter::start(config, path, flags, until)?;
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
    flags: Flags,
    web: Current,
    privileges: Left,
    notify: Notify,
    /// While this is open the kernel counts runs of programs.
    _stats: Option<OwnedFd>,
    hub: Hub,
    retry: Retry,
    asked: mpsc::Receiver<Reply>,
    signals: Signals,
    hang_up: Signal,
    deadline: Option<Instant>,
    /// The end of the script that it is run for.
    script: Option<Ended>,
}

impl Exporter {
    fn start(
        config: Config,
        path: Option<PathBuf>,
        flags: Flags,
        until: Until,
    ) -> anyhow::Result<Self> {
        let signals = Signals::catch_all_but_hang_up()?;
        let hang_up = signal(SignalKind::hangup())?;
        let notify = Notify::new().context("cannot tell systemd anything")?;
        // Before anything is loaded: a port that is taken, or a wrong certificate, is found out at once.
        let listener = Listener::bind(config.listen)?;
        let web = read_web(&config)?;
        warn_of_strangers(&config, &web);
        let web = Current::new(web);
        let stats = config.bpf_stats.then(sys::measure_programs).transpose();
        let stats = stats.context("cannot have the kernel count runs of programs (bpf_stats)")?;
        let (handles, mut ends) = start_all(&config.sources)?;
        let can_load = path.is_some();
        let is_down = |handle: &Handle| handle.health.get() == Health::Failed;
        // Nothing will be tried again. A script's own end says the same.
        if !can_load && !until.script && handles.iter().all(is_down) {
            bail!("there is nothing to serve");
        }
        let kernel = Kernel::running()?;
        let privileges = Left::after_loading(&kernel, can_load, config.user)?;
        let served = Arc::new(Served::default());
        let hub = Hub::new(handles, Own::new(served.clone()));
        let (requests, asked) = mpsc::channel(1);
        let address = listener.address();
        listener.serve(requests, served, web.clone())?;
        let scheme = if web.get().tls.is_some() {
            "https"
        } else {
            "http"
        };
        log::info!("serving {scheme}://{address}/metrics");
        let exporter = Self {
            config,
            path,
            flags,
            web,
            privileges,
            notify,
            _stats: stats,
            hub,
            // Without a file to read again, what loading takes has been given up.
            retry: Retry::new(can_load),
            asked,
            signals,
            hang_up,
            deadline: until.duration.map(|duration| Instant::now() + duration),
            script: if until.script { ends.pop() } else { None },
        };
        exporter.notify.ready(&exporter.status());
        Ok(exporter)
    }

    /// What systemd shows.
    fn status(&self) -> String {
        let names: Vec<&str> = self.config.sources.iter().map(Source::name).collect();
        format!("exporting {} on {}", names.join(", "), self.config.listen)
    }

    async fn until_the_end(mut self) -> anyhow::Result<u8> {
        let period = self.notify.watchdog();
        let mut watchdog = period.map(|period| every(Instant::now(), period));
        let status = loop {
            select! {
                () = self.signals.caught() => break Ok(0),
                () = until(self.deadline) => break Ok(0),
                result = ended(&mut self.script) => break status(result),
                () = tick(&mut watchdog) => self.notify.alive(),
                _ = self.hang_up.recv() => self.reload().await,
                () = self.retry.due() => self.try_again().await,
                reply = self.asked.recv() => {
                    let Some(reply) = reply else { break Ok(0) };
                    // Who asked may have gone away meanwhile.
                    let _ = reply.send(Arc::new(self.hub.snapshot().await));
                }
            }
        };
        self.notify.stopping();
        status
    }

    /// Reads the configuration again. What is the same in it runs on, unless it has failed: that is tried
    /// again. Where the configuration is wrong, all runs on.
    async fn reload(&mut self) {
        let Some(path) = &self.path else {
            log::warn!("there is no configuration file to read again");
            return;
        };
        self.notify
            .reloading(sys::clock_ns(libc::CLOCK_MONOTONIC) / 1000);
        let (path, privileges) = (path.clone(), self.privileges);
        // The files may be root's, and what is new is loaded.
        let loaded = privileges.loading(|| {
            let mut config = file::read(&path)?;
            self.flags.apply(&mut config);
            self.change_to(config)
        });
        match loaded {
            Ok(Ok(failed)) => {
                log::info!("the configuration was read again");
                self.succeed(failed).await;
            }
            Ok(Err(error)) | Err(error) => {
                log::error!("the configuration was not taken: {error:#}");
            }
        }
        self.notify.ready(&self.status());
    }

    /// Starts what has failed again. What it had found is told until it runs.
    async fn try_again(&mut self) {
        let is_failed = |handle: &&mut Handle| handle.health.get() == Health::Failed;
        let failed = self.hub.handles().iter_mut().filter(is_failed);
        let names: Vec<Rc<str>> = failed
            .map(|handle| {
                handle.retries += 1;
                handle.name.clone()
            })
            .collect();
        self.retry.tried(!names.is_empty());
        if names.is_empty() {
            return;
        }
        let sources = self.config.sources.iter();
        let sources: Vec<Source> = sources
            .filter(|source| names.iter().any(|name| **name == *source.name()))
            .cloned()
            .collect();
        let started = self.privileges.loading(|| start_all(&sources));
        match started.flatten() {
            Ok((handles, _)) => {
                for handle in handles {
                    self.replace(handle).await;
                }
            }
            Err(error) => log::error!("cannot try again what has failed: {error:#}"),
        }
    }

    /// Puts a source that runs in the place of the one that has failed.
    async fn replace(&mut self, mut handle: Handle) {
        let mut old = self.hub.handles().iter_mut();
        let old = old.find(|old| old.name == handle.name);
        if let Some(old) = old
            && handle.health.get() == Health::Runs
        {
            log::info!("{} is up again", handle.name);
            handle.succeed(old).await;
            *old = handle;
        }
    }

    /// Hands on what sources have that failed and were started again, or puts them back where that failed, too.
    async fn succeed(&mut self, failed: Vec<Handle>) {
        for old in failed {
            let mut own = self.hub.handles().iter_mut();
            let Some(handle) = own.find(|handle| handle.name == old.name) else {
                continue;
            };
            match handle.health.get() {
                Health::Failed => *handle = old,
                Health::Runs | Health::Ended => handle.succeed(&old).await,
            }
        }
    }

    /// Starts what is new and ends what is no more; gives back what has failed and was started again.
    fn change_to(&mut self, config: Config) -> anyhow::Result<Vec<Handle>> {
        let old = &self.config;
        let stays = (config.listen, config.user, config.bpf_stats);
        if stays != (old.listen, old.user, old.bpf_stats) {
            bail!(
                "listen, user and bpf_stats take effect at a start only: restart, or set them back"
            );
        }
        if config.web.is_some() != old.web.is_some() {
            bail!("that there is a web configuration takes effect at a start only");
        }
        let web = read_web(&config)?;
        let old = &self.config.sources;
        let handles = self.hub.handles();
        let is_well = |source: &Source| {
            let mut own = handles
                .iter()
                .filter(|handle| *handle.name == *source.name());
            own.any(|handle| handle.health.get() != Health::Failed)
        };
        let is_kept = |source: &&Source| old.contains(source) && is_well(source);
        let (kept, new): (Vec<&Source>, Vec<&Source>) = config.sources.iter().partition(is_kept);
        let new: Vec<Source> = new.into_iter().cloned().collect();
        let (handles, _) = start_all(&new)?;
        let (stay, go): (Vec<Handle>, Vec<Handle>) = std::mem::take(self.hub.handles())
            .into_iter()
            .partition(|handle| kept.iter().any(|source| source.name() == &*handle.name));
        let again: Vec<&str> = new
            .iter()
            .filter(|source| old.contains(source))
            .map(Source::name)
            .collect();
        let failed = go
            .into_iter()
            .filter(|handle| again.contains(&&*handle.name))
            .collect();
        self.hub.handles().extend(stay.into_iter().chain(handles));
        self.web.set(web);
        self.config = config;
        Ok(failed)
    }
}

fn read_web(config: &Config) -> anyhow::Result<Web> {
    match &config.web {
        Some(path) => Web::read(path),
        None => Ok(Web::default()),
    }
}

/// Whoever reaches the address sees what is traced.
fn warn_of_strangers(config: &Config, web: &Web) {
    if !config.listen.ip().is_loopback() && web.guard.is_none() {
        log::warn!(
            "{} can be reached from other hosts, and asks for no password",
            config.listen
        );
    }
}

/// Starts all sources. What is learned of the kernel for loading them is let go then.
fn start_all(sources: &[Source]) -> anyhow::Result<(Vec<Handle>, Vec<Ended>)> {
    let wanted: Vec<Wanted> = sources
        .iter()
        .map(Source::wanted)
        .collect::<anyhow::Result<_>>()?;
    let kernel = Kernel::running()?;
    kernel.make_room()?;
    let (mut handles, mut ends) = (Vec::new(), Vec::new());
    for wanted in wanted {
        match wanted {
            Wanted::Tool(wanted) => handles.push(source::tool::start(*wanted, &kernel)?),
            Wanted::Script(wanted) => {
                let (handle, ended) = source::script::start(*wanted, &kernel)?;
                handles.push(handle);
                ends.push(ended);
            }
        }
    }
    drop(kernel);
    sys::give_back_memory();
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
