//! Files mapped into memory.

use std::{fs::File, io, ops::Deref, os::fd::AsRawFd, path::Path, ptr, slice};

/// A file mapped for reading.
pub struct Mapping {
    start: *const u8,
    bytes: usize,
}

impl Mapping {
    /// Maps the whole of a file that does not change.
    pub fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len() as usize;
        // SAFETY: a fresh mapping of our own, for reading only.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            start: start.cast(),
            bytes,
        })
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping is as long as that, and stays until it is dropped.
        unsafe { slice::from_raw_parts(self.start, self.bytes) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nothing borrows from it any more.
        unsafe { libc::munmap(self.start.cast_mut().cast(), self.bytes) };
    }
}
