//! Few keys, each with a row of the kernel's that holds a whole histogram.

use std::collections::BTreeMap;

use tracer_common::{
    aggregate::{OTHER_ROW, Row},
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
    report::Distribution,
};

/// Tallies by key; [`None`] is the key of all that found no room.
pub type Tallies = BTreeMap<Option<u64>, Tally>;

/// Rows with a histogram each, for few keys.
pub struct Rows {
    count: u32,
    last: Tallies,
}

impl Rows {
    /// Room for `keys` keys, beside the row of those that find none.
    pub fn new(keys: u32) -> Self {
        Self {
            count: keys + 1,
            last: Tallies::new(),
        }
    }

    /// Sets the sizes of the kernel's maps.
    pub fn plan(&self, plan: &mut Plan) {
        plan.map_sizes
            .extend([("ROWS", self.count), ("FREE_ROWS", self.count)]);
    }

    /// Offers the rows to the kernel side.
    pub fn prepare(&self, session: &Session) -> Result<(), SysError> {
        let free = session.map("FREE_ROWS");
        (OTHER_ROW + 1..self.count).try_for_each(|row| free.push(&row.to_ne_bytes()))
    }

    /// All that was counted since the start.
    pub fn read(&self, session: &Session) -> Result<Tallies, SysError> {
        let mut tallies = Tallies::new();
        session
            .map("ROWS")
            .for_each(|entry| add_row(&mut tallies, &entry))?;
        Ok(tallies)
    }

    /// What was counted since the last call, or since the start.
    pub fn take(&mut self, session: &Session, since_last: bool) -> Result<Tallies, SysError> {
        let all = self.read(session)?;
        let taken = if since_last {
            difference(&all, &self.last)
        } else {
            all.clone()
        };
        self.last = all;
        Ok(taken)
    }
}

fn add_row(tallies: &mut Tallies, entry: &Entry<'_>) {
    let number = u32::from_ne_bytes(entry.key.try_into().expect("a row's number has 4 bytes"));
    for value in entry.values() {
        let row = read_row(value);
        if row.used == 0 {
            continue;
        }
        let key = (number != OTHER_ROW).then_some(row.key);
        let tally = tallies.entry(key).or_default();
        tally.add(&row.tally);
    }
}

struct ReadRow {
    key: u64,
    used: u64,
    tally: Tally,
}

/// Takes a row apart by the layout of [`Row`].
fn read_row(bytes: &[u8]) -> ReadRow {
    debug_assert_eq!(bytes.len(), size_of::<Row>());
    let word = |index: usize| read_u64(&bytes[8 * index..]);
    let slots: Vec<u64> = (0..SLOTS).map(|slot| word(6 + slot)).collect();
    let durations = Distribution::new(slots, word(4), word(5));
    ReadRow {
        key: word(0),
        used: word(1),
        tally: Tally {
            count: word(2) + durations.count(),
            errors: word(3),
            durations,
        },
    }
}

fn difference(all: &Tallies, earlier: &Tallies) -> Tallies {
    let since = |(key, tally): (&Option<u64>, &Tally)| {
        let tally = earlier
            .get(key)
            .map_or_else(|| tally.clone(), |earlier| tally.since(earlier));
        (tally.count > 0).then_some((*key, tally))
    };
    all.iter().filter_map(since).collect()
}
