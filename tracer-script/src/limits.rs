//! What the kernel will not take, told before it is asked: sizes of maps, of records and of programs' memory.

use crate::{
    check::Analysis,
    diagnostic::{Diagnostics, Span},
    facts::Facts,
    program::{Image, Map, MapRole, Program},
    types::{Sizes, align},
};

/// Bytes of a key: what [`crate::config::Config::max_strlen`] can be.
const KEY_MAX: u32 = 64 << 10;

/// Bytes of a key before Linux 5.11: `MAX_BPF_STACK`, in `htab_map_alloc_check` of `kernel/bpf/hashtab.c`.
const KEY_MAX_BEFORE_5_11: u32 = 512;

/// Bytes of a value. The kernel takes some 4 MiB of key and value (`KMALLOC_MAX_SIZE`).
const VALUE_MAX: u32 = 1 << 20;

/// Bytes that a program needs for its values, on each CPU.
const SCRATCH_MAX: u32 = 2 << 20;

/// Maps that a program can use: `MAX_USED_MAPS` of `include/linux/bpf_verifier.h`.
const MAPS_MAX: usize = 64;

const SHORTER: &str = "make strings shorter by the config variable max_strlen";

/// Whether one of the script's maps has keys that are longer than the kernel takes.
pub(crate) fn has_long_keys(maps: &[Map], facts: &dyn Facts) -> bool {
    let mut maps = maps.iter().filter(|map| map.role == MapRole::Script);
    maps.any(|map| map.key_size > key_max(facts))
}

/// Bytes that this kernel lets a key have.
fn key_max(facts: &dyn Facts) -> u32 {
    match facts.since(5, 11) {
        true => KEY_MAX,
        false => KEY_MAX_BEFORE_5_11,
    }
}

/// Looks at an image that is made.
pub(crate) fn check(
    image: &Image,
    analysis: &Analysis,
    sizes: &dyn Sizes,
    facts: &dyn Facts,
    diagnostics: &mut Diagnostics,
) {
    let of_keys = key_max(facts);
    let whole = image
        .programs
        .first()
        .map_or(Span::default(), |one| one.span);
    for map in &image.maps {
        match map.role {
            MapRole::Script => {
                let span = analysis.maps.get(&map.name).map_or(whole, |info| info.span);
                script_map(map, of_keys, span, diagnostics);
            }
            MapRole::Scratch if map.value_size > SCRATCH_MAX => too_much_memory(
                format!("a probe needs {} bytes for its values", map.value_size),
                SCRATCH_MAX,
                whole,
                diagnostics,
            ),
            MapRole::Events => records(image, map.entries, sizes, diagnostics),
            _ => {}
        }
    }
    for program in &image.programs {
        maps_of(program, diagnostics);
    }
}

fn too_much_memory(what: String, limit: u32, span: Span, diagnostics: &mut Diagnostics) {
    diagnostics.error_hint(span, format!("{what}, and can have {limit}"), SHORTER);
}

fn script_map(map: &Map, of_keys: u32, span: Span, diagnostics: &mut Diagnostics) {
    if map.key_size > of_keys {
        let limit = match of_keys {
            KEY_MAX => format!("can have {KEY_MAX}"),
            _ => format!("before Linux 5.11 could have {of_keys}"),
        };
        diagnostics.error_hint(
            span,
            format!(
                "a key of {} has {} bytes, and {limit}",
                map.name, map.key_size
            ),
            SHORTER,
        );
    }
    if map.value_size > VALUE_MAX {
        let what = format!("a value of {} has {} bytes", map.name, map.value_size);
        too_much_memory(what, VALUE_MAX, span, diagnostics);
    }
}

/// A record must fit into the ring buffer, with others beside it.
fn records(image: &Image, ring: u32, sizes: &dyn Sizes, diagnostics: &mut Diagnostics) {
    const HEAD: u32 = 8;
    for action in &image.actions {
        let add = |sum: u32, size: u32| sum.saturating_add(align(size));
        let args = action.args.iter().map(|arg| arg.stored_size(sizes));
        let size = args.fold(HEAD, add);
        if size > ring / 2 {
            diagnostics.error_hint(
                action.span,
                format!("this sends {size} bytes at once, and the ring buffer has {ring}"),
                "make it larger by the config variable perf_rb_pages, or send less",
            );
        }
    }
}

fn maps_of(program: &Program, diagnostics: &mut Diagnostics) {
    let references = program.code.references.iter();
    let mut maps: Vec<usize> = references.map(|(_, reference)| reference.map()).collect();
    maps.sort_unstable();
    maps.dedup();
    if maps.len() > MAPS_MAX {
        diagnostics.error(
            program.span,
            format!(
                "The probe uses {} maps, those of the tracer included, and the kernel lets it use {MAPS_MAX}",
                maps.len()
            ),
        );
    }
}
