//! Which face, and onto what it writes.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal as _, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;

use crate::{
    cli::{Common, common::Format},
    kernel::{clock::TimeOfDay, sys},
    report::{
        Face,
        json::Json,
        text::{Screen, Style, Text},
    },
};

/// Bytes gathered before they are written, at most: they are flushed after each batch of events anyway.
const BUFFER_BYTES: usize = 1 << 16;

/// The face that was asked for. `live` says that reports come one after the other.
pub fn face(tool: &'static str, common: &Common, live: bool) -> anyhow::Result<Box<dyn Face>> {
    let output = &common.output;
    let (writer, terminal): (Box<dyn Write>, bool) = match &output.output {
        Some(path) => (Box::new(Named::create(path)?), false),
        None => (Box::new(Named::stdout()), io::stdout().is_terminal()),
    };
    let writer = BufWriter::with_capacity(BUFFER_BYTES, writer);
    let style = Style {
        colour: terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        timestamps: output.timestamps,
        intervals: live,
        time_of_day: |ns| TimeOfDay::local(ns).to_string(),
    };
    Ok(match output.format {
        Format::Json => Box::new(Json::new(writer, tool, now_ns)),
        Format::Text if terminal && live => {
            Box::new(Screen::new(writer, style, sys::terminal_size))
        }
        Format::Text => Box::new(Text::new(writer, style)),
    })
}

fn now_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// An output whose name is told when it cannot be written.
pub struct Named<W> {
    writer: W,
    name: String,
}

impl Named<File> {
    /// Makes the file, or empties it.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let writer = File::create(path).with_context(|| format!("cannot write to {name}"))?;
        Ok(Self { writer, name })
    }
}

impl Named<io::Stdout> {
    fn stdout() -> Self {
        Self {
            writer: io::stdout(),
            name: "standard output".to_owned(),
        }
    }
}

impl<W> Named<W> {
    fn named<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot write to {}: {error}", self.name),
            )
        })
    }
}

impl<W: Write> Write for Named<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.writer.write(bytes);
        self.named(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.writer.flush();
        self.named(result)
    }
}
