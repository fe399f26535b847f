//! From the intermediate form to BPF's instructions.

mod allocate;
mod assemble;
mod bpf;
mod btf;

use std::fmt::Write as _;

use crate::{diagnostic::Span, ir::Function, source::Sources};

pub use btf::span_of;

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

impl Reference {
    /// The map's number.
    pub fn map(self) -> usize {
        match self {
            Self::Map(map) | Self::MapValue(map) => map,
        }
    }

    /// The same map by another number.
    pub(crate) fn renumbered(self, numbers: &[usize]) -> Self {
        match self {
            Self::Map(map) => Self::Map(numbers[map]),
            Self::MapValue(map) => Self::MapValue(numbers[map]),
        }
    }
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

/// Bytes that the kernel rounds the stack of each function up to (`check_max_stack_depth` of
/// `kernel/bpf/verifier.c`), and what it gives them all together.
const STACK_UNIT: u32 = 32;
const STACK: u32 = 512;

/// Makes code of functions, the main one first; the others are called back by those before them. The error says
/// what the kernel would not take.
pub fn emit(functions: Vec<Function>, sources: &Sources) -> Result<Code, String> {
    let mut code = Code::default();
    let mut starts = vec![None; functions.len()];
    let mut emitted = Vec::new();
    let mut calls = Vec::new();
    let mut stacks = Vec::new();
    for (number, mut function) in functions.into_iter().enumerate() {
        // The kernel refuses what is never reached, as a loop behind a `return` is.
        if number > 0 && !calls.iter().any(|&(_, callee)| callee == number) {
            continue;
        }
        let start = code.instructions.len();
        starts[number] = Some(start);
        let assembled = assemble::assemble(&mut function)?;
        emitted.push((function, start));
        code.instructions.extend(assembled.instructions);
        let shift = |(at, reference)| (at + start, reference);
        code.references
            .extend(assembled.references.into_iter().map(shift));
        let calls_here = assembled.functions.into_iter();
        calls.extend(calls_here.map(|(at, callee)| (at + start, callee)));
        code.spans.extend(
            assembled
                .spans
                .into_iter()
                .map(|(at, span)| (at + start, span)),
        );
        stacks.push(assembled.stack.div_ceil(STACK_UNIT).max(1) * STACK_UNIT);
    }
    for (at, callee) in calls {
        let start = starts[callee].ok_or("a function is called before its caller is made")?;
        // Counted from the instruction behind.
        code.instructions[at].imm = start as i32 - at as i32 - 1;
    }
    let main = stacks.first().copied().unwrap_or(0);
    let deepest = stacks.iter().skip(1).copied().max().unwrap_or(0);
    if main + deepest > STACK {
        return Err(format!(
            "it and its loops need {} bytes of stack, and the kernel gives {STACK}",
            main + deepest
        ));
    }
    btf::describe(&mut code, &emitted, sources);
    Ok(code)
}

/// A listing of the instructions.
pub fn list(code: &Code) -> String {
    let mut out = String::new();
    let mut wide = false;
    for (index, insn) in code.instructions.iter().enumerate() {
        if std::mem::take(&mut wide) {
            continue;
        }
        wide = bpf::is_wide(insn);
        if code
            .functions
            .iter()
            .any(|&[start, _]| start as usize == index)
            && index > 0
        {
            out.push('\n');
        }
        let reference = code.references.iter().find(|(at, _)| *at == index);
        let _ = match reference {
            Some((_, Reference::Map(map))) => {
                writeln!(out, "{index:5}: r{} = map {map}", insn.registers & 15)
            }
            Some((_, Reference::MapValue(map))) => {
                let offset = code.instructions[index + 1].imm;
                writeln!(
                    out,
                    "{index:5}: r{} = value of map {map} + {offset}",
                    insn.registers & 15
                )
            }
            None => writeln!(out, "{index:5}: {}", bpf::describe(insn)),
        };
    }
    out
}
