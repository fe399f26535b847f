//! The command line of bpftrace, for a program that is called by that name: its options, its statuses.
//!
//! Source: `man 8 bpftrace`.

mod flags;

use std::{env, process::ExitCode};

use super::{doctor, script, start_log};
use crate::script::run::Failure;
use flags::{Parsed, Task, help, parse};

/// The name that the program has then.
pub const NAME: &str = "bpftrace";

/// The version of the language.
const VERSION: &str = "v0.26.0";

/// Does what was typed. 1 where the script or the command line is wrong, 255 where it could not be loaded,
/// attached or run; else what `exit()` gave.
pub fn main() -> ExitCode {
    match words().and_then(parse) {
        Ok(parsed) => perform(parsed),
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("ERROR: {error:#}");
    ExitCode::from(1)
}

fn words() -> anyhow::Result<Vec<String>> {
    let word = |word: std::ffi::OsString| {
        word.into_string()
            .map_err(|word| anyhow::anyhow!("{} is not UTF-8", word.display()))
    };
    env::args_os().skip(1).map(word).collect()
}

fn perform(parsed: Parsed) -> ExitCode {
    start_log(u8::from(parsed.verbose));
    let done = match parsed.task {
        Task::Run | Task::Format => return run(parsed),
        Task::List => {
            let pattern = parsed.words.first().map(String::as_str);
            let options = &parsed.options;
            let traceable = options.traceable_functions.as_deref();
            script::list(pattern, parsed.verbose, options.params.pid, traceable)
        }
        Task::Help => {
            print!("{}", help());
            Ok(())
        }
        Task::Version => {
            println!("{}", version());
            Ok(())
        }
        Task::Info => {
            println!("{}", version());
            doctor::run(&doctor::Options::default())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn version() -> String {
    format!("bpftrace {VERSION} (tracer {})", env!("CARGO_PKG_VERSION"))
}

fn run(parsed: Parsed) -> ExitCode {
    let Parsed {
        task,
        program,
        format,
        escaped,
        mut words,
        mut options,
        ..
    } = parsed;
    match script::source(program, &mut words) {
        Ok(source) => {
            options.source = source.text;
            options.file = source.name;
        }
        Err(error) => return fail(&error),
    }
    let given = script::params(words, escaped);
    options.params.positional = given.positional;
    options.params.named = given.named;
    options.environment = script::environment();
    options.notify = script::notify();
    if task == Task::Format {
        return match script::lay_out(&options) {
            Ok(status) => ExitCode::from(status),
            Err(error) => fail(&error),
        };
    }
    match script::launch(&options, format) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            eprint!("{}", failure.text());
            ExitCode::from(match failure {
                Failure::Script(_) => 1,
                Failure::Run(_) => 255,
            })
        }
    }
}
