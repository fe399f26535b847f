//! Puts programs into their sections.

use std::ops::Range;

use anyhow::{Context as _, bail};
use object::{
    SectionKind, SymbolKind, SymbolScope,
    write::{Object, Relocation, SectionId, SymbolId},
};
use tracer_script::{
    emit::{
        Code, Insn, Reference,
        types::{Shift, TypeInfo},
    },
    program::{Program, ProgramKind},
};

use super::{INSN_BYTES, maps, names, source::Source, symbol};

/// The constant of a two-slot load, and the target of a call: `Documentation/bpf/llvm_reloc.rst`.
const R_BPF_64_64: u32 = 1;
const R_BPF_64_32: u32 = 10;

/// Instructions that refer to functions: `include/uapi/linux/bpf.h`.
const CALL: u8 = 0x85;
const PSEUDO_CALL: u8 = 1;
const WIDE: u8 = 0x18;
const PSEUDO_FUNC: u8 = 4;

/// Where functions are that programs call, or have called back.
const TEXT: &str = ".text";

/// Puts programs into an object.
pub struct Placer<'a> {
    object: Object<'a>,
    types: TypeInfo,
    maps: Vec<maps::Place>,
    /// The sections of programs, with what is known of their instructions.
    sections: Vec<(SectionId, Source)>,
}

/// What a piece of code refers to others by.
struct Links {
    shift: Shift,
    /// The instruction that the first function behind the main one begins with, and the same in `.text`.
    second: usize,
    in_text: usize,
    text: Option<SymbolId>,
}

impl<'a> Placer<'a> {
    /// With the maps in the image's order.
    pub fn new(object: Object<'a>, types: TypeInfo, maps: Vec<maps::Place>) -> Self {
        Self {
            object,
            types,
            maps,
            sections: Vec::new(),
        }
    }

    /// The object, the types, and what is known of each section of instructions.
    pub fn finish(self) -> (Object<'a>, TypeInfo, Vec<Source>) {
        let sources = self.sections.into_iter().map(|(_, source)| source);
        (self.object, self.types, sources.collect())
    }

    /// Adds a program: one that is made for a single function once for each.
    pub fn place(&mut self, program: &Program) -> anyhow::Result<()> {
        let code = &program.code;
        let shift = self.types.append(&code.btf);
        let shift = shift.context("the types of a program are not of the form that is known")?;
        let starts = code.functions.iter().map(|&[start, _]| start as usize);
        let mut bounds: Vec<usize> = starts.collect();
        bounds.push(code.instructions.len());
        let mut links = Links {
            shift,
            second: bounds[1],
            in_text: 0,
            text: None,
        };
        if bounds.len() > 2 {
            let text = self.section(TEXT);
            let id = self.sections[text].0;
            links.in_text = self.object.section(id).data().len() / INSN_BYTES;
            links.text = Some(self.object.section_symbol(id));
            for (number, bound) in bounds[1..].windows(2).enumerate() {
                let name = format!("{}.{}", program.name, number + 1);
                let id = self.piece(code, bound[0]..bound[1], text, &name, &links)?;
                self.object.symbol_mut(id).scope = SymbolScope::Compilation;
            }
        }
        let alone = match program.targets.as_slice() {
            [one] => Some(one),
            _ => None,
        };
        match program.kind {
            ProgramKind::Fentry { .. } | ProgramKind::Iter => {
                for (number, target) in program.targets.iter().enumerate() {
                    let name = match alone {
                        Some(_) => program.name.clone(),
                        None => format!("{}_{number}", program.name),
                    };
                    let section = self.section(&names::section(program, Some(target)));
                    self.piece(code, 0..bounds[1], section, &name, &links)?;
                }
            }
            _ => {
                let section = self.section(&names::section(program, alone));
                self.piece(code, 0..bounds[1], section, &program.name, &links)?;
            }
        }
        Ok(())
    }

    /// The number of the section of this name, which is made where it is not there: libbpf tells them apart by name.
    fn section(&mut self, name: &str) -> usize {
        let mut known = self.sections.iter();
        if let Some(number) = known.position(|(_, source)| source.name == name) {
            return number;
        }
        let bytes = name.as_bytes().to_vec();
        let id = self
            .object
            .add_section(Vec::new(), bytes, SectionKind::Text);
        let source = Source {
            name: name.to_owned(),
            ..Source::default()
        };
        self.sections.push((id, source));
        self.sections.len() - 1
    }

    /// Adds one function.
    fn piece(
        &mut self,
        code: &Code,
        range: Range<usize>,
        section: usize,
        name: &str,
        links: &Links,
    ) -> anyhow::Result<SymbolId> {
        let (id, source) = &mut self.sections[section];
        let id = *id;
        let begin = self.object.section(id).data().len();
        let offset = |at: usize| begin + (at - range.start) * INSN_BYTES;
        let inside = |at: u32| range.contains(&(at as usize));
        let functions = code.functions.iter().filter(|[at, _]| inside(*at));
        source.functions.extend(
            functions.map(|&[at, of]| [offset(at as usize) as u32, of + links.shift.types]),
        );
        let strings = links.shift.strings;
        let lines = code.lines.iter().filter(|[at, ..]| inside(*at));
        source.lines.extend(lines.map(|&[at, file, text, place]| {
            [
                offset(at as usize) as u32,
                file + strings,
                text + strings,
                place,
            ]
        }));

        let mut instructions = code.instructions[range.clone()].to_vec();
        let mut relocations = Vec::new();
        for &(at, reference) in &code.references {
            if range.contains(&at) {
                let to = self.refer(&mut instructions[at - range.start..], reference)?;
                relocations.push((at, to, R_BPF_64_64));
            }
        }
        for (at, insn) in range.clone().zip(&mut instructions) {
            if let (Some(kind), Some(text)) = (refer_to_function(insn, at, links), links.text) {
                relocations.push((at, text, kind));
            }
        }
        let bytes: Vec<u8> = instructions.iter().flat_map(bytes).collect();
        self.object
            .append_section_data(id, &bytes, INSN_BYTES as u64);
        for (at, symbol, r_type) in relocations {
            let relocation = Relocation {
                offset: offset(at) as u64,
                symbol,
                addend: 0,
                flags: object::RelocationFlags::Elf { r_type },
            };
            self.object.add_relocation(id, relocation)?;
        }
        let place = (begin as u64, bytes.len());
        Ok(symbol(&mut self.object, name, id, place, SymbolKind::Text))
    }

    /// Changes a load of a map's address to the form that libbpf completes.
    fn refer(&self, load: &mut [Insn], reference: Reference) -> anyhow::Result<SymbolId> {
        let [first, second, ..] = load else {
            bail!("a load of a map's address is cut off");
        };
        first.registers &= 0x0f;
        match (reference, self.maps[reference.map()]) {
            (Reference::Map(_), maps::Place::Definition(symbol)) => Ok(symbol),
            (Reference::MapValue(_), maps::Place::Data(symbol)) => {
                first.imm = std::mem::take(&mut second.imm);
                Ok(symbol)
            }
            _ => bail!("libbpf knows no address of a map without keys: leave out `&@`"),
        }
    }
}

/// Makes a call, or a load of a function's address, relative to the beginning of `.text`, as libbpf has it.
fn refer_to_function(insn: &mut Insn, at: usize, links: &Links) -> Option<u32> {
    let target = (at as i64 + 1 + i64::from(insn.imm)) as usize;
    let in_text = || (links.in_text + target - links.second) as i32;
    match (insn.code, insn.registers >> 4) {
        (CALL, PSEUDO_CALL) => {
            insn.imm = in_text() - 1;
            Some(R_BPF_64_32)
        }
        (WIDE, PSEUDO_FUNC) => {
            insn.imm = in_text() * INSN_BYTES as i32;
            Some(R_BPF_64_64)
        }
        _ => None,
    }
}

/// `struct bpf_insn`
fn bytes(insn: &Insn) -> [u8; 8] {
    let [low, high] = insn.offset.to_le_bytes();
    let imm = insn.imm.to_le_bytes();
    [
        insn.code,
        insn.registers,
        low,
        high,
        imm[0],
        imm[1],
        imm[2],
        imm[3],
    ]
}
