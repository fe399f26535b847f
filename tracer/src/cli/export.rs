//! `tracer export`: tools and scripts as metrics for Prometheus.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;

use super::{parse, print};
use crate::{
    export::{
        config::{Config, SCRIPT_PREFIX, Script, Series, Source, Tool, file},
        http::web::Web,
        privileges::User,
        run::{self, Flags, Until},
        script::hint::Hints,
        source,
    },
    script, tools,
};

/// Flags of `export`.
#[derive(Args, Debug)]
pub struct Options {
    /// Where to listen: ADDRESS:PORT, or a port of the loopback address [default: 127.0.0.1:9435]
    #[arg(short, long, value_name = "ADDRESS", value_parser = parse::listen_address)]
    listen: Option<SocketAddr>,

    /// What to export, in TOML; read again at SIGHUP. Without it, system calls and block I/O
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// TLS and passwords: Prometheus' web configuration file
    #[arg(long, value_name = "FILE")]
    web_config: Option<PathBuf>,

    /// Become this user when all is attached: a name, or UID:GID
    #[arg(short, long, value_name = "USER", value_parser = user)]
    user: Option<User>,

    /// Look at the configuration only, and tell what is wrong with it
    #[arg(long, requires = "config")]
    check: bool,

    /// Tell what is done; twice, in detail
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

fn user(text: &str) -> Result<User, String> {
    User::find(text).map_err(|error| format!("{error:#}"))
}

/// Exports until a signal ends it.
pub fn run(options: Options) -> anyhow::Result<u8> {
    let mut config = match &options.config {
        Some(path) => file::read(path)?,
        None => Config::default(),
    };
    let flags = Flags {
        listen: options.listen,
        web: options.web_config,
        user: options.user,
    };
    flags.apply(&mut config);
    if options.check {
        check(options.config.as_deref(), &config)?;
        return Ok(0);
    }
    run::run(config, options.config, flags, Until::default())
}

/// Compiles the scripts, too: what they trace must be there.
fn check(path: Option<&Path>, config: &Config) -> anyhow::Result<()> {
    if let Some(web) = &config.web {
        Web::read(web)?;
    }
    for source in &config.sources {
        if let Source::Script(script) = source {
            source::script::check(&script.wanted())
                .map_err(|failure| anyhow::anyhow!("{}", failure.text().trim_end()))
                .with_context(|| format!("the script {} is wrong", script.name))?;
        }
    }
    let path = path
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    let names: Vec<&str> = config.sources.iter().map(Source::name).collect();
    print(format!("{path} is right: {}\n", names.join(", ")))
}

/// Exports one tool until a signal ends it, or its time.
pub fn run_tool(tool: &tools::Command, listen: SocketAddr) -> anyhow::Result<u8> {
    let words = std::env::args_os().skip(1).map(|word| {
        let text = word.into_string();
        text.map_err(|word| anyhow::anyhow!("{} is not UTF-8", word.display()))
    });
    let tool_config = Tool::new(words.collect::<anyhow::Result<_>>()?);
    let config = Config {
        listen,
        sources: vec![Source::Tool(tool_config)],
        ..Config::default()
    };
    let until = Until {
        duration: tool.common().output.duration,
        script: false,
    };
    run::run(config, None, Flags::default(), until)
}

/// Exports one script until it ends.
pub fn run_script(run: script::run::Options, listen: SocketAddr) -> anyhow::Result<u8> {
    let config = Config {
        listen,
        sources: vec![Source::Script(Box::new(Script {
            name: "script".to_owned(),
            prefix: SCRIPT_PREFIX.to_owned(),
            run,
            prints: true,
            hints: Hints::new(),
            series: Series::default(),
        }))],
        ..Config::default()
    };
    let until = Until {
        duration: None,
        script: true,
    };
    run::run(config, None, Flags::default(), until)
}
