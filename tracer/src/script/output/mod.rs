//! What scripts print.

use std::io;

use tracer_script::{
    format::Format,
    program::{Action, Map},
    types::Type,
};

/// One entry of a map as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEntry {
    /// The key's bytes; a histogram's bucket number behind them where the map is `bucket_in_key`.
    pub key: Vec<u8>,
    /// The value's bytes: one, or one for each CPU.
    pub values: Vec<Vec<u8>>,
}

/// How what a script prints is written.
pub trait Face {
    /// Tracing is on at so many places.
    fn attached(&mut self, probes: usize) -> io::Result<()>;
    /// A record of an output action: printf, errorf, warnf, cat, print of a value, time, join, helper error. `args` are the record's bytes behind its head.
    fn record(&mut self, action: &Action, args: &[u8]) -> io::Result<()>;
    /// The text of `system`'s or any format, formatted (for running it).
    fn format(&mut self, format: &Format, types: &[Type], args: &[u8]) -> Vec<u8>;
    /// What a command of `system` printed.
    fn system(&mut self, output: &[u8]) -> io::Result<()>;
    /// A whole map: at the end, or by print(@m, top, div). `top`, `div` 0 where not given.
    fn map(&mut self, map: &Map, entries: Vec<RawEntry>, top: u64, div: u64) -> io::Result<()>;
    /// So many more records were lost.
    fn lost(&mut self, events: u64) -> io::Result<()>;
    /// A warning that is not bound to a place, such as a full map.
    fn warning(&mut self, text: &str) -> io::Result<()>;
    /// No more records; maps follow.
    fn end(&mut self) -> io::Result<()>;
    /// Writes what is gathered.
    fn flush(&mut self) -> io::Result<()>;
}
