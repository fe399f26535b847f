//! The page for people: one file without anything from outside, and what it shows, as JSON.

use serde_json::{Value, json};

use super::{
    family::{Family, Kind, Sample, Series},
    hub::Snapshot,
    source::{Findings, State},
};

/// The page. It asks for `status.json` every two seconds.
pub const HTML: &str = include_str!("page.html");

/// What the page may do: nothing but ask its own server.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                          connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; \
                          form-action 'none'";

/// Series of a family that are shown: those with the largest numbers.
const SERIES_MAX: usize = 12;

/// The same of histograms.
const HISTOGRAMS_MAX: usize = 4;

/// What the page shows.
pub fn status(snapshot: &Snapshot) -> Value {
    let sources = snapshot.sources.iter().zip(&snapshot.owned);
    let sources: Vec<Value> = sources
        .map(|(source, owned)| of_source(source, &snapshot.families[owned.clone()]))
        .collect();
    json!({ "version": env!("CARGO_PKG_VERSION"), "sources": sources })
}

fn of_source(source: &Findings, families: &[Family]) -> Value {
    let reason = match &source.state {
        State::Up => None,
        State::Down(reason) => Some(reason),
    };
    let lost = source.lost.iter().filter(|(_, count)| *count > 0);
    let programs = source.programs.iter().map(
        |program| json!({ "name": program.name, "runs": program.runs, "time_ns": program.time_ns }),
    );
    let maps = source
        .fills
        .iter()
        .map(|fill| json!({ "name": fill.name, "used": fill.used, "room": fill.room }));
    json!({
        "name": source.name,
        "about": source.about,
        "since_ms": source.since_ns / 1_000_000,
        "down": reason,
        "hooks": source.hooks,
        "events": source.events,
        "lost": lost.map(|(cause, count)| json!({ "cause": cause, "count": count })).collect::<Vec<_>>(),
        "programs": programs.collect::<Vec<_>>(),
        "maps": maps.collect::<Vec<_>>(),
        "families": families.iter().map(of_family).collect::<Vec<_>>(),
    })
}

fn of_family(family: &Family) -> Value {
    let mut series: Vec<(f64, &Series)> =
        family.series.iter().map(|one| (weight(one), one)).collect();
    series.sort_by(|a, b| b.0.total_cmp(&a.0));
    let most = match family.metric.kind {
        Kind::Histogram => HISTOGRAMS_MAX,
        _ => SERIES_MAX,
    };
    let left_out = series.len().saturating_sub(most);
    let shown = series
        .iter()
        .take(most)
        .map(|(_, one)| of_series(family, one));
    json!({
        "name": &*family.metric.name,
        "help": &*family.metric.help,
        "unit": &*family.metric.unit,
        "kind": match family.metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge | Kind::Info => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        },
        "series": shown.collect::<Vec<_>>(),
        "left_out": left_out,
    })
}

/// What series are ordered by.
fn weight(series: &Series) -> f64 {
    match &series.sample {
        Sample::Number(number) => *number as f64,
        Sample::Float(number) => *number,
        Sample::Histogram { slots, .. } => slots.count() as f64,
        Sample::Summary { count, .. } => *count as f64,
    }
}

fn of_series(family: &Family, series: &Series) -> Value {
    let labels: Vec<Value> = family
        .label_names
        .iter()
        .zip(series.labels.iter())
        .map(|(name, value)| json!([&**name, &**value]))
        .collect();
    let scaled = |raw: i128| family.metric.scale.apply(raw);
    let values = match &series.sample {
        Sample::Number(number) => json!({ "value": scaled(*number) }),
        Sample::Float(number) => json!({ "value": number }),
        Sample::Summary { count, sum } => json!({ "count": count, "sum": scaled(*sum) }),
        Sample::Histogram { slots, sum } => {
            let (mut buckets, mut before) = (Vec::new(), 0);
            slots.cumulative(&family.metric.bounds, |bound, count| {
                buckets.push(json!([scaled(bound.into()), count - before]));
                before = count;
            });
            let beyond = slots.count() - before;
            json!({
                "count": slots.count(),
                "sum": scaled(*sum),
                "buckets": buckets,
                "beyond": beyond,
                "p50": slots.quantile(0.5).map(scaled),
                "p99": slots.quantile(0.99).map(scaled),
            })
        }
    };
    json!({ "labels": labels, "is": values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{
        buckets::{Bounds, Slot, Slots},
        family::{Scale, number, single},
    };

    #[test]
    fn the_largest_series_are_shown() {
        let series = (0..20)
            .map(|index| number(&[&index.to_string()], index))
            .collect();
        let shown = of_family(&single("x", "X.", "", Kind::Counter, &["n"], series));
        assert_eq!(shown["left_out"], 8);
        assert_eq!(
            shown["series"][0],
            json!({ "labels": [["n", "19"]], "is": { "value": 19.0 } })
        );
    }

    #[test]
    fn histograms_have_buckets_of_their_own() {
        let mut slots = Slots::default();
        for (low, high, count) in [(1000, 1023, 3), (2000, 2047, 1), (9000, i64::MAX, 2)] {
            slots.add(Slot { low, high, count });
        }
        let mut family = single(
            "x_seconds",
            "X.",
            "seconds",
            Kind::Histogram,
            &[],
            Vec::new(),
        );
        family.metric.scale = Scale::NANO;
        family.metric.bounds = Bounds::exponential(1, 10, 12);
        family.series.push(Series {
            labels: [].into(),
            sample: Sample::Histogram { slots, sum: 23_000 },
        });
        let shown = &of_family(&family)["series"][0]["is"];
        assert_eq!(
            shown["buckets"],
            json!([[1023e-9, 3], [2047e-9, 1], [4095e-9, 0]])
        );
        assert_eq!((&shown["beyond"], &shown["count"]), (&json!(2), &json!(6)));
        assert_eq!(shown["p50"], json!(1011e-9));
    }

    #[test]
    fn the_page_needs_nothing_from_outside() {
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!HTML.contains(outside), "{outside}");
        }
    }
}
