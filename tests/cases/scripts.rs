//! The script language, by the cases of `tests/scripts`: what each prints, and, for those that say so, whether
//! bpftrace 0.17 prints the same.

use std::{
    ffi::OsString,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};

use libtest_mimic::Trial;

use crate::{
    attempt::attempt,
    harness::{Need, kill, own_path, tracer_path},
    script_case::{Case, Outcome, Script, parse},
    stuck,
};

/// The files of cases: they are part of the program, for it runs in virtual machines, too.
macro_rules! files {
    ($($subject:literal),* $(,)?) => {
        [$(($subject, include_str!(concat!("../scripts/", $subject, ".case")))),*]
    };
}

const FILES: &[(&str, &str)] = &files![
    "aggregations",
    "builtins",
    "command_line",
    "config",
    "control",
    "definitions",
    "errors",
    "fentry",
    "files",
    "hardware",
    "histograms",
    "iter",
    "json",
    "kprobes",
    "literals",
    "macros",
    "maps",
    "modes",
    "net",
    "operators",
    "otherwise",
    "params",
    "print",
    "printf",
    "probes",
    "ready",
    "series",
    "stripped",
    "strings",
    "subprograms",
    "tuples",
    "types",
    "unsafe",
    "uprobes",
    "unwind",
    "usdt",
    "variables",
    "watchpoints",
];

/// The scripts of the library, which are run as they are.
macro_rules! ready {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../scripts/", $name, ".bt")))),*]
    };
}

const READY: [(&str, &str); 33] = ready![
    "cgroupmoves",
    "connects",
    "cpustacks",
    "deletions",
    "diskwait",
    "drops",
    "forks",
    "futexes",
    "idlestates",
    "interrupts",
    "iosizes",
    "lifetimes",
    "mappings",
    "merges",
    "migrations",
    "offcpu",
    "oomkills",
    "packets",
    "pagefaults",
    "reclaims",
    "runqueue",
    "signals",
    "slowsyncs",
    "softirqs",
    "switches",
    "tcpconnections",
    "tcpresets",
    "tcpretransmits",
    "timers",
    "userstacks",
    "wakers",
    "workqueues",
    "writebacks",
];

/// What is printed once probes are attached, where the environment asks for it by the same name.
const ATTACHED: &str = "__BPFTRACE_NOTIFY_PROBES_ATTACHED";

/// All cases.
pub fn all() -> Vec<Arc<Case>> {
    let cases = FILES
        .iter()
        .flat_map(|(subject, text)| parse(subject, text));
    cases.map(Arc::new).collect()
}

/// One test for each case, and one more for each that bpftrace 0.17 is asked about.
///
/// Its start takes a third of a second: so only a part of the cases asks it, unless `E2E_PEER` is `all`.
pub fn trials(cases: &[Arc<Case>]) -> Vec<Trial> {
    for (name, _) in READY {
        let is_it = |case: &Arc<Case>| case.script == Script::Ready(name.to_owned());
        assert!(cases.iter().any(is_it), "the script {name} has no case");
    }
    let every = std::env::var_os("E2E_PEER").is_some_and(|value| value == "all");
    let ours = cases.iter().map(|case| own_trial("script", case.clone()));
    let peers = cases
        .iter()
        .filter(|case| case.peer || every && can_be_compared(case))
        .map(|case| peer_trial(case.clone()));
    ours.chain(peers).collect()
}

fn can_be_compared(case: &Case) -> bool {
    case.differs.is_none() && matches!(case.script, Script::Text(_) | Script::File(_))
}

/// The test of a case; `group` goes before its name.
pub fn own_trial(group: &str, case: Arc<Case>) -> Trial {
    let missing = case.needs.iter().find_map(Need::missing);
    trial(format!("{group}::{}", case.name), missing, move || {
        let run = run(&case, &own_command(&case));
        explain(&run, case.judge(&run))
    })
}

fn peer_trial(case: Arc<Case>) -> Trial {
    let needs = [&[Need::Peer], case.needs.as_slice()].concat();
    let missing = needs.iter().find_map(Need::missing);
    trial(format!("script-peer::{}", case.name), missing, move || {
        let run = run(&case, &peer_command(&case));
        explain(&run, case.judge_peer(&run))
    })
}

fn trial(
    name: String,
    missing: Option<String>,
    run: impl Fn() -> Result<(), String> + Send + 'static,
) -> Trial {
    if let Some(reason) = &missing {
        eprintln!("SKIPPED {name}: {reason}");
    }
    Trial::test(name.clone(), move || attempt(&name, &run)).with_ignored_flag(missing.is_some())
}

fn explain(outcome: &Outcome, judged: Result<(), String>) -> Result<(), String> {
    let Outcome {
        stdout,
        stderr,
        status,
    } = outcome;
    judged.map_err(|what| {
        format!(
            "{what}\n--- standard output:\n{stdout}--- standard error:\n{stderr}--- status: {status:?}"
        )
    })
}

/// What is to be started: a program and its words.
type Words = Vec<String>;

fn own_command(case: &Case) -> Words {
    let tracer = tracer_path().to_string_lossy().into_owned();
    let mut words = match case.script {
        Script::Command(_) => Vec::new(),
        _ => vec![tracer, "run".to_owned(), "-q".to_owned()],
    };
    words.extend(script_words(case));
    words
}

fn peer_command(case: &Case) -> Words {
    let mut words = vec!["bpftrace".to_owned(), "-q".to_owned()];
    words.extend(script_words(case));
    words
}

fn script_words(case: &Case) -> Words {
    let mut words = case.options.clone();
    match &case.script {
        Script::Text(text) => words.extend(["-e".to_owned(), filled(text)]),
        Script::File(text) => {
            let file = folder().join("script.bt");
            std::fs::write(&file, filled(text)).expect("write the script");
            words.push(file.to_string_lossy().into_owned());
        }
        Script::Ready(name) => {
            let file = folder().join(format!("{name}.bt"));
            std::fs::write(&file, ready(name)).expect("write the script");
            words.push(file.to_string_lossy().into_owned());
        }
        Script::Command(text) => words = ["sh", "-c", text].map(str::to_owned).to_vec(),
    }
    words.extend(case.params.iter().map(|word| filled(word)));
    words
}

/// The text of a script of the library.
fn ready(name: &str) -> &'static str {
    let found = READY.iter().find(|(known, _)| *known == name);
    found
        .unwrap_or_else(|| panic!("the library has no script {name}"))
        .1
}

fn filled(text: &str) -> String {
    text.replace("{E2E}", &own_path())
        .replace("{DIR}", &folder().to_string_lossy())
        .replace("{ID}", &std::process::id().to_string())
}

/// A folder for files of the cases, which run one at a time.
fn folder() -> PathBuf {
    let folder = folder_path();
    std::fs::create_dir_all(&folder).expect("make a folder for files of cases");
    folder
}

fn folder_path() -> PathBuf {
    std::env::temp_dir().join(format!("tracer-e2e-scripts-{}", std::process::id()))
}

/// Takes the folder away, where a case has made it.
pub fn clean_up() {
    let folder = folder_path();
    if folder.exists()
        && let Err(error) = std::fs::remove_dir_all(&folder)
    {
        eprintln!("cannot take away {}: {error}", folder.display());
    }
}

/// The program by another name, in the folder.
fn link(folder: &Path, name: &str) -> PathBuf {
    let link = folder.join(name);
    if !link.exists() {
        std::os::unix::fs::symlink(tracer_path(), &link).expect("make a link to the program");
    }
    link
}

/// Where the shell finds `tracer`, as the manual writes it.
fn search_path(folder: &Path) -> OsString {
    let own = folder.join("bin");
    std::fs::create_dir_all(&own).expect("make a folder for a link");
    link(&own, "tracer");
    let usual = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin:/sbin:/usr/sbin".into());
    let mut path = own.into_os_string();
    path.push(":");
    path.push(usual);
    path
}

fn with_environment(command: &mut Command, case: &Case) {
    let folder = folder();
    command
        .env("TRACER", tracer_path())
        .env("BPFTRACE", link(&folder, "bpftrace"))
        .env("PATH", search_path(&folder))
        .env("E2E", own_path())
        .env("DIR", folder)
        .env("ID", std::process::id().to_string())
        .envs(case.environment.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null());
}

/// Runs a case to its end, which is brought about where `AFTER` is done.
fn run(case: &Case, words: &[String]) -> Outcome {
    let end = Instant::now() + case.timeout;
    let mut command = Command::new(&words[0]);
    with_environment(&mut command, case);
    command
        .args(&words[1..])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if case.after.is_some() {
        command.env(ATTACHED, "1");
    }
    let mut child = command.spawn().expect("start the program");
    let (said, saying) = channel();
    let stdout = collect(child.stdout.take().expect("stdout"), said.clone());
    let stderr = collect(child.stderr.take().expect("stderr"), said);
    // The channel closes with both pipes: nothing that sleeps or polls disturbs what is traced.
    let mut after = case.after.as_deref();
    let mut wrong = None;
    let in_time = loop {
        match saying.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(()) => {
                if let Some(text) = after.take()
                    && let Err(error) = run_after(text, case, &child)
                {
                    wrong = Some(error);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => break false,
        }
    };
    let stuck = (!in_time).then(|| stuck::killed(child.id()));
    let status = child.wait().expect("wait").code();
    let mut outcome = Outcome {
        stdout: text(&stdout),
        stderr: text(&stderr),
        status,
    };
    if let Some(error) = wrong {
        outcome.status = None;
        outcome.stderr += &error;
    }
    if let Some(account) = stuck {
        outcome.status = None;
        outcome.stderr += &format!("(not done after {:?})\n{account}", case.timeout);
    }
    outcome
}

/// Runs the workload, and ends tracing. The error says how the workload went wrong.
fn run_after(text: &str, case: &Case, child: &Child) -> Result<(), String> {
    let mut command = Command::new("timeout");
    with_environment(&mut command, case);
    let limit = case.timeout.as_secs().to_string();
    let status = command
        .args([&limit, "sh", "-c", text])
        .stdout(Stdio::null())
        .status()
        .expect("run timeout, which is part of coreutils and of busybox");
    // What the workload did last is on its way. Parking is no sleep that a script could see.
    std::thread::park_timeout(Duration::from_millis(20));
    kill(child.id(), libc::SIGINT);
    match status.success() {
        true => Ok(()),
        false => Err(format!("(the workload went wrong: {status}: {text})\n")),
    }
}

/// Takes what comes through a pipe, and tells when the word has come.
fn collect(mut pipe: impl Read + Send + 'static, said: Sender<()>) -> Arc<Mutex<Vec<u8>>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let theirs = all.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 16384];
        let mut waiting = true;
        while let Ok(length @ 1..) = pipe.read(&mut buffer) {
            let mut all = theirs.lock().expect("lock");
            all.extend_from_slice(&buffer[..length]);
            if waiting && String::from_utf8_lossy(&all).contains(ATTACHED) {
                waiting = false;
                if said.send(()).is_err() {
                    return;
                }
            }
        }
    });
    all
}

/// What came, without the word.
fn text(bytes: &Mutex<Vec<u8>>) -> String {
    let bytes = bytes.lock().expect("lock");
    let text = String::from_utf8_lossy(&bytes);
    text.replacen(&format!("{ATTACHED}\n"), "", 1)
}
