//! A live view: each report takes the place of the one before, on the terminal's other screen.

use std::{
    io::{self, Write},
    sync::Arc,
};

use super::{Style, Text, heading, render, value};
use crate::report::{Event, Face, Report, Schema};

/// Lines and columns of a terminal.
pub type TerminalSize = fn() -> (usize, usize);

const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

/// Reports redrawn in place; the last one is left on the screen that was there before.
pub struct Screen<W: Write> {
    text: Text<W>,
    style: Style,
    size: TerminalSize,
    entered: bool,
}

impl<W: Write> Screen<W> {
    /// A live view on a terminal of the size that `size` tells.
    pub fn new(writer: W, style: Style, size: TerminalSize) -> Self {
        Self {
            text: Text::new(writer, style),
            style,
            size,
            entered: false,
        }
    }

    fn draw(&mut self, report: &Report) -> io::Result<()> {
        let frame = self.frame(report);
        let writer = &mut self.text.writer;
        if !self.entered {
            self.entered = true;
            writer.write_all(ENTER)?;
        }
        // Written at once, over what is there: nothing is blank in between.
        writer.write_all(frame.as_bytes())
    }

    /// The report cut to the terminal, each line cleared to its end, and a line on how to leave.
    fn frame(&self, report: &Report) -> String {
        let (lines, columns) = (self.size)();
        let mut frame = String::from("\x1b[H");
        let text = render(report, self.style);
        for line in text.lines().take(lines.saturating_sub(1)) {
            frame.push_str(&cut(line, columns));
            frame.push_str("\x1b[K\r\n");
        }
        frame.push_str("\x1b[J");
        let bottom = format!("{}: Ctrl-C ends, and leaves the last report", report.tool);
        frame.push_str(&format!(
            "\x1b[{lines};1H{}",
            heading(self.style, &cut(&bottom, columns))
        ));
        frame
    }

    fn leave(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.entered) {
            self.text.writer.write_all(LEAVE)?;
            self.text.writer.flush()?;
        }
        Ok(())
    }
}

/// A line of at most so many columns; sequences that set the colour take none.
fn cut(line: &str, columns: usize) -> String {
    let mut out = String::new();
    let (mut taken, mut in_sequence) = (0, false);
    for character in line.chars() {
        if in_sequence || character == '\x1b' {
            in_sequence = character == '\x1b' || !character.is_ascii_alphabetic();
            out.push(character);
            continue;
        }
        let mut buffer = [0; 4];
        let width = value::width(character.encode_utf8(&mut buffer));
        if taken + width > columns {
            continue;
        }
        taken += width;
        out.push(character);
    }
    out
}

impl<W: Write> Face for Screen<W> {
    fn begin(&mut self, _schema: &Arc<Schema>) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, _event: &Event) -> io::Result<()> {
        Ok(())
    }

    fn report(&mut self, report: &Report) -> io::Result<()> {
        if report.last {
            self.leave()?;
            return self.text.report(report);
        }
        self.draw(report)
    }

    fn note(&mut self, note: &str) -> io::Result<()> {
        self.text.note(note)
    }

    fn end(&mut self) -> io::Result<()> {
        self.leave()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.text.flush()
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        // Whatever ended the run, the terminal is left as it was; there is no one to tell if it fails.
        let _ = self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_by_what_is_seen() {
        assert_eq!(cut("abcdef", 3), "abc");
        assert_eq!(cut("\x1b[2mabcdef\x1b[0m", 3), "\x1b[2mabc\x1b[0m");
        assert_eq!(cut("日本語", 5), "日本");
    }
}
