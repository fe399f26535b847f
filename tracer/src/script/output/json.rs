//! JSON, as bpftrace writes it: one object a line.

use std::{io, os::unix::ffi::OsStrExt as _, path::Path};

use tracer_script::{
    format::Format,
    program::{Action, ActionKind, Map},
    types::{Aggregate, Type},
};

use super::{
    Benchmark, Face, RawEntry, Test, convert,
    core::Core,
    histogram::Row,
    series::{self, Series},
    table::{self, Cell, Limits, Table},
    text::{self, Spacing},
    value::Value,
};

/// JSON onto a writer. While a test runs, what it prints is gathered as text.
pub struct Json(Core, Option<Vec<u8>>);

impl Json {
    /// JSON by way of `core`.
    pub fn new(core: Core) -> Self {
        Self(core, None)
    }

    /// An object of this type, around the data that `data` writes.
    fn object(&mut self, kind: &str, data: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let out = &mut self.0.out;
        out.extend(b"{\"type\": \"");
        out.extend(kind.as_bytes());
        out.extend(b"\", \"data\": ");
        data(out);
        out.extend(b"}\n");
        self.0.spill()
    }

    /// A message about a place in the script; `more` writes what stands between.
    fn message(
        &mut self,
        kind: &str,
        action: &Action,
        text: &[u8],
        more: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        let place = self.0.place(action.span);
        let (line, column) = place.start;
        let mut object = format!("{{\"type\": \"{kind}\", \"msg\": ").into_bytes();
        string(&mut object, text);
        more(&mut object);
        object.extend(b", \"filename\": ");
        string(&mut object, place.file.as_bytes());
        object.extend(format!(", \"line\": {line}, \"col\": {column}}}\n").into_bytes());
        self.0.out.extend(object);
        self.0.spill()
    }

    fn helper_error(&mut self, name: &str, action: &Action, args: &[u8]) -> io::Result<()> {
        let (code, error) = self.0.helper_error(args);
        self.message("helper_error", action, error.as_bytes(), |out| {
            out.extend(b", \"helper\": ");
            string(out, name.as_bytes());
            out.extend(b", \"retcode\": ");
            number(out, code.into());
        })
    }

    /// A table, as the object of the map's name.
    fn table(&mut self, map: &Map, table: &Table) -> io::Result<()> {
        let kind = match map.value {
            Type::Aggregate(Aggregate::Avg(_) | Aggregate::Stats(_)) => "stats",
            Type::Aggregate(Aggregate::Hist(_) | Aggregate::LHist { .. }) => "hist",
            Type::Aggregate(Aggregate::TSeries { .. }) => "tseries",
            _ => "map",
        };
        let mut data = b"{".to_vec();
        string(&mut data, map.name.as_bytes());
        data.extend(b": ");
        match table {
            Table::Scalar(held) => self.cell(&mut data, held),
            Table::Keyed(entries) => {
                data.push(b'{');
                for (index, (key, held)) in entries.iter().enumerate() {
                    if index > 0 {
                        data.extend(b", ");
                    }
                    let mut name = Vec::new();
                    text::key_text(&mut name, key, Spacing::Tight);
                    string(&mut data, &name);
                    data.extend(b": ");
                    self.cell(&mut data, held);
                }
                data.push(b'}');
            }
        }
        data.push(b'}');
        self.object(kind, |out| out.extend(data))
    }

    fn cell(&self, out: &mut Vec<u8>, held: &Cell) {
        match held {
            Cell::Value(shown) => value(out, shown),
            Cell::Histogram(rows) => list(out, rows, row),
            Cell::Series(series) => self.series(out, series),
        }
    }

    fn series(&self, out: &mut Vec<u8>, series: &Series) {
        list(out, &series.points, |out, (start_ns, point)| {
            let mut start = self.0.time("%Y-%m-%d %H:%M:%S", *start_ns);
            start.extend(format!(".{:09}", start_ns % 1_000_000_000).into_bytes());
            out.extend(b"{\"interval_start\":");
            string(out, &start);
            out.extend(b",\"value\":");
            value(out, &series::value(*point));
            out.push(b'}');
        });
    }
}

impl Face for Json {
    fn attached(&mut self, probes: usize) -> io::Result<()> {
        if self.0.quiet {
            return Ok(());
        }
        let object = format!(
            "{{\"type\": \"attached_probes\", \"count\": {probes}, \"data\": {{\"probes\": {probes}}}}}\n"
        );
        self.0.out.extend(object.into_bytes());
        self.0.spill()
    }

    fn record(&mut self, action: &Action, args: &[u8]) -> io::Result<()> {
        if let Some(gathered) = &mut self.1 {
            let before = self.0.out.len();
            text::print(&mut self.0, action, args)?;
            gathered.extend(self.0.out.drain(before..));
        }
        match &action.kind {
            ActionKind::Printf(_)
            | ActionKind::Cat(_)
            | ActionKind::PrintValue
            | ActionKind::Time(_)
            | ActionKind::Join(_)
                if self.1.is_some() =>
            {
                Ok(())
            }
            ActionKind::Printf(format) => {
                self.0.with_text(format, &action.args, args, |core, text| {
                    core.out.extend(b"{\"type\": \"printf\", \"data\": ");
                    string(&mut core.out, text);
                    core.out.extend(b"}\n");
                    core.spill()
                })
            }
            ActionKind::Errorf(format) => {
                let text = self.format(format, &action.args, args);
                self.message("errorf", action, &text, |_| {})
            }
            ActionKind::Warnf(format) => {
                let text = self.format(format, &action.args, args);
                self.message("warnf", action, &text, |_| {})
            }
            ActionKind::Cat(format) => {
                let path = self.format(format, &action.args, args);
                match self.0.contents(&path)? {
                    Some(contents) => self.object("cat", |out| string(out, &contents)),
                    None => Ok(()),
                }
            }
            ActionKind::PrintValue => {
                let shown = self.0.value(action, args);
                self.object("value", |out| value(out, &shown))
            }
            ActionKind::Time(format) => {
                let time = self.0.now(format);
                self.object("time", |out| string(out, &time))
            }
            ActionKind::Join(separator) => {
                let joined = self.0.joined(separator, action, args);
                self.object("join", |out| string(out, &joined))
            }
            ActionKind::HelperError(name) => self.helper_error(name, action, args),
            _ => Ok(()),
        }
    }

    fn process(&mut self, pid: u32) {
        self.0.learn_process(pid);
    }

    fn format(&mut self, format: &Format, types: &[Type], args: &[u8]) -> Vec<u8> {
        self.0
            .with_text(format, types, args, |_, text| text.to_vec())
    }

    fn pinned(&mut self, file: &Path) -> io::Result<()> {
        self.object("pinned", |out| string(out, file.as_os_str().as_bytes()))
    }

    fn system(&mut self, output: &[u8]) -> io::Result<()> {
        self.object("syscall", |out| string(out, output))
    }

    fn map(&mut self, map: &Map, entries: Vec<RawEntry>, top: u64, div: u64) -> io::Result<()> {
        let (_, mut decoder) = self.0.parts();
        match table::build(&mut decoder, map, entries, Limits { top, div }) {
            Some(table) => self.table(map, &table),
            None => Ok(()),
        }
    }

    fn lost(&mut self, events: u64) -> io::Result<()> {
        let object = format!(
            "{{\"type\": \"lost_events\", \"count\": {events}, \"data\": {{\"events\": {events}}}}}\n"
        );
        self.0.out.extend(object.into_bytes());
        self.0.spill()
    }

    fn warning(&mut self, text: &str) -> io::Result<()> {
        let out = &mut self.0.out;
        out.extend(b"{\"type\": \"runtime_error\", \"msg\": ");
        string(out, text.as_bytes());
        out.extend(b"}\n");
        self.0.spill()
    }

    fn tests_begin(&mut self, _count: usize) -> io::Result<()> {
        Ok(())
    }

    fn test_begins(&mut self, _name: &str) -> io::Result<()> {
        self.1 = Some(Vec::new());
        Ok(())
    }

    fn test_ends(&mut self, test: &Test) -> io::Result<()> {
        let printed = self.1.take().unwrap_or_default();
        let Test {
            name,
            duration_ns,
            passed,
        } = test;
        self.object("test_result", |out| {
            out.push(b'{');
            string(out, name.as_bytes());
            let head =
                format!(": {{\"duration\": {duration_ns}, \"passed\": {passed}, \"output\": ");
            out.extend(head.into_bytes());
            string(out, &printed);
            out.extend(b"}}");
        })
    }

    fn tests_end(&mut self, _tests: &[Test]) -> io::Result<()> {
        Ok(())
    }

    fn benchmarks(&mut self, benchmarks: &[Benchmark]) -> io::Result<()> {
        self.object("benchmark_result", |out| {
            out.push(b'{');
            for (index, one) in benchmarks.iter().enumerate() {
                if index > 0 {
                    out.extend(b", ");
                }
                string(out, one.name.as_bytes());
                let (average, runs) = (one.average_ns, one.runs);
                let rest = format!(": {{\"average\": {average}, \"iters\": {runs}}}");
                out.extend(rest.into_bytes());
            }
            out.push(b'}');
        })
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes a value.
fn value(out: &mut Vec<u8>, shown: &Value) {
    match shown {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Int(shown) => number(out, (*shown).into()),
        Value::Uint(shown) => number(out, (*shown).into()),
        Value::Symbolic(_, shown) => number(out, *shown),
        Value::Text(text) => string(out, text),
        Value::Stack(_) => {
            let mut text = Vec::new();
            text::value(&mut text, shown, Spacing::Wide);
            string(out, &text);
        }
        Value::Bytes(bytes) => list(out, bytes, |out, byte| {
            convert::decimal(out, u64::from(*byte));
        }),
        Value::Array(elements) | Value::Tuple(elements) => list(out, elements, value),
        Value::Record(fields) => {
            out.push(b'{');
            for (index, (name, field)) in fields.iter().enumerate() {
                if index > 0 {
                    out.extend(b", ");
                }
                string(out, name.as_bytes());
                out.extend(b": ");
                value(out, field);
            }
            out.push(b'}');
        }
    }
}

fn list<T>(out: &mut Vec<u8>, elements: &[T], mut one: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        one(out, element);
    }
    out.push(b']');
}

/// A bucket: from its least number to its greatest, where it has them.
fn row(out: &mut Vec<u8>, row: &Row) {
    out.push(b'{');
    if let Some(low) = &row.low {
        out.extend(b"\"min\": ");
        number(out, low.number);
        out.extend(b", ");
    }
    if let Some(high) = &row.high {
        out.extend(b"\"max\": ");
        number(out, high.number - 1);
        out.extend(b", ");
    }
    out.extend(b"\"count\": ");
    convert::decimal(out, row.count);
    out.push(b'}');
}

/// Writes a number: as a string where a double, which readers of JSON take numbers for, cannot hold it.
fn number(out: &mut Vec<u8>, shown: i128) {
    if shown as f64 as i128 == shown {
        out.extend(shown.to_string().into_bytes());
    } else {
        out.extend(format!("\"{shown}\"").into_bytes());
    }
}

/// Writes a string. What is not UTF-8 becomes U+FFFD.
fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for &byte in chunk.valid().as_bytes() {
            match byte {
                b'"' => out.extend(b"\\\""),
                b'\\' => out.extend(b"\\\\"),
                b'\n' => out.extend(b"\\n"),
                b'\r' => out.extend(b"\\r"),
                b'\t' => out.extend(b"\\t"),
                0..=0x1f => {
                    out.extend(b"\\u00");
                    convert::hex(out, byte);
                }
                byte => out.push(byte),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}
