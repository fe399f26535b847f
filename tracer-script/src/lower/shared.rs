//! What all programs of a script share: maps, constants, actions.

use std::{collections::HashMap, rc::Rc};

use crate::{
    check::MapInfo,
    facts::Struct,
    program::{Action, Loss, Map, MapKind, MapRole},
    types::{Aggregate, Sizes, Type},
    unwind,
};

/// Bytes that the map of stacks may take, and its entries, which are made beforehand: where memory is taken on
/// the way, there is not always some to be had.
const STACKS_BYTES: u32 = 16 << 20;
const STACKS_MIN: u32 = 4096;
const STACKS_MAX: u32 = 65_536;
/// What an entry takes besides its value.
const STACKS_HEAD: u32 = 64;

/// Processes that are told of once; of more than that at a time, some are told of again.
const SEEN: u32 = 4096;

/// Bytes of the ring buffer where records are what the script is for, and where they are rare.
const RING_LARGE: u32 = 8 << 20;
const RING_SMALL: u32 = 256 << 10;

/// See the module.
pub(crate) struct Shared {
    pub(crate) maps: Vec<Map>,
    pub(crate) rodata: Vec<u8>,
    pub(crate) actions: Vec<Action>,
    pub(crate) structs: Vec<Rc<Struct>>,
    /// The most frames of any stack.
    pub(crate) stack_frames: u32,
    /// Records come from programs that run on events.
    pub(crate) many_records: bool,
    /// Programs that write each map of the script.
    pub(crate) writers: HashMap<String, u32>,
    texts: HashMap<Vec<u8>, u32>,
    numbers: HashMap<String, usize>,
    zeros: Option<(u32, u32)>,
}

impl Shared {
    pub(crate) fn new(maps: Vec<Map>, frames: u32) -> Self {
        let mut numbers = HashMap::new();
        for (index, map) in maps.iter().enumerate() {
            numbers.insert(map.name.clone(), index);
        }
        Self {
            maps,
            rodata: Vec::new(),
            actions: Vec::new(),
            structs: Vec::new(),
            stack_frames: frames,
            many_records: false,
            writers: HashMap::new(),
            texts: HashMap::new(),
            numbers,
            zeros: None,
        }
    }

    /// The number of a map of the script.
    pub(crate) fn map(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// The number of the map with this role.
    pub(crate) fn role(&self, role: MapRole) -> usize {
        self.maps
            .iter()
            .position(|map| map.role == role)
            .expect("all roles have a map")
    }

    /// Where these bytes lie among the constants.
    pub(crate) fn constant(&mut self, bytes: &[u8]) -> u32 {
        if let Some(&known) = self.texts.get(bytes) {
            return known;
        }
        let at = self.rodata.len() as u32;
        self.rodata.extend(bytes);
        self.rodata.resize(self.rodata.len().next_multiple_of(8), 0);
        self.texts.insert(bytes.to_vec(), at);
        at
    }

    /// Where so many zeros lie.
    pub(crate) fn zeros(&mut self, size: u32) -> u32 {
        if let Some((at, room)) = self.zeros
            && room >= size
        {
            return at;
        }
        let at = self.rodata.len() as u32;
        let room = size.next_multiple_of(8);
        self.rodata.resize((at + room) as usize, 0);
        self.zeros = Some((at, room));
        at
    }

    /// Adds an action, and gives its number.
    pub(crate) fn action(&mut self, action: Action) -> u32 {
        self.actions.push(action);
        self.actions.len() as u32 - 1
    }
}

/// The maps of a script, and those that its programs need besides.
pub(crate) fn maps(
    script: &std::collections::BTreeMap<String, MapInfo>,
    deleted: &dyn Fn(&str) -> bool,
    sizes: &dyn Sizes,
    default_entries: u32,
) -> Vec<Map> {
    let mut maps: Vec<Map> = script
        .iter()
        .filter(|(_, info)| info.value != Type::Unknown && info.key != Type::Unknown)
        .map(|(name, info)| script_map(name, info, deleted(name), sizes, default_entries))
        .collect();
    let causes = Loss::MapFull as u32 + maps.len() as u32;
    let own = |name: &str, role, kind, key_size, value_size, entries| Map {
        name: name.to_owned(),
        role,
        kind,
        key: Type::Void,
        value: Type::Void,
        key_size,
        value_size,
        entries,
        bucket_in_key: false,
        presence: false,
    };
    maps.extend([
        own(
            "events",
            MapRole::Events,
            MapKind::Ringbuf,
            0,
            0,
            RING_SMALL,
        ),
        own("loss", MapRole::Loss, MapKind::PercpuArray, 4, 8, causes),
        own("scratch", MapRole::Scratch, MapKind::Array, 4, 0, 0),
        own("rodata", MapRole::Rodata, MapKind::Array, 4, 0, 1),
        own("seen", MapRole::Seen, MapKind::LruHash, 8, 8, SEEN),
        own(
            "packets",
            MapRole::Packets,
            MapKind::PerfEventArray,
            4,
            4,
            0,
        ),
        own("stacks", MapRole::Stacks, MapKind::Hash, 8, 0, STACKS_MIN),
        own(
            "unwind_process",
            MapRole::UnwindProcesses,
            MapKind::Hash,
            8,
            unwind::PROCESS_BYTES,
            unwind::PROCESSES_MAX,
        ),
        own(
            "unwind_regions",
            MapRole::UnwindRegions,
            MapKind::Array,
            4,
            unwind::REGION_BYTES,
            unwind::SLOTS * unwind::REGIONS_MAX,
        ),
        own(
            "unwind_rows",
            MapRole::UnwindRows,
            MapKind::ArrayOfMaps,
            4,
            4,
            unwind::SHARDS_MAX,
        ),
    ]);
    maps
}

/// How many stacks of so many frames are kept.
pub(crate) fn stack_entries(frames: u32) -> u32 {
    (STACKS_BYTES / (frames * 8 + STACKS_HEAD)).clamp(STACKS_MIN, STACKS_MAX)
}

/// The bytes that the ring buffer has.
pub(crate) fn ring_bytes(many_records: bool, pages: u64) -> u32 {
    if pages > 0 {
        let bytes = pages.saturating_mul(4096).min(1 << 30);
        return (bytes as u32).next_power_of_two();
    }
    if many_records { RING_LARGE } else { RING_SMALL }
}

fn script_map(
    name: &str,
    info: &MapInfo,
    deleted: bool,
    sizes: &dyn Sizes,
    default_entries: u32,
) -> Map {
    let aggregate = match info.value {
        Type::Aggregate(aggregate) => Some(aggregate),
        _ => None,
    };
    let histogram = aggregate.filter(|aggregate| aggregate.is_histogram());
    let value_size = crate::types::align(info.value.stored_size(sizes)).max(8);
    let mut map = Map {
        name: name.to_owned(),
        role: MapRole::Script,
        kind: MapKind::Hash,
        key: info.key.clone(),
        value: info.value.clone(),
        key_size: crate::types::align(info.key.stored_size(sizes)).max(8),
        value_size,
        entries: default_entries,
        bucket_in_key: histogram.is_some(),
        presence: false,
    };
    let per_cpu = aggregate.is_some();
    if info.key == Type::Void && !deleted {
        // An array: found without a look-up, or by one that costs next to nothing.
        map.key_size = 4;
        map.kind = if per_cpu {
            MapKind::PercpuArray
        } else {
            MapKind::Array
        };
        map.entries = histogram.map_or(1, buckets);
        map.bucket_in_key = false;
        map.presence = histogram.is_none();
        if map.presence {
            map.value_size += 8;
        }
        return map;
    }
    let (kind, entries) = match &info.declared {
        Some((kind, entries)) => (kind.as_str(), *entries as u32),
        None => ("", default_entries),
    };
    map.entries = entries;
    map.kind = match kind {
        "lruhash" if per_cpu => MapKind::LruPercpuHash,
        "lruhash" => MapKind::LruHash,
        "percpulruhash" => MapKind::LruPercpuHash,
        "percpuhash" => MapKind::PercpuHash,
        _ if per_cpu => MapKind::PercpuHash,
        _ => MapKind::Hash,
    };
    if histogram.is_some() {
        map.key_size = if info.key == Type::Void {
            8
        } else {
            map.key_size + 8
        };
    }
    map
}

/// How many buckets a histogram has.
pub(super) fn buckets(aggregate: Aggregate) -> u32 {
    match aggregate {
        Aggregate::Hist(bits) => crate::buckets::hist_count(bits),
        Aggregate::LHist { min, max, step } => crate::buckets::lhist_count(min, max, step),
        Aggregate::TSeries { buckets, .. } => buckets,
        _ => 1,
    }
}
