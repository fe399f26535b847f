//! `--emit-elf`: a script's programs as an object file that libbpf loads. Each program is in a section that tells its
//! kind and place, subprograms and bodies of loops are in `.text`; maps are described by BTF, and what programs refer
//! to is told by relocations. See `tools/lib/bpf/libbpf.c`, and `Documentation/bpf/llvm_reloc.rst`.

mod maps;
mod names;
mod place;
mod source;
#[cfg(test)]
mod tests;

use anyhow::bail;
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
    write::{Object, SectionId, Symbol, SymbolId, SymbolSection},
};
use tracer_script::{
    emit::types::TypeInfo,
    program::{Image, MapKind},
};

use self::place::Placer;

/// Bytes of an instruction.
const INSN_BYTES: usize = 8;

/// The object file. The error says what it cannot hold.
pub fn object(image: &Image) -> anyhow::Result<Vec<u8>> {
    if image
        .maps
        .iter()
        .any(|map| map.kind == MapKind::ArrayOfMaps)
    {
        bail!("dw_ustack goes by tables that tracer fills while it runs: use ustack");
    }
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let mut types = TypeInfo::default();
    let maps = maps::define(&mut object, &mut types, image);
    let mut placer = Placer::new(object, types, maps);
    for program in &image.programs {
        placer.place(program)?;
    }
    let (mut object, types, sources) = placer.finish();
    let (btf, extension) = source::sections(types, &sources);
    section(&mut object, ".BTF", SectionKind::Other, &btf);
    section(&mut object, ".BTF.ext", SectionKind::Other, &extension);
    let license = [image.config.license.as_bytes(), b"\0"].concat();
    let at = section(&mut object, "license", SectionKind::Data, &license);
    symbol(
        &mut object,
        "LICENSE",
        at,
        (0, license.len()),
        SymbolKind::Data,
    );
    Ok(object.write()?)
}

fn section(object: &mut Object<'_>, name: &str, kind: SectionKind, bytes: &[u8]) -> SectionId {
    let section = object.add_section(Vec::new(), name.as_bytes().to_vec(), kind);
    object.append_section_data(section, bytes, INSN_BYTES as u64);
    section
}

/// A name for bytes of a section, by where these begin and how many there are.
fn symbol(
    object: &mut Object<'_>,
    name: &str,
    section: SectionId,
    (value, size): (u64, usize),
    kind: SymbolKind,
) -> SymbolId {
    object.add_symbol(Symbol {
        name: name.as_bytes().to_vec(),
        value,
        size: size as u64,
        kind,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    })
}
