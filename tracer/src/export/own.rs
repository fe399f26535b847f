//! What the exporter tells of itself.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    family::{Family, Kind, Sample, Scale, Series, number, single},
    format::Format,
    source::{Findings, State},
};
use crate::kernel::{map::Fill, process, session::ProgramStats, sys};

/// Counts of the HTTP side, which has a thread of its own.
#[derive(Debug, Default)]
pub struct Served {
    scrapes: [AtomicU64; 3],
    encoding_ns: AtomicU64,
    encodings: AtomicU64,
    refused: AtomicU64,
}

const FORMATS: [Format; 3] = [Format::Text, Format::OpenMetrics, Format::Protobuf];

impl Served {
    /// A scrape was answered.
    pub fn scraped(&self, format: Format) {
        self.scrapes[format as usize].fetch_add(1, Relaxed);
    }

    /// A scrape was written, which took so long.
    pub fn encoded(&self, took: Duration) {
        self.encodings.fetch_add(1, Relaxed);
        self.encoding_ns.fetch_add(took.as_nanos() as u64, Relaxed);
    }

    /// A request was answered with an error, or its connection was closed.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }
}

/// What is known of the exporter.
pub struct Own {
    served: Arc<Served>,
    start_ns: u64,
    collections: u64,
    collecting: Duration,
}

impl Own {
    /// Of an exporter that starts at this moment.
    pub fn new(served: Arc<Served>) -> Self {
        Self {
            served,
            start_ns: sys::clock_ns(libc::CLOCK_REALTIME),
            collections: 0,
            collecting: Duration::ZERO,
        }
    }

    /// The sources were asked, which took so long.
    pub fn collected(&mut self, took: Duration) {
        self.collections += 1;
        self.collecting += took;
    }

    /// The families that tell of the exporter and its sources.
    pub fn families(&self, sources: &[Findings]) -> Vec<Family> {
        let mut families = vec![build()];
        families.extend(of_sources(sources));
        families.extend(of_programs(sources));
        families.extend(of_series(sources));
        families.extend(self.of_scrapes());
        families.extend(self.of_process());
        families
    }

    fn of_scrapes(&self) -> Vec<Family> {
        let served = &self.served;
        let scrapes = FORMATS.map(|format| {
            number(
                &[format.name()],
                served.scrapes[format as usize].load(Relaxed),
            )
        });
        let encoding_ns = served.encoding_ns.load(Relaxed).into();
        vec![
            counter(
                "scrapes",
                "Scrapes that were answered.",
                &["format"],
                scrapes.into(),
            ),
            counter(
                "requests_refused",
                "Requests that were answered with an error.",
                &[],
                vec![number(&[], served.refused.load(Relaxed))],
            ),
            durations(
                "collection",
                "Time to read what all sources have.",
                self.collections,
                self.collecting.as_nanos() as i128,
            ),
            durations(
                "encoding",
                "Time to write scrapes.",
                served.encodings.load(Relaxed),
                encoding_ns,
            ),
        ]
    }

    /// By the names that all exporters have for these.
    fn of_process(&self) -> Vec<Family> {
        let cpu_ns = sys::clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID);
        let mut families = vec![
            scaled(single(
                "process_cpu_seconds",
                "CPU time that the exporter used, programs in the kernel not included.",
                "seconds",
                Kind::Counter,
                &[],
                vec![number(&[], cpu_ns)],
            )),
            scaled(single(
                "process_start_time_seconds",
                "When the exporter started, in seconds since the Unix epoch.",
                "seconds",
                Kind::Gauge,
                &[],
                vec![number(&[], self.start_ns)],
            )),
        ];
        match process::resident_bytes() {
            Ok(bytes) => families.push(single(
                "process_resident_memory_bytes",
                "Memory of the exporter that is resident.",
                "bytes",
                Kind::Gauge,
                &[],
                vec![number(&[], bytes)],
            )),
            Err(error) => log::warn!("cannot tell the memory used: {error}"),
        }
        match fs::read_dir("/proc/self/fd") {
            Ok(fds) => families.push(single(
                "process_open_fds",
                "Files that the exporter has open.",
                "",
                Kind::Gauge,
                &[],
                vec![number(&[], fds.count() as u64)],
            )),
            Err(error) => log::warn!("cannot tell the open files: {error}"),
        }
        families
    }
}

fn build() -> Family {
    let labels = [env!("CARGO_PKG_VERSION"), std::env::consts::ARCH];
    let series = vec![number(&labels, 1)];
    single(
        "tracer_build",
        "The tracer that exports.",
        "",
        Kind::Info,
        &["version", "arch"],
        series,
    )
}

fn of_sources(sources: &[Findings]) -> Vec<Family> {
    let each = |value: fn(&Findings) -> i128| -> Vec<Series> {
        sources
            .iter()
            .map(|source| number(&[&source.name], value(source)))
            .collect()
    };
    let lost = sources.iter().flat_map(|source| {
        let lost = source.lost.iter();
        lost.map(|(cause, count)| number(&[&source.name, cause], *count))
    });
    vec![
        gauge(
            "source_up",
            "1 where the source traces, 0 where it failed: the log says why.",
            "",
            &["source"],
            each(|source| i128::from(source.state == State::Up)),
        ),
        counter(
            "retries",
            "How often a source that failed was tried again.",
            &["source"],
            each(|source| source.retries.into()),
        ),
        counter(
            "events",
            "Events that came one by one.",
            &["source"],
            each(|source| source.events.into()),
        ),
        counter(
            "lost",
            "What was not counted, by cause.",
            &["source", "cause"],
            lost.collect(),
        ),
    ]
}

fn of_programs(sources: &[Findings]) -> Vec<Family> {
    let programs = |value: fn(&ProgramStats) -> i128| -> Vec<Series> {
        let each = sources
            .iter()
            .flat_map(|source| source.programs.iter().map(move |program| (source, program)));
        each.map(|(source, program)| number(&[&source.name, &program.name], value(program)))
            .collect()
    };
    let fills = |value: fn(&Fill) -> u64| -> Vec<Series> {
        let each = sources
            .iter()
            .flat_map(|source| source.fills.iter().map(move |fill| (source, fill)));
        each.map(|(source, fill)| number(&[&source.name, &fill.name], value(fill)))
            .collect()
    };
    let (program_labels, map_labels) = (["source", "program"], ["source", "map"]);
    let mut run_time = counter(
        "program_run_seconds",
        "Time in a program in the kernel; counted where kernel.bpf_stats_enabled is on.",
        &program_labels,
        programs(|program| program.time_ns.into()),
    );
    run_time.metric.unit = "seconds".into();
    vec![
        gauge(
            "program_attached",
            "Programs that are attached in the kernel.",
            "",
            &program_labels,
            programs(|_| 1),
        ),
        counter(
            "program_runs",
            "Runs of a program in the kernel; counted where kernel.bpf_stats_enabled is on.",
            &program_labels,
            programs(|program| program.runs.into()),
        ),
        scaled(run_time),
        gauge(
            "map_entries",
            "Entries of a map in the kernel, as of some seconds ago at most.",
            "",
            &map_labels,
            fills(|fill| fill.used),
        ),
        gauge(
            "map_entries_limit",
            "Entries that a map in the kernel has room for.",
            "",
            &map_labels,
            fills(|fill| fill.room),
        ),
    ]
}

fn of_series(sources: &[Findings]) -> Vec<Family> {
    let sizes = |value: fn(&super::source::Size) -> u64| -> Vec<Series> {
        let each = sources
            .iter()
            .flat_map(|source| source.sizes.iter().map(move |size| (source, size)));
        each.map(|(source, size)| number(&[&source.name, &size.name], value(size)))
            .collect()
    };
    let labels = ["source", "metric"];
    vec![
        gauge(
            "label_sets",
            "Sets of labels that a metric has.",
            "",
            &labels,
            sizes(|size| size.series),
        ),
        counter(
            "folded",
            "Values that were summed under other, as their labels found no room.",
            &labels,
            sizes(|size| size.folded),
        ),
    ]
}

fn counter(name: &str, help: &str, labels: &[&str], series: Vec<Series>) -> Family {
    single(
        &format!("tracer_export_{name}"),
        help,
        "",
        Kind::Counter,
        labels,
        series,
    )
}

fn gauge(name: &str, help: &str, unit: &str, labels: &[&str], series: Vec<Series>) -> Family {
    single(
        &format!("tracer_export_{name}"),
        help,
        unit,
        Kind::Gauge,
        labels,
        series,
    )
}

fn durations(name: &str, help: &str, count: u64, sum: i128) -> Family {
    let series = Series {
        labels: [].into(),
        sample: Sample::Summary { count, sum },
    };
    let name = format!("tracer_export_{name}_seconds");
    scaled(single(
        &name,
        help,
        "seconds",
        Kind::Summary,
        &[],
        vec![series],
    ))
}

fn scaled(mut family: Family) -> Family {
    family.metric.scale = Scale::NANO;
    family
}
