//! Descriptors that the runtime waits for.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use aya::maps::{MapData, RingBuf, perf::PerfEventArrayBuffer};
use tokio::io::{Interest, unix::AsyncFd};

/// Has the runtime tell when `source` becomes readable.
pub fn readable<T: ReadableSource>(source: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: a source owns its descriptor, and neither closes nor replaces it before it is dropped.
    unsafe { AsyncFd::register_with_interest(source, Interest::READABLE) }.map_err(io::Error::from)
}

/// What owns one descriptor from its making to its end.
pub trait ReadableSource: AsRawFd {}

impl ReadableSource for OwnedFd {}
impl ReadableSource for File {}
impl ReadableSource for RingBuf<MapData> {}
impl ReadableSource for PerfEventArrayBuffer<MapData> {}
