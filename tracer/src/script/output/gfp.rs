//! What an allocation in the kernel may do: the flags of `gfp_t` by name.
//!
//! Sources: `include/linux/gfp_types.h` for the values, `include/trace/events/mmflags.h` for which names the
//! kernel's own traces take, and in what order.

const RECLAIM: u64 = 0xc00;
const IO: u64 = 0x40;
const FS: u64 = 0x80;
const KERNEL: u64 = RECLAIM | IO | FS;
const HARDWALL: u64 = 0x10_0000;
const ACCOUNT: u64 = 0x40_0000;
const HIGHMEM: u64 = 0x2;
const MOVABLE: u64 = 0x8;
const HIGH: u64 = 0x20;
const NOWARN: u64 = 0x2000;
const KSWAPD: u64 = 0x800;
const DIRECT: u64 = 0x400;
const COMP: u64 = 0x4_0000;
const NOMEMALLOC: u64 = 0x8_0000;
const HIGHUSER_MOVABLE: u64 = KERNEL | HARDWALL | HIGHMEM | MOVABLE;
const LIGHT: u64 = (HIGHUSER_MOVABLE | COMP | NOMEMALLOC | NOWARN) & !RECLAIM;

/// Names of several flags at once before those of one.
const FLAGS: [(u64, &str); 38] = [
    (LIGHT | DIRECT, "GFP_TRANSHUGE"),
    (LIGHT, "GFP_TRANSHUGE_LIGHT"),
    (HIGHUSER_MOVABLE, "GFP_HIGHUSER_MOVABLE"),
    (KERNEL | HARDWALL | HIGHMEM, "GFP_HIGHUSER"),
    (KERNEL | HARDWALL, "GFP_USER"),
    (KERNEL | ACCOUNT, "GFP_KERNEL_ACCOUNT"),
    (KERNEL, "GFP_KERNEL"),
    (RECLAIM | IO, "GFP_NOFS"),
    (HIGH | KSWAPD, "GFP_ATOMIC"),
    (RECLAIM, "GFP_NOIO"),
    (KSWAPD | NOWARN, "GFP_NOWAIT"),
    (0x1, "GFP_DMA"),
    (0x4, "GFP_DMA32"),
    (RECLAIM, "__GFP_RECLAIM"),
    (0x1, "__GFP_DMA"),
    (HIGHMEM, "__GFP_HIGHMEM"),
    (0x4, "__GFP_DMA32"),
    (MOVABLE, "__GFP_MOVABLE"),
    (0x10, "__GFP_RECLAIMABLE"),
    (HIGH, "__GFP_HIGH"),
    (IO, "__GFP_IO"),
    (FS, "__GFP_FS"),
    (0x100, "__GFP_ZERO"),
    (DIRECT, "__GFP_DIRECT_RECLAIM"),
    (KSWAPD, "__GFP_KSWAPD_RECLAIM"),
    (0x1000, "__GFP_WRITE"),
    (NOWARN, "__GFP_NOWARN"),
    (0x4000, "__GFP_RETRY_MAYFAIL"),
    (0x8000, "__GFP_NOFAIL"),
    (0x1_0000, "__GFP_NORETRY"),
    (0x2_0000, "__GFP_MEMALLOC"),
    (COMP, "__GFP_COMP"),
    (NOMEMALLOC, "__GFP_NOMEMALLOC"),
    (HARDWALL, "__GFP_HARDWALL"),
    (0x20_0000, "__GFP_THISNODE"),
    (ACCOUNT, "__GFP_ACCOUNT"),
    (0x80_0000, "__GFP_ZEROTAGS"),
    (0x100_0000, "__GFP_SKIP_ZERO"),
];

/// The names of flags, joined by `|`; what has no name in hexadecimal, `none` for no flag.
pub fn names(flags: u64) -> String {
    let mut rest = flags;
    let mut names: Vec<String> = Vec::new();
    for (mask, name) in FLAGS {
        if rest & mask == mask {
            names.push(name.to_owned());
            rest &= !mask;
        }
    }
    if rest != 0 {
        names.push(format!("{rest:#x}"));
    }
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_name_is_taken() {
        assert_eq!(names(0xcc0), "GFP_KERNEL");
        assert_eq!(names(0xdc0), "GFP_KERNEL|__GFP_ZERO");
        assert_eq!(names(0x14_0cca), "GFP_HIGHUSER_MOVABLE|__GFP_COMP");
        assert_eq!(names(0x820), "GFP_ATOMIC");
        assert_eq!(names(0x8000_0000), "0x80000000");
        assert_eq!(names(0), "none");
    }
}
