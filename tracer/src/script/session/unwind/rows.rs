//! Rows in the kernel: arrays of one size, filled one after the other.

use std::rc::Rc;

use tracer_script::{
    program::MapKind,
    unwind::{ROW_BYTES, Rule, SHARD_ROWS, SHARDS_MAX},
};

use crate::kernel::{
    map::Map,
    sys::{MapSpec, Result},
    unwind::Row,
};

/// The row of code that nothing is known of.
pub const NOTHING: Row = Row {
    address: 0,
    rule: Rule::Unknown,
};

/// Rows of a file that lie in one array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The address of the first one.
    pub address: u32,
    /// Which array.
    pub shard: u32,
    /// The first one there.
    pub first: u32,
    /// How many.
    pub rows: u32,
}

/// All arrays.
pub struct Rows {
    shards: Rc<Map>,
    /// The last one, and its number.
    last: Option<(Map, u32)>,
    /// Rows in the last one.
    used: u32,
}

impl Rows {
    /// None yet, in the map that is to hold the arrays.
    pub fn new(shards: Rc<Map>) -> Self {
        Self {
            shards,
            last: None,
            used: 0,
        }
    }

    /// Adds the rows of a file. Where there is no more room for all of them, those at its end are left out, and one
    /// that says so stands in for them.
    pub fn add(&mut self, rows: &[Row]) -> Result<Rc<[Part]>> {
        let mut rest = rows;
        let mut parts = Vec::new();
        while let Some(first) = rest.first() {
            if !self.find_room()? {
                log::warn!(
                    "stacks end in a part of the code: there is no more room for its tables"
                );
                break;
            }
            let Some((map, shard)) = &self.last else {
                break;
            };
            // A search finds fewer than all that an array holds.
            let room = (SHARD_ROWS - self.used).min(SHARD_ROWS - 1);
            let (these, others) = rest.split_at(rest.len().min(room as usize));
            let bytes: Vec<u8> = these.iter().flat_map(bytes).collect();
            map.set_from(self.used, &bytes)?;
            parts.push(Part {
                address: first.address,
                shard: *shard,
                first: self.used,
                rows: these.len() as u32,
            });
            self.used += these.len() as u32;
            rest = others;
        }
        Ok(parts.into())
    }

    /// Makes the next array where the last one is full; false where there can be no more.
    fn find_room(&mut self) -> Result<bool> {
        let number = match &self.last {
            Some(_) if self.used < SHARD_ROWS => return Ok(true),
            Some((_, number)) => number + 1,
            None => 0,
        };
        if number == SHARDS_MAX {
            return Ok(false);
        }
        let map = shard()?;
        self.shards.set_map(number, &map)?;
        self.last = Some((map, number));
        self.used = 0;
        Ok(true)
    }
}

/// An array of rows, all zeros.
pub fn shard() -> Result<Map> {
    Map::create(&MapSpec {
        kind: MapKind::Array.number(),
        name: "unwind_rows",
        key_size: 4,
        value_size: ROW_BYTES,
        max_entries: SHARD_ROWS,
        flags: 0,
        btf: None,
        inner: None,
    })
}

/// As it lies in the kernel. A rule that does not fit is not known.
fn bytes(row: &Row) -> [u8; ROW_BYTES as usize] {
    let rule = row.rule.packed().unwrap_or(0);
    let mut bytes = [0; ROW_BYTES as usize];
    bytes[..4].copy_from_slice(&row.address.to_ne_bytes());
    bytes[4..].copy_from_slice(&rule.to_ne_bytes());
    bytes
}
