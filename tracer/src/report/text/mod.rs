//! The text face: for people, on a terminal or through a pipe.

mod histogram;
mod screen;
mod table;
mod value;

use std::{
    io::{self, Write},
    sync::Arc,
};

use tracer_common::loss::Loss;

pub use screen::{Screen, TerminalSize};
pub use value::{bytes, duration, escape};

use super::{Event, Face, Item, Lost, Report, Role, Schema, Unit, Value};

/// How text is set.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Headings dim, losses red.
    pub colour: bool,
    /// Each line of an event begins with the time of day.
    pub timestamps: bool,
    /// Reports come one after the other: each says when it was taken.
    pub intervals: bool,
    /// Writes a time in nanoseconds since the Unix epoch as a time of day.
    pub time_of_day: fn(u64) -> String,
}

/// Text onto a writer.
pub struct Text<W> {
    writer: W,
    style: Style,
    line: Vec<u8>,
    rows: bool,
}

impl<W: Write> Text<W> {
    /// Text in this style.
    pub fn new(writer: W, style: Style) -> Self {
        Self {
            writer,
            style,
            line: Vec::new(),
            rows: false,
        }
    }
}

/// Characters of a time of day, `14:03:22.123`.
const TIME_WIDTH: usize = 12;

impl<W: Write> Face for Text<W> {
    fn begin(&mut self, schema: &Arc<Schema>) -> io::Result<()> {
        let mut line = String::new();
        if self.style.timestamps {
            line.push_str(&format!("{:<TIME_WIDTH$} ", "TIME"));
        }
        let last = schema.columns.len().saturating_sub(1);
        for (index, column) in schema.columns.iter().enumerate() {
            let width = if index == last { 0 } else { column.width };
            if is_number(column.unit, column.role) {
                line.push_str(&format!("{:>width$} ", column.title));
            } else {
                line.push_str(&format!("{:<width$} ", column.title));
            }
        }
        self.rows = true;
        writeln!(self.writer, "{}", heading(self.style, line.trim_end()))
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.line.clear();
        if self.style.timestamps {
            self.line
                .extend((self.style.time_of_day)(event.time_ns).as_bytes());
            self.line.push(b' ');
        }
        let last = event.schema.columns.len().saturating_sub(1);
        for (index, (column, cell)) in event.schema.columns.iter().zip(&event.values).enumerate() {
            let width = if index == last { 0 } else { column.width };
            value::push_cell(
                &mut self.line,
                cell,
                column.unit,
                width,
                is_number(column.unit, column.role),
            );
            self.line.push(b' ');
        }
        let end = self
            .line
            .iter()
            .rposition(|&byte| byte != b' ')
            .map_or(0, |at| at + 1);
        self.line.truncate(end);
        self.line.push(b'\n');
        self.writer.write_all(&self.line)
    }

    fn report(&mut self, report: &Report) -> io::Result<()> {
        let text = render(report, self.style);
        self.writer.write_all(text.as_bytes())
    }

    fn note(&mut self, note: &str) -> io::Result<()> {
        writeln!(self.writer, "{}", heading(self.style, note))
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A whole report as text.
fn render(report: &Report, style: Style) -> String {
    let mut text = String::new();
    if style.intervals && !report.items.is_empty() {
        let time = (style.time_of_day)(report.time_ns);
        let span = duration(report.span.as_nanos() as u64);
        text.push_str(&heading(style, &format!("{time}  the last {span}")));
        text.push('\n');
    }
    for (index, item) in report.items.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        match item {
            Item::Table(found) => table::render(&mut text, found, style),
            Item::Histogram(found) => histogram::render(&mut text, found, style),
            Item::Number(found) => {
                text.push_str(&format!(
                    "{}: {}\n",
                    found.title,
                    value::plain(&Value::U64(found.value), found.unit)
                ));
            }
        }
    }
    losses(&mut text, &report.lost, style);
    if style.intervals && !report.items.is_empty() && !report.last {
        text.push('\n');
    }
    text
}

/// One line for each cause of loss; what was merely not ours to count is a note.
fn losses(text: &mut String, lost: &[Lost], style: Style) {
    for Lost { cause, count, hint } in lost {
        let line = match cause {
            Loss::InFlight => {
                format!("note: {count} had begun before tracing did, and are not counted")
            }
            cause => {
                let hint = if hint.is_empty() {
                    String::new()
                } else {
                    format!(" ({hint})")
                };
                format!("LOST {count}: {}{hint}", loss_text(*cause))
            }
        };
        let line = if *cause == Loss::InFlight {
            heading(style, &line)
        } else {
            alarm(style, &line)
        };
        text.push_str(&line);
        text.push('\n');
    }
}

/// What a cause means to the reader.
fn loss_text(cause: Loss) -> &'static str {
    match cause {
        Loss::RingFull => "events, as the ring buffer was full",
        Loss::MapFull => "not counted, as a table of the kernel was full",
        Loss::StartMissed => "not timed, as their start was not seen",
        Loss::StringCut => "strings were longer than the room for them, and are cut",
        Loss::ReadFault => "strings could not be read from the program's memory",
        Loss::InFlight => "had begun before tracing did",
        Loss::Folded => "counted under \"other\", as there was no room for their key",
        Loss::EndMissed => "not timed, as the kernel did not show their end",
        Loss::SlotFull => "counted, but not in percentiles, as a table of the kernel was full",
        Loss::Recursion => "the kernel left out, as a program was running on that CPU already",
    }
}

fn is_number(unit: Unit, role: Role) -> bool {
    unit != Unit::None || matches!(role, Role::Counter | Role::Gauge)
}

fn heading(style: Style, text: &str) -> String {
    if style.colour {
        format!("\x1b[2m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

fn alarm(style: Style, text: &str) -> String {
    if style.colour {
        format!("\x1b[31m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests;
