//! The `tracer` program: parse, run, exit status. 0 done, 1 failed, 2 wrong usage; for a script, what it
//! exits with. Called `bpftrace`, it has the command line of that.

use std::process::ExitCode;

use clap::Parser as _;

use tracer::cli::{self, Cli, WrongUsage, bpftrace, script};

fn main() -> ExitCode {
    if script::is_called(bpftrace::NAME) {
        return bpftrace::main();
    }
    let cli = Cli::parse();
    cli::start_log(cli.verbosity());
    match cli.run() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("tracer: {error:#}");
            match error.downcast_ref::<WrongUsage>() {
                Some(_) => ExitCode::from(2),
                None => ExitCode::FAILURE,
            }
        }
    }
}
