//! The page for people.

use std::process::{Command, Stdio};

use super::super::test;
use crate::{
    exporter::{Exporter, Folder},
    harness::{Need, Test, chromium, workload},
};

pub fn tests() -> Vec<Test> {
    vec![
        test("export::page_and_what_it_shows", &[], page),
        test("export::page_in_chromium", &[Need::Chromium], in_chromium),
    ]
}

/// What its name begins with is a trap for pages that take names for HTML.
const COMM: &str = "<b>e2e&page";

/// A tool that has counted something, and a script that is down.
fn exporter(folder: &Folder) -> Exporter {
    let config = format!(
        "[[tool]]\nrun = \"syscount --hist --comm '{COMM}'\"\n\
         [[script]]\nname = \"maps\"\nsource = 'tracepoint:syscalls:sys_enter_getppid / comm == \"{COMM}\" / {{ @calls[comm] = count(); }}'\n\
         [[script]]\nname = \"broken\"\nsource = 'tracepoint:syscalls:sys_enter_nosuch {{ @b = count(); }}'\n"
    );
    let exporter = Exporter::with_config(&folder.write("t.toml", &config));
    let mut calls = workload(&["calls", "4321", "--comm", COMM]);
    assert!(calls.status().expect("start").success());
    exporter.wait_sum("tracer_script_calls_total", 4321);
    exporter
}

fn page() {
    let folder = Folder::new();
    let exporter = exporter(&folder);
    let page = exporter.get("/");
    assert_eq!(page.status, 200);
    assert!(
        page.head.contains("content-type: text/html"),
        "{}",
        page.head
    );
    assert!(
        page.head
            .contains("content-security-policy: default-src 'none'"),
        "{}",
        page.head
    );
    assert!(page.text().contains("status.json"));
    let status = exporter.get("/status.json").json();
    let sources = status["sources"].as_array().expect("sources");
    let names: Vec<&str> = sources
        .iter()
        .filter_map(|source| source["name"].as_str())
        .collect();
    assert_eq!(names, ["syscount", "maps", "broken"]);
    assert!(sources[0]["down"].is_null());
    assert!(
        sources[2]["down"]
            .as_str()
            .is_some_and(|why| why.contains("nosuch")),
        "{status}"
    );
    let hooks = sources[0]["hooks"].as_str().expect("hooks");
    assert!(hooks.contains("sys_enter"), "{hooks}");
    let families = sources[0]["families"].as_array().expect("families");
    let latency = families
        .iter()
        .find(|family| family["kind"] == "histogram")
        .expect("a histogram");
    let series = latency["series"].as_array().expect("series");
    let getppid = series
        .iter()
        .find(|series| series["labels"][0][1] == "getppid")
        .expect("getppid");
    assert_eq!(getppid["is"]["count"], 4321);
    let value = &sources[1]["families"][0]["series"][0]["is"]["value"];
    assert_eq!(value.as_f64(), Some(4321.0), "{status}");
}

fn in_chromium() {
    let folder = Folder::new();
    let exporter = exporter(&folder);
    let output = Command::new(chromium().expect("it is needed"))
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            // It asks no one but the exporter.
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-quic",
            "--disable-sync",
            "--no-first-run",
            "--virtual-time-budget=3000",
            "--dump-dom",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("http://127.0.0.1:{}/", exporter.port))
        .stdin(Stdio::null())
        .output()
        .expect("start chromium");
    let page = String::from_utf8_lossy(&output.stdout);
    for shown in [
        "<h2 class=\"mark\">syscount</h2>",
        "<h2 class=\"mark down\">broken</h2>",
        "<a class=\"mark down\" href=\"#broken\">broken</a>",
        "tracer_syscount_latency_seconds",
        "<strong>syscall=getppid</strong>",
        "4.32k",
        // Told as text.
        "&lt;b&gt;e2e&amp;page",
    ] {
        assert!(page.contains(shown), "{shown} is not shown: {page}");
    }
    assert!(!page.contains("<b>"), "a name was taken for HTML: {page}");
}
