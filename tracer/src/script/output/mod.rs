//! What scripts print: bpftrace's text and JSON.
//!
//! Bytes of the kernel become a [`Value`](value::Value) or a [`Table`](table::Table), which tell nothing of how
//! they are shown, and [`text`] or [`json`] show them. Nothing here does I/O but [`names`], which asks
//! the host what numbers stand for, the files of `cat`, and the writers.

mod aggregate;
mod convert;
mod core;
mod gfp;
mod histogram;
mod json;
pub mod measure;
mod names;
mod printf;
mod series;
mod signals;
mod symbols;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod trial;
mod value;

use std::{
    io::{self, Write},
    path::Path,
    rc::Rc,
};

use tracer_script::{
    format::Format,
    program::{Action, Image, Map},
    types::Type,
};

pub use trial::{Benchmark, Test};

/// One entry of a map as read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawEntry {
    /// The key's bytes; a histogram's bucket number (`u64`) behind them where the map is `bucket_in_key`. For a
    /// histogram without a key it is the index of the array (`u32`), which is the bucket's number.
    pub key: Vec<u8>,
    /// The value's bytes: one, or one for each CPU.
    pub values: Vec<Vec<u8>>,
}

impl RawEntry {
    /// Becomes another entry of the same map; what is allocated is used again.
    pub fn take<'e>(&mut self, key: &[u8], values: impl Iterator<Item = &'e [u8]>) {
        self.key.clear();
        self.key.extend(key);
        let mut count = 0;
        for value in values {
            match self.values.get_mut(count) {
                Some(own) => {
                    own.clear();
                    own.extend(value);
                }
                None => self.values.push(value.to_vec()),
            }
            count += 1;
        }
        self.values.truncate(count);
    }

    /// What `print` shows of a map without keys that has not been set: zero, or the empty string. [`None`] where
    /// that means nothing.
    pub fn unset(map: &Map) -> Option<Self> {
        let has_zero = match map.value {
            Type::Str(_) | Type::Aggregate(_) => true,
            ref kind => kind.is_scalar(),
        };
        if !map.presence || !has_zero {
            return None;
        }
        let mut value = vec![0; map.value_size as usize];
        // The word before the value, which tells that there is one.
        value[0] = 1;
        Some(Self {
            key: vec![0; map.key_size as usize],
            values: vec![value],
        })
    }
}

/// Finds the frames of a stack by its hash, the innermost first.
pub type Stacks = Box<dyn Fn(u64) -> Option<Vec<u64>>>;

/// What output needs to know of the script and of where things go.
pub struct Context {
    /// The compiled script.
    pub image: Rc<Image>,
    /// Leaves out how many probes are attached.
    pub quiet: bool,
    /// Where stacks are looked up.
    pub stacks: Stacks,
    /// Where messages go that are not the script's output: standard error.
    pub errors: Box<dyn Write>,
}

/// How what a script prints is written. The methods fail where the writer does.
pub trait Face {
    /// Tracing is on at so many places.
    fn attached(&mut self, probes: usize) -> io::Result<()>;
    /// A record of an output action: `printf`, `errorf`, `warnf`, `cat`, `print` of a value, `time`, `join`,
    /// a helper that failed. `args` are the record's bytes behind its head. Records of other actions write nothing.
    fn record(&mut self, action: &Action, args: &[u8]) -> io::Result<()>;
    /// Addresses of this process will have to be named: where it has its code is read while it lives.
    fn process(&mut self, pid: u32);
    /// The text of a format with its arguments, such as the command of `system`.
    fn format(&mut self, format: &Format, types: &[Type], args: &[u8]) -> Vec<u8>;
    /// An iterator is this file now.
    fn pinned(&mut self, file: &Path) -> io::Result<()>;
    /// What a command of `system` printed.
    fn system(&mut self, output: &[u8]) -> io::Result<()>;
    /// A whole map: at the end, or by `print(@m, top, div)`. `top` and `div` are 0 where not given.
    fn map(&mut self, map: &Map, entries: Vec<RawEntry>, top: u64, div: u64) -> io::Result<()>;
    /// So many more records were lost.
    fn lost(&mut self, events: u64) -> io::Result<()>;
    /// A warning that is not bound to a place, such as a full map.
    fn warning(&mut self, text: &str) -> io::Result<()>;
    /// So many tests follow.
    fn tests_begin(&mut self, count: usize) -> io::Result<()>;
    /// A test follows: what it prints is its output.
    fn test_begins(&mut self, name: &str) -> io::Result<()>;
    /// How the test went.
    fn test_ends(&mut self, test: &Test) -> io::Result<()>;
    /// How all of them went.
    fn tests_end(&mut self, tests: &[Test]) -> io::Result<()>;
    /// What benchmarks have shown.
    fn benchmarks(&mut self, benchmarks: &[Benchmark]) -> io::Result<()>;
    /// No more records; maps follow.
    fn end(&mut self) -> io::Result<()>;
    /// Writes what is gathered.
    fn flush(&mut self) -> io::Result<()>;
}

/// Output as people read it.
pub fn text(writer: Box<dyn Write>, context: Context) -> Box<dyn Face> {
    Box::new(text::Text::new(core::Core::new(writer, context)))
}

/// Output as programs read it: one object a line.
pub fn json(writer: Box<dyn Write>, context: Context) -> Box<dyn Face> {
    Box::new(json::Json::new(core::Core::new(writer, context)))
}
