//! `.BTF` and `.BTF.ext`: types, and which functions and lines of the script instructions are of.

use tracer_script::emit::types::{BEGINNING, TypeInfo};

/// What is known of the instructions of one section.
#[derive(Default)]
pub struct Source {
    /// The section's name.
    pub name: String,
    /// `struct bpf_func_info`, with the instruction's place in bytes.
    pub functions: Vec<[u32; 2]>,
    /// `struct bpf_line_info`, likewise.
    pub lines: Vec<[u32; 4]>,
}

/// `struct btf_ext_header` of `tools/lib/bpf/libbpf_internal.h`, without what is optional.
const HEADER_BYTES: u32 = 24;

/// The bytes of both sections.
pub fn sections(mut types: TypeInfo, sources: &[Source]) -> (Vec<u8>, Vec<u8>) {
    let mut functions = vec![size_of::<[u32; 2]>() as u32];
    let mut lines = vec![size_of::<[u32; 4]>() as u32];
    for source in sources {
        let name = types.string(&source.name);
        add(&mut functions, name, &source.functions);
        add(&mut lines, name, &source.lines);
    }
    let bytes = |words: &[u32]| words.len() as u32 * 4;
    let header = [
        BEGINNING,
        HEADER_BYTES,
        0,
        bytes(&functions),
        bytes(&functions),
        bytes(&lines),
    ];
    let words = header.iter().chain(&functions).chain(&lines);
    let extension = words.flat_map(|word| word.to_ne_bytes()).collect();
    (types.finish(), extension)
}

fn add<const N: usize>(words: &mut Vec<u32>, section: u32, records: &[[u32; N]]) {
    if !records.is_empty() {
        words.extend([section, records.len() as u32]);
        words.extend(records.iter().flatten());
    }
}
