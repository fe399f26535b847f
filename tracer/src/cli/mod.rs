//! The command line. Flags that several tools have are defined once, in [`common`]; a letter means the
//! same in every tool.

pub mod bpftrace;
pub mod common;
mod doctor;
pub mod generate;
mod list;
pub mod parse;
mod run;
pub mod script;

use clap::{Parser, Subcommand};

pub use common::Common;

use crate::{engine, tools};

/// All that can be typed.
#[derive(Debug, Parser)]
#[command(
    name = "tracer",
    version,
    about = "Find out where latency comes from: system calls, disk I/O, files, programs, functions",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Tool(tools::Command),

    /// Run a script in the language of bpftrace
    Run(run::Options),

    /// List what can be traced here: tracepoints with their fields, functions, system calls
    List(list::Options),

    /// Tell what this kernel, user and machine allow, and which hook each tool takes
    Doctor(doctor::Options),

    /// Write man pages or shell completions into a folder
    #[command(hide = true)]
    Generate(generate::Options),
}

impl Cli {
    /// How much is told of what is done: the number of `-v`.
    pub fn verbosity(&self) -> u8 {
        match &self.command {
            Command::Tool(tool) => tool.common().output.verbose,
            Command::Run(options) => options.verbose,
            Command::List(_) | Command::Doctor(_) | Command::Generate(_) => 0,
        }
    }

    /// Does what was asked for, and gives back the status to exit with.
    pub fn run(self) -> anyhow::Result<u8> {
        match self.command {
            Command::Tool(tool) => {
                let (name, common, tool) = tool.into_tool()?;
                engine::run(name, &common, tool)?;
            }
            Command::Run(options) => return run::run(options),
            Command::List(options) => list::run(&options)?,
            Command::Doctor(options) => doctor::run(&options)?,
            Command::Generate(options) => generate::run(&options)?,
        }
        Ok(0)
    }
}

/// Starts the log, on standard error: warnings; by `-v` what is done, by `-vv` details. `RUST_LOG` has
/// the last word.
pub fn start_log(verbosity: u8) {
    let level = match verbosity {
        0 => "warn",
        1 => "info",
        // What the libraries tell of every instruction that they relocate helps no one.
        _ => "debug,aya=info,aya_obj=info",
    };
    let environment = env_logger::Env::default().default_filter_or(level);
    env_logger::Builder::from_env(environment)
        .format_timestamp_millis()
        .init();
}
