//! Reading and changing the maps of a script from user space.

use std::rc::Rc;

use tracer_script::program::{Loss, MapKind, MapRole};

use super::{ScriptError, Session};
use crate::{
    kernel::{
        map::Map,
        session::read_u64,
        sys::{SysError, Undisturbed},
    },
    script::output::RawEntry,
};

/// Bytes of the word by which an array that stands in for a map without keys tells that it has been set.
const PRESENCE_BYTES: usize = 8;

/// Stacks without frame pointers that ended too early, by the cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CutStacks {
    /// The process is not followed, or was not known yet.
    pub other: u64,
    /// They led to code that was not known yet.
    pub unread: u64,
    /// They led to code that does not tell how it is left.
    pub unknown: u64,
    /// They led to memory that could not be read.
    pub memory: u64,
}

/// What was lost so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Records that found no room in the ring buffer, and runs of programs that found another at work.
    pub events: u64,
    /// Stacks that found no room.
    pub stacks: u64,
    /// Stacks without frame pointers that ended too early.
    pub cut: CutStacks,
    /// Keys that found no room, by the number of the map; only those of which there are any.
    pub keys: Vec<(usize, u64)>,
}

impl Session {
    /// All entries of a map, in no order. A map without keys that was never set has none.
    pub fn entries(&self, map: usize) -> Result<Vec<RawEntry>, ScriptError> {
        let mut entries = Vec::new();
        self.for_each_entry(map, &mut |entry| entries.push(entry.clone()))?;
        Ok(entries)
    }

    /// Hands the same over one by one. Nothing else runs on this CPU meanwhile: `visit` should not take long.
    pub fn for_each_entry(
        &self,
        map: usize,
        visit: &mut dyn FnMut(&RawEntry),
    ) -> Result<(), ScriptError> {
        let presence = self.image.maps[map].presence;
        let is_set = |value: &Vec<u8>| value[..PRESENCE_BYTES].iter().any(|&byte| byte != 0);
        let mut raw = RawEntry::default();
        let _undisturbed = Undisturbed::begin();
        let read = self.maps[map].for_each(|entry| {
            raw.take(entry.key, entry.values());
            if !presence || raw.values.iter().any(is_set) {
                visit(&raw);
            }
        });
        read.map_err(|error| self.failed("read", map, &error))
    }

    /// Removes all entries of a map.
    pub fn clear(&self, map: usize) -> Result<(), ScriptError> {
        if self.is_array(map) {
            return self.alter_all(map, &mut |value| value.fill(0));
        }
        let _undisturbed = Undisturbed::begin();
        let kernel_map = &self.maps[map];
        self.keys(map)?
            .iter()
            .try_for_each(|key| kernel_map.delete(key).map(drop))
            .map_err(|error| self.failed("clear", map, &error))
    }

    /// Sets all values of a map to 0; its keys stay.
    pub fn zero(&self, map: usize) -> Result<(), ScriptError> {
        let kept = match self.image.maps[map].presence {
            true => PRESENCE_BYTES,
            false => 0,
        };
        self.alter_all(map, &mut |value| value[kept..].fill(0))
    }

    fn is_array(&self, map: usize) -> bool {
        let kind = self.image.maps[map].kind;
        matches!(kind, MapKind::Array | MapKind::PercpuArray)
    }

    fn keys(&self, map: usize) -> Result<Vec<Vec<u8>>, ScriptError> {
        let mut keys = Vec::new();
        self.maps[map]
            .for_each(|entry| keys.push(entry.key.to_vec()))
            .map_err(|error| self.failed("read", map, &error))?;
        Ok(keys)
    }

    fn alter_all(&self, map: usize, change: &mut dyn FnMut(&mut [u8])) -> Result<(), ScriptError> {
        let _undisturbed = Undisturbed::begin();
        let kernel_map = &self.maps[map];
        self.keys(map)?
            .iter()
            .try_for_each(|key| kernel_map.alter(key, change).map(drop))
            .map_err(|error| self.failed("change", map, &error))
    }

    pub(super) fn failed(&self, what: &str, map: usize, error: &SysError) -> ScriptError {
        let name = &self.image.maps[map].name;
        ScriptError::new(format!("cannot {what} the map {name}: {error}"))
    }

    /// What was lost so far.
    pub fn losses(&self) -> Result<Losses, ScriptError> {
        let mut losses = Losses::default();
        let maps = self.image.maps.iter();
        let Some(map) = maps
            .enumerate()
            .find_map(|(index, map)| (map.role == MapRole::Loss).then_some(index))
        else {
            return Ok(losses);
        };
        let _undisturbed = Undisturbed::begin();
        let read = self.maps[map].for_each(|entry| {
            let count: u64 = entry.values().map(read_u64).sum();
            let cause = u32::from_ne_bytes(entry.key.try_into().expect("an array's key"));
            match cause {
                _ if count == 0 => {}
                cause if cause >= Loss::MapFull as u32 => {
                    losses
                        .keys
                        .push(((cause - Loss::MapFull as u32) as usize, count));
                }
                cause if cause == Loss::StackFull as u32 => losses.stacks += count,
                cause if cause == Loss::UnwindOther as u32 => losses.cut.other += count,
                cause if cause == Loss::UnwindUnread as u32 => losses.cut.unread += count,
                cause if cause == Loss::UnwindUnknown as u32 => losses.cut.unknown += count,
                cause if cause == Loss::UnwindMemory as u32 => losses.cut.memory += count,
                _ => losses.events += count,
            }
        });
        read.map_err(|error| self.failed("read", map, &error))?;
        Ok(losses)
    }
}

/// The frames of stacks, by their hash.
#[derive(Clone)]
pub struct Stacks {
    map: Option<Rc<Map>>,
}

impl Stacks {
    pub(super) fn new(map: Option<Rc<Map>>) -> Self {
        Self { map }
    }

    /// The addresses of a stack, the innermost first; [`None`] where it was not kept.
    pub fn frames(&self, hash: u64) -> Option<Vec<u64>> {
        let map = self.map.as_ref()?;
        let found = map.get(&hash.to_ne_bytes(), |entry| {
            let value = entry.values().next()?;
            let count = read_u64(value) as usize;
            let frames = value[8..].chunks_exact(8).take(count);
            Some(frames.map(read_u64).collect())
        });
        match found {
            Ok(frames) => frames.flatten(),
            Err(error) => {
                log::warn!("cannot read the stack {hash:#x}: {error}");
                None
            }
        }
    }
}
