//! A real Prometheus, as Debian packs it.

use std::{
    fs::{self, File},
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    exporter::Folder,
    harness::{kill, wait_for},
    http,
};

/// Whether the package is installed.
pub fn is_there() -> bool {
    ["prometheus", "promtool"].iter().all(|name| {
        let asked = Command::new(name).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    })
}

/// Runs promtool, which reads `input`, and fails where it finds anything to say.
#[track_caller]
pub fn promtool(words: &[&str], input: &[u8]) {
    let mut child = Command::new("promtool")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start promtool");
    let mut stdin = child.stdin.take().expect("stdin");
    // It may end before it has read all: its status tells.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().expect("wait");
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "promtool {words:?}: {}",
        String::from_utf8_lossy(&said)
    );
}

/// Prometheus at work. Ended when it is dropped.
pub struct Prometheus {
    child: Child,
    port: u16,
    folder: Folder,
}

impl Prometheus {
    /// Starts it with these scrape jobs in YAML, each scraped every second, and these features, and waits until it
    /// answers.
    #[track_caller]
    pub fn start(jobs: &str, features: &[&str]) -> Self {
        let folder = Folder::new();
        let text =
            format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}");
        folder.write("prometheus.yml", &text);
        let (child, port) = spawn(folder.path(), features);
        let mut prometheus = Self {
            child,
            port,
            folder,
        };
        wait_for("Prometheus to answer", || prometheus.try_answer(features));
        prometheus
    }

    /// Someone else may have taken the port before it did: then it is started again on another one.
    fn try_answer(&mut self, features: &[&str]) -> Option<()> {
        if self.child.try_wait().expect("wait").is_some() {
            let log = self.log();
            assert!(log.contains("address already in use"), "{log}");
            (self.child, self.port) = spawn(self.folder.path(), features);
        }
        http::connect(self.port).ok()?;
        (http::get(self.port, "/-/ready", &[]).status == 200).then_some(())
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("its log")
    }

    /// The value of a query's only series, where it has one.
    #[track_caller]
    pub fn ask(&self, query: &str) -> Option<f64> {
        let path = format!("/api/v1/query?query={}", escape(query));
        let answer = http::get(self.port, &path, &[]).json();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let found = answer["data"]["result"].as_array().expect("a vector");
        assert!(found.len() <= 1, "{query}: {answer}");
        let value = found.first()?["value"][1].as_str().expect("a value");
        Some(value.parse().expect("a number"))
    }

    /// Waits until a query has a value.
    #[track_caller]
    pub fn wait_value(&self, query: &str) -> f64 {
        wait_for(query, || self.ask(query))
    }

    /// Waits until a query has this value; fails where it exceeds it.
    #[track_caller]
    pub fn wait_count(&self, query: &str, expected: u64) {
        let expected = expected as f64;
        wait_for(&format!("{query} to be {expected}"), || {
            let value = self.ask(query).unwrap_or(0.0);
            assert!(value <= expected, "{query} is {value}, not {expected}");
            (value == expected).then_some(())
        });
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        kill(self.child.id(), libc::SIGKILL);
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path, features: &[&str]) -> (Child, u16) {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("its address").port();
    drop(free);
    let log = File::create(folder.join("log")).expect("its log");
    let mut command = Command::new("prometheus");
    command
        .current_dir(folder)
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
        .args(
            features
                .iter()
                .map(|feature| format!("--enable-feature={feature}")),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    (command.spawn().expect("start Prometheus"), port)
}

/// A query as a part of a URL.
fn escape(query: &str) -> String {
    let escaped = query.bytes().map(|byte| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    escaped.collect()
}
