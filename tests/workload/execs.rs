//! Known execs: this binary runs itself.

use std::{
    ffi::OsString,
    os::unix::{ffi::OsStringExt as _, process::CommandExt as _},
    process::Command,
    time::Duration,
};

use super::number;

fn own(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command.arg("workload").args(words);
    command
}

/// `exec-arguments COUNT BYTES`: so many arguments, of at least so many bytes each.
pub fn arguments(arguments: &[&str]) {
    let (count, bytes) = (number(arguments, 0), number(arguments, 1) as usize);
    let words = (0..count).map(|index| {
        let mut word = format!("argument-{index}");
        while word.len() < bytes {
            word.push('-');
        }
        word
    });
    assert!(
        own(&["nothing"])
            .args(words)
            .status()
            .expect("run")
            .success()
    );
}

/// `exec-missing`: an exec of what is not there.
pub fn missing() {
    let error = Command::new("/no/such/program").args(["one", "two"]).exec();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
}

/// `exec-sleep MS`: a process that runs so long and ends with status 3.
pub fn sleep(arguments: &[&str]) {
    let status = own(&["sleep-and-fail", arguments[0]])
        .status()
        .expect("run");
    assert_eq!(status.code(), Some(3));
}

/// `sleep-and-fail MS`.
pub fn sleep_and_fail(arguments: &[&str]) {
    std::thread::sleep(Duration::from_millis(number(arguments, 0)));
    std::process::exit(3);
}

/// `exec-bytes`: an argument that is not UTF-8.
pub fn bytes() {
    let word = OsString::from_vec(vec![b'x', 0xff, 0xfe]);
    assert!(own(&["nothing"]).arg(word).status().expect("run").success());
}

/// `exec-quotes`: arguments that a shell would take apart.
pub fn quotes() {
    assert!(
        own(&["nothing", "a b", "", "it's"])
            .status()
            .expect("run")
            .success()
    );
}
