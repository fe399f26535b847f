//! Task storage: a value that lives and dies with a thread. Linux 5.13 for tracing programs.
//!
//! The kernel makes such a map only with BTF types for key and value
//! (`kernel/bpf/bpf_local_storage.c`, `bpf_local_storage_map_alloc_check`): an `int` key and, as it
//! looks no closer at the value, an array of bytes.

use std::os::fd::AsFd;

use aya_obj::generated::bpf_map_type;

use super::{
    map::Map,
    sys::{self, MapSpec},
};

/// `BPF_F_NO_PREALLOC`, which the kernel demands here.
const NO_PREALLOC: u32 = 1;

/// Makes a task storage map; on a kernel that has none, an array in its place. The instructions that
/// use it must still name a map there, though constants keep the verifier from ever getting to them.
pub fn create_or_stand_in(spec: &MapSpec<'_>) -> sys::Result<Map> {
    match create(spec) {
        Err(error) if error.errno() == libc::EINVAL => Map::create(&MapSpec {
            kind: bpf_map_type::BPF_MAP_TYPE_ARRAY as u32,
            max_entries: 1,
            flags: 0,
            ..*spec
        }),
        result => result,
    }
}

fn create(spec: &MapSpec<'_>) -> sys::Result<Map> {
    let btf = sys::btf_load(&byte_array_btf(spec.value_size))?;
    Map::create(&MapSpec {
        max_entries: 0,
        flags: NO_PREALLOC,
        btf: Some((btf.as_fd(), KEY_TYPE, VALUE_TYPE)),
        ..*spec
    })
}

const KEY_TYPE: u32 = 1;
const VALUE_TYPE: u32 = 3;

/// Three types: `[1] int`, `[2] unsigned char`, `[3] unsigned char[size]`, laid out as
/// `Documentation/bpf/btf.rst` says.
fn byte_array_btf(size: u32) -> Vec<u8> {
    const KIND_INT: u32 = 1 << 24;
    const KIND_ARRAY: u32 = 3 << 24;
    const SIGNED: u32 = 1 << 24;
    let strings = b"\0int\0unsigned char\0";
    let (int_name, char_name) = (1, 5);
    let types: Vec<u32> = [
        [int_name, KIND_INT, 4, SIGNED | 32].as_slice(),
        &[char_name, KIND_INT, 1, 8],
        &[
            0, KIND_ARRAY, 0, /* element */ 2, /* index */ 1, size,
        ],
    ]
    .concat();
    let types_bytes = size_of_val(types.as_slice()) as u32;
    let header_bytes = 24u32;
    let words = [
        header_bytes,
        0,
        types_bytes,
        types_bytes,
        strings.len() as u32,
    ];
    let mut btf = vec![0x9f, 0xeb, 1, 0];
    words
        .iter()
        .chain(&types)
        .for_each(|word| btf.extend(word.to_ne_bytes()));
    btf.extend(strings);
    btf
}
