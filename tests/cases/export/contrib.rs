//! What the exporter is deployed with fits it: every metric that is asked for there is one that it has.

use std::{collections::BTreeSet, process::Command};

use regex_lite::Regex;
use serde_json::Value;

use super::super::test;
use crate::{
    exporter::{Exporter, Folder},
    harness::{Need, Test, scratch_disk, tracer, workload},
    prometheus::promtool,
};

/// Files are part of the program, for it runs in virtual machines, too.
const CONFIG: &str = include_str!("../../../contrib/export.toml");
const DAEMON_SET: &str = include_str!("../../../contrib/kubernetes/daemonset.yaml");
const DASHBOARD: &str = include_str!("../../../contrib/grafana/tracer.json");
const RECORDING: &str = include_str!("../../../contrib/prometheus/recording.yml");
const ALERTS: &str = include_str!("../../../contrib/prometheus/alerts.yml");
const RULE_TESTS: &str = include_str!("../../../contrib/prometheus/tests.yml");
const UNIT: &str = include_str!("../../../contrib/systemd/tracer-export.service");

pub fn tests() -> Vec<Test> {
    vec![
        test(
            "export::dashboard_and_rules_ask_for_what_is_there",
            &[Need::ScratchDisk],
            names,
        ),
        test(
            "export::shipped_configurations_are_right",
            &[],
            configurations,
        ),
        test(
            "export::shipped_rules_do_what_they_say",
            &[Need::Prometheus],
            rules,
        ),
        test("export::the_unit_is_right", &[Need::SystemdAnalyze], unit),
    ]
}

/// All words in these texts that match.
fn words(pattern: &str, texts: &[&str]) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).expect("a pattern");
    let found = texts.iter().flat_map(|text| pattern.captures_iter(text));
    found.map(|found| found[1].to_owned()).collect()
}

/// The names of samples that a scrape can have, by its TYPE lines: families without series have these, too.
fn told(scrape: &str) -> BTreeSet<String> {
    let types = scrape
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.flat_map(|line| {
        let (name, kind) = line.split_once(' ').expect("a name and a type");
        let ends: &[&str] = match kind {
            "histogram" => &["_bucket", "_sum", "_count"],
            "summary" => &["_sum", "_count"],
            _ => &[""],
        };
        ends.iter().map(move |end| format!("{name}{end}"))
    });
    names.collect()
}

fn names() {
    let folder = Folder::new();
    let exporter = Exporter::with_config(&folder.write("export.toml", CONFIG));
    // A disk has a histogram from its first request on.
    let disk = scratch_disk().expect("a disk");
    let mut writes = workload(&["write-direct", disk.to_str().expect("UTF-8"), "4096", "10"]);
    assert!(writes.status().expect("start").success());
    let told = told(exporter.get("/metrics").text());
    let texts = [DASHBOARD, RECORDING, ALERTS, RULE_TESTS];
    let asked = words(r"\b((?:tracer|process)_[a-z0-9_]+)\b", &texts);
    let recorded = words(r"record: (\S+)", &[RECORDING]);
    // Parts of the names that rules record.
    let parts: BTreeSet<String> = recorded
        .iter()
        .flat_map(|name| name.split(':').map(str::to_owned))
        .collect();
    let missing: Vec<&String> = asked
        .iter()
        .filter(|name| !told.contains(*name) && !parts.contains(*name))
        .collect();
    assert!(asked.len() > 10, "{asked:?}");
    assert!(missing.is_empty(), "not exported: {missing:?} of {told:?}");
    let used = words(
        r"\b(instance_[a-z]+:[a-z0-9_:]+)",
        &[DASHBOARD, ALERTS, RULE_TESTS],
    );
    assert!(used.is_subset(&recorded), "{used:?} {recorded:?}");
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    assert!(
        dashboard["panels"]
            .as_array()
            .is_some_and(|panels| panels.len() > 10)
    );
}

/// The configuration within the manifest.
fn in_manifest() -> String {
    let lines = DAEMON_SET
        .lines()
        .skip_while(|line| !line.ends_with("export.toml: |"));
    let block = lines.skip(1).map_while(|line| line.strip_prefix("    "));
    block.map(|line| format!("{line}\n")).collect()
}

fn configurations() {
    let folder = Folder::new();
    for (name, text) in [
        ("export.toml", CONFIG.to_owned()),
        ("manifest.toml", in_manifest()),
        // What is only shown is right, too.
        ("shown.toml", uncommented(CONFIG)),
    ] {
        let path = folder.write(name, &text);
        let ran = tracer(&["export", "--check", "--config", &path]).ok();
        assert!(ran.stdout.contains("syscount"), "{name}: {}", ran.stdout);
    }
}

/// With the sources that stand in comments.
fn uncommented(text: &str) -> String {
    let mut is_source = false;
    let lines = text.lines().map(|line| {
        is_source =
            line == "# [[tool]]" || line == "# [[script]]" || is_source && line.starts_with('#');
        let shown = if is_source {
            line.strip_prefix("# ")
        } else {
            None
        };
        format!("{}\n", shown.unwrap_or(line))
    });
    let text: String = lines.collect();
    assert!(text.contains("\n[[script]]\n"), "{text}");
    text
}

fn rules() {
    let folder = Folder::new();
    let recording = folder.write("recording.yml", RECORDING);
    let alerts = folder.write("alerts.yml", ALERTS);
    let tests = folder.write("tests.yml", RULE_TESTS);
    promtool(
        &["check", "rules", "--lint-fatal", &recording, &alerts],
        b"",
    );
    promtool(&["test", "rules", &tests], b"");
}

/// The unit's program is not installed here: another one stands for it.
fn unit() {
    let folder = Folder::new();
    let text = UNIT
        .replace("/usr/bin/tracer ", "/bin/true ")
        .replace("Documentation=", "#");
    let path = folder.write("tracer-export.service", &text);
    let output = Command::new("systemd-analyze")
        .args(["verify", &path])
        .output()
        .expect("start");
    let said = String::from_utf8_lossy(&output.stderr);
    // Other units of this host are none of its business.
    let is_ours = said
        .lines()
        .any(|line| line.contains("tracer-export.service"));
    assert!(!is_ours, "{said}");
    // The exposure level at or below which it is taken for well protected, in tenths.
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--threshold=40", &path])
        .output()
        .expect("start");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
