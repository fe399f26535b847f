//! Running the program as root.

use std::{os::unix::process::CommandExt as _, process::ExitCode};

use clap::Args;

use crate::{
    build,
    process::{as_root, say},
};

/// Flags of `run`.
#[derive(Args)]
pub struct Options {
    /// Optimize the program
    #[arg(long)]
    release: bool,

    /// What the program is given
    #[arg(last = true)]
    arguments: Vec<std::ffi::OsString>,
}

/// `cargo xtask run`: comes back only where it fails.
pub fn run(options: &Options) -> ExitCode {
    let program = build::objects().and_then(|()| build::program(options.release));
    match program {
        Ok(program) => {
            let error = as_root(program).args(&options.arguments).exec();
            say(format!("cannot run the program: {error}"));
        }
        Err(error) => say(format!("{error:#}")),
    }
    ExitCode::FAILURE
}
