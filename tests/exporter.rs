//! The exporter at work, and files for it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
};

use crate::{
    harness::{command, kill, wait_for},
    http::{self, Answer, Scrape},
};

/// A folder for files of a test, gone when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tracer-e2e-export-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that no one else may write to, and tells where it is.
    #[track_caller]
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
        path.into_os_string().into_string().expect("UTF-8")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The exporter, serving. Ended where a test fails before it has.
pub struct Exporter {
    child: Child,
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    /// Its port.
    pub port: u16,
}

impl Exporter {
    /// Starts the program with these words on a free port, and waits until it serves. `flag` is how it is told
    /// where: `--listen` or `--export`.
    #[track_caller]
    pub fn start(words: &[&str], flag: &str) -> Self {
        let mut all = words.to_vec();
        all.extend(["-v", flag, "127.0.0.1:0"]);
        Self::spawn(command(&all))
    }

    /// Starts this command, which serves on a free port and tells so, and waits until it does.
    #[track_caller]
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start tracer");
        let said = Arc::new(Mutex::new(String::new()));
        let reader = std::thread::spawn({
            let (said, stderr) = (said.clone(), child.stderr.take().expect("stderr"));
            move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let mut said = said.lock().expect("lock");
                    said.push_str(&line);
                    said.push('\n');
                }
            }
        });
        let mut exporter = Self {
            child,
            said,
            reader: Some(reader),
            port: 0,
        };
        exporter.port = wait_for("it serves", || exporter.find_port());
        exporter
    }

    /// `tracer export` with a configuration.
    #[track_caller]
    pub fn with_config(path: &str) -> Self {
        Self::start(&["export", "--config", path], "--listen")
    }

    #[track_caller]
    fn find_port(&mut self) -> Option<u16> {
        let ended = self.child.try_wait().expect("wait");
        assert!(ended.is_none(), "it ended at once: {}", self.said());
        let said = self.said();
        let (_, rest) = said.split_once("://127.0.0.1:")?;
        let (port, _) = rest.split_once("/metrics")?;
        Some(port.parse().expect("a port"))
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("lock").clone()
    }

    /// Waits until it says this, `times` times in all.
    #[track_caller]
    pub fn wait_said(&self, text: &str, times: usize) {
        wait_for(text, || {
            (self.said().matches(text).count() >= times).then_some(())
        });
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it for a path.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        http::get(self.port, path, &[])
    }

    /// A scrape in text.
    #[track_caller]
    pub fn scrape(&self) -> Scrape {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.text());
        Scrape::parse(answer.text())
    }

    /// Scrapes until the samples of this name add up to so much; fails where they become more.
    #[track_caller]
    pub fn wait_sum(&self, name: &str, expected: u64) -> Scrape {
        wait_for(&format!("{name} to be {expected}"), || {
            let scrape = self.scrape();
            let sum = scrape.sum(name);
            assert!(
                sum <= expected as f64,
                "{name} is {sum}, not {expected}: {}",
                self.said()
            );
            (sum == expected as f64).then_some(scrape)
        })
    }

    /// Has it read its configuration again.
    pub fn hang_up(&self) {
        kill(self.pid(), libc::SIGHUP);
    }

    /// Ends it by a signal, and tells how it ended and what it said.
    #[track_caller]
    pub fn end(mut self, signal: i32) -> (ExitStatus, String) {
        kill(self.pid(), signal);
        let status = wait_for("its end", || self.child.try_wait().expect("wait"));
        let reader = self.reader.take().expect("it is read");
        reader.join().expect("join");
        (status, self.said())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
