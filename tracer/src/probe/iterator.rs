//! Objects of the kernel, one after the other: a program that was loaded for an iterator is run for each.

use std::{
    fs::File,
    io::{self, Read as _},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
};

use super::Failure;
use crate::kernel::sys;

/// An iterator with its program.
pub struct Iterator {
    link: OwnedFd,
    /// Where it becomes a file, for others to read.
    file: Option<PathBuf>,
}

impl Iterator {
    /// Attaches a program that was loaded for an iterator, which may be kept as a file.
    pub fn attach(program: BorrowedFd<'_>, file: Option<PathBuf>) -> Result<Self, Failure> {
        Ok(Self {
            link: sys::iterator::link_iterator(program)?,
            file,
        })
    }

    /// Where it becomes a file.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Makes the file, which keeps the iterator and its program when we are gone: whoever reads it has the program
    /// run.
    pub fn pin(&self, file: &Path) -> Result<(), Failure> {
        let path = super::c_string(file.as_os_str().as_bytes())?;
        sys::iterator::pin(self.link.as_fd(), &path).map_err(|error| {
            let advice = match error.errno() {
                libc::EEXIST => "it is there already: remove it, or take another name",
                libc::ENOENT => "there is no such folder",
                libc::EPERM => "the folder is in no file system of type bpf: `mount -t bpf bpf /sys/fs/bpf` makes one",
                _ => return Failure::from(error),
            };
            Failure::from(format!("cannot make the file {}: {advice}", file.display()))
        })
    }

    /// Begins to go through the objects that there are.
    pub fn begin(&self) -> Result<Round, Failure> {
        let fd = sys::iterator::iterator_begin(self.link.as_fd())?;
        Ok(Round {
            file: File::from(fd),
        })
    }
}

/// A way through all objects.
pub struct Round {
    file: File,
}

/// Objects that the program is run for before what it sent is read: each has it write one byte.
const AT_ONCE: usize = 16;

impl Round {
    /// Has the program run for the next objects. False where these were the last ones.
    pub fn step(&mut self) -> io::Result<bool> {
        let mut bytes = [0; AT_ONCE];
        loop {
            match self.file.read(&mut bytes) {
                Ok(count) => return Ok(count > 0),
                // Many objects in a row that the program passed over: `bpf_seq_read()` of kernel/bpf/bpf_iter.c.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
