//! Programs whose system calls and I/O are known, for the tests to trace.

mod calls;
mod deep;
mod execs;
mod files;
mod floor;
mod functions;
#[cfg(target_arch = "x86_64")]
mod markers;
mod memory;
mod processes;

use std::process::ExitCode;

pub use calls::has_compat;

/// Runs the workload that `words` name.
pub fn run(words: &[String]) -> ExitCode {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((name, arguments)) = words.split_first() else {
        return usage("no workload is named");
    };
    match *name {
        "calls" => calls::calls(arguments),
        "calls-for" => calls::calls_for(arguments),
        "calls-on-signal" => calls::calls_on_signal(arguments),
        "threads" => calls::threads(arguments),
        "failing-opens" => calls::failing_opens(arguments),
        "socket-option" => calls::socket_option(),
        "bad-closes" => calls::bad_closes(arguments),
        "sleeps" => calls::sleeps(),
        "measured-sleeps" => calls::measured_sleeps(arguments),
        "compat" => calls::compat(arguments),
        "churn-then-calls" => processes::churn_then_calls(arguments),
        "crowd" => processes::crowd(arguments),
        "in-turn" => processes::in_turn(arguments),
        "in-cgroup" => processes::in_cgroup(arguments),
        "family" => processes::family(arguments),
        "compat-open" => calls::compat_open(),
        "opens" => files::opens(),
        "opens-for" => files::opens_for(arguments),
        "write-direct" => files::write_direct(arguments),
        "exec-arguments" => execs::arguments(arguments),
        "exec-missing" => execs::missing(),
        "exec-sleep" => execs::sleep(arguments),
        "sleep-and-fail" => execs::sleep_and_fail(arguments),
        "exec-bytes" => execs::bytes(),
        "exec-quotes" => execs::quotes(),
        "functions" => functions::functions(arguments),
        #[cfg(target_arch = "x86_64")]
        "markers" => markers::markers(arguments),
        #[cfg(target_arch = "x86_64")]
        "markers-until-watched" => markers::markers_until_watched(arguments),
        "watched" => memory::watched(arguments),
        "deep" => deep::deep(arguments),
        "described" => functions::described(arguments),
        "marked-line" => functions::marked_line(),
        "recursion" => functions::recursion(arguments),
        "timed-calls" => calls::timed_calls(arguments),
        "timed-opens" => calls::timed_opens(arguments),
        "empty-programs" => floor::empty_programs(arguments),
        "nothing" => {}
        _ => return usage(&format!("there is no workload {name}")),
    }
    ExitCode::SUCCESS
}

fn usage(what: &str) -> ExitCode {
    eprintln!("e2e workload: {what}");
    ExitCode::from(2)
}

/// The number at this place.
fn number(arguments: &[&str], at: usize) -> u64 {
    arguments[at]
        .parse()
        .unwrap_or_else(|_| panic!("{:?} is not a number", arguments[at]))
}

/// The word behind a flag.
fn flag<'a>(arguments: &[&'a str], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| *argument == name)?;
    arguments.get(at + 1).copied()
}

/// Gives the calling thread a name.
fn set_comm(name: &str) {
    let name = std::ffi::CString::new(name).expect("no NUL in a name");
    // SAFETY: PR_SET_NAME reads a string that ends with NUL.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}
