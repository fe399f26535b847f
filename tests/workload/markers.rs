//! Static markers (USDT) of every form that arguments take, as `<sys/sdt.h>` would lay them out: a `nop`, and a note
//! that tells where it is and where its arguments are.
//!
//! Source: `sys/sdt.h` of SystemTap, and its page "UserSpaceProbeImplementation".

use std::{arch::asm, hint::black_box, ptr, thread, time::Duration};

use super::number;

/// A `nop` with its note. What the arguments' text names must hold there what the test expects.
macro_rules! marker {
    ($provider:literal, $name:literal, $arguments:literal) => {
        marker!($provider, $name, $arguments, "0")
    };
    ($provider:literal, $name:literal, $arguments:literal, $semaphore:literal) => {
        concat!(
            "990: nop\n",
            ".pushsection .note.stapsdt,\"\",\"note\"\n",
            ".balign 4\n",
            ".4byte 992f-991f, 994f-993f, 3\n",
            "991: .asciz \"stapsdt\"\n",
            "992: .balign 4\n",
            "993: .8byte 990b\n",
            ".8byte _.stapsdt.base\n",
            ".8byte ",
            $semaphore,
            "\n",
            ".asciz \"",
            $provider,
            "\"\n",
            ".asciz \"",
            $name,
            "\"\n",
            ".asciz \"",
            $arguments,
            "\"\n",
            "994: .balign 4\n",
            ".popsection\n",
            ".ifndef _.stapsdt.base\n",
            ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n",
            ".weak _.stapsdt.base\n",
            ".hidden _.stapsdt.base\n",
            "_.stapsdt.base: .space 1\n",
            ".size _.stapsdt.base,1\n",
            ".popsection\n",
            ".endif\n",
        )
    };
}

/// Counts who looks at the marker `guarded`: the kernel adds to it while a probe is attached.
#[unsafe(link_section = ".probes")]
static mut GUARD: Guard = Guard(0);

/// In a page of its own: the linker may have the page before, which it makes read-only, mapped from the same part of
/// the file, and the kernel would add to the first of both that it finds (`find_ref_ctr_vma` of
/// `kernel/events/uprobes.c`).
#[repr(align(4096))]
struct Guard(u16);

/// What a marker names by its symbol.
#[unsafe(no_mangle)]
static E2E_MARKED: [u32; 2] = [7, 0xffff_fff7];

const TEXT: &[u8] = b"from a marker\0";

#[inline(never)]
fn simple() {
    // SAFETY: a nop touches nothing.
    unsafe { asm!(marker!("e2e", "simple", ""), options(att_syntax)) };
}

/// The same name with another provider.
#[inline(never)]
fn other_simple() {
    // SAFETY: as above.
    unsafe { asm!(marker!("e2e_other", "simple", "4@$1"), options(att_syntax)) };
}

/// Values in registers, of all sizes and signs; what stands in the rest of a register is not theirs.
#[inline(never)]
fn registers() {
    // SAFETY: as above.
    unsafe {
        asm!(
            marker!(
                "e2e",
                "registers",
                "8@%rax -8@%rdi 4@%ecx -4@%esi 2@%r10w -2@%r11w 1@%dl -1@%r8b 1@%dh -4@%r9d"
            ),
            in("rax") u64::MAX,
            in("rdi") -8i64,
            in("rcx") 0x1_0000_0004u64,
            in("rsi") 0xffff_fffcu64,
            in("r10") 0x5_fffeu64,
            in("r11") 0x5_fffeu64,
            in("rdx") 0x80ffu64,
            in("r8") 0x5ffu64,
            in("r9") 0x7fff_ffffu64,
            options(att_syntax),
        );
    }
}

/// Values in memory, at all kinds of addresses.
#[inline(never)]
fn memory() {
    let table: [i32; 4] = black_box([10, -11, 12, -13]);
    let base = table.as_ptr();
    // Programs on probes read only what is in memory already.
    black_box(black_box(&E2E_MARKED).map(u64::from));
    black_box(black_box(TEXT).iter().copied().map(u64::from).sum::<u64>());
    // SAFETY: as above; the kernel reads what the addresses lead to, which lives until then.
    unsafe {
        asm!(
            marker!(
                "e2e",
                "memory",
                "4@(%rdi) -4@4(%rdi) 4@(%rdi,%rcx,4) -4@-4(%rdi,%rsi,8) -4@(,%rdx,4) 8@%r8 4@E2E_MARKED(%rip) -4@4+E2E_MARKED(%rip)"
            ),
            in("rdi") base,
            in("rcx") 2u64,
            in("rsi") 2u64,
            in("rdx") base as u64 / 4 + 1,
            in("r8") TEXT.as_ptr(),
            options(att_syntax),
        );
    }
    black_box(&table);
}

#[inline(never)]
fn constants() {
    // SAFETY: as above.
    unsafe {
        asm!(
            marker!("e2e", "constants", "4@$42 -4@$-5 8@$0x10 -1@$255 1@$-1"),
            options(att_syntax),
        );
    }
}

/// Two places of one marker, whose arguments lie elsewhere in each.
#[inline(never)]
fn twice(value: u64) {
    // SAFETY: as above.
    unsafe {
        asm!(
            marker!("e2e", "twice", "8@%rdi"),
            in("rdi") value,
            options(att_syntax),
        );
        asm!(
            marker!("e2e", "twice", "8@%rcx"),
            in("rcx") value + 100,
            in("rdi") 0u64,
            options(att_syntax),
        );
    }
}

/// Does nothing while nobody looks, which is what semaphores are for.
#[inline(never)]
fn guarded(value: u64) -> bool {
    // SAFETY: the kernel changes it behind our back, so it is read as it is at this moment.
    let is_watched = unsafe { ptr::read_volatile(&raw const GUARD.0) } != 0;
    if is_watched {
        // SAFETY: a nop touches nothing.
        unsafe {
            asm!(
                marker!("e2e", "guarded", "8@%rdi", "{semaphore}"),
                in("rdi") value,
                semaphore = sym GUARD,
                options(att_syntax),
            );
        }
    }
    is_watched
}

/// `markers N`: N times through each marker; says how often `guarded` was left out.
pub fn markers(arguments: &[&str]) {
    let mut unwatched = 0;
    for value in 0..number(arguments, 0) {
        simple();
        other_simple();
        registers();
        memory();
        constants();
        twice(value);
        unwatched += u64::from(!guarded(value));
    }
    println!("unwatched {unwatched}");
}

/// `markers-until-watched SECONDS`: passes `guarded` until it has been watched, and is no more.
pub fn markers_until_watched(arguments: &[&str]) {
    const PAUSE: Duration = Duration::from_millis(10);
    let pauses = number(arguments, 0) * 100;
    let mut watched = 0u64;
    for _ in 0..pauses {
        match guarded(watched) {
            true => watched += 1,
            false if watched > 0 => {
                println!("watched, and let go");
                return;
            }
            false => {}
        }
        thread::sleep(PAUSE);
    }
    println!("watched {watched} times, and not let go");
}
