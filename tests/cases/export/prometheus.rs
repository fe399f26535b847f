//! What a real Prometheus makes of what is exported.

use super::super::test;
use crate::{
    exporter::{Exporter, Folder},
    harness::{Need, Test, measured_sleeps, workload},
    http,
    prometheus::{Prometheus, promtool},
};

pub fn tests() -> Vec<Test> {
    vec![
        test(
            "export::prometheus_counts_what_was_done",
            &[Need::Prometheus],
            counts,
        ),
        test(
            "export::prometheus_takes_native_histograms",
            &[Need::Prometheus],
            native_histograms,
        ),
        test(
            "export::promtool_finds_nothing_to_say",
            &[Need::Prometheus],
            lint,
        ),
    ]
}

/// The calls that are counted.
const CALLS: u64 = 12_345;

/// A tool and a script that look at what has this name.
fn config(comm: &str) -> String {
    format!(
        "[series]\nbuckets_per_octave = 16\n\
         [[tool]]\nrun = \"syscount --hist --comm {comm}\"\n\
         [[script]]\nsource = '''\n\
         // export @calls: help = \"Calls by program\", labels = [\"program\"]\n\
         tracepoint:syscalls:sys_enter_getppid / comm == \"{comm}\" / {{ @calls[comm] = count(); }}\n'''\n"
    )
}

fn job(exporter: &Exporter) -> String {
    format!(
        "- job_name: tracer\n  static_configs: [{{targets: ['127.0.0.1:{}']}}]\n",
        exporter.port
    )
}

#[track_caller]
fn make_calls(comm: &str) {
    let mut calls = workload(&["calls", &CALLS.to_string(), "--comm", comm]);
    assert!(calls.status().expect("start").success());
}

/// Compares with what Prometheus reckons from buckets of this name, or without one from the histogram itself.
#[track_caller]
fn assert_quantiles(prometheus: &Prometheus, took: &[f64], histogram: &str) {
    for quantile in [0.25, 0.5, 0.9] {
        let query = format!("histogram_quantile({quantile}, {histogram})");
        let told = prometheus.wait_value(&query);
        let exact = took[(quantile * took.len() as f64) as usize];
        assert!(
            (told / exact - 1.0).abs() < 0.05,
            "{query} is {told}, not {exact}"
        );
    }
}

/// All scrapes so far did well.
#[track_caller]
fn assert_no_scrape_failed(prometheus: &Prometheus, format: &str) {
    assert_eq!(prometheus.wait_value("min_over_time(up[1h])"), 1.0);
    // The scrape that it is seen in is not counted in it.
    prometheus.wait_value(&format!(
        "tracer_export_scrapes_total{{format=\"{format}\"}} > 0"
    ));
    let refused = prometheus.wait_value("tracer_export_requests_refused_total");
    assert_eq!(refused, 0.0, "{}", prometheus.log());
}

fn counts() {
    let folder = Folder::new();
    let exporter = Exporter::with_config(&folder.write("t.toml", &config("e2e-known")));
    let prometheus = Prometheus::start(&job(&exporter), &[]);
    make_calls("e2e-known");
    let took = measured_sleeps("e2e-known", 400);
    let getppid = "{syscall=\"getppid\"}";
    prometheus.wait_count(&format!("tracer_syscount_calls_total{getppid}"), CALLS);
    for series in [
        "tracer_syscount_latency_seconds_count{syscall=\"getppid\"}",
        "tracer_syscount_latency_seconds_bucket{syscall=\"getppid\",le=\"+Inf\"}",
        "tracer_script_calls_total{program=\"e2e-known\"}",
    ] {
        prometheus.wait_count(series, CALLS);
    }
    let slept = "{syscall=\"clock_nanosleep\"}";
    let count = format!("tracer_syscount_latency_seconds_count{slept}");
    prometheus.wait_count(&count, took.len() as u64);
    let buckets = format!("tracer_syscount_latency_seconds_bucket{slept}");
    assert_quantiles(&prometheus, &took, &buckets);
    let sum = prometheus.wait_value(&format!("tracer_syscount_latency_seconds_sum{slept}"));
    let exact: f64 = took.iter().sum();
    assert!((sum / exact - 1.0).abs() < 0.05, "{sum} {exact}");
    assert_eq!(prometheus.wait_value("count(tracer_build_info == 1)"), 1.0);
    assert_eq!(
        prometheus.wait_value("count(tracer_export_source_up == 1)"),
        2.0
    );
    assert_no_scrape_failed(&prometheus, "openmetrics");
}

fn native_histograms() {
    let folder = Folder::new();
    let exporter = Exporter::with_config(&folder.write("t.toml", &config("e2e-native")));
    let prometheus = Prometheus::start(&job(&exporter), &["native-histograms"]);
    make_calls("e2e-native");
    let took = measured_sleeps("e2e-native", 400);
    let of = |call: &str| format!("tracer_syscount_latency_seconds{{syscall=\"{call}\"}}");
    prometheus.wait_count(&format!("histogram_count({})", of("getppid")), CALLS);
    let slept = of("clock_nanosleep");
    prometheus.wait_count(&format!("histogram_count({slept})"), took.len() as u64);
    assert_quantiles(&prometheus, &took, &slept);
    assert_no_scrape_failed(&prometheus, "protobuf");
}

fn lint() {
    let folder = Folder::new();
    let exporter = Exporter::with_config(&folder.write("t.toml", &config("e2e-lint")));
    make_calls("e2e-lint");
    exporter.wait_sum("tracer_script_calls_total", CALLS);
    let text = http::get(exporter.port, "/metrics", &["Accept: text/plain"]);
    promtool(&["check", "metrics"], &text.body);
}
