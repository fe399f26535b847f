//! Log-linear histogram slots: 16 to each power of two, so that a value is known within 1/16 of
//! itself, and the middle of its slot is off by at most 1/32 (3.2 %).
//!
//! Values below 32 have a slot each. From there on octave `e` (values `2^e..2^(e+1)`) has the slots
//! `(e - 3) * 16 .. (e - 2) * 16`.

/// Slots to each power of two, as a power of two.
pub const SUB_BITS: u32 = 4;

/// Slots to each power of two.
pub const SUB_SLOTS: usize = 1 << SUB_BITS;

/// The number of slots. The last one also takes all that is larger: in nanoseconds, from 2 h 22 min.
pub const SLOTS: usize = 640;

/// The slot that `value` falls in.
#[inline(always)]
pub const fn slot_of(value: u64) -> usize {
    if value < SUB_SLOTS as u64 {
        return value as usize;
    }
    let octave = 63 - value.leading_zeros();
    let sub = (value >> (octave - SUB_BITS)) as usize & (SUB_SLOTS - 1);
    let slot = (octave - SUB_BITS + 1) as usize * SUB_SLOTS + sub;
    if slot < SLOTS { slot } else { SLOTS - 1 }
}

/// The smallest value of `slot`, which must be below [`SLOTS`].
pub const fn slot_low(slot: usize) -> u64 {
    if slot < 2 * SUB_SLOTS {
        return slot as u64;
    }
    let shift = slot / SUB_SLOTS - 1;
    ((slot % SUB_SLOTS + SUB_SLOTS) as u64) << shift
}

/// The largest value of `slot`: [`u64::MAX`] for the last one.
pub const fn slot_high(slot: usize) -> u64 {
    if slot + 1 >= SLOTS {
        u64::MAX
    } else {
        slot_low(slot + 1) - 1
    }
}

/// A histogram as it stands in a per-CPU map value: one writer CPU, read and added up by user space.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Hist {
    /// Sum of all values.
    pub sum: u64,
    /// The largest value.
    pub max: u64,
    /// How many values fell in each slot; their total is the count.
    pub slots: [u64; SLOTS],
}

const _: () = assert!(size_of::<Hist>() == 16 + 8 * SLOTS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_holds_its_own_bounds() {
        for slot in 0..SLOTS {
            assert_eq!(slot_of(slot_low(slot)), slot, "low of {slot}");
            assert_eq!(slot_of(slot_high(slot)), slot, "high of {slot}");
        }
    }

    #[test]
    fn slots_leave_no_gap_and_are_narrow() {
        for slot in 1..SLOTS - 1 {
            assert_eq!(slot_high(slot - 1) + 1, slot_low(slot));
            let (low, high) = (slot_low(slot), slot_high(slot));
            assert!((high - low) * 16 <= low, "slot {slot}: {low}..={high}");
        }
    }
}
