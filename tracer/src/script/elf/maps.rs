//! Maps: those that programs look entries up in are described in `.maps`; those that programs know the address of are
//! sections of data, of which libbpf makes arrays with one entry.

use object::{
    SectionKind, SymbolKind,
    write::{Object, SectionId, SymbolId},
};
use tracer_script::{
    emit::types::{SIGNED, TypeInfo, kind},
    program::{Image, Map, MapKind, MapRole},
};

use super::{section, symbol};

/// What programs refer to a map by.
#[derive(Clone, Copy)]
pub enum Place {
    /// Its definition.
    Definition(SymbolId),
    /// Its value.
    Data(SymbolId),
}

/// Types of members: `int`, and numbers of 1, 4 and 8 bytes.
struct Numbers {
    int: u32,
    byte: u32,
    word: u32,
    long: u32,
}

/// Puts all maps into the object, in the image's order.
pub fn define(object: &mut Object<'_>, types: &mut TypeInfo, image: &Image) -> Vec<Place> {
    let mut number = |name: &str, bytes: u32, signed: u32| {
        let name = types.string(name);
        types.add(&[name, kind::INT, bytes, signed | (bytes * 8)])
    };
    let numbers = Numbers {
        int: number("int", 4, SIGNED),
        byte: number("unsigned char", 1, 0),
        word: number("unsigned int", 4, 0),
        long: number("unsigned long long", 8, 0),
    };
    let section = object.add_section(Vec::new(), b".maps".to_vec(), SectionKind::Data);
    let mut variables = Vec::new();
    let mut end = 0;
    let mut places = Vec::new();
    for map in &image.maps {
        places.push(match constants(map, image) {
            Some(bytes) => data(object, map, &bytes),
            None => {
                let (variable, size) = variable(types, &numbers, map);
                let at = object.append_section_data(section, &vec![0; size as usize], 8);
                variables.extend([variable, at as u32, size]);
                end = at as u32 + size;
                let bytes = (at, size as usize);
                Place::Definition(symbol(object, &name(map), section, bytes, SymbolKind::Data))
            }
        });
    }
    if end > 0 {
        let name = types.string(".maps");
        let mut words = vec![name, kind::DATASEC | (variables.len() as u32 / 3), end];
        words.extend(variables);
        types.add(&words);
    }
    places
}

/// What a map that programs know the address of holds at first; [`None`] for others.
fn constants(map: &Map, image: &Image) -> Option<Vec<u8>> {
    let mut bytes = match map.role {
        MapRole::Rodata => image.rodata.clone(),
        _ if map.kind == MapKind::Array && map.presence => Vec::new(),
        _ => return None,
    };
    bytes.resize(map.value_size as usize, 0);
    Some(bytes)
}

fn data(object: &mut Object<'_>, map: &Map, bytes: &[u8]) -> Place {
    let (name, kind) = match map.role {
        MapRole::Rodata => (".rodata".to_owned(), SectionKind::ReadOnlyData),
        _ => (format!(".data.{}", name(map)), SectionKind::Data),
    };
    let section: SectionId = section(object, &name, kind, bytes);
    Place::Data(object.section_symbol(section))
}

/// Names of maps that the script did not give cannot be like those that it gave.
fn name(map: &Map) -> String {
    match map.name.strip_prefix('@') {
        Some("") => "map".to_owned(),
        Some(name) => name.to_owned(),
        None => format!("tracer_{}", map.name),
    }
}

/// A map as a variable whose members' types tell what it is: `parse_btf_map_def` of libbpf. With its bytes.
fn variable(types: &mut TypeInfo, numbers: &Numbers, map: &Map) -> (u32, u32) {
    let mut members = Vec::new();
    let mut member = |types: &mut TypeInfo, name: &str, kind_of: u32| {
        let pointer = types.add(&[0, kind::PTR, kind_of]);
        let name = types.string(name);
        members.extend([name, pointer, members.len() as u32 / 3 * 64]);
    };
    let constant = |types: &mut TypeInfo, value| array(types, numbers.int, numbers.int, value);
    let number = constant(types, map.kind.number());
    member(types, "type", number);
    let entries = constant(types, map.entries);
    member(types, "max_entries", entries);
    match map.kind {
        MapKind::Ringbuf => {}
        MapKind::PerfEventArray => {
            let key = constant(types, map.key_size);
            member(types, "key_size", key);
            let value = constant(types, map.value_size);
            member(types, "value_size", value);
        }
        _ => {
            let key = sized(types, numbers, map.key_size);
            member(types, "key", key);
            let value = sized(types, numbers, map.value_size);
            member(types, "value", value);
        }
    }
    let count = members.len() as u32 / 3;
    let mut words = vec![0, kind::STRUCT | count, count * 8];
    words.extend(members);
    let structure = types.add(&words);
    let name = types.string(&name(map));
    /// `BTF_VAR_GLOBAL_ALLOCATED`
    const GLOBAL: u32 = 1;
    let variable = types.add(&[name, kind::VAR, structure, GLOBAL]);
    (variable, count * 8)
}

/// A type of so many bytes.
fn sized(types: &mut TypeInfo, numbers: &Numbers, bytes: u32) -> u32 {
    match bytes {
        4 => numbers.word,
        8 => numbers.long,
        _ if bytes.is_multiple_of(8) => array(types, numbers.long, numbers.int, bytes / 8),
        _ => array(types, numbers.byte, numbers.int, bytes),
    }
}

fn array(types: &mut TypeInfo, element: u32, index: u32, count: u32) -> u32 {
    types.add(&[0, kind::ARRAY, 0, element, index, count])
}
