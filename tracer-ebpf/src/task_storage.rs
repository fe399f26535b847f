//! Task storage: a map value that lives and dies with a thread. Linux 5.13 for tracing programs.

use core::{cell::UnsafeCell, ffi::c_void, marker::PhantomData, ptr};

use aya_ebpf::{
    bindings::{bpf_map_def, bpf_map_type::BPF_MAP_TYPE_TASK_STORAGE},
    helpers::{bpf_get_current_task_btf, bpf_task_storage_get},
};

constants! {
    /// 1 where task storage can be had.
    TASK_STORAGE: u32 = 0;
}

/// A map with one value for each thread.
#[repr(transparent)]
pub struct TaskStorage<T> {
    definition: UnsafeCell<bpf_map_def>,
    value: PhantomData<T>,
}

// SAFETY: the definition is only read, by the loader.
unsafe impl<T> Sync for TaskStorage<T> {}

/// `BPF_F_NO_PREALLOC`, which the kernel demands here.
const NO_PREALLOC: u32 = 1;

impl<T> TaskStorage<T> {
    /// The definition. It belongs into the section `maps`.
    pub const fn new() -> Self {
        let definition = bpf_map_def {
            type_: BPF_MAP_TYPE_TASK_STORAGE,
            key_size: 4,
            value_size: size_of::<T>() as u32,
            max_entries: 0,
            map_flags: NO_PREALLOC,
            id: 0,
            pinning: 0,
        };
        Self {
            definition: UnsafeCell::new(definition),
            value: PhantomData,
        }
    }

    /// The running thread's value; where it has none, a zeroed one if that is asked for.
    #[inline(always)]
    pub fn current(&self, create: bool) -> Option<*mut T> {
        let map: *mut c_void = self.definition.get().cast();
        // SAFETY: the helper takes the running task; its flag 1 (BPF_LOCAL_STORAGE_GET_F_CREATE) asks for
        // a value to be made.
        let value = unsafe {
            bpf_task_storage_get(
                map,
                bpf_get_current_task_btf().cast(),
                ptr::null_mut(),
                create as u64,
            )
        };
        (!value.is_null()).then_some(value.cast())
    }
}
