//! The JSON face: one object a line, `{"type":…, "tool":…, "time":…, "data":…}`.
//!
//! Numbers are whole: durations in nanoseconds (`_ns`), sizes in bytes (`_bytes`). Text that is not UTF-8
//! has U+FFFD in the place of what is not, and all of its bytes beside it in hexadecimal (`_hex`).

use std::{
    io::{self, Write},
    sync::Arc,
};

use tracer_common::loss::Loss;

use super::{
    Bucket, Event, Face, Histogram, Item, Lost, Number, Report, Role, Schema, Table, Unit, Value,
    cause_name,
};

/// JSON onto a writer.
pub struct Json<W> {
    writer: W,
    tool: &'static str,
    now: fn() -> u64,
    line: Vec<u8>,
}

impl<W: Write> Json<W> {
    /// JSON of this tool. `now` tells the time, in nanoseconds since the Unix epoch, of what has none of its
    /// own.
    pub fn new(writer: W, tool: &'static str, now: fn() -> u64) -> Self {
        Self {
            writer,
            tool,
            now,
            line: Vec::new(),
        }
    }

    /// Writes one object around what `data` writes.
    fn object(
        &mut self,
        kind: &str,
        time_ns: u64,
        data: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        let line = &mut self.line;
        line.clear();
        push(
            line,
            format_args!(
                "{{\"type\":\"{kind}\",\"tool\":\"{}\",\"time\":\"",
                self.tool
            ),
        );
        push_time(line, time_ns);
        line.extend(b"\",\"data\":");
        data(line);
        line.extend(b"}\n");
        self.writer.write_all(line)
    }
}

impl<W: Write> Face for Json<W> {
    fn begin(&mut self, _schema: &Arc<Schema>) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.object("event", event.time_ns, |line| {
            push_row(line, &event.schema, &event.values)
        })
    }

    fn report(&mut self, report: &Report) -> io::Result<()> {
        let time = report.time_ns;
        for item in &report.items {
            match item {
                Item::Table(table) => self.object("table", time, |line| push_table(line, table))?,
                Item::Histogram(found) => {
                    self.object("histogram", time, |line| push_histogram(line, found))?
                }
                Item::Number(number) => {
                    let kind = if number.role == Role::Counter {
                        "counter"
                    } else {
                        "gauge"
                    };
                    self.object(kind, time, |line| push_number(line, number))?;
                }
            }
        }
        for lost in losses(report) {
            self.object("loss", time, |line| {
                push(
                    line,
                    format_args!(
                        "{{\"cause\":\"{}\",\"count\":{}}}",
                        cause_name(lost.cause),
                        lost.count
                    ),
                );
            })?;
        }
        Ok(())
    }

    fn note(&mut self, note: &str) -> io::Result<()> {
        let now = (self.now)();
        self.object("note", now, |line| push_string(line, note))
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The losses of a report; in the last one every cause, so that it says, too, what was not lost.
fn losses(report: &Report) -> Vec<Lost> {
    if !report.last {
        return report.lost.clone();
    }
    let of = |cause: Loss| {
        report
            .lost
            .iter()
            .filter(move |lost| lost.cause == cause)
            .map(|lost| lost.count)
            .sum()
    };
    Loss::ALL
        .into_iter()
        .map(|cause| Lost {
            cause,
            count: of(cause),
            hint: "",
        })
        .collect()
}

fn unit_suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::None | Unit::Count => "",
        Unit::Nanoseconds | Unit::Timestamp => "_ns",
        Unit::Bytes => "_bytes",
        Unit::BytesPerSecond => "_bytes_per_second",
    }
}

fn push_table(line: &mut Vec<u8>, table: &Table) {
    push(
        line,
        format_args!("{{\"name\":\"{}\",\"rows\":[", table.schema.name),
    );
    for (index, row) in table.rows.iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        push_row(line, &table.schema, row);
    }
    push(
        line,
        format_args!("],\"rows_left_out\":{}}}", table.rows_left_out),
    );
}

fn push_row(line: &mut Vec<u8>, schema: &Schema, values: &[Value]) {
    line.push(b'{');
    for (index, (column, value)) in schema.columns.iter().zip(values).enumerate() {
        if index > 0 {
            line.push(b',');
        }
        push_field(line, column.name, unit_suffix(column.unit), value);
    }
    line.push(b'}');
}

/// `"name_unit":value`, and the bytes beside it where they are not UTF-8.
fn push_field(line: &mut Vec<u8>, name: &str, suffix: &str, value: &Value) {
    push(line, format_args!("\"{name}{suffix}\":"));
    match value {
        Value::Null => line.extend(b"null"),
        Value::Bool(value) => push(line, format_args!("{value}")),
        Value::U64(value) => push(line, format_args!("{value}")),
        Value::I64(value) => push(line, format_args!("{value}")),
        Value::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => push_string(line, text),
            Err(_) => {
                push_string(line, &String::from_utf8_lossy(text));
                push(line, format_args!(",\"{name}_hex\":\""));
                text.iter()
                    .for_each(|byte| push(line, format_args!("{byte:02x}")));
                line.push(b'"');
            }
        },
    }
}

fn push_histogram(line: &mut Vec<u8>, histogram: &Histogram) {
    let suffix = unit_suffix(histogram.unit);
    push(
        line,
        format_args!("{{\"name\":\"{}\",\"labels\":{{", histogram.name),
    );
    for (index, (name, value)) in histogram.labels.iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        push_field(line, name, "", value);
    }
    push(
        line,
        format_args!(
            "}},\"unit\":\"{}\",\"slots\":[",
            suffix.trim_start_matches('_')
        ),
    );
    for (index, bucket) in histogram
        .buckets
        .iter()
        .filter(|bucket| bucket.count > 0)
        .enumerate()
    {
        if index > 0 {
            line.push(b',');
        }
        push_bucket(line, bucket);
    }
    let count = histogram.count();
    push(
        line,
        format_args!("],\"count\":{count},\"sum{suffix}\":{}", histogram.sum),
    );
    for (name, percent) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p999", 99.9)] {
        let value = if count == 0 {
            Value::Null
        } else {
            Value::U64(histogram.percentile(percent))
        };
        line.push(b',');
        push_field(line, name, suffix, &value);
    }
    push(line, format_args!(",\"max{suffix}\":{}}}", histogram.max));
}

/// Both bounds are included; a bucket without an upper bound has none.
fn push_bucket(line: &mut Vec<u8>, bucket: &Bucket) {
    push(line, format_args!("{{\"low\":{}", bucket.low));
    if bucket.high != u64::MAX {
        push(line, format_args!(",\"high\":{}", bucket.high));
    }
    push(line, format_args!(",\"count\":{}}}", bucket.count));
}

fn push_number(line: &mut Vec<u8>, number: &Number) {
    line.push(b'{');
    push_field(
        line,
        number.name,
        unit_suffix(number.unit),
        &Value::U64(number.value),
    );
    line.push(b'}');
}

fn push_string(line: &mut Vec<u8>, text: &str) {
    // Writing a string to a vector does not fail.
    serde_json::to_writer(line, text).expect("a string can be written");
}

fn push(line: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    line.write_fmt(arguments)
        .expect("a vector can be written to");
}

/// A time as RFC 3339 has it, in UTC: `2026-11-24T10:55:46.123456789Z`.
fn push_time(line: &mut Vec<u8>, unix_ns: u64) {
    let (seconds, ns) = (unix_ns / 1_000_000_000, unix_ns % 1_000_000_000);
    let (year, month, day) = civil_date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    push(
        line,
        format_args!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ns:09}Z"),
    );
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar, by counting from
/// 1 March of the year 0: leap days then come last.
fn civil_date(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = days + DAYS_TO_1970;
    let (cycle, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (400 * cycle + year + carry, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(unix_ns: u64) -> String {
        let mut line = Vec::new();
        push_time(&mut line, unix_ns);
        String::from_utf8(line).expect("ASCII")
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            time(951_782_399 * 1_000_000_000),
            "2000-02-28T23:59:59.000000000Z"
        );
        assert_eq!(
            time(951_782_400 * 1_000_000_000 + 5),
            "2000-02-29T00:00:00.000000005Z"
        );
        assert_eq!(
            time(1_795_517_746 * 1_000_000_000),
            "2026-11-24T10:55:46.000000000Z"
        );
        assert_eq!(
            time(4_107_542_400 * 1_000_000_000),
            "2100-03-01T00:00:00.000000000Z"
        );
    }

    use crate::report::sample::{event, histogram, report, row, table};
    use expect_test::{Expect, expect};

    fn check(show: impl FnOnce(&mut Json<&mut Vec<u8>>), expected: &Expect) {
        let mut out = Vec::new();
        show(&mut Json::new(&mut out, "sample", || 0));
        let text = String::from_utf8(out).expect("UTF-8");
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("well-formed");
        }
        expected.assert_eq(&text);
    }

    #[test]
    fn events_keep_bytes_that_are_not_utf8() {
        check(
            |json| {
                json.event(&event(row("bash", u64::MAX, 5, b"a\xff\n\"b")))
                    .expect("written")
            },
            &expect![[r#"
                {"type":"event","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"comm":"bash","calls":18446744073709551615,"total_ns":5,"path":"a�\n\"b","path_hex":"61ff0a2262"}}
            "#]],
        );
    }

    #[test]
    fn tables_and_histograms_are_one_object_each() {
        let mut found = report(
            vec![
                table(vec![row("a", 1, 2, b"/")], 1),
                histogram(&[5, 5, 100]),
            ],
            &[],
        );
        found.last = false;
        check(
            |json| json.report(&found).expect("written"),
            &expect![[r#"
                {"type":"table","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"name":"sample","rows":[{"comm":"a","calls":1,"total_ns":2,"path":"/"}],"rows_left_out":1}}
                {"type":"histogram","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"name":"latency","labels":{"disk":"vda"},"unit":"ns","slots":[{"low":5,"high":5,"count":2},{"low":100,"high":103,"count":1}],"count":3,"sum_ns":110,"p50_ns":5,"p90_ns":100,"p99_ns":100,"p999_ns":100,"max_ns":100}}
            "#]],
        );
    }

    #[test]
    fn the_last_report_tells_every_cause_of_loss() {
        check(
            |json| {
                json.report(&report(Vec::new(), &[(Loss::RingFull, 3)]))
                    .expect("written")
            },
            &expect![[r#"
                {"type":"loss","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"cause":"ring_full","count":3}}
                {"type":"loss","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"cause":"map_full","count":0}}
                {"type":"loss","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"cause":"start_missed","count":0}}
                {"type":"loss","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"cause":"string_cut","count":0}}
                {"type":"loss","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"cause":"read_fault","count":0}}
                {"type":"loss","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"cause":"in_flight","count":0}}
                {"type":"loss","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"cause":"folded","count":0}}
                {"type":"loss","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"cause":"recursion","count":0}}
                {"type":"loss","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"cause":"slot_full","count":0}}
                {"type":"loss","tool":"sample","time":"2017-07-14T02:40:00.000000000Z","data":{"cause":"end_missed","count":0}}
            "#]],
        );
    }
}
