//! Constants of the kernel's headers that are `#define`s, of which type information knows nothing: those that
//! scripts include `<linux/socket.h>` and its like for. All belong to the ABI of user space, or have not changed
//! since Linux 4.14. Errors are in [`errno`](crate::errno), signals in [`compile`](crate::compile).

mod files;
mod network;
mod processes;

/// Those of the kernel itself: `include/linux/sched.h`, `include/linux/limits.h`, `include/vdso/time64.h`,
/// `include/linux/err.h`, `include/linux/kdev_t.h`, `include/vdso/limits.h`.
const KERNEL: [(&str, i64); 40] = [
    ("NULL", 0),
    ("TASK_COMM_LEN", 16),
    ("TASK_RUNNING", 0),
    ("TASK_INTERRUPTIBLE", 1),
    ("TASK_UNINTERRUPTIBLE", 2),
    ("__TASK_STOPPED", 4),
    ("__TASK_TRACED", 8),
    ("EXIT_DEAD", 16),
    ("EXIT_ZOMBIE", 32),
    ("TASK_PARKED", 64),
    ("TASK_DEAD", 128),
    ("TASK_WAKEKILL", 256),
    ("TASK_KILLABLE", 258),
    ("PF_EXITING", 0x4),
    ("PF_KTHREAD", 0x0020_0000),
    ("PAGE_SHIFT", 12),
    ("PAGE_SIZE", 4096),
    ("SECTOR_SHIFT", 9),
    ("SECTOR_SIZE", 512),
    ("MAX_ERRNO", 4095),
    ("MINORBITS", 20),
    ("MINORMASK", 0xf_ffff),
    ("NSEC_PER_USEC", 1000),
    ("NSEC_PER_MSEC", 1_000_000),
    ("NSEC_PER_SEC", 1_000_000_000),
    ("USEC_PER_MSEC", 1000),
    ("USEC_PER_SEC", 1_000_000),
    ("MSEC_PER_SEC", 1000),
    ("BITS_PER_LONG", 64),
    ("CHAR_BIT", 8),
    ("UCHAR_MAX", 255),
    ("SHRT_MAX", 32_767),
    ("USHRT_MAX", 65_535),
    ("INT_MIN", -2_147_483_648),
    ("INT_MAX", 2_147_483_647),
    ("UINT_MAX", 4_294_967_295),
    ("LONG_MIN", i64::MIN),
    ("LONG_MAX", i64::MAX),
    ("S64_MAX", i64::MAX),
    ("U32_MAX", 4_294_967_295),
];

/// The value of a constant.
pub(crate) fn constant(name: &str) -> Option<i64> {
    let tables: [&[(&str, i64)]; 5] = [
        &KERNEL,
        &files::CONSTANTS,
        &files::OF_THE_MACHINE,
        &network::CONSTANTS,
        &processes::CONSTANTS,
    ];
    let mut all = tables.into_iter().flatten();
    let listed = all
        .find(|(known, _)| *known == name)
        .map(|&(_, value)| value);
    listed
        .or_else(|| crate::errno::number(name).map(i64::from))
        .or_else(|| signal(name).map(i64::from))
}

/// The number of a signal by its whole name.
fn signal(name: &str) -> Option<u32> {
    name.starts_with("SIG")
        .then(|| crate::signal::signal_number(name))?
}
