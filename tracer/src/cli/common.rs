//! The flags that every tool has.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::parse;

/// How the output is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Whose events are wanted.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Whose events")]
pub struct Filters {
    /// Only this process, with all its threads
    #[arg(short, long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    pub pid: Option<u32>,

    /// Only tasks with this name
    #[arg(long, value_name = "NAME", value_parser = parse::comm)]
    pub comm: Option<String>,

    /// Only tasks in this cgroup and those below it
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<PathBuf>,

    /// Only this container, by name, id or the beginning of its id
    #[arg(long, value_name = "NAME|ID", conflicts_with = "cgroup")]
    pub container: Option<String>,
}

/// How long, how often and where to.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Report every so many seconds; on a terminal, redraw in place
    #[arg(short, long, value_name = "SECONDS", value_parser = parse::seconds)]
    pub interval: Option<Duration>,

    /// Stop after so many seconds
    #[arg(short, long, value_name = "SECONDS", value_parser = parse::seconds)]
    pub duration: Option<Duration>,

    /// Show at most so many rows of a table
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub top: u32,

    /// How to write: for people, or one JSON object a line
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,

    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Begin each line of an event with the time of day
    #[arg(short = 'T', long)]
    pub timestamps: bool,

    /// Print nothing, and serve what is found as metrics for Prometheus: ADDRESS:PORT, or a port of the
    /// loopback address
    #[arg(long, value_name = "ADDRESS", value_parser = parse::listen_address,
          conflicts_with_all = ["interval", "top", "format", "output", "timestamps", "every", "command"])]
    pub export: Option<SocketAddr>,

    /// Room for events on their way from the kernel, in bytes (K, M, G); rounded up to a power of two
    /// [default: 8M, and 1M where metrics are served]
    #[arg(long, value_name = "BYTES", value_parser = parse::ring_bytes)]
    pub ring_bytes: Option<u32>,

    /// Room for keys (processes, disks, functions...) in each table of the kernel
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_keys: Option<u32>,

    /// Tell what is done; twice, in detail, the kernel side's own log included
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Bytes of the ring buffer of a tool that prints.
const RING_BYTES: u32 = 8 << 20;

impl Output {
    /// Bytes of the ring buffer.
    pub fn ring_bytes(&self) -> u32 {
        self.ring_bytes.unwrap_or(RING_BYTES)
    }
}

/// What all tools take.
#[derive(Args, Clone, Debug)]
pub struct Common {
    #[command(flatten)]
    /// Whose events are wanted.
    pub filters: Filters,

    #[command(flatten)]
    /// How long, how often and where to.
    pub output: Output,

    /// Report every so many seconds, as -i
    #[arg(value_name = "INTERVAL", value_parser = parse::seconds, conflicts_with = "interval")]
    pub every: Option<Duration>,

    /// Stop after so many reports
    #[arg(value_name = "COUNT", requires = "every", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Run this command, trace it and its children from their first instruction, and stop when it ends
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "pid")]
    pub command: Vec<OsString>,
}

impl Common {
    /// The time between two reports, where more than one is asked for.
    pub fn interval(&self) -> Option<Duration> {
        self.output.interval.or(self.every)
    }
}
