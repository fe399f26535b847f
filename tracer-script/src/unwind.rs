//! How stacks of programs without frame pointers are followed (`dw_ustack`, x86-64): the layout of the tables that user
//! space fills from the files of a process, and that programs search.
//!
//! A process has regions of memory with code, sorted by their addresses. Each has rows, sorted too: from one address
//! on, how the frame of the caller is found. Rows lie in arrays of [`SHARD_ROWS`], which files share, as files are in
//! use by more than one process; an address in them is counted from the file's own beginning.

/// Rows that an array holds; of one file one less at the most.
pub const SHARD_ROWS: u32 = 1 << 16;
/// Arrays of rows at most: 16 million rows, 128 MiB.
pub const SHARDS_MAX: u32 = 256;
/// Regions of a process: fewer than that.
pub const REGIONS_MAX: u32 = 1024;
/// Processes whose regions are kept at a time.
pub const SLOTS: u32 = 64;
/// Processes that something is known of: those with regions, and those that are not followed.
pub const PROCESSES_MAX: u32 = 4096;

/// Bytes of a [`Region`] in the kernel.
pub const REGION_BYTES: u32 = 40;
pub(crate) const REGION_START: i32 = 0;
pub(crate) const REGION_END: i32 = 8;
pub(crate) const REGION_BIAS: i32 = 16;
pub(crate) const REGION_SHARD: i32 = 24;
pub(crate) const REGION_FIRST: i32 = 28;
pub(crate) const REGION_ROWS: i32 = 32;

/// Memory of a process that holds code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// Its first address.
    pub start: u64,
    /// The address behind it.
    pub end: u64,
    /// What an address is less in the rows.
    pub bias: u64,
    /// Which array has its rows.
    pub shard: u32,
    /// The first of them there.
    pub first: u32,
    /// How many there are. Code without any is taken to have frame pointers.
    pub rows: u32,
}

impl Region {
    /// As it lies in the kernel.
    pub fn bytes(&self) -> [u8; REGION_BYTES as usize] {
        let mut bytes = [0; REGION_BYTES as usize];
        let mut put = |at: i32, value: &[u8]| {
            bytes[at as usize..at as usize + value.len()].copy_from_slice(value);
        };
        put(REGION_START, &self.start.to_ne_bytes());
        put(REGION_END, &self.end.to_ne_bytes());
        put(REGION_BIAS, &self.bias.to_ne_bytes());
        put(REGION_SHARD, &self.shard.to_ne_bytes());
        put(REGION_FIRST, &self.first.to_ne_bytes());
        put(REGION_ROWS, &self.rows.to_ne_bytes());
        bytes
    }
}

/// Bytes of a [`Process`] in the kernel.
pub const PROCESS_BYTES: u32 = 16;
pub(crate) const PROCESS_FIRST: i32 = 0;
pub(crate) const PROCESS_REGIONS: i32 = 4;
pub(crate) const PROCESS_ASKED: i32 = 8;

/// A process whose stacks are followed, or are known not to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The first of its regions.
    pub first: u32,
    /// How many it has; 0 where it is not followed.
    pub regions: u32,
    /// When a program last asked for them to be read again, in nanoseconds since boot as `CLOCK_MONOTONIC` has it. In the
    /// far future where they shall not.
    pub asked_ns: i64,
}

impl Process {
    /// One that is not followed.
    pub const OTHER: Self = Self {
        first: 0,
        regions: 0,
        asked_ns: i64::MAX,
    };

    /// As it lies in the kernel.
    pub fn bytes(&self) -> [u8; PROCESS_BYTES as usize] {
        let mut bytes = [0; PROCESS_BYTES as usize];
        bytes[..4].copy_from_slice(&self.first.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.regions.to_ne_bytes());
        bytes[8..].copy_from_slice(&self.asked_ns.to_ne_bytes());
        bytes
    }
}

/// Bytes of a row in the kernel: an address (`u32`), and the rule that holds from there on.
pub const ROW_BYTES: u32 = 8;

pub(crate) const KIND_BITS: u32 = 3;
pub(crate) const SAVED_BITS: u32 = 8;
pub(crate) const OFFSET_BITS: u32 = 32 - KIND_BITS - SAVED_BITS;

/// How the caller's frame is found. Its end (the CFA of DWARF) is where the stack pointer is after the return; the return
/// address lies in the 8 bytes below it. Bytes are multiples of 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// It is not known.
    #[default]
    Unknown,
    /// So many bytes above the stack pointer.
    Stack {
        /// Those bytes.
        offset: u32,
        /// How far below the end `rbp` is saved; 0 where it holds what it held in the caller.
        saved: u32,
    },
    /// So many bytes above `rbp`.
    Frame {
        /// Those bytes.
        offset: u32,
        /// The same as above.
        saved: u32,
    },
    /// In a table of jumps to other files: 8 bytes more above the stack pointer behind the entry's push, which ends at
    /// the byte `pushed` of the 16 that an entry has.
    Jump {
        /// Bytes before the push.
        offset: u32,
        /// That byte.
        pushed: u32,
    },
    /// The stack was aligned anew: the end is kept so many bytes below `rbp`, and `rbp` points to where it is saved.
    Realigned {
        /// Those bytes.
        offset: u32,
    },
    /// A signal's handler returns here: the registers lie above the stack pointer, as `struct ucontext` tells.
    Signal,
    /// No one called this.
    Outermost,
}

pub(crate) const KIND_STACK: i64 = 1;
pub(crate) const KIND_FRAME: i64 = 2;
pub(crate) const KIND_JUMP: i64 = 3;
pub(crate) const KIND_REALIGNED: i64 = 4;
pub(crate) const KIND_SIGNAL: i64 = 5;
pub(crate) const KIND_OUTERMOST: i64 = 6;

impl Rule {
    /// As it lies in the kernel, behind the address; [`None`] where its numbers are too large for that.
    pub fn packed(self) -> Option<u32> {
        let (kind, saved, offset) = match self {
            Self::Unknown => return Some(0),
            Self::Stack { offset, saved } => (KIND_STACK, saved, offset),
            Self::Frame { offset, saved } => (KIND_FRAME, saved, offset),
            Self::Jump { offset, pushed } => (KIND_JUMP, pushed.checked_mul(8)?, offset),
            Self::Realigned { offset } => (KIND_REALIGNED, 0, offset),
            Self::Signal => (KIND_SIGNAL, 0, 0),
            Self::Outermost => (KIND_OUTERMOST, 0, 0),
        };
        let (saved, offset) = (words(saved, SAVED_BITS)?, words(offset, OFFSET_BITS)?);
        Some(kind as u32 | saved << KIND_BITS | offset << (KIND_BITS + SAVED_BITS))
    }
}

/// Bytes as words, where they are whole ones and so many bits hold them.
fn words(bytes: u32, bits: u32) -> Option<u32> {
    (bytes.is_multiple_of(8) && bytes / 8 < 1 << bits).then_some(bytes / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_fit_or_are_refused() {
        let rule = |offset, saved| Rule::Stack { offset, saved }.packed();
        assert_eq!(rule(8, 0), Some(1 | 1 << 11));
        assert_eq!(rule(64, 16), Some(1 | 2 << 3 | 8 << 11));
        assert_eq!(rule(12, 0), None);
        assert_eq!(rule(8, 256 * 8), None);
        assert_eq!(rule(8, 255 * 8), Some(1 | 255 << 3 | 1 << 11));
        assert_eq!(rule(8 << OFFSET_BITS, 0), None);
        let jump = Rule::Jump {
            offset: 8,
            pushed: 11,
        };
        assert_eq!(jump.packed(), Some(3 | 11 << 3 | 1 << 11));
    }
}
