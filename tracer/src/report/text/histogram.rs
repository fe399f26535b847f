//! Histograms as bars, one for each power of two, with percentiles beneath.

use super::{Style, heading, value::plain};
use crate::report::{Bucket, Histogram, Unit, Value};

/// Characters of the longest bar.
const BAR: u64 = 52;

/// Writes a histogram.
pub fn render(text: &mut String, histogram: &Histogram, style: Style) {
    let mut title = histogram.title.clone();
    for (name, value) in &histogram.labels {
        title.push_str(&format!("  {name} {}", plain(value, Unit::None)));
    }
    text.push_str(&heading(style, &title));
    text.push('\n');
    let octaves = octaves(&histogram.buckets);
    let largest = octaves.iter().map(|octave| octave.count).max().unwrap_or(0);
    let labels: Vec<String> = octaves
        .iter()
        .map(|octave| label(octave, histogram.unit))
        .collect();
    let label_width = labels.iter().map(String::len).max().unwrap_or(0);
    let count_width = largest.to_string().len().max(5);
    for (octave, label) in octaves.iter().zip(&labels) {
        let length = (u128::from(octave.count) * u128::from(BAR) / u128::from(largest)) as usize;
        let (bar, count) = ("@".repeat(length), octave.count);
        text.push_str(&format!(
            "{label:<label_width$} {count:>count_width$} |{bar:<52}|\n"
        ));
    }
    text.push_str(&summary(histogram));
    text.push('\n');
}

fn summary(histogram: &Histogram) -> String {
    let count = histogram.count();
    if count == 0 {
        return "count 0".to_owned();
    }
    let unit = histogram.unit;
    let show = |number: u64| plain(&Value::U64(number), unit);
    let mut line = format!("count {count}  mean {}", show(histogram.mean()));
    for (name, percent) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)] {
        line.push_str(&format!("  {name} {}", show(histogram.percentile(percent))));
    }
    line.push_str(&format!("  max {}", show(histogram.max)));
    line
}

/// The octave that a value belongs to: 0 for 0, otherwise one more than the exponent.
fn octave_of(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// Buckets put together by powers of two, from the first that was hit to the last, without a gap.
fn octaves(buckets: &[Bucket]) -> Vec<Bucket> {
    let hit = |bucket: &&Bucket| bucket.count > 0;
    let Some(first) = buckets.iter().find(hit) else {
        return Vec::new();
    };
    let last = buckets.iter().rfind(hit).unwrap_or(first);
    let bounds = |octave: u32| match octave {
        0 => (0, 0),
        octave => (
            1 << (octave - 1),
            (1u64 << (octave - 1)).wrapping_mul(2).wrapping_sub(1),
        ),
    };
    let count_in = |octave: u32| {
        buckets
            .iter()
            .filter(|bucket| octave_of(bucket.low) == octave)
            .map(|bucket| bucket.count)
            .sum()
    };
    (octave_of(first.low)..=octave_of(last.low))
        .map(|octave| {
            let (low, high) = bounds(octave);
            Bucket {
                low,
                high,
                count: count_in(octave),
            }
        })
        .collect()
}

/// `[4.10us, 8.19us)`: where a bar begins and where it ends.
fn label(octave: &Bucket, unit: Unit) -> String {
    let show = |number: u64| plain(&Value::U64(number), unit);
    match octave.high.checked_add(1) {
        Some(end) => format!("[{}, {})", show(octave.low), show(end)),
        None => format!("[{}, ...)", show(octave.low)),
    }
}
