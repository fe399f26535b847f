//! The tables by which programs follow stacks without frame pointers (`dw_ustack`): filled for the processes that the
//! script is run for, and for those that these start, when a program meets code that is not known.

mod rows;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs, io,
    rc::Rc,
};

use tracer_script::{
    program::MapRole,
    unwind::{Process, REGIONS_MAX, Region, SLOTS},
};

use super::{ScriptError, Session};
use crate::kernel::{
    map::Map,
    process::{self, CodeRegion, Origin},
    sys::{self, SysError},
    unwind::Table,
};
use rows::{Part, Rows};

pub use rows::shard;

/// Processes that something is kept of before it is looked which of them have ended.
const KNOWN_MAX: usize = 2048;

/// What is known of a process: where its regions are, and they themselves; [`None`] where it is not followed.
type Known = Option<(u32, Vec<Region>)>;

/// A file as it was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileId {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

/// A file whose rows are in the kernel.
struct Loaded {
    /// Without its rows.
    table: Table,
    parts: Rc<[Part]>,
}

impl Loaded {
    fn new(mut table: Table, rows: &mut Rows) -> Result<Self, SysError> {
        let parts = rows.add(&std::mem::take(&mut table.rows))?;
        Ok(Self { table, parts })
    }
}

/// See the module.
pub struct Unwinding {
    processes: Rc<Map>,
    regions: Rc<Map>,
    rows: Rows,
    targets: Vec<u32>,
    known: HashMap<u32, Known>,
    files: HashMap<FileId, Loaded>,
    /// The kernel's own part of each process.
    kernel: Option<Loaded>,
    /// Code that nothing is known of.
    nothing: Option<Rc<[Part]>>,
    /// Where regions may be put. What was given up last is used again last: a program may be reading it.
    free: VecDeque<u32>,
    warned: HashSet<&'static str>,
}

impl Session {
    /// Follows the stacks of these processes, and of those that they start, where the script does that at all. One that
    /// is `held` is yet to become what it will be: it is read when a program asks.
    pub fn follow_stacks(
        &mut self,
        targets: Vec<u32>,
        held: Option<u32>,
    ) -> Result<(), ScriptError> {
        let maps = [
            self.of_role(MapRole::UnwindProcesses),
            self.of_role(MapRole::UnwindRegions),
            self.of_role(MapRole::UnwindRows),
        ];
        let [Some(processes), Some(regions), Some(rows)] = maps else {
            return Ok(());
        };
        let mut unwinding = Unwinding {
            processes,
            regions,
            rows: Rows::new(rows),
            targets: targets.clone(),
            known: HashMap::new(),
            files: HashMap::new(),
            kernel: None,
            nothing: None,
            free: (0..SLOTS).collect(),
            warned: HashSet::new(),
        };
        for target in targets.into_iter().filter(|&one| Some(one) != held) {
            unwinding.learn(target)?;
        }
        self.unwinding = Some(unwinding);
        Ok(())
    }

    /// Reads the code of a process that a program has asked for.
    pub fn learn_stacks_of(&mut self, pid: u32) -> Result<(), ScriptError> {
        match &mut self.unwinding {
            Some(unwinding) => unwinding.learn(pid),
            None => Ok(()),
        }
    }
}

impl Unwinding {
    /// Reads where a process has its code, and has programs know that. One that is not followed, or that has ended, is
    /// noted as such.
    fn learn(&mut self, pid: u32) -> Result<(), ScriptError> {
        self.try_learn(pid).map_err(|error| {
            ScriptError::new(format!(
                "cannot keep how stacks of process {pid} are followed: {error}"
            ))
        })
    }

    fn try_learn(&mut self, pid: u32) -> Result<(), SysError> {
        if self.known.len() > KNOWN_MAX {
            self.forget_ended()?;
        }
        if !self.is_followed(pid) {
            return self.leave_out(pid);
        }
        let code = match process::code_regions(pid) {
            Ok(code) => code,
            Err(error) => {
                log::debug!("stacks of process {pid} are not followed: {error}");
                return self.leave_out(pid);
            }
        };
        let regions = self.regions_of(pid, &code)?;
        if matches!(self.known.get(&pid), Some(Some((_, old))) if *old == regions) {
            return Ok(());
        }
        let Some(slot) = self.free_slot()? else {
            self.warn_once("stacks of further processes are not followed: there is room for 64");
            return self.leave_out(pid);
        };
        self.put(pid, slot, regions)
    }

    /// Puts the regions of a process where programs find them.
    fn put(&mut self, pid: u32, slot: u32, regions: Vec<Region>) -> Result<(), SysError> {
        let first = slot * REGIONS_MAX;
        let bytes: Vec<u8> = regions.iter().flat_map(Region::bytes).collect();
        self.regions.set_from(first, &bytes)?;
        let process = Process {
            first,
            regions: regions.len() as u32,
            asked_ns: sys::clock_ns(libc::CLOCK_MONOTONIC) as i64,
        };
        self.processes.set(&key(pid), &process.bytes())?;
        let old = self.known.insert(pid, Some((slot, regions)));
        self.give_back(old);
        Ok(())
    }

    fn leave_out(&mut self, pid: u32) -> Result<(), SysError> {
        self.processes.set(&key(pid), &Process::OTHER.bytes())?;
        let old = self.known.insert(pid, None);
        self.give_back(old);
        Ok(())
    }

    /// Has the place of what was known before be used again.
    fn give_back(&mut self, old: Option<Known>) {
        if let Some((slot, _)) = old.flatten() {
            self.free.push_back(slot);
        }
    }

    /// Whether a process is one of those that are followed, or comes from one.
    fn is_followed(&self, pid: u32) -> bool {
        /// Processes that are between, at most.
        const BETWEEN_MAX: u32 = 64;
        let mut pid = pid;
        for _ in 0..BETWEEN_MAX {
            if self.targets.contains(&pid) || self.known.get(&pid).is_some_and(Known::is_some) {
                return true;
            }
            match process::Process::read(pid) {
                Ok(found) if found.parent > 1 => pid = found.parent,
                _ => return false,
            }
        }
        false
    }

    fn free_slot(&mut self) -> Result<Option<u32>, SysError> {
        if self.free.is_empty() {
            self.forget_ended()?;
        }
        Ok(self.free.pop_front())
    }

    /// Gives up what is kept of processes that have ended.
    fn forget_ended(&mut self) -> Result<(), SysError> {
        let known = self.known.keys().copied();
        let ended: Vec<u32> = known.filter(|&pid| !process::exists(pid)).collect();
        for pid in ended {
            self.processes.delete(&key(pid))?;
            let old = self.known.remove(&pid);
            self.give_back(old);
        }
        Ok(())
    }

    /// The regions of a process, with the rows of its files in the kernel.
    fn regions_of(&mut self, pid: u32, code: &[CodeRegion]) -> Result<Vec<Region>, SysError> {
        let mut regions = Vec::new();
        // The search compares with sign; above lies nothing but `[vsyscall]`, which no stack leads to.
        for one in code.iter().filter(|one| one.end <= i64::MAX as u64) {
            match &one.origin {
                Origin::File { path, offset } => match self.file(path)? {
                    Some(loaded) => add_file(&mut regions, one, loaded, *offset),
                    None => self.add_nothing(&mut regions, one)?,
                },
                Origin::Kernel => match self.kernel(pid, one)? {
                    Some(loaded) => add_file(&mut regions, one, loaded, 0),
                    None => self.add_nothing(&mut regions, one)?,
                },
                Origin::Made => add_made(&mut regions, one),
                Origin::Special => self.add_nothing(&mut regions, one)?,
            }
        }
        if regions.len() >= REGIONS_MAX as usize {
            self.warn_once("code of a process is left out: it has 1024 parts of it, or more");
            regions.truncate(REGIONS_MAX as usize - 1);
        }
        Ok(regions)
    }

    /// A file that is mapped; [`None`] where it cannot be read.
    fn file(&mut self, path: &std::path::Path) -> Result<Option<&Loaded>, SysError> {
        let id = match identify(path) {
            Ok(id) => id,
            Err(error) => {
                log::debug!("{}: {error}", path.display());
                return Ok(None);
            }
        };
        if !self.files.contains_key(&id) {
            let table = match Table::of(path) {
                Ok(table) => table,
                Err(error) => {
                    log::warn!("stacks end in code of a file: {error:#}");
                    return Ok(None);
                }
            };
            let loaded = Loaded::new(table, &mut self.rows)?;
            self.files.insert(id, loaded);
        }
        Ok(self.files.get(&id))
    }

    /// The part that the kernel adds to each process, which is the same in all.
    fn kernel(&mut self, pid: u32, region: &CodeRegion) -> Result<Option<&Loaded>, SysError> {
        if self.kernel.is_none() {
            let bytes = process::memory(pid, region.start..region.end);
            let table = bytes
                .map_err(anyhow::Error::from)
                .and_then(|bytes| Table::of_bytes(&bytes));
            match table {
                Ok(table) => {
                    self.kernel = Some(Loaded::new(table, &mut self.rows)?);
                }
                Err(error) => log::debug!("[vdso] of process {pid}: {error:#}"),
            }
        }
        Ok(self.kernel.as_ref())
    }

    /// Code that stacks end in.
    fn add_nothing(
        &mut self,
        regions: &mut Vec<Region>,
        code: &CodeRegion,
    ) -> Result<(), SysError> {
        let parts = match &self.nothing {
            Some(parts) => Rc::clone(parts),
            None => {
                let parts = self.rows.add(&[rows::NOTHING])?;
                Rc::clone(self.nothing.insert(parts))
            }
        };
        add_parts(regions, code, &parts, 0);
        Ok(())
    }

    fn warn_once(&mut self, what: &'static str) {
        if self.warned.insert(what) {
            log::warn!("{what}");
        }
    }
}

fn key(pid: u32) -> [u8; 8] {
    u64::from(pid).to_ne_bytes()
}

fn identify(path: &std::path::Path) -> io::Result<FileId> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(path)?;
    Ok(FileId {
        device: found.dev(),
        inode: found.ino(),
        changed: (found.mtime(), found.mtime_nsec()),
    })
}

/// The regions of a file that is mapped from `offset` on. Where it has no call frame information at all, as programs of
/// Go have none, it is taken to have frame pointers.
fn add_file(regions: &mut Vec<Region>, code: &CodeRegion, loaded: &Loaded, offset: u64) {
    let Some(address) = loaded.table.address_at(offset) else {
        return add_made(regions, code);
    };
    match &*loaded.parts {
        [] => add_made(regions, code),
        parts => add_parts(
            regions,
            code,
            parts,
            address.saturating_sub(loaded.table.base),
        ),
    }
}

/// A region of code that has frame pointers, if anything; one with what lies right before it.
fn add_made(regions: &mut Vec<Region>, code: &CodeRegion) {
    match regions.last_mut() {
        Some(last) if last.rows == 0 && last.end == code.start => last.end = code.end,
        _ => regions.push(Region {
            start: code.start,
            end: code.end,
            ..Region::default()
        }),
    }
}

/// The regions of what begins at an address of its rows: one for each array that these lie in.
fn add_parts(regions: &mut Vec<Region>, code: &CodeRegion, parts: &[Part], address: u64) {
    let (from, to) = (address, address.saturating_add(code.end - code.start));
    let bias = code.start.wrapping_sub(address);
    let ends = parts.iter().skip(1).map(|part| u64::from(part.address));
    for (part, end) in parts.iter().zip(ends.chain([u64::MAX])) {
        // What comes before the first row has no other.
        let start = match part.address == parts[0].address {
            true => from,
            false => from.max(part.address.into()),
        };
        let end = to.min(end);
        if start < end {
            regions.push(Region {
                start: start.wrapping_add(bias),
                end: end.wrapping_add(bias),
                bias,
                shard: part.shard,
                first: part.first,
                rows: part.rows,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(start: u64, end: u64) -> CodeRegion {
        let origin = Origin::Made;
        CodeRegion { start, end, origin }
    }

    #[test]
    fn files_have_a_region_for_each_array_of_rows() {
        let part = |address, shard, first, rows| Part {
            address,
            shard,
            first,
            rows,
        };
        let parts = [part(0x10, 0, 100, 50), part(0x2800, 1, 0, 70)];
        let mut regions = Vec::new();
        add_parts(&mut regions, &code(0x7000, 0x9000), &parts, 0x1000);
        let region = |start, end, shard, first, rows| Region {
            start,
            end,
            bias: 0x6000,
            shard,
            first,
            rows,
        };
        let expected = [
            region(0x7000, 0x8800, 0, 100, 50),
            region(0x8800, 0x9000, 1, 0, 70),
        ];
        assert_eq!(regions, expected);
        // Only the second one's.
        let mut regions = Vec::new();
        add_parts(&mut regions, &code(0x7000, 0x9000), &parts, 0x3000);
        assert_eq!(regions.len(), 1);
        assert_eq!((regions[0].shard, regions[0].start), (1, 0x7000));
    }

    #[test]
    fn code_without_files_is_joined() {
        let mut regions = Vec::new();
        for (start, end) in [(0x1000, 0x2000), (0x2000, 0x3000), (0x5000, 0x6000)] {
            add_made(&mut regions, &code(start, end));
        }
        let found: Vec<_> = regions.iter().map(|one| (one.start, one.end)).collect();
        assert_eq!(found, [(0x1000, 0x3000), (0x5000, 0x6000)]);
    }
}
