use std::{io::Read as _, time::Instant};

use expect_test::{Expect, expect};
use flate2::read::GzDecoder;

use super::*;
use crate::export::{
    buckets::{Bounds, Slot, Slots},
    family::{Kind, Sample, Scale, Series, number, single},
};

fn families() -> Vec<Family> {
    let build = single(
        "x_build",
        "About \"it\".",
        "",
        Kind::Info,
        &["version"],
        vec![number(&["1"], 1)],
    );
    let labels = ["a\\b", "c\"d\ne"];
    let mut calls = single(
        "x_calls",
        "Calls\nmade.",
        "",
        Kind::Counter,
        &["comm", "path"],
        vec![],
    );
    calls.series.push(number(&labels, 5));
    let mut busy = single(
        "x_busy_seconds",
        "Time.",
        "seconds",
        Kind::Gauge,
        &[],
        vec![number(&[], 1_500_000_000)],
    );
    busy.metric.scale = Scale::NANO;
    let mut slots = Slots::default();
    for (low, high, count) in [(0, 0, 1), (1000, 1023, 2), (4_000_000, i64::MAX, 3)] {
        slots.add(Slot { low, high, count });
    }
    let mut latency = single(
        "x_latency_seconds",
        "Latency.",
        "seconds",
        Kind::Histogram,
        &["disk"],
        vec![],
    );
    latency.metric.scale = Scale::NANO;
    latency.metric.bounds = Bounds::exponential(1, 9, 11);
    latency.series.push(Series {
        labels: ["vda".into()].into(),
        sample: Sample::Histogram {
            slots,
            sum: 12_002_000,
        },
    });
    let mut size = single(
        "x_size_bytes",
        "Sizes.",
        "bytes",
        Kind::Summary,
        &[],
        vec![],
    );
    size.series.push(Series {
        labels: [].into(),
        sample: Sample::Summary { count: 2, sum: 10 },
    });
    vec![build, calls, busy, latency, size]
}

fn check(format: Format, expected: &Expect) {
    expected.assert_eq(&String::from_utf8(format.encode(&families())).expect("UTF-8"));
}

#[test]
fn text_is_escaped_and_names_are_whole() {
    check(
        Format::Text,
        &expect![[r##"
            # HELP x_build_info About "it".
            # TYPE x_build_info gauge
            x_build_info{version="1"} 1
            # HELP x_calls_total Calls\nmade.
            # TYPE x_calls_total counter
            x_calls_total{comm="a\\b",path="c\"d\ne"} 5
            # HELP x_busy_seconds Time.
            # TYPE x_busy_seconds gauge
            x_busy_seconds 1.5
            # HELP x_latency_seconds Latency.
            # TYPE x_latency_seconds histogram
            x_latency_seconds_bucket{disk="vda",le="5.11e-07"} 1
            x_latency_seconds_bucket{disk="vda",le="1.023e-06"} 3
            x_latency_seconds_bucket{disk="vda",le="2.047e-06"} 3
            x_latency_seconds_bucket{disk="vda",le="+Inf"} 6
            x_latency_seconds_sum{disk="vda"} 0.012002
            x_latency_seconds_count{disk="vda"} 6
            # HELP x_size_bytes Sizes.
            # TYPE x_size_bytes summary
            x_size_bytes_sum 10
            x_size_bytes_count 2
        "##]],
    );
}

#[test]
fn openmetrics_has_units_and_an_end() {
    check(
        Format::OpenMetrics,
        &expect![[r##"
            # HELP x_build About \"it\".
            # TYPE x_build info
            x_build_info{version="1"} 1
            # HELP x_calls Calls\nmade.
            # TYPE x_calls counter
            x_calls_total{comm="a\\b",path="c\"d\ne"} 5
            # HELP x_busy_seconds Time.
            # TYPE x_busy_seconds gauge
            # UNIT x_busy_seconds seconds
            x_busy_seconds 1.5
            # HELP x_latency_seconds Latency.
            # TYPE x_latency_seconds histogram
            # UNIT x_latency_seconds seconds
            x_latency_seconds_bucket{disk="vda",le="5.11e-07"} 1
            x_latency_seconds_bucket{disk="vda",le="1.023e-06"} 3
            x_latency_seconds_bucket{disk="vda",le="2.047e-06"} 3
            x_latency_seconds_bucket{disk="vda",le="+Inf"} 6
            x_latency_seconds_sum{disk="vda"} 0.012002
            x_latency_seconds_count{disk="vda"} 6
            # HELP x_size_bytes Sizes.
            # TYPE x_size_bytes summary
            # UNIT x_size_bytes bytes
            x_size_bytes_sum 10
            x_size_bytes_count 2
            # EOF
        "##]],
    );
}

#[test]
fn formats_are_negotiated_as_prometheus_asks() {
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    for (accept, format) in [
        ("", Format::Text),
        ("*/*", Format::Text),
        ("text/html, application/xhtml+xml;q=0.9", Format::Text),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics,
        ),
        (
            "text/plain;version=0.0.4;q=0.5, Application/OpenMetrics-Text; q=0.4",
            Format::Text,
        ),
        (
            "application/openmetrics-text;version=2.0.0, text/plain;q=0.1",
            Format::Text,
        ),
        (
            &format!(
                "{protobuf};q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5"
            ),
            Format::Protobuf,
        ),
        (
            "application/vnd.google.protobuf;proto=other;encoding=delimited",
            Format::Text,
        ),
        (
            &format!("{protobuf};q=0, application/openmetrics-text;q=nan"),
            Format::Text,
        ),
    ] {
        assert_eq!(Format::negotiate(accept), format, "{accept}");
    }
}

#[test]
fn gzip_is_used_where_it_is_accepted() {
    for accepted in ["gzip", "deflate, GZip;q=0.5", "br;q=1.0, gzip"] {
        assert!(accepts_gzip(accepted), "{accepted}");
    }
    for refused in ["", "deflate", "gzip;q=0", "gzip;q=x"] {
        assert!(!accepts_gzip(refused), "{refused}");
    }
    let text = "x".repeat(100_000);
    let packed = gzip(text.as_bytes()).expect("packed");
    assert!(packed.len() < 1000);
    let mut unpacked = String::new();
    GzDecoder::new(packed.as_slice())
        .read_to_string(&mut unpacked)
        .expect("unpacked");
    assert_eq!(unpacked, text);
}

/// A field of a message: its number, and what it holds.
#[derive(Debug, PartialEq)]
enum Field {
    Integer(u64),
    Double(f64),
    Bytes(Vec<u8>),
}

fn read_varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let (&byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

fn read_bytes<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = read_varint(bytes) as usize;
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

fn read_message(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = read_varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Integer(read_varint(&mut bytes)),
            1 => {
                let (double, rest) = bytes.split_first_chunk::<8>().expect("8 bytes");
                bytes = rest;
                Field::Double(f64::from_le_bytes(*double))
            }
            2 => Field::Bytes(read_bytes(&mut bytes).to_vec()),
            wire => panic!("wire type {wire}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

/// The messages and strings in the fields of this number.
fn all(message: &[(u64, Field)], number: u64) -> Vec<Vec<u8>> {
    let fields = message.iter().filter(|(field, _)| *field == number);
    fields
        .map(|(_, field)| match field {
            Field::Bytes(bytes) => bytes.clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn integer(message: &[(u64, Field)], number: u64) -> u64 {
    match message.iter().find(|(field, _)| *field == number) {
        Some((_, Field::Integer(value))) => *value,
        other => panic!("field {number}: {other:?}"),
    }
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[test]
fn protobuf_says_what_text_says() {
    let encoded = Format::Protobuf.encode(&families());
    let mut rest = encoded.as_slice();
    let mut messages = Vec::new();
    while !rest.is_empty() {
        messages.push(read_message(read_bytes(&mut rest)));
    }
    let names: Vec<Vec<u8>> = messages
        .iter()
        .flat_map(|message| all(message, 1))
        .collect();
    let expected = [
        "x_build_info",
        "x_calls_total",
        "x_busy_seconds",
        "x_latency_seconds",
        "x_size_bytes",
    ];
    assert_eq!(names, expected.map(|name| name.as_bytes().to_vec()));
    let kinds: Vec<u64> = messages.iter().map(|message| integer(message, 3)).collect();
    assert_eq!(kinds, [1, 0, 1, 4, 2]);

    let metric = read_message(&all(&messages[1], 4)[0]);
    let labels: Vec<_> = all(&metric, 1)
        .iter()
        .map(|pair| read_message(pair))
        .collect();
    assert_eq!(all(&labels[1], 2), [b"c\"d\ne".to_vec()]);
    assert_eq!(read_message(&all(&metric, 3)[0]), [(1, Field::Double(5.0))]);
    let busy = read_message(&all(&messages[2], 4)[0]);
    assert_eq!(read_message(&all(&busy, 2)[0]), [(1, Field::Double(1.5))]);
}

#[test]
fn protobuf_has_classic_and_native_buckets() {
    let encoded = Format::Protobuf.encode(&families()[3..4]);
    let family = read_message(read_bytes(&mut encoded.as_slice()));
    let metric = read_message(&all(&family, 4)[0]);
    let histogram = read_message(&all(&metric, 7)[0]);
    assert_eq!(integer(&histogram, 1), 6);
    let buckets: Vec<_> = all(&histogram, 3)
        .iter()
        .map(|bucket| read_message(bucket))
        .collect();
    let counts: Vec<u64> = buckets.iter().map(|bucket| integer(bucket, 1)).collect();
    assert_eq!(counts, [1, 3, 3]);
    assert_eq!(buckets[1][1], (2, Field::Double(1023e-9)));

    assert_eq!(unzigzag(integer(&histogram, 5)), 6);
    assert_eq!(integer(&histogram, 7), 1);
    let spans: Vec<_> = all(&histogram, 12)
        .iter()
        .map(|span| read_message(span))
        .collect();
    let spans: Vec<(i64, u64)> = spans
        .iter()
        .map(|span| (unzigzag(integer(span, 1)), integer(span, 2)))
        .collect();
    let packed = all(&histogram, 13).concat();
    let mut rest = packed.as_slice();
    let mut deltas = Vec::new();
    while !rest.is_empty() {
        deltas.push(unzigzag(read_varint(&mut rest)));
    }
    // Two slots: 2 values about 1011 ns, 3 from 4 ms on.
    assert_eq!(deltas, [2, 1]);
    let first = (1011e-9f64.log2() * 64.0).ceil() as i64;
    let second = (4e-3f64.log2() * 64.0).ceil() as i64;
    assert_eq!(spans, [(first, 1), (second - first - 1, 1)]);
}

/// A scrape of 10,000 series: what a large host has.
#[test]
#[ignore = "a measurement: cargo test --release -p tracer --lib export::format -- --ignored --nocapture"]
fn ten_thousand_series_are_fast() {
    let mut family = families().swap_remove(3);
    let series = family.series[0].clone();
    family.series = (0..385)
        .map(|index| Series {
            labels: [format!("disk{index}").into()].into(),
            ..series.clone()
        })
        .collect();
    family.metric.bounds = Bounds::exponential(1, 10, 34);
    let mut calls = families().swap_remove(1);
    calls.series = (0..1000)
        .map(|index| number(&[&format!("c{index}"), "x"], index))
        .collect();
    let families = [family, calls];
    let samples: usize = families.iter().map(Family::samples).sum();
    for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
        let start = Instant::now();
        let encoded = format.encode(&families);
        let encoding = start.elapsed();
        let packed = gzip(&encoded).expect("packed");
        println!(
            "{}: {samples} series, {} bytes in {encoding:?}, {} packed in {:?}",
            format.name(),
            encoded.len(),
            packed.len(),
            start.elapsed() - encoding
        );
    }
}
