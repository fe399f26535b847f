//! Objects of the kernel, one after the other: a program that was loaded for an iterator is run for each.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use super::Failure;
use crate::kernel::sys;

/// An iterator with its program.
pub struct Iterator {
    link: OwnedFd,
}

impl Iterator {
    /// Attaches a program that was loaded for an iterator.
    pub fn attach(program: BorrowedFd<'_>) -> Result<Self, Failure> {
        Ok(Self {
            link: sys::iterator::link_iterator(program)?,
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
