//! Many keys, such as processes, of which most may be gone before the end: what the kernel has counted
//! for those is taken over here every second, and sooner where the kernel's table fills, so that there is
//! room for others.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tracer_common::{
    COMM_BYTES,
    aggregate::{self, SlotKey},
    hist::SLOTS,
};

use super::Tally;
use crate::{
    kernel::{
        map::Entry,
        plan::Plan,
        session::{Session, read_u64},
        sys::SysError,
    },
    names::Names,
    report::Distribution,
};

/// What was counted under a key, and the name of a task that it was counted for.
#[derive(Clone, Debug, Default)]
pub struct NamedTally {
    /// The task's name, without the NUL.
    pub comm: Vec<u8>,
    /// The task's cgroup.
    pub cgroup: u64,
    /// What was counted.
    pub tally: Tally,
}

/// Keys that are gone and remembered, at most; beyond, they are added up under [`None`].
const GONE_MAX: usize = 100_000;

/// How often keys that are gone are looked for, where there is plenty of room.
const TAKE_OVER_PERIOD: Duration = Duration::from_secs(1);

/// One of so many entries in use is plenty of room still.
const ROOMY: u32 = 8;

/// Room for slots, for each key. Short-lived processes hit few, busy ones some hundred.
const SLOTS_PER_KEY: u32 = 16;

/// What keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Processes. One may be gone while something of it is still on its way: that comes in again under the same
    /// number, and is added to what was taken over.
    Processes,
    /// Cgroups.
    Cgroups,
}

/// Totals of many keys.
pub struct Totals {
    keys: u32,
    taken_over: Instant,
    gone: BTreeMap<Option<u64>, NamedTally>,
    /// What the kernel had at the last call.
    last: BTreeMap<Option<u64>, NamedTally>,
}

impl Totals {
    /// Room for `keys` keys at a time.
    pub fn new(keys: u32) -> Self {
        Self {
            keys,
            taken_over: Instant::now(),
            gone: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    /// Sets the sizes of the kernel's maps.
    pub fn plan(&self, plan: &mut Plan) {
        let slots = self.keys.saturating_mul(SLOTS_PER_KEY);
        plan.map_sizes
            .extend([("TOTALS", self.keys), ("SLOT_COUNTS", slots)]);
    }

    /// What was counted since the last call, or since the start. Whoever asks for the former does so always: keys
    /// that are gone are then forgotten once they were told.
    pub fn take(
        &mut self,
        session: &Session,
        since_last: bool,
    ) -> Result<BTreeMap<Option<u64>, NamedTally>, SysError> {
        let counted = read_kernel(session)?.into_iter();
        let kernel: BTreeMap<_, _> = counted.map(|(key, tally)| (Some(key), tally)).collect();
        if !since_last {
            return Ok(with(self.gone.clone(), &kernel));
        }
        let all = with(std::mem::take(&mut self.gone), &kernel);
        let taken = difference(&all, &self.last);
        self.last = kernel;
        Ok(taken)
    }

    /// Takes over what was counted for keys that are gone, and has the names of all cgroups of tasks that something
    /// was counted for known, as these may go, too. Does nothing while it is too early and there is room.
    pub fn take_over(
        &mut self,
        session: &Session,
        names: &mut Names,
        keys: Keys,
    ) -> Result<(), SysError> {
        if self.taken_over.elapsed() < TAKE_OVER_PERIOD && self.is_roomy(session)? {
            return Ok(());
        }
        self.taken_over = Instant::now();
        let counted = read_totals(session)?;
        for counted in counted.values() {
            names.container(counted.cgroup);
        }
        let known: Vec<u64> = counted.into_keys().collect();
        let gone = match keys {
            Keys::Processes => names.gone_processes(&known),
            Keys::Cgroups => names.gone_cgroups(&known),
        };
        if gone.is_empty() {
            return Ok(());
        }
        // Read again: those that are gone may have been counted until they were found to be.
        for (key, tally) in read_kernel(session)? {
            if !gone.contains(&key) {
                continue;
            }
            remove(session, key, &tally.tally)?;
            let full = self.gone.len() >= GONE_MAX && !self.gone.contains_key(&Some(key));
            let key = if full { None } else { Some(key) };
            merge(self.gone.entry(key).or_default(), tally);
        }
        Ok(())
    }
}

impl Totals {
    fn is_roomy(&self, session: &Session) -> Result<bool, SysError> {
        let mut used = 0u32;
        session.map("TOTALS").for_each(|_| used += 1)?;
        Ok(used < self.keys / ROOMY)
    }
}

/// What is gone and what the kernel has, together.
fn with(
    mut gone: BTreeMap<Option<u64>, NamedTally>,
    kernel: &BTreeMap<Option<u64>, NamedTally>,
) -> BTreeMap<Option<u64>, NamedTally> {
    for (key, tally) in kernel {
        merge(gone.entry(*key).or_default(), tally.clone());
    }
    gone
}

fn merge(into: &mut NamedTally, from: NamedTally) {
    into.tally.add(&from.tally);
    if !from.comm.is_empty() {
        into.comm = from.comm;
        into.cgroup = from.cgroup;
    }
}

/// What was counted under each key, without slots.
fn read_totals(session: &Session) -> Result<BTreeMap<u64, Counted>, SysError> {
    let mut counted = BTreeMap::new();
    session.map("TOTALS").for_each(|entry| {
        counted.insert(read_u64(entry.key), Counted::read(&entry));
    })?;
    Ok(counted)
}

fn read_kernel(session: &Session) -> Result<BTreeMap<u64, NamedTally>, SysError> {
    let mut counted = read_totals(session)?;
    session.map("SLOT_COUNTS").for_each(|entry| {
        let slot = u32::from_ne_bytes(entry.key[8..12].try_into().expect("4 bytes")) as usize;
        // The slot may belong to a key whose totals came after they were read: it is read next time.
        if let Some(counted) = counted.get_mut(&read_u64(entry.key)) {
            let count: u64 = entry.values().map(read_u64).sum();
            counted.slots.push((slot.min(SLOTS - 1) as u16, count));
        }
    })?;
    Ok(counted
        .into_iter()
        .map(|(key, counted)| (key, counted.into_tally()))
        .collect())
}

fn remove(session: &Session, key: u64, tally: &Tally) -> Result<(), SysError> {
    session.map("TOTALS").delete(&key.to_ne_bytes())?;
    let slots = session.map("SLOT_COUNTS");
    for slot in tally.durations.hit_slots() {
        let slot = SlotKey {
            key,
            slot: slot as u32,
            padding: 0,
        };
        let mut bytes = [0; size_of::<SlotKey>()];
        bytes[..8].copy_from_slice(&slot.key.to_ne_bytes());
        bytes[8..12].copy_from_slice(&slot.slot.to_ne_bytes());
        slots.delete(&bytes)?;
    }
    Ok(())
}

/// One key's totals, added up over all CPUs.
#[derive(Default)]
struct Counted {
    count: u64,
    errors: u64,
    sum: u64,
    max: u64,
    cgroup: u64,
    comm: Vec<u8>,
    /// Those that were hit: a table of all of them takes 5 KiB a key.
    slots: Vec<(u16, u64)>,
}

impl Counted {
    /// Takes the values apart by the layout of [`aggregate::Totals`].
    fn read(entry: &Entry<'_>) -> Self {
        let mut counted = Self::default();
        for value in entry.values() {
            debug_assert_eq!(value.len(), size_of::<aggregate::Totals>());
            counted.count += read_u64(value);
            counted.errors += read_u64(&value[8..]);
            counted.sum += read_u64(&value[16..]);
            counted.max = counted.max.max(read_u64(&value[24..]));
            let comm = &value[40..40 + COMM_BYTES];
            if comm[0] != 0 {
                counted.cgroup = read_u64(&value[32..]);
                counted.comm = comm
                    .split(|&byte| byte == 0)
                    .next()
                    .unwrap_or_default()
                    .to_vec();
            }
        }
        counted
    }

    fn into_tally(self) -> NamedTally {
        let durations = Distribution::of_slots(self.slots, self.sum, self.max);
        let tally = Tally {
            count: self.count,
            errors: self.errors,
            durations,
        };
        NamedTally {
            comm: self.comm,
            cgroup: self.cgroup,
            tally,
        }
    }
}

fn difference(
    all: &BTreeMap<Option<u64>, NamedTally>,
    earlier: &BTreeMap<Option<u64>, NamedTally>,
) -> BTreeMap<Option<u64>, NamedTally> {
    let since = |(key, named): (&Option<u64>, &NamedTally)| {
        let tally = match earlier.get(key) {
            Some(earlier) => named.tally.since(&earlier.tally),
            None => named.tally.clone(),
        };
        (tally.count > 0).then(|| {
            (
                *key,
                NamedTally {
                    tally,
                    ..named.clone()
                },
            )
        })
    };
    all.iter().filter_map(since).collect()
}
