//! From the intermediate form to BPF's instructions.

use crate::diagnostic::Span;

/// One instruction, as the kernel takes it (`struct bpf_insn` of `include/uapi/linux/bpf.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Insn {
    /// The operation.
    pub code: u8,
    /// Destination in the low four bits, source in the high ones.
    pub registers: u8,
    /// An offset.
    pub offset: i16,
    /// A constant.
    pub imm: i32,
}

/// What an `ld_imm64` refers to, put in once that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The map of this number in the image: `BPF_PSEUDO_MAP_FD`.
    Map(usize),
    /// An address in the value of this map's first entry: `BPF_PSEUDO_MAP_VALUE`, the offset in the second
    /// instruction.
    MapValue(usize),
}

/// A program's code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The instructions, the main function's first.
    pub instructions: Vec<Insn>,
    /// Which instructions refer to maps.
    pub references: Vec<(usize, Reference)>,
    /// Type information of the functions and the source's lines, for `BPF_BTF_LOAD`.
    pub btf: Vec<u8>,
    /// For each function its first instruction and its type in `btf`: `struct bpf_func_info`.
    pub functions: Vec<[u32; 2]>,
    /// Which line of the source instructions come from: `struct bpf_line_info`.
    pub lines: Vec<[u32; 4]>,
    /// The same, as places in the source: from this instruction on.
    pub spans: Vec<(usize, Span)>,
}
