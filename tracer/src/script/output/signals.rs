//! Signals in words, as `strsignal(3)` gives them.

const SIGNALS: [&str; 32] = [
    "Unknown signal 0",
    "Hangup",
    "Interrupt",
    "Quit",
    "Illegal instruction",
    "Trace/breakpoint trap",
    "Aborted",
    "Bus error",
    "Floating point exception",
    "Killed",
    "User defined signal 1",
    "Segmentation fault",
    "User defined signal 2",
    "Broken pipe",
    "Alarm clock",
    "Terminated",
    "Stack fault",
    "Child exited",
    "Continued",
    "Stopped (signal)",
    "Stopped",
    "Stopped (tty input)",
    "Stopped (tty output)",
    "Urgent I/O condition",
    "CPU time limit exceeded",
    "File size limit exceeded",
    "Virtual timer expired",
    "Profiling timer expired",
    "Window changed",
    "I/O possible",
    "Power failure",
    "Bad system call",
];

/// The first signal of those for real time that programs may use: the C library keeps two for itself.
const REAL_TIME: u64 = 34;

/// What a signal means; `N/A` for what is none.
pub fn description(number: u64) -> String {
    match SIGNALS.get(number as usize) {
        Some(text) => (*text).to_owned(),
        None if (32..REAL_TIME).contains(&number) => format!("Unknown signal {number}"),
        None if (REAL_TIME..=64).contains(&number) => {
            format!("Real-time signal {}", number - REAL_TIME)
        }
        None => "N/A".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_described() {
        assert_eq!(description(9), "Killed");
        assert_eq!(description(33), "Unknown signal 33");
        assert_eq!(description(64), "Real-time signal 30");
        assert_eq!(description(u64::MAX), "N/A");
    }
}
