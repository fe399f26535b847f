//! What the allocator keeps of memory that was freed. Only glibc can be told; others keep little.

/// Freed memory of at least so many bytes goes back to the kernel at once.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 128 << 10;

/// Has the allocator keep little of what is freed: for a process that lives for weeks and now and then makes
/// something large. By itself glibc raises the size from which on memory is mapped apart to that of the largest piece
/// that was freed, so that pieces of a scrape's size come to lie in the heap among small ones that stay, and it gives
/// each thread a heap of its own (mallopt(3)).
pub fn keep_little_memory() {
    #[cfg(target_env = "gnu")]
    for (what, value) in [
        (libc::M_MMAP_THRESHOLD, LARGE),
        (libc::M_TRIM_THRESHOLD, LARGE),
        (libc::M_ARENA_MAX, 1),
    ] {
        // SAFETY: mallopt takes two numbers and changes nothing but the allocator's own settings.
        if unsafe { libc::mallopt(what, value) } != 1 {
            log::warn!("mallopt({what}, {value}) failed: more memory may stay in use");
        }
    }
}

/// Gives back to the kernel what was freed: after something large that does not come again soon.
pub fn give_back_memory() {
    // SAFETY: malloc_trim releases pages that no allocation is in.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
