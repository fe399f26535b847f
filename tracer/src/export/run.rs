//! The exporter's life: sources are loaded and attached, then scrapes are answered until a signal ends it.

use std::{sync::Arc, time::Duration};

use tokio::{
    select,
    sync::mpsc,
    task::LocalSet,
    time::{Instant, sleep_until},
};

use super::{
    config::Config,
    http::Listener,
    hub::{Hub, Reply},
    own::{Own, Served},
    source::{self, Handle, tool::Wanted},
};
use crate::{
    engine::stop::Signals,
    kernel::{Kernel, process::Privileges, sys},
};

/// Runs the exporter until a signal ends it, or the time.
pub fn run(config: Config, duration: Option<Duration>) -> anyhow::Result<()> {
    let wanted = config
        .tools
        .iter()
        .map(|tool| tool.wanted())
        .collect::<anyhow::Result<_>>()?;
    run_wanted(&config, wanted, duration)
}

/// The same with tools whose flags have been understood already.
pub fn run_wanted(
    config: &Config,
    wanted: Vec<Wanted>,
    duration: Option<Duration>,
) -> anyhow::Result<()> {
    Privileges::read()?.require_for_tracing()?;
    sys::raise_open_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, serve(config, wanted, duration))
}

async fn serve(
    config: &Config,
    wanted: Vec<Wanted>,
    duration: Option<Duration>,
) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    // Before anything is loaded: a port that is taken is found out at once.
    let listener = Listener::bind(config.listen)?;
    let served = Arc::new(Served::default());
    let handles = start(wanted)?;
    let mut hub = Hub::new(handles, Own::new(served.clone()));
    let (requests, mut asked) = mpsc::channel::<Reply>(1);
    let address = listener.address();
    listener.serve(requests, served)?;
    log::info!("serving http://{address}/metrics");
    let deadline = duration.map(|duration| Instant::now() + duration);
    loop {
        select! {
            () = signals.caught() => return Ok(()),
            () = until(deadline) => return Ok(()),
            reply = asked.recv() => {
                let Some(reply) = reply else { return Ok(()) };
                // Who asked may have gone away meanwhile.
                let _ = reply.send(Arc::new(hub.snapshot().await));
            }
        }
    }
}

/// Starts all sources. What is learned of the kernel for loading them is let go then.
fn start(wanted: Vec<Wanted>) -> anyhow::Result<Vec<Handle>> {
    let kernel = Kernel::running()?;
    if !kernel.since(5, 11) {
        sys::raise_memlock()?;
    }
    wanted
        .into_iter()
        .map(|wanted| source::tool::start(wanted, &kernel))
        .collect()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
