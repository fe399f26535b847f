//! A map in the kernel, read and written as plain bytes whose sizes are known at run time.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use aya_obj::generated::bpf_map_type;

use super::{cpus, sys};

/// A map that this process holds.
pub struct Map {
    fd: OwnedFd,
    name: String,
    key_size: usize,
    value_size: usize,
    max_entries: usize,
    per_cpu: bool,
    /// Its keys come and go.
    is_hash: bool,
    cpus: usize,
}

/// One entry of a map that was read: its key, and its value (one for each CPU where it is per CPU).
pub struct Entry<'a> {
    /// The key's bytes.
    pub key: &'a [u8],
    value: &'a [u8],
    stride: usize,
    value_size: usize,
}

impl<'a> Entry<'a> {
    /// The values: one, or one for each possible CPU.
    pub fn values(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let value_size = self.value_size;
        self.value
            .chunks_exact(self.stride)
            .map(move |value| &value[..value_size])
    }
}

/// How full a map is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Its name.
    pub name: String,
    /// Entries.
    pub used: u64,
    /// Entries that it has room for.
    pub room: u64,
}

/// True for kinds whose keys come and go.
fn is_hash(kind: u32) -> bool {
    [
        bpf_map_type::BPF_MAP_TYPE_HASH,
        bpf_map_type::BPF_MAP_TYPE_PERCPU_HASH,
        bpf_map_type::BPF_MAP_TYPE_LRU_HASH,
        bpf_map_type::BPF_MAP_TYPE_LRU_PERCPU_HASH,
    ]
    .into_iter()
    .any(|hash| hash as u32 == kind)
}

/// True for kinds whose values are one for each CPU.
pub fn is_per_cpu(kind: u32) -> bool {
    [
        bpf_map_type::BPF_MAP_TYPE_PERCPU_ARRAY,
        bpf_map_type::BPF_MAP_TYPE_PERCPU_HASH,
        bpf_map_type::BPF_MAP_TYPE_LRU_PERCPU_HASH,
    ]
    .into_iter()
    .any(|per_cpu| per_cpu as u32 == kind)
}

impl Map {
    /// Makes a map.
    pub fn create(spec: &sys::MapSpec<'_>) -> sys::Result<Self> {
        let fd = sys::map_create(spec)?;
        let cpus = cpus::possible().map_err(|source| sys::SysError {
            call: "reading the possible CPUs",
            source,
        })?;
        Ok(Self {
            fd,
            name: spec.name.to_owned(),
            key_size: spec.key_size as usize,
            value_size: spec.value_size as usize,
            max_entries: spec.max_entries as usize,
            per_cpu: is_per_cpu(spec.kind),
            is_hash: is_hash(spec.kind),
            cpus,
        })
    }

    /// Its name in the kernel object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many entries fit.
    pub fn max_entries(&self) -> usize {
        self.max_entries
    }

    /// How full it is, its entries counted one by one; [`None`] for kinds that always have all of theirs.
    pub fn fill(&self, name: &str) -> sys::Result<Option<Fill>> {
        if !self.is_hash {
            return Ok(None);
        }
        let _undisturbed = sys::Undisturbed::begin();
        let mut used = 0;
        self.for_each(|_| used += 1)?;
        Ok(Some(Fill {
            name: name.to_owned(),
            used,
            room: self.max_entries as u64,
        }))
    }

    /// Bytes between the values of two CPUs; the kernel rounds them up to 8.
    fn stride(&self) -> usize {
        if self.per_cpu {
            self.value_size.next_multiple_of(8)
        } else {
            self.value_size
        }
    }

    fn full_value_size(&self) -> usize {
        if self.per_cpu {
            self.stride() * self.cpus
        } else {
            self.value_size
        }
    }

    fn entry<'a>(&self, key: &'a [u8], value: &'a [u8]) -> Entry<'a> {
        Entry {
            key,
            value,
            stride: self.stride(),
            value_size: self.value_size,
        }
    }

    /// Hands the entry of `key` to `read`; `None` where there is none.
    pub fn get<T>(&self, key: &[u8], read: impl FnOnce(Entry<'_>) -> T) -> sys::Result<Option<T>> {
        assert_eq!(key.len(), self.key_size, "key of map {}", self.name);
        let mut value = vec![0; self.full_value_size()];
        let found = sys::map_lookup(self.fd.as_fd(), key, &mut value)?;
        Ok(found.then(|| read(self.entry(key, &value))))
    }

    /// Sets the value of `key`, the same on every CPU where the map is per CPU.
    pub fn set(&self, key: &[u8], value: &[u8]) -> sys::Result<()> {
        assert_eq!(key.len(), self.key_size, "key of map {}", self.name);
        assert_eq!(value.len(), self.value_size, "value of map {}", self.name);
        if !self.per_cpu {
            return sys::map_update(self.fd.as_fd(), key, value, 0);
        }
        let mut padded = value.to_vec();
        padded.resize(self.stride(), 0);
        sys::map_update(self.fd.as_fd(), key, &padded.repeat(self.cpus), 0)
    }

    /// Sets the elements of an array from one on; their values lie one behind the other.
    pub fn set_from(&self, first: u32, values: &[u8]) -> sys::Result<()> {
        let each = values.chunks_exact(self.value_size);
        assert!(
            self.key_size == 4 && each.remainder().is_empty(),
            "values of map {}",
            self.name
        );
        if values.is_empty() {
            return Ok(());
        }
        let count = each.len() as u32;
        let keys: Vec<u8> = (first..first + count).flat_map(u32::to_ne_bytes).collect();
        sys::map_update_batch(self.fd.as_fd(), &keys, values, count)
    }

    /// Has `change` alter the value of `key`, on each CPU where the map is per CPU: false where there is none.
    /// What programs write to it meanwhile is lost.
    pub fn alter(&self, key: &[u8], change: &mut dyn FnMut(&mut [u8])) -> sys::Result<bool> {
        /// `BPF_EXIST` of `include/uapi/linux/bpf.h`: an entry that was deleted meanwhile stays so.
        const ONLY_WHERE_IT_EXISTS: u64 = 2;
        assert_eq!(key.len(), self.key_size, "key of map {}", self.name);
        let mut value = vec![0; self.full_value_size()];
        if !sys::map_lookup(self.fd.as_fd(), key, &mut value)? {
            return Ok(false);
        }
        for one in value.chunks_exact_mut(self.stride()) {
            change(&mut one[..self.value_size]);
        }
        match sys::map_update(self.fd.as_fd(), key, &value, ONLY_WHERE_IT_EXISTS) {
            Ok(()) => Ok(true),
            Err(error) if error.errno() == libc::ENOENT => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts a map into one that holds maps.
    pub fn set_map(&self, index: u32, map: &Self) -> sys::Result<()> {
        let fd = map.fd.as_raw_fd();
        self.set(&index.to_ne_bytes(), &fd.to_ne_bytes())
    }

    /// Adds a value to a queue or a stack.
    pub fn push(&self, value: &[u8]) -> sys::Result<()> {
        assert_eq!(value.len(), self.value_size, "value of map {}", self.name);
        sys::map_update(self.fd.as_fd(), &[], value, 0)
    }

    /// Removes `key`: false where it was not there.
    pub fn delete(&self, key: &[u8]) -> sys::Result<bool> {
        assert_eq!(key.len(), self.key_size, "key of map {}", self.name);
        sys::map_delete(self.fd.as_fd(), key)
    }

    /// Hands every entry to `visit`, in no order. In batches where the kernel can (Linux 5.6, per-CPU
    /// arrays 5.13): some ten times faster than one by one.
    pub fn for_each(&self, mut visit: impl FnMut(Entry<'_>)) -> sys::Result<()> {
        match self.for_each_batch(&mut visit) {
            Err(error) if is_unsupported(&error) => self.for_each_single(&mut visit),
            result => result,
        }
    }

    fn for_each_batch(&self, visit: &mut impl FnMut(Entry<'_>)) -> sys::Result<()> {
        // At most some 1 MiB at a time, however large the values are.
        let fitting = (1 << 20) / (self.key_size + self.full_value_size()).max(1);
        let mut room = fitting.clamp(1, self.max_entries.max(1));
        let mut position = None;
        loop {
            let mut keys = vec![0; room * self.key_size];
            let mut values = vec![0; room * self.full_value_size()];
            let mut batch = sys::Batch {
                keys: &mut keys,
                values: &mut values,
                count: room as u32,
                position,
            };
            let ended = match sys::map_lookup_batch(self.fd.as_fd(), &mut batch) {
                // A bucket holds more than there is room for: nothing was read, try again with more.
                Err(error) if error.errno() == libc::ENOSPC && room < self.max_entries => {
                    room = (room * 2).min(self.max_entries);
                    continue;
                }
                result => result?,
            };
            let (read, next) = (batch.count as usize, batch.position);
            let pairs = keys
                .chunks_exact(self.key_size)
                .zip(values.chunks_exact(self.full_value_size()));
            pairs
                .take(read)
                .for_each(|(key, value)| visit(self.entry(key, value)));
            if ended {
                return Ok(());
            }
            position = next;
        }
    }

    fn for_each_single(&self, visit: &mut impl FnMut(Entry<'_>)) -> sys::Result<()> {
        let mut value = vec![0; self.full_value_size()];
        let mut key: Option<Vec<u8>> = None;
        // A map that changes meanwhile may start over: never go around more often than it has room.
        for _ in 0..self.max_entries {
            let mut next = vec![0; self.key_size];
            if !sys::map_next_key(self.fd.as_fd(), key.as_deref(), &mut next)? {
                break;
            }
            if sys::map_lookup(self.fd.as_fd(), &next, &mut value)? {
                visit(self.entry(&next, &value));
            }
            key = Some(next);
        }
        Ok(())
    }

    /// Closes the map to writes from user space.
    pub fn freeze(&self) -> sys::Result<()> {
        sys::map_freeze(self.fd.as_fd())
    }

    /// A second descriptor of the same map.
    pub fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What kernels answer that know no batches, or not for this kind of map. 524 is the kernel's own
/// `ENOTSUPP`.
fn is_unsupported(error: &sys::SysError) -> bool {
    [libc::EINVAL, libc::ENOTSUP, 524].contains(&error.errno())
}
