//! `--emit-elf`: a script's programs as an object file, for whoever wants to look at them with `llvm-objdump -d` or
//! `readelf`. Each program is a section of its own, as libbpf names them; what it refers to maps by, are relocations
//! against the maps' symbols.

use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
    write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection},
};
use tracer_script::{
    emit::{Insn, Reference},
    probe::Target,
    program::{Image, Program, ProgramKind},
};

/// `R_BPF_64_64`: the constant of a two-slot load. See `Documentation/bpf/llvm_reloc.rst`.
const R_BPF_64_64: u32 = 1;

/// Bytes of an instruction.
const INSN_BYTES: u64 = 8;

/// The object file. The error says what it could not hold.
pub fn object(image: &Image) -> anyhow::Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let maps = maps(&mut object, image);
    for program in &image.programs {
        let code = program.code.instructions.iter().flat_map(bytes);
        let name = section_name(program).into_bytes();
        let section = object.add_section(Vec::new(), name, SectionKind::Text);
        let code: Vec<u8> = code.collect();
        let size = code.len() as u64;
        object.append_section_data(section, &code, INSN_BYTES);
        symbol(
            &mut object,
            &program.name,
            section,
            0,
            size,
            SymbolKind::Text,
        );
        for &(at, reference) in &program.code.references {
            let (map, addend) = match reference {
                Reference::Map(map) => (map, 0),
                Reference::MapValue(map) => (map, i64::from(program.code.instructions[at + 1].imm)),
            };
            let relocation = Relocation {
                offset: at as u64 * INSN_BYTES,
                symbol: maps[map],
                addend,
                flags: object::RelocationFlags::Elf {
                    r_type: R_BPF_64_64,
                },
            };
            object.add_relocation(section, relocation)?;
        }
    }
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    let text = [image.config.license.as_bytes(), b"\0"].concat();
    object.append_section_data(license, &text, 1);
    symbol(
        &mut object,
        "LICENSE",
        license,
        0,
        text.len() as u64,
        SymbolKind::Data,
    );
    Ok(object.write()?)
}

/// `struct bpf_map_def` for each map: its type, the bytes of keys and values, the entries, flags.
fn maps(object: &mut Object<'_>, image: &Image) -> Vec<SymbolId> {
    let section = object.add_section(Vec::new(), b"maps".to_vec(), SectionKind::Data);
    let definition = |object: &mut Object<'_>, map: &tracer_script::program::Map| {
        let words = [
            map.kind.number(),
            map.key_size,
            map.value_size,
            map.entries,
            0,
        ];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let at = object.append_section_data(section, &bytes, 4);
        let name = map.name.trim_start_matches('@');
        let name = if name.is_empty() { "map" } else { name };
        symbol(
            object,
            name,
            section,
            at,
            bytes.len() as u64,
            SymbolKind::Data,
        )
    };
    image
        .maps
        .iter()
        .map(|map| definition(object, map))
        .collect()
}

fn symbol(
    object: &mut Object<'_>,
    name: &str,
    section: SectionId,
    value: u64,
    size: u64,
    kind: SymbolKind,
) -> SymbolId {
    object.add_symbol(Symbol {
        name: name.as_bytes().to_vec(),
        value,
        size,
        kind,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    })
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

/// As libbpf tells a program's kind and place: see `section_defs` of `tools/lib/bpf/libbpf.c`.
fn section_name(program: &Program) -> String {
    let Some(target) = program.targets.first() else {
        return "raw_tp".to_owned();
    };
    let Target {
        group,
        item,
        offset,
        ..
    } = target;
    match program.kind {
        ProgramKind::OnRequest => format!("raw_tp/{}", program.name),
        ProgramKind::RawTracepoint => format!("raw_tp/{item}"),
        ProgramKind::Tracepoint => format!("tp/{group}/{item}"),
        ProgramKind::Kprobe { on_return: false } => format!("kprobe/{item}"),
        ProgramKind::Kprobe { on_return: true } => format!("kretprobe/{item}"),
        ProgramKind::KprobeMulti { on_return: false } => format!("kprobe.multi/{item}"),
        ProgramKind::KprobeMulti { on_return: true } => format!("kretprobe.multi/{item}"),
        ProgramKind::Uprobe { on_return: false } => format!("uprobe/{group}:{offset:#x}"),
        ProgramKind::Uprobe { on_return: true } => format!("uretprobe/{group}:{offset:#x}"),
        ProgramKind::UprobeMulti { on_return: false } => format!("uprobe.multi/{group}:{item}"),
        ProgramKind::UprobeMulti { on_return: true } => format!("uretprobe.multi/{group}:{item}"),
        ProgramKind::Fentry { on_return: false } => format!("fentry/{item}"),
        ProgramKind::Fentry { on_return: true } => format!("fexit/{item}"),
        ProgramKind::PerfEvent => "perf_event".to_owned(),
        ProgramKind::Iter => format!("iter/{item}"),
    }
}
