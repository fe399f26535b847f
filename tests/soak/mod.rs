//! `e2e soak SECONDS [SERIES]`: the exporter under load for that long, scraped by Prometheus and by ourselves every second.
//!
//! No scrape may fail, nothing that only grows may become less, sums must be what the load has made, and memory must
//! stay within its bound without growing.

mod load;
mod memory;

use std::{
    collections::BTreeMap,
    fmt::Display,
    time::{Duration, Instant},
};

use self::{
    load::{CALLS, CGROUP_CALLS, Done, Load, WORKERS},
    memory::{Growth, Memory},
};
use crate::{
    exporter::{Exporter, Folder},
    http::Scrape,
    prometheus::{self, Prometheus},
};

/// What is exported, with `MAX` series of a metric: what is without a configuration, tools whose events come one by one, and scripts.
///
/// Keys of scripts' maps stay. Those by program are few, so that they are all taken within the first minute or so, and
/// memory does not grow by names that others on the machine come up with: what is left out then is told (`map_full`).
const CONFIG: &str = r#"
[series]
max = MAX
keep = "30s"
[[tool]]
run = "syscount --hist"
[[tool]]
run = "biolatency --disk"
[[tool]]
run = "opensnoop"
[[tool]]
run = "execsnoop"
[[tool]]
name = "workers"
run = "syscount --by process -s getppid --comm soak-worker"
pid = true
[[tool]]
name = "containers"
run = "syscount --by container -s getppid --comm soak-cgroup"
[[script]]
name = "calls"
source = 'tracepoint:syscalls:sys_enter_getppid / comm == "e2e-soak" / { @calls = count(); }'
[[script]]
name = "switches"
source = 'config = { max_map_keys = 512 } tracepoint:sched:sched_switch { @switches[args.next_comm] = count(); }'
[[script]]
name = "writes"
source = 'config = { max_map_keys = 512 } tracepoint:syscalls:sys_exit_write /args.ret > 0/ { @write_bytes[comm] = hist(args.ret); }'
"#;

/// Between two scrapes of ours, and two rounds of the load.
const PERIOD: Duration = Duration::from_secs(1);

/// The most that may be resident.
const RESIDENT_BYTES_MAX: f64 = 25e6;

/// What the second half of the time behind the first minute may have more of resident memory than the first, at most
/// each: one scrape more that is under way is less than that.
const GROWTH_BYTES_MAX: f64 = 1e6;

/// What anonymous memory may grow by behind the first minute, by its trend.
const TREND_BYTES_MAX: f64 = 1e6;

/// Maps whose keys stay.
const SCRIPT_MAPS: [&str; 2] = ["@switches", "@write_bytes"];

/// How a soak is run.
pub struct Options {
    /// How long.
    pub time: Duration,
    /// Series of a metric, at most.
    pub series_max: u32,
}

impl Options {
    /// From words: seconds, and the series of a metric. [`None`] where they are none.
    pub fn parse(words: &[String]) -> Option<Self> {
        let (seconds, series) = match words {
            [seconds] => (seconds, "100"),
            [seconds, series] => (seconds, series.as_str()),
            _ => return None,
        };
        let seconds = seconds.parse().ok().filter(|seconds| *seconds > 0.0)?;
        Some(Self {
            time: Duration::try_from_secs_f64(seconds).ok()?,
            series_max: series.parse().ok()?,
        })
    }
}

/// What our own scrapes have seen.
struct Seen {
    took: Vec<Duration>,
    memory: Memory,
    samples: usize,
}

impl Seen {
    fn scrape(&mut self, exporter: &Exporter) -> Scrape {
        let begun = Instant::now();
        let answer = exporter.get("/metrics");
        self.took.push(begun.elapsed());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let scrape = Scrape::parse(answer.text());
        self.memory.read();
        self.samples = self.samples.max(scrape.0.len());
        scrape
    }

    /// The duration that 99 of 100 scrapes do not exceed.
    fn slow(&self) -> Duration {
        let mut took = self.took.clone();
        took.sort_unstable();
        took[took.len() * 99 / 100]
    }
}

/// Runs it, and prints what was seen. Panics where anything is not as it must be.
pub fn soak(options: &Options) {
    let folder = Folder::new();
    let config = CONFIG.replace("MAX", &options.series_max.to_string());
    let exporter = Exporter::with_config(&folder.write("t.toml", &config));
    let job = format!(
        "  - {{job_name: tracer, static_configs: [{{targets: ['127.0.0.1:{}']}}]}}\n",
        exporter.port
    );
    let prometheus = prometheus::is_there().then(|| Prometheus::start(&job, &[]));
    let begun = Instant::now();
    let mut seen = Seen {
        took: Vec::new(),
        memory: Memory::new(exporter.pid()),
        samples: 0,
    };
    let first = seen.scrape(&exporter);
    let load = Load::start();
    let last = watch(&exporter, &first, &mut seen, options.time);
    let cpu = last.sum("process_cpu_seconds_total") - first.sum("process_cpu_seconds_total");
    let elapsed = begun.elapsed();
    let done = load.end();
    let last = assert_counted(&exporter, &done, last);
    row("time", format!("{:.0} s", elapsed.as_secs_f64()));
    print_load(&done);
    print_scrapes(&seen);
    row(
        "CPU of the exporter",
        format!("{:.2} % of one", 100.0 * cpu / elapsed.as_secs_f64()),
    );
    row("not counted", lost(&last));
    row("keys of the scripts' maps", keys(&last));
    let failed = prometheus.as_ref().map(print_prometheus);
    let resident_max = print_memory(&seen.memory);
    if let (Some(prometheus), Some(failed)) = (&prometheus, failed) {
        assert_eq!(failed, 0.0, "{}", prometheus.log());
    }
    assert!(resident_max <= RESIDENT_BYTES_MAX, "too much memory");
    if let Some(growth) = seen.memory.growth() {
        assert_flat(&growth);
    }
}

/// Fails where the sums are not what the load has made; the scrape that has them.
fn assert_counted(exporter: &Exporter, done: &Done, mut last: Scrape) -> Scrape {
    let (workers, calls) = WORKERS;
    for (name, expected) in [
        ("tracer_script_calls_total", done.rounds * CALLS),
        ("tracer_workers_calls_total", done.rounds * workers * calls),
        ("tracer_containers_calls_total", done.cgroups * CGROUP_CALLS),
    ] {
        let scrape = exporter.wait_sum(name, expected);
        assert_grown(&scrape, &last);
        last = scrape;
    }
    last
}

fn assert_flat(growth: &Growth) {
    let (early, late) = growth.resident_max;
    assert!(late <= early + GROWTH_BYTES_MAX, "memory grows: {growth:?}");
    assert!(
        growth.anonymous_trend <= TREND_BYTES_MAX,
        "memory has a trend: {growth:?}"
    );
}

fn row(what: &str, value: impl Display) {
    println!("{what:<44} {value}");
}

fn print_load(done: &Done) {
    let rounds = done.rounds;
    row("calls of e2e-soak, all counted", rounds * CALLS);
    // The workloads themselves, too.
    row("short-lived processes", rounds * (WORKERS.0 + 4));
    row("cgroups made and removed", done.cgroups);
}

fn print_scrapes(seen: &Seen) {
    row("scrapes of ours, none failed", seen.took.len());
    row("samples of a scrape, at most", seen.samples);
    row(
        "99th percentile of a scrape",
        format!("{:.1} ms", seen.slow().as_secs_f64() * 1e3),
    );
}

/// Tells how many scrapes failed.
fn print_prometheus(prometheus: &Prometheus) -> f64 {
    let scrapes = prometheus.wait_value("count_over_time(up[1d])");
    let failed = scrapes - prometheus.wait_value("sum_over_time(up[1d])");
    row("scrapes of Prometheus", scrapes);
    row("of these failed", failed);
    failed
}

/// Tells the most that was resident.
fn print_memory(memory: &Memory) -> f64 {
    let resident_max = memory.resident_max();
    let megabytes = |bytes: f64| format!("{:.1}", bytes / 1e6);
    let pair =
        |(early, late): (f64, f64)| format!("{} and {} MB", megabytes(early), megabytes(late));
    row(
        "resident, at most",
        format!("{} MB", megabytes(resident_max)),
    );
    row(
        "of that no file is behind, at most",
        format!("{} MB", megabytes(memory.anonymous_max())),
    );
    if let Some(growth) = memory.growth() {
        row("in the halves behind the first minute", "");
        row("  resident, at most", pair(growth.resident_max));
        row("  heap and stacks, median", pair(growth.anonymous_median));
        row(
            "  their trend from end to end",
            format!("{:+.2} MB", growth.anonymous_trend / 1e6),
        );
    }
    resident_max
}

/// Scrapes until the time is over; the last scrape.
fn watch(exporter: &Exporter, first: &Scrape, seen: &mut Seen, time: Duration) -> Scrape {
    let end = Instant::now() + time;
    let mut before: Option<Scrape> = None;
    loop {
        let next = Instant::now() + PERIOD;
        let scrape = seen.scrape(exporter);
        assert_grown(&scrape, before.as_ref().unwrap_or(first));
        if Instant::now() >= end {
            return scrape;
        }
        before = Some(scrape);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Fails where the sum over all series of what only grows has become less. One series may: what it had is in
/// `other` when its processes have gone, and it begins anew with the next one of its name.
fn assert_grown(scrape: &Scrape, before: &Scrape) {
    // Sums of fractions depend on the order of their parts.
    const ROUNDING: f64 = 1e-9;
    let after = sums(scrape);
    for (name, old) in sums(before) {
        let sum = after.get(name).copied().unwrap_or(0.0);
        assert!(sum >= old * (1.0 - ROUNDING), "{name}: {old}, then {sum}");
    }
}

fn sums(scrape: &Scrape) -> BTreeMap<&str, f64> {
    let mut sums = BTreeMap::new();
    for sample in scrape.growing() {
        *sums.entry(sample.name()).or_default() += sample.value;
    }
    sums
}

/// Keys of maps whose keys stay.
fn keys(scrape: &Scrape) -> f64 {
    let keys = scrape.of("tracer_export_map_entries");
    keys.filter(|sample| SCRIPT_MAPS.iter().any(|map| sample.series.contains(map)))
        .map(|sample| sample.value)
        .sum()
}

/// What was lost, by source and cause; a call that is under way is no loss.
fn lost(scrape: &Scrape) -> String {
    let lost = scrape.of("tracer_export_lost_total");
    let lost: Vec<String> = lost
        .filter(|sample| sample.value > 0.0 && !sample.series.contains("in_flight"))
        .map(|sample| format!("{} {}", sample.value, sample.series))
        .collect();
    match lost.is_empty() {
        true => "nothing".to_owned(),
        false => lost.join(", "),
    }
}
