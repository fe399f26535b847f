//! What shows reports and events.

use std::{io, sync::Arc};

use super::{Event, Report, Schema};

/// A way to show what was found. Errors of writing go up: what a closed pipe means is for the caller to
/// say. Nothing need be visible before [`Face::flush`].
pub trait Face {
    /// Events of this shape are about to come.
    fn begin(&mut self, schema: &Arc<Schema>) -> io::Result<()>;

    /// One thing that happened.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// What was found in a span of time.
    fn report(&mut self, report: &Report) -> io::Result<()>;

    /// Something about the run itself, in a sentence.
    fn note(&mut self, note: &str) -> io::Result<()>;

    /// Nothing more will come.
    fn end(&mut self) -> io::Result<()>;

    /// Writes out what is held back.
    fn flush(&mut self) -> io::Result<()>;
}
