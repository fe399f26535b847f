//! The `tracer` program: parse, run, exit status. 0 done, 1 failed, 2 wrong usage.

use std::process::ExitCode;

use clap::Parser as _;

use tracer::cli::{self, Cli, WrongUsage};

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli::start_log(cli.verbosity());
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tracer: {error:#}");
            match error.downcast_ref::<WrongUsage>() {
                Some(_) => ExitCode::from(2),
                None => ExitCode::FAILURE,
            }
        }
    }
}
