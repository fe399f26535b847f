//! `tracer export`: tools and scripts as metrics for Prometheus.

use std::net::SocketAddr;

use clap::Args;

use super::parse;
use crate::{
    export::{
        config::{Config, Tool},
        run,
    },
    tools,
};

/// Flags of `export`.
#[derive(Args, Debug)]
pub struct Options {
    /// Where to listen: ADDRESS:PORT, or a port of the loopback address [default: 127.0.0.1:9435]
    #[arg(short, long, value_name = "ADDRESS", value_parser = parse::listen_address)]
    listen: Option<SocketAddr>,

    /// Tell what is done; twice, in detail
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Exports until a signal ends it.
pub fn run(options: Options) -> anyhow::Result<()> {
    let mut config = Config::default();
    if let Some(listen) = options.listen {
        config.listen = listen;
    }
    run::run(config, None)
}

/// Exports one tool until a signal ends it, or its time.
pub fn run_tool(tool: tools::Command, listen: SocketAddr) -> anyhow::Result<()> {
    let duration = tool.common().output.duration;
    let config = Config {
        listen,
        tools: Vec::new(),
        ..Config::default()
    };
    let words = std::env::args().skip(1).collect();
    let wanted = Tool::new(words).wanted_of(tool)?;
    run::run_wanted(&config, vec![wanted], duration)
}
