//! What a perf event has to tell, in memory that the kernel writes and we read: `man 2 perf_event_open`, "MMAP layout".

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr, slice,
    sync::atomic::{AtomicU64, Ordering},
};

use aya_obj::generated::perf_event_mmap_page;

use super::{Result, SysError};

/// A perf event with the ring that its records go to. What finds no room in it is left out.
pub struct PerfRing {
    event: OwnedFd,
    start: *mut perf_event_mmap_page,
    page: usize,
    /// A power of two.
    bytes: usize,
}

// SAFETY: the mapping belongs to this value alone, and no thread of its own is bound to it.
unsafe impl Send for PerfRing {}

impl PerfRing {
    /// Gives an event a ring of so many pages, a power of two.
    pub fn of(event: OwnedFd, pages: usize) -> Result<Self> {
        // SAFETY: a question without arguments.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        // SAFETY: a fresh mapping of our own; the page in front tells how far it is filled.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                page * (1 + pages),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                event.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(SysError {
                call: "mmap",
                source: io::Error::last_os_error(),
            });
        }
        Ok(Self {
            event,
            start: start.cast(),
            page,
            bytes: page * pages,
        })
    }

    /// Takes out all records that are there: each has a head of 8 bytes (`struct perf_event_header`).
    pub fn drain(&mut self, mut visit: impl FnMut(&[u8])) {
        // SAFETY: the page in front is there as long as the mapping is; only the kernel writes `data_head`.
        let head = unsafe { AtomicU64::from_ptr(&raw mut (*self.start).data_head) };
        // SAFETY: the same; only we write `data_tail`.
        let tail = unsafe { AtomicU64::from_ptr(&raw mut (*self.start).data_tail) };
        // SAFETY: the records stand behind that page.
        let ring = unsafe { self.start.cast::<u8>().add(self.page) };
        // SAFETY: up to `data_tail`, the kernel writes nothing that it has not told by `data_head`.
        let ring = unsafe { slice::from_raw_parts(ring, self.bytes) };
        // What is told by `data_head` was written before: `smp_rmb()` in the manual.
        let end = head.load(Ordering::Acquire);
        let mut at = tail.load(Ordering::Relaxed);
        let mut record = Vec::new();
        while at < end {
            let byte = |offset: u64| ring[((at + offset) % self.bytes as u64) as usize];
            let size = u64::from(u16::from_ne_bytes([byte(6), byte(7)]));
            if size < 8 || at + size > end {
                break;
            }
            record.clear();
            record.extend((0..size).map(byte));
            visit(&record);
            at += size;
        }
        tail.store(end, Ordering::Release);
    }
}

impl AsFd for PerfRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

impl Drop for PerfRing {
    fn drop(&mut self) {
        // SAFETY: nothing borrows from it any more.
        unsafe { libc::munmap(self.start.cast(), self.page + self.bytes) };
    }
}
