//! The two text formats: Prometheus' own, version 0.0.4, and OpenMetrics 1.0.

use super::{
    float::{push, write_float, write_float_with_point, write_scaled},
    full_name,
};
use crate::export::family::{Family, Kind, Sample, Series};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// Writes a scrape.
pub fn encode(families: &[Family], dialect: Dialect, out: &mut Vec<u8>) {
    for family in families {
        head(family, dialect, out);
        let bounds = bounds(family, dialect);
        let name = full_name(family);
        let mut labels = Vec::new();
        for series in &family.series {
            labels.clear();
            write_labels(family, series, &mut labels);
            let line = Line {
                name: &name,
                labels: &labels,
            };
            sample(family, &series.sample, &line, &bounds, out);
        }
    }
    if dialect == Dialect::OpenMetrics {
        out.extend(b"# EOF\n");
    }
}

/// In OpenMetrics a family's name is without the suffix of its samples.
fn head(family: &Family, dialect: Dialect, out: &mut Vec<u8>) {
    let is_open = dialect == Dialect::OpenMetrics;
    let name = if is_open {
        family.metric.name.to_string()
    } else {
        full_name(family)
    };
    let kind = match family.metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
        Kind::Info if is_open => "info",
        Kind::Info => "gauge",
    };
    push(out, format_args!("# HELP {name} "));
    escape(out, &family.metric.help, is_open);
    push(out, format_args!("\n# TYPE {name} {kind}\n"));
    if is_open && !family.metric.unit.is_empty() {
        push(out, format_args!("# UNIT {name} {}\n", family.metric.unit));
    }
}

/// The texts of the bounds, `+Inf` last.
fn bounds(family: &Family, dialect: Dialect) -> Vec<Vec<u8>> {
    let text = |&bound: &i64| {
        let mut text = Vec::new();
        let number = family.metric.scale.apply(bound.into());
        match dialect {
            Dialect::Prometheus => write_float(&mut text, number),
            Dialect::OpenMetrics => write_float_with_point(&mut text, number),
        }
        text
    };
    family.metric.bounds.iter().map(text).collect()
}

fn write_labels(family: &Family, series: &Series, out: &mut Vec<u8>) {
    for (index, (name, value)) in family
        .label_names
        .iter()
        .zip(series.labels.iter())
        .enumerate()
    {
        if index > 0 {
            out.push(b',');
        }
        out.extend(name.as_bytes());
        out.extend(b"=\"");
        escape(out, value, true);
        out.push(b'"');
    }
}

/// Quotes are escaped everywhere but in the HELP of version 0.0.4.
fn escape(out: &mut Vec<u8>, text: &str, quotes: bool) {
    let is_special = |byte: &u8| matches!(byte, b'\\' | b'\n') || quotes && *byte == b'"';
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(is_special) {
        out.extend(&rest[..at]);
        match rest[at] {
            b'\n' => out.extend(b"\\n"),
            byte => out.extend([b'\\', byte]),
        }
        rest = &rest[at + 1..];
    }
    out.extend(rest);
}

/// What the lines of a series have in common.
struct Line<'a> {
    name: &'a str,
    labels: &'a [u8],
}

impl Line<'_> {
    /// All before the number. `le` is a histogram's bound.
    fn begin(&self, suffix: &str, le: Option<&[u8]>, out: &mut Vec<u8>) {
        out.extend(self.name.as_bytes());
        out.extend(suffix.as_bytes());
        if !self.labels.is_empty() || le.is_some() {
            out.push(b'{');
            out.extend(self.labels);
            if let Some(le) = le {
                let comma: &[u8] = if self.labels.is_empty() { b"" } else { b"," };
                out.extend(comma);
                out.extend(b"le=\"");
                out.extend(le);
                out.push(b'"');
            }
            out.push(b'}');
        }
        out.push(b' ');
    }

    fn count(&self, suffix: &str, le: Option<&[u8]>, count: u64, out: &mut Vec<u8>) {
        self.begin(suffix, le, out);
        push(out, format_args!("{count}\n"));
    }
}

fn sample(
    family: &Family,
    sample: &Sample,
    line: &Line<'_>,
    bounds: &[Vec<u8>],
    out: &mut Vec<u8>,
) {
    let scaled = |suffix: &str, raw: i128, out: &mut Vec<u8>| {
        line.begin(suffix, None, out);
        write_scaled(out, raw, family.metric.scale);
        out.push(b'\n');
    };
    match sample {
        Sample::Number(raw) => scaled("", *raw, out),
        Sample::Float(number) => {
            line.begin("", None, out);
            write_float(out, *number);
            out.push(b'\n');
        }
        Sample::Summary { count, sum } => {
            scaled("_sum", *sum, out);
            line.count("_count", None, *count, out);
        }
        Sample::Histogram { slots, sum } => {
            let mut texts = bounds.iter();
            slots.cumulative(&family.metric.bounds, |_, count| {
                line.count("_bucket", texts.next().map(Vec::as_slice), count, out);
            });
            let count = slots.count();
            line.count("_bucket", Some(b"+Inf"), count, out);
            scaled("_sum", *sum, out);
            line.count("_count", None, count, out);
        }
    }
}
