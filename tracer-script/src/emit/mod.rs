//! From the intermediate form to BPF's instructions.

mod allocate;
mod assemble;
mod bpf;
mod btf;
mod moves;
pub mod types;

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

/// Functions within each other: `MAX_CALL_FRAMES` of `include/linux/bpf_verifier.h`.
const FRAMES: u32 = 8;

/// Makes code of functions, the main one first. The error says what the kernel would not take.
pub fn emit(functions: Vec<Function>, sources: &Sources) -> Result<Code, String> {
    let mut parts = Vec::new();
    for mut function in functions {
        let assembled = assemble::assemble(&mut function)?;
        parts.push((function, assembled));
    }
    let used = reached(&parts);
    refuse_deep_stacks(&parts)?;
    let mut code = Code::default();
    let mut starts = vec![None; parts.len()];
    let mut emitted = Vec::new();
    let mut calls = Vec::new();
    for (number, (function, assembled)) in parts.into_iter().enumerate() {
        // The kernel refuses what is never reached, as a loop behind a `return` is.
        if !used[number] {
            continue;
        }
        let start = code.instructions.len();
        starts[number] = Some(start);
        emitted.push((function, start));
        code.instructions.extend(assembled.instructions);
        let shift = |(at, reference)| (at + start, reference);
        code.references
            .extend(assembled.references.into_iter().map(shift));
        let calls_here = assembled.functions.into_iter();
        calls.extend(calls_here.map(|(at, callee)| (at + start, callee)));
        let spans = assembled.spans.into_iter();
        code.spans
            .extend(spans.map(|(at, span)| (at + start, span)));
    }
    for (at, callee) in calls {
        let start = starts[callee].ok_or("a function is called that is not there")?;
        // Counted from the instruction behind.
        code.instructions[at].imm = start as i32 - at as i32 - 1;
    }
    btf::describe(&mut code, &emitted, sources);
    Ok(code)
}

/// Which functions the main one calls or has called back, directly or not.
fn reached(parts: &[(Function, assemble::Assembled)]) -> Vec<bool> {
    let mut used = vec![false; parts.len()];
    let mut waiting = vec![0];
    while let Some(number) = waiting.pop() {
        if !std::mem::replace(&mut used[number], true) {
            let callees = parts[number].1.functions.iter();
            waiting.extend(callees.map(|&(_, callee)| callee));
        }
    }
    used
}

/// The kernel limits the stack of all functions that are within each other, and how many there are.
fn refuse_deep_stacks(parts: &[(Function, assemble::Assembled)]) -> Result<(), String> {
    // A function has a lower number than the loops in it, and a higher one than those that it calls: neither
    // order serves. There are no circles.
    let mut deepest: Vec<Option<(u32, u32)>> = vec![None; parts.len()];
    let mut waiting = vec![(0, false)];
    while let Some((number, done)) = waiting.pop() {
        if deepest[number].is_some() {
            continue;
        }
        let assembled = &parts[number].1;
        let callees = assembled.functions.iter().map(|&(_, callee)| callee);
        if !done {
            waiting.push((number, true));
            waiting.extend(callees.map(|callee| (callee, false)));
            continue;
        }
        let below = callees.filter_map(|callee| deepest[callee]);
        let (bytes, frames) = below.fold((0, 0), |(bytes, frames), (more, deeper)| {
            (bytes.max(more), frames.max(deeper))
        });
        let own = assembled.stack.div_ceil(STACK_UNIT).max(1) * STACK_UNIT;
        deepest[number] = Some((own + bytes, frames + 1));
    }
    let (bytes, frames) = deepest[0].unwrap_or_default();
    if bytes > STACK {
        return Err(format!(
            "it, its loops and subprograms need {bytes} bytes of stack, and the kernel gives {STACK}"
        ));
    }
    if frames > FRAMES {
        return Err(format!(
            "its loops and subprograms are {frames} within each other, and the kernel lets {FRAMES} be"
        ));
    }
    Ok(())
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
