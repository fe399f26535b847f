//! Why something that should have been counted was not: one per-CPU counter in the kernel for each.

/// A cause of loss: an index into the kernel side's `LOSS` map.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Loss {
    /// The ring buffer had no room for an event.
    RingFull = 0,
    /// A map had no room for another key.
    MapFull = 1,
    /// The end of something was seen whose start was not, though tracing was on.
    StartMissed = 2,
    /// A string was longer than the room for it, and was cut.
    StringCut = 3,
    /// Memory that an event pointed to could not be read.
    ReadFault = 4,
    /// The end of something that had begun before tracing did. Not a fault: it was never ours to count.
    InFlight = 5,
    /// A key did not fit the table and was counted under `other`.
    Folded = 6,
    /// The kernel did not run a program because it was running on that CPU already
    /// (`recursion_misses` of `struct bpf_prog_info`): counted by the kernel, not in `LOSS`.
    Recursion = 7,
    /// A value was counted, but not in its histogram, as the table of slots had no room.
    SlotFull = 8,
    /// The kernel did not show the end of something whose start was seen: on older kernels, returns of a
    /// function that more threads are in at a time than it keeps room for (`maxactive` of kretprobes).
    EndMissed = 9,
}

impl Loss {
    /// Every cause, in the order of their indices.
    pub const ALL: [Loss; 10] = [
        Loss::RingFull,
        Loss::MapFull,
        Loss::StartMissed,
        Loss::StringCut,
        Loss::ReadFault,
        Loss::InFlight,
        Loss::Folded,
        Loss::Recursion,
        Loss::SlotFull,
        Loss::EndMissed,
    ];
}

/// The number of causes: entries of the `LOSS` map.
pub const CAUSES: u32 = Loss::ALL.len() as u32;
