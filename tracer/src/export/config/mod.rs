//! What is exported, and how: plain data, made of the command line or of a file.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, bail};

use super::{
    rows,
    source::{self, tool},
};
use crate::{
    cli::{self, common::Format},
    tools,
};

/// The port that is served where none is asked for.
pub const PORT: u16 = 9435;

/// The whole of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How findings become series, where a source does not say otherwise.
    pub series: Series,
    /// What is run.
    pub tools: Vec<Tool>,
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

impl Default for Config {
    /// System calls and block I/O with their latency, on loopback.
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, PORT).into(),
            series: Series::default(),
            tools: [&["syscount", "--hist"][..], &["biolatency", "--disk"]]
                .into_iter()
                .map(|words| Tool::new(words.iter().map(|&word| word.to_owned()).collect()))
                .collect(),
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

    /// The tool and how its findings become series. Fails where the words are none that it takes, or make no sense
    /// for what is exported.
    pub fn wanted(&self) -> anyhow::Result<tool::Wanted> {
        let command = cli::parse_tool(&self.words)?;
        self.wanted_of(command)
    }

    /// The same of a tool whose words have been understood already.
    pub fn wanted_of(&self, command: tools::Command) -> anyhow::Result<tool::Wanted> {
        let failed = || format!("cannot export {}", self.name);
        refuse_output_flags(command.common()).with_context(failed)?;
        let (tool_name, flags, tool) = command.into_tool().with_context(failed)?;
        Ok(tool::Wanted {
            name: self.name.clone(),
            about: self.words.join(" "),
            tool_name,
            flags,
            tool,
            options: self.options(),
            common: source::Common {
                keep: self.series.keep,
            },
        })
    }

    fn options(&self) -> rows::Options {
        rows::Options {
            prefix: format!("tracer_{}", self.name),
            pid: self.pid,
            without: self.without.clone(),
            series_max: self.series.max,
            label_bytes_max: self.series.label_bytes_max,
            buckets_per_octave: self.series.buckets_per_octave,
        }
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
