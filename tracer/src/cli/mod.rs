//! The command line. Flags that several tools have are defined once, in [`common`]; a letter means the
//! same in every tool.

pub mod bpftrace;
pub mod common;
mod doctor;
mod export;
pub mod generate;
mod list;
pub mod parse;
mod run;
pub mod script;

use std::{
    env,
    ffi::OsStr,
    io::{self, Write as _},
};

use anyhow::{Context as _, bail};
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
    Run(Box<run::Options>),

    /// Export tools and scripts as metrics for Prometheus
    Export(export::Options),

    /// List what can be traced here: tracepoints with their fields, functions, system calls
    List(list::Options),

    /// Tell what this kernel, user and machine allow, and which hook each tool takes
    Doctor(doctor::Options),

    /// Write man pages or shell completions into a folder
    #[command(hide = true)]
    Generate(generate::Options),
}

/// What was typed cannot be meant so: exit status 2, as for what the parser refuses.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUsage(pub String);

impl Cli {
    /// How much is told of what is done: the number of `-v`.
    pub fn verbosity(&self) -> u8 {
        match &self.command {
            Command::Tool(tool) => tool.common().output.verbose,
            Command::Run(options) => options.verbose,
            Command::Export(options) => options.verbose,
            Command::List(_) | Command::Doctor(_) | Command::Generate(_) => 0,
        }
    }

    /// Does what was asked for, and gives back the status to exit with.
    pub fn run(self) -> anyhow::Result<u8> {
        match self.command {
            Command::Tool(tool) => {
                require_command_after_dashes(tool.common())?;
                match tool.common().output.export {
                    Some(listen) => return export::run_tool(&tool, listen),
                    None => {
                        let (name, common, tool) = tool.into_tool()?;
                        engine::run(name, &common, tool)?;
                    }
                }
            }
            Command::Run(options) => return run::run(*options),
            Command::Export(options) => return export::run(options),
            Command::List(options) => list::run(&options)?,
            Command::Doctor(options) => doctor::run(&options)?,
            Command::Generate(options) => generate::run(&options)?,
        }
        Ok(0)
    }
}

/// A tool and its flags, from the words that name them on the command line.
pub fn parse_tool(words: &[String]) -> anyhow::Result<tools::Command> {
    let line = std::iter::once("tracer").chain(words.iter().map(String::as_str));
    match Cli::try_parse_from(line)?.command {
        Command::Tool(tool) => Ok(tool),
        _ => bail!("{} is no tool", words.first().map_or("", String::as_str)),
    }
}

/// `-- $COMMAND` with nothing in the variable must not trace the whole machine instead.
fn require_command_after_dashes(common: &Common) -> Result<(), WrongUsage> {
    let ends_in_dashes = env::args_os().next_back().as_deref() == Some(OsStr::new("--"));
    if ends_in_dashes && common.command.is_empty() {
        let reason = "there is no command after --: name one, or leave out the dashes";
        return Err(WrongUsage(reason.to_owned()));
    }
    Ok(())
}

/// Prints on standard output; a reader that is gone is no error.
fn print(text: String) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
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
