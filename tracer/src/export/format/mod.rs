//! The formats in which a scrape is written, and how one is chosen.
//!
//! prometheus-client is not used: it owns the numbers that it writes, as atomics that the program adds to, where
//! here they are snapshots of the kernel's; and its protobuf is OpenMetrics' own, which Prometheus does not
//! take and which has no native histograms.

mod float;
mod protobuf;
mod text;

use std::io::{self, Write as _};

use flate2::{Compression, write::GzEncoder};

use super::family::Family;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// `text/plain; version=0.0.4`
    Text,
    /// OpenMetrics 1.0 as text.
    OpenMetrics,
    /// `io.prometheus.client.MetricFamily`, each with its length before it, with native histograms.
    Protobuf,
}

impl Format {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::OpenMetrics => "openmetrics",
            Self::Protobuf => "protobuf",
        }
    }

    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// The one that an `Accept` header likes best; of those liked alike the first. Text, which everyone can read,
    /// where it names none.
    pub fn negotiate(accept: &str) -> Self {
        let mut best = (0, Self::Text);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameters: Vec<&str> = parts.collect();
            let quality = quality(&parameters);
            if let Some(format) = Self::meant(&kind, &parameters)
                && quality > best.0
            {
                best = (quality, format);
            }
        }
        best.1
    }

    fn meant(kind: &str, parameters: &[&str]) -> Option<Self> {
        let given = |name: &str| {
            let found = parameters
                .iter()
                .filter_map(|parameter| parameter.split_once('='));
            found
                .filter(|(given, _)| given.trim().eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().trim_matches('"'))
                .next()
        };
        match kind {
            "application/vnd.google.protobuf" => {
                let is_ours = given("proto") == Some("io.prometheus.client.MetricFamily")
                    && given("encoding") == Some("delimited");
                is_ours.then_some(Self::Protobuf)
            }
            "application/openmetrics-text" => {
                matches!(given("version"), None | Some("1.0.0")).then_some(Self::OpenMetrics)
            }
            "text/plain" => matches!(given("version"), None | Some("0.0.4")).then_some(Self::Text),
            "text/*" | "*/*" => Some(Self::Text),
            _ => None,
        }
    }

    /// A scrape in this format.
    pub fn encode(self, families: &[Family]) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 << 16);
        match self {
            Self::Text => text::encode(families, text::Dialect::Prometheus, &mut out),
            Self::OpenMetrics => text::encode(families, text::Dialect::OpenMetrics, &mut out),
            Self::Protobuf => protobuf::encode(families, &mut out),
        }
        out
    }
}

/// The `q` of a range in thousandths: 1000 without one, 0 where it is none.
fn quality(parameters: &[&str]) -> u32 {
    let given = parameters.iter().find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("q")
            .then(|| value.trim().parse::<f64>())
    });
    match given {
        None => 1000,
        Some(Ok(quality)) if (0.0..=1.0).contains(&quality) => (quality * 1000.0) as u32,
        Some(_) => 0,
    }
}

/// True where an `Accept-Encoding` header allows gzip.
pub fn accepts_gzip(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let parameters: Vec<&str> = parts.collect();
        name.eq_ignore_ascii_case("gzip") && quality(&parameters) > 0
    })
}

/// Bytes as gzip has them. The fastest level: what it saves over none is most of what can be saved.
pub fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The name that samples have where the family's has no suffix: counters and infos.
fn full_name(family: &Family) -> String {
    use super::family::Kind;
    match family.metric.kind {
        Kind::Counter => format!("{}_total", family.metric.name),
        Kind::Info => format!("{}_info", family.metric.name),
        Kind::Gauge | Kind::Histogram | Kind::Summary => family.metric.name.to_string(),
    }
}

#[cfg(test)]
mod tests;
