//! One scrape as plain data: families of series, as the formats write them.

use std::sync::Arc;

use super::buckets::{Bounds, Slots};

/// The values of a series' labels, in the order of the family's names.
pub type Labels = Arc<[Box<str>]>;

/// What a family's samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Grows only.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
    /// A count and a sum.
    Summary,
    /// Always 1; its labels are what it tells.
    Info,
}

/// What raw whole numbers are multiplied by: `factor * 10^exponent`. Nanoseconds are seconds by `1 * 10^-9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The whole part, such as 1024 for KiB; not 0.
    pub factor: u64,
    /// The power of ten: -18 to 18.
    pub exponent: i8,
}

impl Scale {
    /// As it is.
    pub const ONE: Self = Self {
        factor: 1,
        exponent: 0,
    };
    /// Nanoseconds to seconds.
    pub const NANO: Self = Self {
        factor: 1,
        exponent: -9,
    };

    /// The scaled number. Correctly rounded where number and factor are exact as doubles: the power of ten is
    /// multiplied or divided by once.
    pub fn apply(self, raw: i128) -> f64 {
        let scaled = raw.saturating_mul(i128::from(self.factor)) as f64;
        let power = 10f64.powi(i32::from(self.exponent.unsigned_abs()));
        if self.exponent < 0 {
            scaled / power
        } else {
            scaled * power
        }
    }
}

/// What a family is, whatever its series.
#[derive(Clone, Debug)]
pub struct Metric {
    /// With its unit, without `_total`, `_info` or `_bucket`.
    pub name: Arc<str>,
    /// Meaning in a sentence.
    pub help: Arc<str>,
    /// The base unit that the name ends in: `seconds`, `bytes`, or nothing.
    pub unit: Arc<str>,
    /// What its samples are.
    pub kind: Kind,
    /// Of all its numbers; of a summary and a histogram the sum's.
    pub scale: Scale,
    /// Upper bounds of the classic buckets; empty where it is no histogram.
    pub bounds: Bounds,
}

/// All series of a metric.
#[derive(Clone, Debug)]
pub struct Family {
    /// What they are of.
    pub metric: Metric,
    /// The labels' names.
    pub label_names: Arc<[Box<str>]>,
    /// One for each set of labels.
    pub series: Vec<Series>,
}

/// One set of labels, and its sample.
#[derive(Clone, Debug)]
pub struct Series {
    /// The labels' values.
    pub labels: Labels,
    /// The sample, as raw numbers.
    pub sample: Sample,
}

/// What a series says at this moment, before scaling.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// Of a counter, a gauge or an info.
    Number(i128),
    /// Of a gauge that is no whole number; not scaled.
    Float(f64),
    /// Of a histogram.
    Histogram {
        /// How many values fell where.
        slots: Slots,
        /// Their sum.
        sum: i128,
    },
    /// Of a summary.
    Summary {
        /// How many values.
        count: u64,
        /// Their sum.
        sum: i128,
    },
}

impl Family {
    /// The names of its samples, and its own.
    pub fn sample_names(&self) -> Vec<String> {
        let suffixes: &[&str] = match self.metric.kind {
            Kind::Counter => &["", "_total"],
            Kind::Info => &["", "_info"],
            Kind::Gauge => &[""],
            Kind::Summary => &["", "_sum", "_count"],
            Kind::Histogram => &["", "_sum", "_count", "_bucket"],
        };
        let name = |suffix: &&str| format!("{}{suffix}", self.metric.name);
        suffixes.iter().map(name).collect()
    }

    /// How many lines of text, or samples, it is: what Prometheus keeps as series.
    pub fn samples(&self) -> usize {
        let each = match self.metric.kind {
            Kind::Histogram => self.metric.bounds.len() + 3,
            Kind::Summary => 2,
            Kind::Counter | Kind::Gauge | Kind::Info => 1,
        };
        each * self.series.len()
    }
}

/// A family without labels but those given, for what the exporter tells of itself.
pub fn single(
    name: &str,
    help: &str,
    unit: &str,
    kind: Kind,
    label_names: &[&str],
    series: Vec<Series>,
) -> Family {
    Family {
        metric: Metric {
            name: name.into(),
            help: help.into(),
            unit: unit.into(),
            kind,
            scale: Scale::ONE,
            bounds: Bounds::default(),
        },
        label_names: label_names.iter().map(|&name| name.into()).collect(),
        series,
    }
}

/// A series of a number.
pub fn number(labels: &[&str], number: impl Into<i128>) -> Series {
    Series {
        labels: labels.iter().map(|&value| value.into()).collect(),
        sample: Sample::Number(number.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_rounds_once() {
        assert_eq!(Scale::NANO.apply(1_000_000_001), 1.000_000_001);
        assert_eq!(Scale::NANO.apply(1023), 0.000_001_023);
        assert_eq!(Scale::NANO.apply(-1), -1e-9);
        let kib = Scale {
            factor: 1024,
            exponent: 0,
        };
        assert_eq!(kib.apply(3), 3072.0);
        assert_eq!(Scale::ONE.apply(i128::MAX), i128::MAX as f64);
    }
}
