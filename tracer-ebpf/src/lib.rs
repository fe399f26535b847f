//! What the programs of the kernel side share.
//!
//! **Architecture invariant:** nothing here knows a kernel's layout. Offsets are constants that user
//! space sets at load from the running kernel's BTF; the verifier sees them as such, and removes what
//! they make unreachable.
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

/// Defines constants that user space sets at load.
#[macro_export]
macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $value:expr;)*) => {
        $($(#[$doc])*
        #[unsafe(no_mangle)]
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
