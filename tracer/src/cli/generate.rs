//! Man pages and shell completions, made from the flags' own definitions.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::Shell;

use super::Cli;

/// What can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// `tracer.1` and a page for each subcommand
    Man,
    /// Completions for bash, zsh and fish
    Completions,
}

/// Flags of `generate`.
#[derive(Args, Debug)]
pub struct Options {
    /// What to make
    pub what: What,
    /// The folder; made where it is missing
    pub folder: PathBuf,
}

/// Makes it.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let folder = &options.folder;
    let failed = || format!("cannot write into {}", folder.display());
    fs::create_dir_all(folder).with_context(failed)?;
    match options.what {
        What::Man => clap_mangen::generate_to(Cli::command(), folder).with_context(failed),
        What::Completions => [Shell::Bash, Shell::Zsh, Shell::Fish]
            .into_iter()
            .try_for_each(|shell| {
                let mut command = Cli::command();
                clap_complete::generate_to(shell, &mut command, "tracer", folder)
                    .with_context(failed)?;
                Ok(())
            }),
    }
}
