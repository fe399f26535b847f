//! Text, as bpftrace writes it.

use std::{
    io::{self, Write as _},
    path::Path,
};

use tracer_script::{
    format::Format,
    program::{Action, ActionKind, Map},
    types::Type,
};

use super::{
    Benchmark, Face, RawEntry, Test, convert,
    core::Core,
    histogram::Row,
    series::{self, Number, Series},
    table::{self, Cell, Limits, Table},
    trial,
    value::Value,
};

/// Text onto a writer.
pub struct Text(Core);

impl Text {
    /// Text by way of `core`.
    pub fn new(core: Core) -> Self {
        Self(core)
    }

    /// `file:1:2-3: ERROR: text`, by itself on a line.
    fn message(&mut self, level: &str, action: &Action, text: &[u8]) -> io::Result<()> {
        let mut line = format!("{}: {level}: ", self.0.place(action.span)).into_bytes();
        line.extend(text);
        line.push(b'\n');
        self.0.complain(&line)
    }

    fn helper_error(&mut self, name: &str, action: &Action, args: &[u8]) -> io::Result<()> {
        let (code, error) = self.0.helper_error(args);
        let what = match (name, code) {
            ("map_update_elem", -7) => {
                "Map full; can't update element. Try increasing max_map_keys config or manually setting \
                 the max entries in a map declaration e.g. `let @a = hash(5000)`"
            }
            ("map_delete_elem", -2) => "Can't delete map element because it does not exist.",
            ("map_lookup_elem", _) => "Can't lookup map element because it does not exist.",
            _ => &error,
        };
        let message = format!("{what}\nAdditional Info - helper: {name}, retcode: {code}");
        let message = self.0.warning_at(action.span, message);
        self.0.complain(message.as_bytes())
    }
}

/// Writes what a script prints itself.
pub fn print(core: &mut Core, action: &Action, args: &[u8]) -> io::Result<()> {
    match &action.kind {
        ActionKind::Printf(format) => core.print(format, &action.args, args),
        ActionKind::Cat(format) => {
            let path = core.with_text(format, &action.args, args, |_, text| text.to_vec());
            if let Some(contents) = core.contents(&path)? {
                core.out.extend(contents);
            }
        }
        ActionKind::PrintValue => {
            let shown = core.value(action, args);
            value(&mut core.out, &shown, Spacing::Wide);
            core.out.push(b'\n');
        }
        ActionKind::Time(format) => {
            let time = core.now(format);
            core.out.extend(time);
        }
        ActionKind::Join(separator) => {
            let joined = core.joined(separator, action, args);
            core.out.extend(joined);
            core.out.push(b'\n');
        }
        _ => {}
    }
    Ok(())
}

impl Face for Text {
    fn attached(&mut self, probes: usize) -> io::Result<()> {
        if self.0.quiet {
            return Ok(());
        }
        let s = if probes == 1 { "" } else { "s" };
        self.0
            .complain(format!("Attached {probes} probe{s}\n").as_bytes())
    }

    fn record(&mut self, action: &Action, args: &[u8]) -> io::Result<()> {
        match &action.kind {
            ActionKind::Errorf(format) => {
                let text = self.format(format, &action.args, args);
                self.message("ERROR", action, &text)?;
            }
            ActionKind::Warnf(format) => {
                let text = self.format(format, &action.args, args);
                self.message("WARNING", action, &text)?;
            }
            ActionKind::HelperError(name) => self.helper_error(name, action, args)?,
            _ => print(&mut self.0, action, args)?,
        }
        self.0.spill()
    }

    fn process(&mut self, pid: u32) {
        self.0.learn_process(pid);
    }

    fn format(&mut self, format: &Format, types: &[Type], args: &[u8]) -> Vec<u8> {
        self.0
            .with_text(format, types, args, |_, text| text.to_vec())
    }

    fn pinned(&mut self, file: &Path) -> io::Result<()> {
        writeln!(self.0.out, "Program pinned to {}", file.display())?;
        self.0.spill()
    }

    fn system(&mut self, output: &[u8]) -> io::Result<()> {
        self.0.out.extend(output);
        self.0.spill()
    }

    fn map(&mut self, map: &Map, entries: Vec<RawEntry>, top: u64, div: u64) -> io::Result<()> {
        let (_, mut decoder) = self.0.parts();
        let Some(table) = table::build(&mut decoder, map, entries, Limits { top, div }) else {
            return Ok(());
        };
        match table {
            Table::Scalar(cell) => self.entry(&map.name, &cell),
            Table::Keyed(entries) => {
                for (key, cell) in entries {
                    let mut name = map.name.clone().into_bytes();
                    name.push(b'[');
                    key_text(&mut name, &key, Spacing::Wide);
                    name.push(b']');
                    self.0.out.extend(name);
                    self.entry("", &cell);
                }
            }
        }
        self.0.spill()
    }

    fn lost(&mut self, events: u64) -> io::Result<()> {
        self.0
            .complain(format!("Lost {events} events\n").as_bytes())
    }

    fn warning(&mut self, text: &str) -> io::Result<()> {
        self.0.complain(format!("WARNING: {text}\n").as_bytes())
    }

    fn tests_begin(&mut self, count: usize) -> io::Result<()> {
        self.0.say(&trial::begin_all(count))
    }

    fn test_begins(&mut self, name: &str) -> io::Result<()> {
        self.0.say(&trial::begin(name))
    }

    fn test_ends(&mut self, test: &Test) -> io::Result<()> {
        self.0.say(&trial::end(test))
    }

    fn tests_end(&mut self, tests: &[Test]) -> io::Result<()> {
        self.0.say(&trial::end_all(tests))
    }

    fn benchmarks(&mut self, benchmarks: &[Benchmark]) -> io::Result<()> {
        self.0.say(&trial::table(benchmarks))
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.out.extend(b"\n\n");
        self.0.spill()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Text {
    /// What a map or one of its keys holds, behind its name: values on the same line, graphs on lines of their
    /// own with an empty one behind.
    fn entry(&mut self, name: &str, cell: &Cell) {
        let out = &mut self.0.out;
        out.extend(name.as_bytes());
        match cell {
            Cell::Value(shown) => {
                out.extend(b": ");
                value(out, shown, Spacing::Wide);
            }
            Cell::Histogram(rows) => {
                out.extend(b":\n");
                histogram(out, rows);
            }
            Cell::Series(series) => {
                out.extend(b":\n");
                self.series(series);
            }
        }
        self.0.out.push(b'\n');
    }
}

/// Whether blanks stand between the parts of a value: not where it is a key of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// With blanks.
    Wide,
    /// Without.
    Tight,
}

/// Writes a value.
pub fn value(out: &mut Vec<u8>, shown: &Value, spacing: Spacing) {
    let is_wide = spacing == Spacing::Wide;
    match shown {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Int(number) => convert::signed(out, *number),
        Value::Uint(number) => convert::decimal(out, *number),
        Value::Symbolic(text, _) => out.extend(text.as_bytes()),
        Value::Text(text) => out.extend(text),
        Value::Bytes(bytes) => convert::escaped(out, bytes),
        Value::Stack(frames) => {
            out.push(b'\n');
            for frame in frames {
                if is_wide {
                    out.extend(frame.padding.as_bytes());
                }
                out.extend(frame.text.as_bytes());
                out.push(b'\n');
            }
        }
        Value::Array(elements) => {
            out.push(b'[');
            list(out, elements, b",", spacing);
            out.push(b']');
        }
        Value::Tuple(elements) => {
            out.push(b'(');
            list(out, elements, if is_wide { b", " } else { b"," }, spacing);
            out.push(b')');
        }
        Value::Record(fields) => record(out, fields, spacing),
    }
}

fn list(out: &mut Vec<u8>, elements: &[Value], separator: &[u8], spacing: Spacing) {
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            out.extend(separator);
        }
        value(out, element, spacing);
    }
}

fn record(out: &mut Vec<u8>, fields: &[(std::rc::Rc<str>, Value)], spacing: Spacing) {
    if fields.is_empty() {
        out.extend(b"{}");
        return;
    }
    let blank: &[u8] = if spacing == Spacing::Wide { b" " } else { b"" };
    out.push(b'{');
    for (index, (name, field)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend(blank);
        out.push(b'.');
        out.extend(name.as_bytes());
        out.extend(blank);
        out.push(b'=');
        out.extend(blank);
        value(out, field, spacing);
    }
    out.extend(blank);
    out.push(b'}');
}

/// Writes a key: a tuple without its parentheses.
pub fn key_text(out: &mut Vec<u8>, key: &Value, spacing: Spacing) {
    let Value::Tuple(parts) = key else {
        return value(out, key, spacing);
    };
    let separator: &[u8] = if spacing == Spacing::Wide {
        b", "
    } else {
        b","
    };
    list(out, parts, separator, spacing);
}

/// Characters of the longest bar.
const BAR: usize = 52;

fn histogram(out: &mut Vec<u8>, rows: &[Row]) {
    let max = rows.iter().map(|row| row.count).max().unwrap_or(0);
    for row in rows {
        // In single precision, as bpftrace reckons: a bar must not be one longer or shorter than its own.
        let share = row.count as f32 / max as f32 * BAR as f32;
        let bar = "@".repeat(share as usize);
        let line = format!("{:<16}{:>8} |{bar:<BAR$}|\n", row.label(), row.count);
        out.extend(line.into_bytes());
    }
}

/// Characters of a graph with its borders.
const GRAPH: usize = 53;

impl Text {
    /// A graph of a series, with the least and the greatest number above and below it.
    fn series(&mut self, series: &Series) {
        let numbers = series.points.iter().filter_map(|(_, number)| *number);
        let (Some(mut min), Some(mut max)) = (numbers.clone().min(), numbers.max()) else {
            self.0.out.extend(b"<no data>");
            return;
        };
        if min == max {
            (min, max) = around(min);
        }
        let (unit, digits) = unit(series.interval_ns);
        let width = "hh:mm:ss".len() + if digits > 0 { 1 + digits } else { 0 };
        let ends = format!("{:width$} {min:<21}{max:>32}\n", "");
        let label = format!("hh:mm:ss{unit}");
        let top = format!("{label:<width$} |{}|\n", "_".repeat(GRAPH - 2));
        self.0.out.extend(ends.as_bytes());
        self.0.out.extend(top.into_bytes());
        for (start_ns, number) in &series.points {
            let mut time = self.0.time("%H:%M:%S", *start_ns);
            if digits > 0 {
                let fraction = format!("{:09}", start_ns % 1_000_000_000);
                time.push(b'.');
                time.extend(&fraction.as_bytes()[..digits]);
            }
            self.0.out.extend(time);
            self.0.out.extend(point(*number, min, max).into_bytes());
        }
        let bottom = format!("{:width$} v{}v\n", "", "_".repeat(GRAPH - 2));
        self.0.out.extend(bottom.into_bytes());
        self.0.out.extend(ends.into_bytes());
    }
}

/// Room on both sides of the only number, where there is any.
fn around(number: Number) -> (Number, Number) {
    let least = if number <= 0 { i64::MIN.into() } else { 0 };
    ((number - 1).max(least), (number + 1).min(u64::MAX.into()))
}

/// One line of a graph, with a point where zero is between borders on both sides of it.
fn point(number: Option<Number>, min: Number, max: Number) -> String {
    let mut line = vec![b' '; GRAPH];
    line[0] = b'|';
    line[GRAPH - 1] = b'|';
    let column = |number: Number| {
        let share = (number - min) as f32 / (max - min) as f32;
        (((GRAPH - 1) as f32 * share) as usize).min(GRAPH - 1)
    };
    if min < 0 && max > 0 {
        line[column(0)] = b'.';
    }
    if let Some(number) = number {
        line[column(number)] = b'*';
    }
    let mut shown = b"-".to_vec();
    if number.is_some() {
        shown.clear();
        value(&mut shown, &series::value(number), Spacing::Wide);
    }
    let both = [line, shown].map(|part| String::from_utf8_lossy(&part).into_owned());
    format!(" {} {}\n", both[0], both[1])
}

/// The unit of an interval's fraction of a second, and how many digits it takes.
fn unit(interval_ns: u64) -> (&'static str, usize) {
    match interval_ns {
        ns if ns % 1_000_000_000 == 0 => ("", 0),
        ns if ns % 1_000_000 == 0 => (".ms", 3),
        ns if ns % 1_000 == 0 => (".us", 6),
        _ => (".ns", 9),
    }
}
