//! What is exported, and how: plain data, made of the command line or of a file.

pub mod file;
pub mod place;
pub mod trust;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, bail};

use super::{
    privileges::User,
    rows,
    script::hint::Hints,
    source::{self, script, tool},
};
use crate::{
    cli::{self, common::Format},
    script::run,
};

/// The port that is served where none is asked for.
pub const PORT: u16 = 9435;

/// What the names of scripts' metrics begin with, as a rule.
pub const SCRIPT_PREFIX: &str = "tracer_script";

/// Bytes of the ring buffer of a tool whose flags do not say. The kernel counts each byte twice as resident, for all
/// the weeks that the exporter runs; records of events are counted as they come, and take less time than printing them.
const RING_BYTES: u32 = 1 << 20;

/// The whole of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// TLS and passwords: the file that says so.
    pub web: Option<PathBuf>,
    /// The user to become when all is attached.
    pub user: Option<User>,
    /// Have the kernel count runs of programs and their time.
    pub bpf_stats: bool,
    /// What is run.
    pub sources: Vec<Source>,
}

/// What is run.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A tool.
    Tool(Tool),
    /// A script.
    Script(Box<Script>),
}

/// Bounds and shape of series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Sets of labels of a metric, at most.
    pub max: usize,
    /// Bytes of a label's value, at most.
    pub label_bytes_max: usize,
    /// Classic buckets to each power of two: 1, 2, 4, 8 or 16.
    pub buckets_per_octave: u32,
    /// Series whose process or container has gone stay for so long.
    pub keep: Duration,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            max: 1000,
            label_bytes_max: 128,
            buckets_per_octave: 1,
            keep: Duration::from_secs(300),
        }
    }
}

/// A tool to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// What it is called among the sources, and in the names of its metrics.
    pub name: String,
    /// Its name and its flags, as on the command line.
    pub words: Vec<String>,
    /// Keep the label `pid`.
    pub pid: bool,
    /// Labels to leave out.
    pub without: Vec<String>,
    /// Its own bounds.
    pub series: Series,
}

/// A script to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// What it is called among the sources.
    pub name: String,
    /// What the names of its metrics begin with.
    pub prefix: String,
    /// The script, and how it is run.
    pub run: run::Options,
    /// What it prints goes to standard output.
    pub prints: bool,
    /// What is said of its maps.
    pub hints: Hints,
    /// Its own bounds.
    pub series: Series,
}

impl Default for Config {
    /// System calls and block I/O with their latency, on loopback.
    fn default() -> Self {
        let tools = [&["syscount", "--hist"][..], &["biolatency", "--disk"]];
        let tool = |words: &[&str]| Tool::new(words.iter().map(|&word| word.to_owned()).collect());
        Self {
            listen: (Ipv4Addr::LOCALHOST, PORT).into(),
            web: None,
            user: None,
            bpf_stats: false,
            sources: tools.into_iter().map(tool).map(Source::Tool).collect(),
        }
    }
}

/// A source that is understood and not loaded yet.
pub enum Wanted {
    /// A tool.
    Tool(Box<tool::Wanted>),
    /// A script.
    Script(Box<script::Wanted>),
}

impl Source {
    /// What it is called.
    pub fn name(&self) -> &str {
        match self {
            Self::Tool(tool) => &tool.name,
            Self::Script(script) => &script.name,
        }
    }

    /// What shall be loaded. Fails where a tool does not take its words, or they make no sense for what is
    /// exported.
    pub fn wanted(&self) -> anyhow::Result<Wanted> {
        match self {
            Self::Tool(tool) => Ok(Wanted::Tool(Box::new(tool.wanted()?))),
            Self::Script(script) => Ok(Wanted::Script(Box::new(script.wanted()))),
        }
    }
}

impl Tool {
    /// Called by the name of the tool, with the usual bounds.
    pub fn new(words: Vec<String>) -> Self {
        Self {
            name: words.first().cloned().unwrap_or_default(),
            words,
            pid: false,
            without: Vec::new(),
            series: Series::default(),
        }
    }

    fn wanted(&self) -> anyhow::Result<tool::Wanted> {
        let command = cli::parse_tool(&self.words)?;
        refuse_output_flags(command.common())
            .with_context(|| format!("cannot export {}", self.name))?;
        let (tool_name, mut flags, tool) = command.into_tool()?;
        flags.output.ring_bytes.get_or_insert(RING_BYTES);
        Ok(tool::Wanted {
            name: self.name.clone(),
            about: self.words.join(" "),
            tool_name,
            flags,
            tool,
            options: rows::Options {
                pid: self.pid,
                without: self.without.clone(),
                ..self.series.options(format!("tracer_{}", self.name))
            },
            common: self.series.common(),
        })
    }
}

impl Script {
    /// What shall be loaded.
    pub fn wanted(&self) -> script::Wanted {
        script::Wanted {
            name: self.name.clone(),
            about: self.run.file.clone(),
            run: self.run.clone(),
            hints: self.hints.clone(),
            options: self.series.options(self.prefix.clone()),
            common: self.series.common(),
            prints: self.prints,
        }
    }
}

impl Series {
    /// How findings become series whose names begin with `prefix`.
    pub fn options(&self, prefix: String) -> rows::Options {
        rows::Options {
            prefix,
            pid: false,
            without: Vec::new(),
            series_max: self.max,
            label_bytes_max: self.label_bytes_max,
            buckets_per_octave: self.buckets_per_octave,
        }
    }

    fn common(&self) -> source::Common {
        source::Common { keep: self.keep }
    }
}

/// Flags that say how and when a tool prints mean nothing where it does not print.
fn refuse_output_flags(flags: &cli::Common) -> anyhow::Result<()> {
    let output = &flags.output;
    let given = [
        ("--interval", flags.interval().is_some()),
        ("--format", output.format != Format::default()),
        ("--output", output.output.is_some()),
        ("--timestamps", output.timestamps),
        ("-- COMMAND", !flags.command.is_empty()),
    ];
    for (flag, is_given) in given {
        if is_given {
            bail!("{flag} has no meaning for what is exported: leave it out");
        }
    }
    Ok(())
}
