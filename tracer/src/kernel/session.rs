//! All that one run has in the kernel. Dropping it detaches and frees all of it; so does the end of the
//! process, however it comes, as everything hangs on file descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::{Map as AyaMap, MapData, RingBuf};
use aya_log::EbpfLogger;
use tracer_common::loss::Loss;

use super::{
    map::{Fill, Map},
    object::{self, LoadError, Loaded, Shared},
    plan::{Attachment, Plan},
    sys::{SysError, Undisturbed},
};
use crate::probe::{self, AttachError};

/// Programs, maps and links.
pub struct Session {
    loaded: Loaded,
    attachments: Vec<Attachment>,
    links: Vec<OwnedFd>,
}

/// How often a program ran, and how long that took in all. Counted where `kernel.bpf_stats_enabled` is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramStats {
    /// The program's name.
    pub name: String,
    /// Runs.
    pub runs: u64,
    /// Nanoseconds in all runs.
    pub time_ns: u64,
    /// Runs that the kernel left out, as the program was running on that CPU already.
    pub recursion_misses: u64,
}

impl ProgramStats {
    /// What a program of this name has cost so far.
    pub fn read(name: &str, program: BorrowedFd<'_>) -> Result<Self, SysError> {
        let info = super::sys::prog_info(program)?;
        Ok(Self {
            name: name.to_owned(),
            runs: info.run_cnt,
            time_ns: info.run_time_ns,
            recursion_misses: info.recursion_misses,
        })
    }
}

impl Session {
    /// Makes the maps and loads the programs; nothing is attached yet.
    pub fn load(plan: Plan, shared: &Shared<'_>) -> Result<Self, LoadError> {
        let loaded = object::load(&plan, shared)?;
        Ok(Self {
            loaded,
            attachments: plan.attachments,
            links: Vec::new(),
        })
    }

    /// Attaches every program, in the plan's order. Where one fails, those before it are detached.
    pub fn attach(&mut self) -> Result<(), AttachError> {
        let mut links = Vec::new();
        for attachment in &self.attachments {
            let program = &self.loaded.programs[attachment.program];
            match attachment.hook.attach(program.as_fd()) {
                Ok(attached) => links.extend(attached),
                Err(error) => {
                    probe::detach(links);
                    return Err(error);
                }
            }
        }
        self.links = links;
        Ok(())
    }

    /// What is attached, for the log.
    pub fn describe(&self) -> String {
        let hooks = self
            .attachments
            .iter()
            .map(|attachment| attachment.hook.to_string());
        hooks.collect::<Vec<_>>().join(", ")
    }

    /// Detaches every program; maps stay, so that what they hold can be read at rest.
    pub fn detach(&mut self) {
        probe::detach(std::mem::take(&mut self.links));
    }

    /// The map of this name. Asking for one that the object does not have is a fault of the tool.
    pub fn map(&self, name: &str) -> &Map {
        self.find_map(name)
            .unwrap_or_else(|| panic!("the kernel object has no map {name}"))
    }

    /// The map of this name, where the object has one of its own.
    pub fn find_map(&self, name: &str) -> Option<&Map> {
        self.loaded.maps.get(name)
    }

    /// How full the maps are whose keys come and go.
    pub fn fills(&self) -> Result<Vec<Fill>, SysError> {
        let maps = self.loaded.maps.iter();
        maps.filter_map(|(name, map)| map.fill(name).transpose())
            .collect()
    }

    /// A reader of the ring buffer `EVENTS`, where the object has one.
    pub fn events(&self) -> anyhow::Result<Option<RingBuf<MapData>>> {
        let Some(map) = self.loaded.maps.get("EVENTS") else {
            return Ok(None);
        };
        let data = MapData::from_fd(map.try_clone_fd()?)?;
        Ok(Some(RingBuf::try_from(AyaMap::RingBuf(data))?))
    }

    /// A reader of what the kernel side logs, where the object logs anything.
    pub fn kernel_log(&self) -> anyhow::Result<Option<EbpfLogger<&'static dyn log::Log>>> {
        for program in self.loaded.programs.values() {
            let id = super::sys::prog_info(program.as_fd())?.id;
            match EbpfLogger::init_from_id(id) {
                Ok(log) => return Ok(Some(log)),
                // This program logs nothing.
                Err(aya_log::Error::MapNotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// What was lost since the start, where it is not zero.
    pub fn lost(&self) -> Result<Vec<(Loss, u64)>, SysError> {
        let _undisturbed = Undisturbed::begin();
        let mut lost = Vec::new();
        for cause in Loss::ALL {
            let count = match cause {
                Loss::Recursion => self.recursion_misses()?,
                _ => self.loss_counter(cause)?,
            };
            if count > 0 {
                lost.push((cause, count));
            }
        }
        Ok(lost)
    }

    fn loss_counter(&self, cause: Loss) -> Result<u64, SysError> {
        let Some(map) = self.find_map("LOSS") else {
            return Ok(0);
        };
        let sum = map.get(&(cause as u32).to_ne_bytes(), |entry| {
            entry.values().map(read_u64).sum()
        })?;
        Ok(sum.unwrap_or(0))
    }

    fn recursion_misses(&self) -> Result<u64, SysError> {
        Ok(self
            .program_stats()?
            .iter()
            .map(|program| program.recursion_misses)
            .sum())
    }

    /// What each program has cost so far.
    pub fn program_stats(&self) -> Result<Vec<ProgramStats>, SysError> {
        let programs = self.loaded.programs.iter();
        programs
            .map(|(name, program)| ProgramStats::read(name, program.as_fd()))
            .collect()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.detach();
    }
}

/// A counter out of a map's value; the kernel gives values in its own byte order.
pub fn read_u64(bytes: &[u8]) -> u64 {
    u64::from_ne_bytes(bytes[..8].try_into().expect("8 bytes"))
}

/// The same of 4 bytes.
pub fn read_u32(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(bytes[..4].try_into().expect("4 bytes"))
}
