//! All that a script has in the kernel: maps, programs, and the links that have them run. Everything hangs on
//! file descriptors: dropping it, or the end of the process, detaches and frees all of it.

#[cfg(test)]
pub mod assembled;
mod attach;
mod data;
mod error;
mod load;
mod maps;
mod refusal;
#[cfg(test)]
mod tests;
mod unwind;

use std::{
    collections::BTreeMap,
    os::fd::{AsFd as _, OwnedFd},
    rc::Rc,
};

use aya::maps::{Map as AyaMap, MapData, MapError, PerfEventArray, RingBuf};
use tracer_script::{
    config::MissingProbes,
    probe::AttachKind,
    program::{Image, MapRole, ProgramKind},
};

use self::{
    attach::{Attached, Links},
    unwind::Unwinding,
};
use crate::{
    kernel::{
        map::{Fill, Map},
        session::ProgramStats,
        sys,
    },
    probe::iterator::Iterator,
};

pub use data::{CutStacks, Losses, Stacks};
pub use error::ScriptError;
pub use load::Listener;

/// A function as a program on a trampoline is loaded for it.
pub struct FunctionType {
    /// The id of its type in the kernel's BTF, or in its module's.
    pub id: u32,
    /// The BTF of its module, or the BPF program, where it is in one.
    pub holder: Option<OwnedFd>,
}

/// Finds a function of the kernel by its module (empty for any) and its name.
pub type FindFunction<'a> = &'a dyn Fn(&str, &str) -> anyhow::Result<FunctionType>;

/// The programs of one of the script's probes: as a rule one, for functions by trampolines one for each place.
struct Loaded {
    /// With the number of the place that it is for, where it is for one.
    programs: Vec<(OwnedFd, Option<usize>)>,
}

/// A script in the kernel.
pub struct Session {
    image: Rc<Image>,
    maps: Vec<Rc<Map>>,
    programs: Vec<Loaded>,
    links: Links,
    /// How stacks without frame pointers are followed, where they are.
    unwinding: Option<Unwinding>,
}

impl Session {
    /// Makes the maps and loads the programs; nothing is attached yet. Where there is a listener, it is told what the
    /// verifier says.
    pub fn load(
        image: Rc<Image>,
        find_function: FindFunction<'_>,
        listener: Option<Listener<'_>>,
    ) -> Result<Self, ScriptError> {
        let maps = maps::create(&image)?;
        let programs = load::load(&image, &maps, find_function, listener)?;
        Ok(Self {
            image,
            maps,
            programs,
            links: Links::default(),
            unwinding: None,
        })
    }

    /// Attaches all programs that something else than user space has run. Where one fails, those before it are
    /// detached; where the script allows probes to be missing, the places that were left out are told.
    pub fn attach(&mut self) -> Result<Vec<ScriptError>, ScriptError> {
        let mut attached = Attached {
            may_leave_out: self.image.config.missing_probes != MissingProbes::Error,
            ..Attached::default()
        };
        for (program, loaded) in self.image.programs.iter().zip(&self.programs) {
            if let Err(error) = attach::attach(program, &loaded.programs, &mut attached) {
                attached.links.detach();
                return Err(error);
            }
        }
        self.links = attached.links;
        Ok(attached.left_out)
    }

    /// Detaches all programs; maps stay, so that what they hold can be read at rest.
    pub fn detach(&mut self) {
        std::mem::take(&mut self.links).detach();
    }

    /// The iterators that are attached, in the script's order.
    pub fn iterators(&self) -> &[Iterator] {
        self.links.iterators()
    }

    /// No longer watches an address of memory.
    pub fn unwatch(&mut self, address: u64) {
        self.links.unwatch(address);
    }

    /// The numbers of the programs that user space has run for probes of this kind, in the script's order.
    pub fn on_request(&self, kind: AttachKind) -> Vec<usize> {
        let programs = self.image.programs.iter().enumerate();
        programs
            .filter(|(_, program)| program.kind == ProgramKind::OnRequest && program.probe == kind)
            .map(|(index, _)| index)
            .collect()
    }

    /// Runs a program of those that user space has run, and gives back what it returns.
    pub fn run(&self, program: usize) -> Result<u32, ScriptError> {
        let image = &self.image.programs[program];
        let mut result = 0;
        for (fd, _) in &self.programs[program].programs {
            result = sys::prog_run(fd.as_fd()).map_err(|error| {
                ScriptError::at(
                    image.span,
                    format!("cannot run the {} probe: {error}", image.probe.name()),
                )
            })?;
        }
        Ok(result)
    }

    /// How often a program has run so far, and for how many nanoseconds in all, where the kernel measures that.
    pub fn run_time(&self, program: usize) -> Result<(u64, u64), ScriptError> {
        let mut sum = (0, 0);
        for (fd, _) in &self.programs[program].programs {
            let info = sys::prog_info(fd.as_fd())
                .map_err(|error| ScriptError::new(format!("cannot look at a program: {error}")))?;
            sum = (sum.0 + info.run_cnt, sum.1 + info.run_time_ns);
        }
        Ok(sum)
    }

    /// The ring buffer and its bytes; [`None`] where the script sends no records.
    pub fn events(&self) -> Result<Option<(RingBuf<MapData>, u32)>, ScriptError> {
        let Some(map) = self.of_role(MapRole::Events) else {
            return Ok(None);
        };
        let ring = map
            .try_clone_fd()
            .map_err(|error| error.to_string())
            .and_then(|fd| MapData::from_fd(fd).map_err(|error: MapError| error.to_string()))
            .and_then(|data| {
                RingBuf::try_from(AyaMap::RingBuf(data)).map_err(|error| error.to_string())
            });
        let bytes = map.max_entries() as u32;
        ring.map(|ring| Some((ring, bytes)))
            .map_err(|reason| ScriptError::new(format!("cannot read the ring buffer: {reason}")))
    }

    /// Where packets come; [`None`] where the script takes none.
    pub fn packets(&self) -> Result<Option<PerfEventArray<MapData>>, ScriptError> {
        let Some(map) = self.of_role(MapRole::Packets) else {
            return Ok(None);
        };
        let array = map
            .try_clone_fd()
            .map_err(|error| error.to_string())
            .and_then(|fd| MapData::from_fd(fd).map_err(|error: MapError| error.to_string()))
            .and_then(|data| {
                PerfEventArray::try_from(AyaMap::PerfEventArray(data))
                    .map_err(|error| error.to_string())
            });
        array
            .map(Some)
            .map_err(|reason| ScriptError::new(format!("cannot read packets: {reason}")))
    }

    /// The frames of stacks.
    pub fn stacks(&self) -> Stacks {
        Stacks::new(self.of_role(MapRole::Stacks))
    }

    /// What each program has cost so far, by the name that it has in the kernel.
    pub fn program_stats(&self) -> Result<Vec<ProgramStats>, ScriptError> {
        let programs = self.image.programs.iter().zip(&self.programs);
        let each = programs
            .flat_map(|(program, loaded)| loaded.programs.iter().map(move |(fd, _)| (program, fd)));
        each.map(|(program, fd)| {
            ProgramStats::read(&program.name, fd.as_fd())
                .map_err(|error| ScriptError::new(format!("cannot look at a program: {error}")))
        })
        .collect()
    }

    /// How full the script's maps are whose keys come and go.
    pub fn fills(&self) -> Result<Vec<Fill>, ScriptError> {
        let maps = self.script_maps().into_iter();
        let fill = |map: usize| {
            let fill = self.maps[map].fill(&self.image.maps[map].name);
            fill.map_err(|error| self.failed("read", map, &error))
        };
        maps.filter_map(|map| fill(map).transpose()).collect()
    }

    /// How often the kernel left a program out as it, or another, was at work on that CPU already.
    pub fn left_out(&self) -> Result<u64, ScriptError> {
        let programs = self.program_stats()?;
        Ok(programs
            .iter()
            .map(|program| program.recursion_misses)
            .sum())
    }

    /// The maps of the script by their numbers, in the order of their names.
    pub fn script_maps(&self) -> Vec<usize> {
        script_maps(&self.image)
    }

    fn of_role(&self, role: MapRole) -> Option<Rc<Map>> {
        let maps = self.image.maps.iter().zip(&self.maps);
        maps.filter(|(image, _)| image.role == role)
            .map(|(_, map)| map.clone())
            .next()
    }
}

/// The maps of a script by their numbers, in the order of their names.
pub fn script_maps(image: &Image) -> Vec<usize> {
    let maps = image.maps.iter().enumerate();
    let by_name: BTreeMap<&str, usize> = maps
        .filter(|(_, map)| map.role == MapRole::Script)
        .map(|(index, map)| (map.name.as_str(), index))
        .collect();
    by_name.into_values().collect()
}

impl Drop for Session {
    fn drop(&mut self) {
        self.detach();
    }
}
