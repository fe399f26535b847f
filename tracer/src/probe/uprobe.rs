//! Functions of user programs and libraries, at their start or their return.

use std::{
    fmt,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use super::{Failure, c_string, perf_event};
use crate::kernel::{
    Kernel,
    sys::{self, PerfEvent},
};

/// Functions of a user binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFunctions {
    /// The binary or library.
    pub path: PathBuf,
    /// File offsets, 1 or more.
    pub offsets: Vec<u64>,
    /// Only in this process.
    pub pid: Option<u32>,
    /// At the return.
    pub on_return: bool,
}

impl fmt::Display for UserFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = if self.on_return {
            "uretprobe"
        } else {
            "uprobe"
        };
        let path = self.path.display();
        match self.offsets.as_slice() {
            [offset] => write!(f, "{provider}:{path}:{offset:#x}"),
            many => write!(f, "{provider} on {} functions of {path}", many.len()),
        }
    }
}

pub(super) fn available(kernel: &Kernel) -> Result<(), String> {
    if kernel.has_uprobes() {
        Ok(())
    } else {
        Err("this kernel was built without uprobes (CONFIG_UPROBES)".to_owned())
    }
}

pub(super) fn available_multi(kernel: &Kernel) -> Result<(), String> {
    available(kernel)?;
    if kernel.since(6, 6) {
        Ok(())
    } else {
        Err(format!(
            "uprobe.multi came with Linux 6.6; this is {}",
            kernel.release
        ))
    }
}

/// Where the places of [`attach`] and [`attach_multi`] are.
#[derive(Clone, Copy, Debug)]
pub struct Binary<'a> {
    /// The binary or library.
    pub path: &'a Path,
    /// Only in this process.
    pub pid: Option<u32>,
    /// At the functions' return.
    pub on_return: bool,
}

/// A place in a binary: bytes from the start of its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Where the instruction is.
    pub offset: u64,
    /// Where the count lies that the kernel raises while something is attached; 0 for none.
    pub semaphore: u64,
}

impl Place {
    /// Without a semaphore.
    pub fn at(offset: u64) -> Self {
        Self {
            offset,
            semaphore: 0,
        }
    }
}

/// `ref_ctr_offset` among `/sys/bus/event_source/devices/uprobe/format`: the upper half of `config`
/// (`PERF_UPROBE_REF_CTR_OFFSET_SHIFT` of `include/linux/trace_events.h`).
const SEMAPHORE_SHIFT: u32 = 32;

/// Attaches at a place of the file. A cookie is left out before Linux 5.15.
pub fn attach(
    program: BorrowedFd<'_>,
    binary: &Binary<'_>,
    place: Place,
    cookie: Option<u64>,
) -> Result<OwnedFd, Failure> {
    let (kind, return_config) = perf_event::pmu("uprobe")?;
    let path = c_string(binary.path.as_os_str().as_bytes())?;
    if u32::try_from(place.semaphore).is_err() {
        return Err(Failure::from(format!(
            "its semaphore lies at {:#x} of the file: this kernel takes 32 bits of that",
            place.semaphore
        )));
    }
    let on_return = if binary.on_return { return_config } else { 0 };
    let event = PerfEvent {
        kind,
        config: on_return | place.semaphore << SEMAPHORE_SHIFT,
        config1: path.as_ptr() as u64,
        config2: place.offset,
        ..PerfEvent::default()
    };
    Ok(perf_event::attach(program, &event, binary.pid, cookie)?)
}

/// Attaches at many places of a file by one link, each with its cookie. Linux 6.6.
pub fn attach_multi(
    program: BorrowedFd<'_>,
    binary: &Binary<'_>,
    places: &[Place],
    cookies: &[u64],
) -> Result<OwnedFd, Failure> {
    let path = c_string(binary.path.as_os_str().as_bytes())?;
    let offsets: Vec<u64> = places.iter().map(|place| place.offset).collect();
    let mut semaphores: Vec<u64> = places.iter().map(|place| place.semaphore).collect();
    if semaphores.iter().all(|&semaphore| semaphore == 0) {
        semaphores.clear();
    }
    let targets = sys::UprobeTargets {
        path: &path,
        offsets: &offsets,
        cookies,
        semaphores: &semaphores,
        pid: binary.pid.unwrap_or(0),
        on_return: binary.on_return,
    };
    Ok(sys::link_uprobe_multi(program, &targets)?)
}

impl UserFunctions {
    fn binary(&self) -> Binary<'_> {
        Binary {
            path: &self.path,
            pid: self.pid,
            on_return: self.on_return,
        }
    }
}

pub(super) fn attach_each(
    program: BorrowedFd<'_>,
    functions: &UserFunctions,
) -> Result<Vec<OwnedFd>, Failure> {
    let binary = functions.binary();
    let attach_one = |(index, &offset): (usize, &u64)| {
        attach(program, &binary, Place::at(offset), Some(index as u64))
    };
    functions
        .offsets
        .iter()
        .enumerate()
        .map(attach_one)
        .collect()
}

pub(super) fn attach_all(
    program: BorrowedFd<'_>,
    functions: &UserFunctions,
) -> Result<Vec<OwnedFd>, Failure> {
    let cookies: Vec<u64> = (0..functions.offsets.len() as u64).collect();
    let places: Vec<Place> = functions.offsets.iter().copied().map(Place::at).collect();
    let link = attach_multi(program, &functions.binary(), &places, &cookies)?;
    Ok(vec![link])
}
