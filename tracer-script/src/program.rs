//! What the compiler puts out: programs, maps, and what user space must know of their records.

use std::rc::Rc;

use crate::{
    config::Config,
    diagnostic::Span,
    emit::Code,
    facts::Struct,
    format::Format,
    probe::{AttachKind, Target},
    source::Sources,
    types::Type,
};

/// An enumeration's name, and its enumerators with their values.
pub type Enumeration = (Rc<str>, Vec<(String, i64)>);

/// A whole compiled script.
#[derive(Debug, Default)]
pub struct Image {
    /// What the script set.
    pub config: Config,
    /// The texts that all places are in.
    pub sources: Rc<Sources>,
    /// Maps, by number: references of programs are to these.
    pub maps: Vec<Map>,
    /// Constants that programs point to.
    pub rodata: Vec<u8>,
    /// Programs, in the order of the script.
    pub programs: Vec<Program>,
    /// What records mean, by their numbers.
    pub actions: Vec<Action>,
    /// Names of probes, by the numbers that programs know them by.
    pub probe_names: Vec<String>,
    /// How many places of the kernel and of programs the script asked for: what "Attached N probes" tells.
    pub attached: usize,
    /// Structures that values of the script are of, for printing.
    pub structs: Vec<Rc<Struct>>,
    /// Enumerations that values of the script are of, for printing.
    pub enums: Vec<Enumeration>,
    /// Maps with keys, with what each part of their keys may be called, as it is written: `comm`, `fd`.
    pub key_names: Vec<(String, Vec<String>)>,
    /// Maps that the script deletes entries of.
    pub deleted_maps: Vec<String>,
    /// The most frames of any stack; 0 where the script takes none.
    pub stack_frames: u32,
}

/// What a map is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapRole {
    /// Declared or implied by the script.
    Script,
    /// The ring buffer: records on their way to user space, each an action's number (`u32`), 4 bytes of
    /// nothing, and the action's arguments, each at a multiple of 8.
    Events,
    /// A `u64` for each cause of loss, per CPU; see [`Loss`].
    Loss,
    /// Memory of programs: an array with an entry for each program on each CPU.
    Scratch,
    /// Constants: [`Image::rodata`], to be frozen before programs are loaded.
    Rodata,
    /// Packets on their way to user space, through a buffer for each CPU: [`PACKET_HEAD`] bytes, and the packet's.
    Packets,
    /// Processes that an address of has been kept, by their numbers: each is told of once, while it lives.
    Seen,
    /// Frames of stacks by their hash: a `u64` that tells how many, then as many addresses as
    /// [`Image::stack_frames`] says.
    Stacks,
    /// What is known of processes whose stacks are followed without frame pointers, by their numbers (`u64`): see
    /// [`crate::unwind::Process`].
    UnwindProcesses,
    /// The regions of these: see [`crate::unwind::Region`].
    UnwindRegions,
    /// Arrays of rows: see [`crate::unwind::ROW_BYTES`].
    UnwindRows,
}

/// Causes of loss: entries of the map with [`MapRole::Loss`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Loss {
    /// A record found no room in the ring buffer.
    RingFull = 0,
    /// A program found itself, or another that shares its memory, at work already.
    Busy = 1,
    /// A stack found no room in the map of stacks.
    StackFull = 2,
    /// A stack that was followed without frame pointers was that of a process which is not.
    UnwindOther = 3,
    /// Such a stack led to code that user space has not read yet.
    UnwindUnread = 4,
    /// Such a stack led to code that does not tell how it is left.
    UnwindUnknown = 5,
    /// Such a stack led to memory that could not be read.
    UnwindMemory = 6,
    /// A key found no room in a map: this, plus the map's number.
    MapFull = 7,
}

/// Bytes of a record of a packet before its own, in words of 8: the action's number; when it came, in nanoseconds since
/// boot; how many bytes of the packet there are; how many of these are left out at its beginning.
pub const PACKET_HEAD: u32 = 32;

/// What a map is to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as BPF_MAP_TYPE_*")]
pub enum MapKind {
    Hash,
    Array,
    PerfEventArray,
    PercpuHash,
    PercpuArray,
    ArrayOfMaps,
    LruHash,
    LruPercpuHash,
    Ringbuf,
}

impl MapKind {
    /// `BPF_MAP_TYPE_*`
    pub fn number(self) -> u32 {
        match self {
            Self::Hash => 1,
            Self::Array => 2,
            Self::PerfEventArray => 4,
            Self::PercpuHash => 5,
            Self::PercpuArray => 6,
            Self::LruHash => 9,
            Self::LruPercpuHash => 10,
            Self::ArrayOfMaps => 12,
            Self::Ringbuf => 27,
        }
    }

    /// True where each CPU has its own value.
    pub fn is_per_cpu(self) -> bool {
        matches!(
            self,
            Self::PercpuHash | Self::PercpuArray | Self::LruPercpuHash
        )
    }
}

/// A map.
#[derive(Clone, Debug)]
pub struct Map {
    /// With its `@`, for those of the script.
    pub name: String,
    /// What it is for.
    pub role: MapRole,
    /// What it is to the kernel.
    pub kind: MapKind,
    /// Type of keys; [`Type::Void`] for a map that holds one value.
    pub key: Type,
    /// Type of values.
    pub value: Type,
    /// Bytes of a key in the kernel.
    pub key_size: u32,
    /// Bytes of a value in the kernel.
    pub value_size: u32,
    /// Entries.
    pub entries: u32,
    /// A histogram's number of a bucket (`u64`, see [`crate::buckets`]) stands behind the key, and each value is
    /// one bucket. A histogram without a key is an array of its buckets.
    pub bucket_in_key: bool,
    /// An array of one entry that stands in for a map without keys: its value begins with a `u64` that is not
    /// zero where the map has been set.
    pub presence: bool,
}

/// How a program comes to run, which settles its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramKind {
    /// `BPF_PROG_TYPE_RAW_TRACEPOINT`, never attached: user space has it run, by `BPF_PROG_TEST_RUN`.
    OnRequest,
    /// `BPF_PROG_TYPE_RAW_TRACEPOINT` at the tracepoint `item` of each target, by `BPF_RAW_TRACEPOINT_OPEN`.
    RawTracepoint,
    /// `BPF_PROG_TYPE_TRACEPOINT` at `group`:`item` of each target, through a perf event.
    Tracepoint,
    /// `BPF_PROG_TYPE_KPROBE` at the function `item` (in the module `group`, where that is not empty) plus
    /// `offset`, through a perf event; without `item` at the address `offset`.
    Kprobe {
        /// At the return.
        on_return: bool,
    },
    /// `BPF_PROG_TYPE_KPROBE` with `BPF_TRACE_KPROBE_MULTI`, one link for all targets.
    KprobeMulti {
        /// At the return.
        on_return: bool,
    },
    /// `BPF_PROG_TYPE_KPROBE` at `offset` of the file `group`, through a perf event.
    Uprobe {
        /// At the return.
        on_return: bool,
    },
    /// `BPF_PROG_TYPE_KPROBE` with `BPF_TRACE_UPROBE_MULTI`, one link for all targets of a file.
    UprobeMulti {
        /// At the return.
        on_return: bool,
    },
    /// `BPF_PROG_TYPE_TRACING` with `BPF_TRACE_FENTRY` or `BPF_TRACE_FEXIT`: loaded once for each target, with
    /// the BTF id of its function `item` (in the module `group`, where that is not empty).
    Fentry {
        /// At the return.
        on_return: bool,
    },
    /// `BPF_PROG_TYPE_PERF_EVENT` on a perf event of each CPU, or of one process: `item` names the event,
    /// `count` is its period (or hertz, where `group` is `hz`).
    PerfEvent,
    /// `BPF_PROG_TYPE_TRACING` with `BPF_TRACE_ITER`: run by reading from the iterator `item`.
    Iter,
}

/// A program.
#[derive(Debug)]
pub struct Program {
    /// For the kernel: letters, digits, `_`.
    pub name: String,
    /// What makes it run.
    pub kind: ProgramKind,
    /// The probe's own kind.
    pub probe: AttachKind,
    /// The places, all with the same code.
    pub targets: Vec<Target>,
    /// The cookie of each place, where they have one: its number among the names of probes.
    pub cookies: Option<Vec<u64>>,
    /// The code.
    pub code: Code,
    /// Where the probe stands in the source.
    pub span: Span,
}

/// What is to be done when a record with its number comes.
#[derive(Clone, Debug)]
pub struct Action {
    /// What.
    pub kind: ActionKind,
    /// Where it stands in the source.
    pub span: Span,
    /// Types of the arguments; each begins at a multiple of 8.
    pub args: Vec<Type>,
}

/// What a record asks for.
#[derive(Clone, Debug)]
pub enum ActionKind {
    /// `printf`
    Printf(Format),
    /// `errorf`
    Errorf(Format),
    /// `warnf`
    Warnf(Format),
    /// `system`
    System(Format),
    /// `cat`
    Cat(Format),
    /// `print` of a value.
    PrintValue,
    /// `print` of a map, with the top and the divisor.
    PrintMap {
        /// Which.
        map: usize,
        /// At most so many; 0 for all.
        top: u64,
        /// Values are divided by this.
        div: u64,
    },
    /// `clear`
    Clear(usize),
    /// `zero`
    Zero(usize),
    /// `exit`, with the status as its argument.
    Exit,
    /// `time`
    Time(String),
    /// `join`, with the text between.
    Join(String),
    /// An address of a process, its argument, will have to be named, maybe when the process is gone.
    Process,
    /// The process, its argument, has code that the tables for following its stacks do not know.
    Unwind,
    /// A helper that failed: its name; the argument is what it returned.
    HelperError(&'static str),
    /// `skboutput`: the file.
    SkbOutput(String),
    /// `unwatch`
    Unwatch,
}
