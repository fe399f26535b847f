//! Maps: making them, reading and writing what they hold.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use aya_obj::generated::{bpf_attr, bpf_cmd};

use super::{Result, bpf, bpf_fd, object_name, zeroed_attr};

/// What a map shall be: the arguments of `BPF_MAP_CREATE`.
#[derive(Clone, Copy, Debug)]
pub struct MapSpec<'a> {
    /// `BPF_MAP_TYPE_*`.
    pub kind: u32,
    /// Cut to 15 characters.
    pub name: &'a str,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value, of one CPU where the map is per CPU.
    pub value_size: u32,
    /// Entries, or bytes for a ring buffer.
    pub max_entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
    /// A BTF object and its type ids for key and value, where the kind demands them.
    pub btf: Option<(BorrowedFd<'a>, u32, u32)>,
    /// A map of the kind that it holds, where it holds maps.
    pub inner: Option<BorrowedFd<'a>>,
}

/// Makes a map.
pub fn map_create(spec: &MapSpec<'_>) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let create = unsafe { &mut attr.__bindgen_anon_1 };
    create.map_type = spec.kind;
    create.key_size = spec.key_size;
    create.value_size = spec.value_size;
    create.max_entries = spec.max_entries;
    create.map_flags = spec.flags;
    create.map_name = object_name(spec.name);
    if let Some((btf, key, value)) = spec.btf {
        create.btf_fd = btf.as_raw_fd() as u32;
        create.btf_key_type_id = key;
        create.btf_value_type_id = value;
    }
    if let Some(inner) = spec.inner {
        create.inner_map_fd = inner.as_raw_fd() as u32;
    }
    bpf_fd(bpf_cmd::BPF_MAP_CREATE, "BPF_MAP_CREATE", &mut attr)
}

/// Closes a map to writes from user space: its contents are constants to the verifier from here on.
pub fn map_freeze(map: BorrowedFd<'_>) -> Result<()> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_2.map_fd = map.as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_MAP_FREEZE, "BPF_MAP_FREEZE", &mut attr).map(drop)
}

/// Reads the value of `key`: false where there is none. The caller gives the sizes that the kernel
/// knows the map by; `value` holds one value for each possible CPU where the map is per CPU.
pub fn map_lookup(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> Result<bool> {
    let mut attr = element(map, key, value.as_mut_ptr() as u64, 0);
    match bpf(
        bpf_cmd::BPF_MAP_LOOKUP_ELEM,
        "BPF_MAP_LOOKUP_ELEM",
        &mut attr,
    ) {
        Ok(_) => Ok(true),
        Err(error) if error.errno() == libc::ENOENT => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sets the value of `key`.
pub fn map_update(map: BorrowedFd<'_>, key: &[u8], value: &[u8], flags: u64) -> Result<()> {
    let mut attr = element(map, key, value.as_ptr() as u64, flags);
    bpf(
        bpf_cmd::BPF_MAP_UPDATE_ELEM,
        "BPF_MAP_UPDATE_ELEM",
        &mut attr,
    )
    .map(drop)
}

/// Sets the values of many keys, which lie one behind the other as their values do: Linux 5.6.
pub fn map_update_batch(map: BorrowedFd<'_>, keys: &[u8], values: &[u8], count: u32) -> Result<()> {
    let mut attr = zeroed_attr();
    attr.batch.map_fd = map.as_raw_fd() as u32;
    attr.batch.keys = keys.as_ptr() as u64;
    attr.batch.values = values.as_ptr() as u64;
    attr.batch.count = count;
    bpf(
        bpf_cmd::BPF_MAP_UPDATE_BATCH,
        "BPF_MAP_UPDATE_BATCH",
        &mut attr,
    )
    .map(drop)
}

/// Removes `key`: false where it was not there.
pub fn map_delete(map: BorrowedFd<'_>, key: &[u8]) -> Result<bool> {
    let mut attr = element(map, key, 0, 0);
    match bpf(
        bpf_cmd::BPF_MAP_DELETE_ELEM,
        "BPF_MAP_DELETE_ELEM",
        &mut attr,
    ) {
        Ok(_) => Ok(true),
        Err(error) if error.errno() == libc::ENOENT => Ok(false),
        Err(error) => Err(error),
    }
}

/// The key after `key` (the first for `None`): false at the end.
pub fn map_next_key(map: BorrowedFd<'_>, key: Option<&[u8]>, next: &mut [u8]) -> Result<bool> {
    let mut attr = element(map, key.unwrap_or(&[]), next.as_mut_ptr() as u64, 0);
    match bpf(
        bpf_cmd::BPF_MAP_GET_NEXT_KEY,
        "BPF_MAP_GET_NEXT_KEY",
        &mut attr,
    ) {
        Ok(_) => Ok(true),
        Err(error) if error.errno() == libc::ENOENT => Ok(false),
        Err(error) => Err(error),
    }
}

fn element(map: BorrowedFd<'_>, key: &[u8], value: u64, flags: u64) -> bpf_attr {
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let element = unsafe { &mut attr.__bindgen_anon_2 };
    element.map_fd = map.as_raw_fd() as u32;
    // Queues and the first step of an iteration have no key: a null pointer says so.
    element.key = if key.is_empty() {
        0
    } else {
        key.as_ptr() as u64
    };
    element.__bindgen_anon_1.value = value;
    element.flags = flags;
    attr
}

/// One step of reading a map in batches: where to go on, what was read, whether that was the end.
pub struct Batch<'a> {
    /// Room for as many keys as [`Batch::count`].
    pub keys: &'a mut [u8],
    /// Room for as many values, all CPUs' where the map is per CPU.
    pub values: &'a mut [u8],
    /// How many there is room for; afterwards how many were read.
    pub count: u32,
    /// Where to begin, [`None`] at the start; afterwards where to go on.
    pub position: Option<[u8; 64]>,
}

/// Reads the next entries: true when these were the last ones. `ENOSPC` says that one hash bucket
/// has more entries than there is room for.
pub fn map_lookup_batch(map: BorrowedFd<'_>, batch: &mut Batch<'_>) -> Result<bool> {
    let mut next = [0u8; 64];
    let mut attr = zeroed_attr();
    attr.batch.map_fd = map.as_raw_fd() as u32;
    attr.batch.in_batch = batch
        .position
        .as_ref()
        .map_or(0, |position| position.as_ptr() as u64);
    attr.batch.out_batch = next.as_mut_ptr() as u64;
    attr.batch.keys = batch.keys.as_mut_ptr() as u64;
    attr.batch.values = batch.values.as_mut_ptr() as u64;
    attr.batch.count = batch.count;
    let result = bpf(
        bpf_cmd::BPF_MAP_LOOKUP_BATCH,
        "BPF_MAP_LOOKUP_BATCH",
        &mut attr,
    );
    // SAFETY: the kernel has written the count of entries to this member.
    batch.count = unsafe { attr.batch.count };
    batch.position = Some(next);
    match result {
        Ok(_) => Ok(false),
        Err(error) if error.errno() == libc::ENOENT => Ok(true),
        Err(error) => Err(error),
    }
}
