//! End-to-end tests: the real program against the running kernel, with workloads whose numbers are
//! known.
//!
//! `e2e [FILTER]` runs the tests, as root, with the program that `TRACER` names. `e2e workload NAME …` is
//! what they run as the traced command, `e2e table` prints the table of the language, `e2e soak SECONDS [SERIES]` has
//! the exporter under load for that long. A test that this kernel cannot serve is left out, with the reason.

mod attempt;
mod cases;
mod cgroup;
mod exporter;
mod harness;
mod http;
mod prometheus;
mod rows;
mod script_case;
mod soak;
mod stuck;
mod workload;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use attempt::attempt;
use harness::{Need, Test};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, workload @ ..] = words.as_slice()
        && first == "workload"
    {
        return workload::run(workload);
    }
    if let [first, options @ ..] = words.as_slice()
        && first == "soak"
    {
        return soak(options);
    }
    let scripts = cases::scripts::all();
    if words == ["table"] {
        print!("{}", rows::table(&scripts));
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    // One at a time: some look at all that the kernel holds, and all are measured.
    arguments.test_threads = Some(1);
    let mut trials: Vec<Trial> = cases::all().into_iter().map(trial).collect();
    trials.extend(cases::scripts::trials(&scripts));
    trials.extend(cases::documents::trials());
    trials.extend(rows::trials(&scripts));
    let conclusion = libtest_mimic::run(&arguments, trials);
    cases::scripts::clean_up();
    attempt::tell_flaky();
    conclusion.exit_code()
}

/// A soak that finds anything wrong panics, which tells what.
fn soak(words: &[String]) -> ExitCode {
    match soak::Options::parse(words) {
        Some(options) => {
            soak::soak(&options);
            ExitCode::SUCCESS
        }
        None => {
            eprintln!(
                "e2e soak: {words:?} are not a number of seconds above 0 and, behind it, how many series a metric may have"
            );
            ExitCode::from(2)
        }
    }
}

fn trial(test: Test) -> Trial {
    let lacks = |need: &Need| need.missing().map(|reason| (*need, reason));
    let missing = test.needs.iter().find_map(lacks);
    if let Some((need, reason)) = &missing {
        if need.is_required() {
            let reason = reason.clone();
            return Trial::test(test.name, move || Err(reason.into()));
        }
        eprintln!("SKIPPED {}: {reason}", test.name);
    }
    Trial::test(test.name, move || {
        attempt(test.name, || {
            (test.run)();
            Ok(())
        })
    })
    .with_ignored_flag(missing.is_some())
}
