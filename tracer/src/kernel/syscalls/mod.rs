//! System calls and errors by name and by number.
//!
//! On x86-64 a kernel serves three ABIs side by side, with numbers of their own. A number that a table does
//! not have is shown as such: a call is never given another's name.

pub use tracer_script::errno;
mod tables;

use std::borrow::Cow;

/// Which set of numbers a call is made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Abi {
    /// The machine's own.
    Native,
    /// That of 32-bit programs (x86-64).
    Compat,
    /// That of programs with 32-bit pointers on 64-bit registers (x86-64); without the bit that marks it.
    X32,
}

#[cfg(target_arch = "x86_64")]
const ABIS: [(Abi, &[(u16, &str)]); 3] = [
    (Abi::Native, tables::X86_64),
    (Abi::Compat, tables::I386),
    (Abi::X32, tables::X32),
];

#[cfg(target_arch = "aarch64")]
const ABIS: [(Abi, &[(u16, &str)]); 1] = [(Abi::Native, tables::ARM64)];

fn table(abi: Abi) -> &'static [(u16, &'static str)] {
    ABIS.iter()
        .find(|(of, _)| *of == abi)
        .map_or(&[], |(_, table)| *table)
}

/// The name of a call; `syscall_999` for a number that is not known.
pub fn name(abi: Abi, number: u32) -> Cow<'static, str> {
    let table = table(abi);
    match table.binary_search_by_key(&number, |(known, _)| u32::from(*known)) {
        Ok(at) => table[at].1.into(),
        Err(_) => format!("syscall_{number}").into(),
    }
}

/// The numbers that a call of this name has, by ABI; none where no ABI knows it. `syscall_999` is the number
/// it says.
pub fn numbers(name: &str) -> Vec<(Abi, u32)> {
    let unknown = name
        .strip_prefix("syscall_")
        .and_then(|number| number.parse::<u32>().ok());
    if let Some(number) = unknown.filter(|number| *number < 1023) {
        return vec![(Abi::Native, number)];
    }
    let in_table = |(abi, table): &(Abi, &'static [(u16, &'static str)])| {
        table
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(number, _)| (*abi, u32::from(*number)))
    };
    ABIS.iter().filter_map(in_table).collect()
}

/// The machine's own calls, by number.
pub fn native() -> &'static [(u16, &'static str)] {
    table(Abi::Native)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order_and_fit_their_indices() {
        for (_, table) in ABIS {
            assert!(table.is_sorted_by(|(a, _), (b, _)| a < b));
            assert!(table.iter().all(|(number, _)| *number < 1023));
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn each_abi_has_its_own_numbers() {
        assert_eq!(name(Abi::Native, 110), "getppid");
        assert_eq!(name(Abi::Compat, 64), "getppid");
        assert_eq!(name(Abi::X32, 512), "rt_sigaction");
        assert_eq!(name(Abi::Native, 1000), "syscall_1000");
        assert_eq!(
            numbers("openat"),
            [(Abi::Native, 257), (Abi::Compat, 295), (Abi::X32, 257)]
        );
        assert_eq!(numbers("nosuchcall"), []);
        assert_eq!(numbers("syscall_999"), [(Abi::Native, 999)]);
    }

    /// Calls that the kernel has a tracepoint for bear the tracepoint's name here, but for those whose
    /// function is named otherwise.
    #[test]
    fn the_running_kernel_has_no_call_that_is_not_known() {
        let Ok(names) = std::fs::read_dir("/sys/kernel/tracing/events/syscalls") else {
            return eprintln!("SKIPPED: the tracepoints of system calls cannot be read here");
        };
        const RENAMED: [(&str, &str); 6] = [
            ("newfstat", "fstat"),
            ("newlstat", "lstat"),
            ("newstat", "stat"),
            ("newuname", "uname"),
            ("sendfile64", "sendfile"),
            ("umount", "umount2"),
        ];
        for entry in names.flatten() {
            let event = entry.file_name().into_string().expect("UTF-8");
            let Some(call) = event.strip_prefix("sys_enter_") else {
                continue;
            };
            let known = RENAMED
                .iter()
                .find(|(kernel, _)| *kernel == call)
                .map_or(call, |(_, call)| call);
            assert!(!numbers(known).is_empty(), "{call}");
        }
    }
}
