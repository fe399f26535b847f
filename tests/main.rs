//! End-to-end tests: the real program against the running kernel, with workloads whose numbers are
//! known.
//!
//! `e2e [FILTER]` runs the tests, as root, with the program that `TRACER` names. `e2e workload NAME …` is
//! what they run as the traced command. A test that this kernel cannot serve is left out, with the reason.

mod cases;
mod exporter;
mod harness;
mod http;
mod prometheus;
mod script_case;
mod workload;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use harness::{Need, Test};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, workload @ ..] = words.as_slice()
        && first == "workload"
    {
        return workload::run(workload);
    }
    let mut arguments = Arguments::from_args();
    // One at a time: some look at all that the kernel holds, and all are measured.
    arguments.test_threads = Some(1);
    let mut trials: Vec<Trial> = cases::all().into_iter().map(trial).collect();
    trials.extend(cases::scripts::trials());
    trials.extend(cases::documents::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    cases::scripts::clean_up();
    conclusion.exit_code()
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
    let run = test.run;
    Trial::test(test.name, move || {
        run();
        Ok(())
    })
    .with_ignored_flag(missing.is_some())
}
