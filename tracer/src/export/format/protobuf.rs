//! `io.prometheus.client.MetricFamily`, as in `io/prometheus/client/metrics.proto` of
//! github.com/prometheus/client_model: the only format with native histograms. Each family has its length
//! before it.

use super::full_name;
use crate::export::{
    buckets::{Native, SCHEMA, Slots},
    family::{Family, Kind, Sample, Series},
};

/// Values up to this count as 0: the default of Prometheus' own library, `2^-128`.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// Writes a scrape.
pub fn encode(families: &[Family], out: &mut Vec<u8>) {
    for family in families {
        with_length(out, |out| metric_family(family, out));
    }
}

/// `MetricType`
fn type_number(kind: Kind) -> u64 {
    match kind {
        Kind::Counter => 0,
        Kind::Gauge | Kind::Info => 1,
        Kind::Summary => 2,
        Kind::Histogram => 4,
    }
}

fn metric_family(family: &Family, out: &mut Vec<u8>) {
    string(out, 1, &full_name(family));
    string(out, 2, &family.metric.help);
    integer(out, 3, type_number(family.metric.kind));
    for series in &family.series {
        message(out, 4, |out| metric(family, series, out));
    }
    if !family.metric.unit.is_empty() {
        string(out, 5, &family.metric.unit);
    }
}

fn metric(family: &Family, series: &Series, out: &mut Vec<u8>) {
    for (name, value) in family.label_names.iter().zip(series.labels.iter()) {
        message(out, 1, |out| {
            string(out, 1, name);
            string(out, 2, value);
        });
    }
    // The fields of `Metric` for gauges and counters.
    let field = if family.metric.kind == Kind::Counter {
        3
    } else {
        2
    };
    match &series.sample {
        Sample::Number(raw) => message(out, field, |out| {
            double(out, 1, family.metric.scale.apply(*raw))
        }),
        Sample::Float(number) => message(out, field, |out| double(out, 1, *number)),
        Sample::Summary { count, sum } => message(out, 4, |out| {
            integer(out, 1, *count);
            double(out, 2, family.metric.scale.apply(*sum));
        }),
        Sample::Histogram { slots, sum } => {
            message(out, 7, |out| histogram(family, slots, *sum, out));
        }
    }
}

/// The classic buckets, and the native ones.
fn histogram(family: &Family, slots: &Slots, sum: i128, out: &mut Vec<u8>) {
    let scale = family.metric.scale;
    integer(out, 1, slots.count());
    double(out, 2, scale.apply(sum));
    slots.cumulative(&family.metric.bounds, |bound, count| {
        message(out, 3, |out| {
            integer(out, 1, count);
            double(out, 2, scale.apply(bound.into()));
        });
    });
    let Native {
        zeros,
        positive,
        negative,
    } = slots.native(scale);
    integer(out, 5, zigzag(SCHEMA.into()));
    double(out, 6, ZERO_THRESHOLD);
    integer(out, 7, zeros);
    spans(out, 9, 10, &negative);
    spans(out, 12, 13, &positive);
}

/// Runs of neighbouring buckets, as the distance from the last run and the length, and the buckets' counts, each as
/// the difference to the one before.
fn spans(out: &mut Vec<u8>, span_field: u32, delta_field: u32, buckets: &[(i32, u64)]) {
    let mut next = 0;
    for run in buckets.chunk_by(|a, b| a.0 + 1 == b.0) {
        let start = run.first().map_or(next, |bucket| bucket.0);
        message(out, span_field, |out| {
            integer(out, 1, zigzag((start - next).into()));
            integer(out, 2, run.len() as u64);
        });
        next = start + run.len() as i32;
    }
    if buckets.is_empty() {
        return;
    }
    message(out, delta_field, |out| {
        let mut last = 0;
        for &(_, count) in buckets {
            varint(out, zigzag(count.wrapping_sub(last) as i64));
            last = count;
        }
    });
}

/// Signed numbers so that small ones are short.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Number and wire type of a field.
fn tag(out: &mut Vec<u8>, field: u32, wire: u64) {
    varint(out, u64::from(field) << 3 | wire);
}

fn integer(out: &mut Vec<u8>, field: u32, number: u64) {
    tag(out, field, 0);
    varint(out, number);
}

fn double(out: &mut Vec<u8>, field: u32, number: f64) {
    tag(out, field, 1);
    out.extend(number.to_le_bytes());
}

fn string(out: &mut Vec<u8>, field: u32, text: &str) {
    tag(out, field, 2);
    varint(out, text.len() as u64);
    out.extend(text.as_bytes());
}

fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, 2);
    with_length(out, write);
}

/// What `write` writes, behind its length. The length is known last and then moved to the front.
fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let end = out.len();
    varint(out, (end - start) as u64);
    let length_bytes = out.len() - end;
    out[start..].rotate_right(length_bytes);
}
