//! What the programs of the kernel side share.
//!
//! **Architecture invariant:** nothing here knows a kernel's layout. Offsets are constants that user
//! space sets at load from the running kernel's BTF; the verifier sees them as such, and removes what
//! they make unreachable.
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

/// Defines constants that user space sets at load.
///
/// The section is where they would go anyhow. To name it keeps the compiler from using one of them where a
/// program needs a constant of the same value, which is no longer that when user space has set it.
#[macro_export]
macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $value:expr;)*) => {
        $($(#[$doc])*
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".rodata")]
        pub static $name: ::aya_ebpf::Global<$kind> = ::aya_ebpf::Global::new($value);)*
    };
}

/// Declares the licence that the GPL-only helpers ask for.
#[macro_export]
macro_rules! license {
    () => {
        #[unsafe(link_section = "license")]
        #[unsafe(no_mangle)]
        static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
    };
}

pub mod aggregate;
pub mod block;
pub mod events;
pub mod filter;
pub mod frames;
pub mod function;
pub mod loss;
pub mod starts;
pub mod syscall;
pub mod task;
pub mod task_storage;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
