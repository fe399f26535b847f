//! The maps of a script.

use std::{os::fd::AsFd as _, rc::Rc};

use tracer_script::program::{self, Image, MapRole};

use super::{ScriptError, unwind};
use crate::kernel::{map::Map, object::rights_hint, sys};

/// Makes them all, in the image's order.
pub fn create(image: &Image) -> Result<Vec<Rc<Map>>, ScriptError> {
    let create = |map: &program::Map| create_one(map, image).map(Rc::new);
    image.maps.iter().map(create).collect()
}

fn create_one(map: &program::Map, image: &Image) -> Result<Map, ScriptError> {
    let failed = |error: sys::SysError| {
        let bytes = u64::from(map.key_size) + u64::from(map.value_size);
        ScriptError::new(format!(
            "cannot make the map {} ({} entries, {bytes} bytes each): {error}{}",
            map.name,
            map.entries,
            rights_hint(&error)
        ))
    };
    // What the array of arrays holds is to be known beforehand: one like those that are put in later.
    let inner = match map.role {
        MapRole::UnwindRows => Some(unwind::shard().map_err(failed)?),
        _ => None,
    };
    let made = Map::create(&sys::MapSpec {
        kind: map.kind.number(),
        name: map.name.trim_start_matches('@'),
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.entries,
        flags: flags(map.role),
        btf: None,
        inner: inner.as_ref().map(|map| map.as_fd()),
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
fn flags(role: MapRole) -> u32 {
    /// Programs cannot write.
    const RDONLY_PROG: u32 = 1 << 7;
    match role {
        MapRole::Rodata => RDONLY_PROG,
        _ => 0,
    }
}
