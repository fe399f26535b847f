//! The maps of a script.

use std::rc::Rc;

use tracer_script::program::{self, Image, MapRole};

use super::ScriptError;
use crate::kernel::{Kernel, map::Map, object::rights_hint, sys};

/// Makes them all, in the image's order.
pub fn create(image: &Image, kernel: &Kernel) -> Result<Vec<Rc<Map>>, ScriptError> {
    let create = |map: &program::Map| create_one(map, image, kernel).map(Rc::new);
    image.maps.iter().map(create).collect()
}

fn create_one(map: &program::Map, image: &Image, kernel: &Kernel) -> Result<Map, ScriptError> {
    let failed = |error: sys::SysError| {
        let bytes = u64::from(map.key_size) + u64::from(map.value_size);
        ScriptError::new(format!(
            "cannot make the map {} ({} entries, {bytes} bytes each): {error}{}",
            map.name,
            map.entries,
            rights_hint(&error)
        ))
    };
    let made = Map::create(&sys::MapSpec {
        kind: map.kind.number(),
        name: map.name.trim_start_matches('@'),
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.entries,
        flags: flags(map.role, kernel),
        btf: None,
    })
    .map_err(failed)?;
    if map.role == MapRole::Rodata {
        let mut constants = image.rodata.clone();
        constants.resize(map.value_size as usize, 0);
        made.set(&0u32.to_ne_bytes(), &constants)
            .and_then(|()| made.freeze())
            .map_err(failed)?;
    }
    Ok(made)
}

/// `BPF_F_*` of `include/uapi/linux/bpf.h`.
fn flags(role: MapRole, kernel: &Kernel) -> u32 {
    /// Entries take memory when they are made.
    const NO_PREALLOC: u32 = 1;
    /// Programs cannot write.
    const RDONLY_PROG: u32 = 1 << 7;
    match role {
        // An entry is large and most are never made. Before Linux 6.1 memory could not be had everywhere
        // that a program runs.
        MapRole::Stacks if kernel.since(6, 1) => NO_PREALLOC,
        MapRole::Rodata => RDONLY_PROG,
        _ => 0,
    }
}
