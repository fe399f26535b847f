//! Symbols of the kernel, from `/proc/kallsyms`.

use std::fs;

/// The most bytes from a symbol to an address in it: what lies further is in none.
const LENGTH_MAX: u64 = 16 << 20;

/// What an address of the kernel is in.
#[derive(Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its name.
    pub name: &'a str,
    /// Bytes from its start.
    pub offset: u64,
    /// The module that it is in; `[kernel.kallsyms]` for the kernel itself, as perf(1) names it.
    pub module: &'a str,
}

/// All symbols, read when the first one is asked for.
#[derive(Debug, Default)]
pub struct KernelSymbols {
    table: Option<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// The file, of which entries are ranges.
    text: String,
    /// In the order of their addresses.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    address: u64,
    is_global: bool,
    start: u32,
    name_length: u16,
    /// The module's name stands behind the symbol's.
    module_length: u16,
}

impl KernelSymbols {
    /// The symbol that an address is in.
    pub fn find(&mut self, address: u64) -> Option<Symbol<'_>> {
        self.table.get_or_insert_with(Table::read).find(address)
    }
}

impl Table {
    /// Reads the table of the running kernel. Without the right to, addresses have no names.
    fn read() -> Self {
        match fs::read_to_string("/proc/kallsyms") {
            Ok(text) => Self::parse(text),
            Err(error) => {
                log::warn!("the kernel's symbols have no names: /proc/kallsyms: {error}");
                Self::default()
            }
        }
    }

    /// Lines of `ADDRESS TYPE NAME`, with a tab and `[MODULE]` behind those of modules. Addresses that are hidden
    /// (0), and symbols that are none (`A`, absolute), are left out.
    fn parse(text: String) -> Self {
        let mut entries = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let name_start = start + line.len().min(19);
            start += line.len();
            let (Some(address), Some(kind)) = (line.get(..16), line.as_bytes().get(17)) else {
                continue;
            };
            let rest = line.get(19..).unwrap_or_default().trim_end();
            let (name, module) = rest.split_once('\t').unwrap_or((rest, ""));
            match u64::from_str_radix(address, 16) {
                Ok(address) if address != 0 && !kind.eq_ignore_ascii_case(&b'a') => {
                    entries.push(Entry {
                        address,
                        is_global: kind.is_ascii_uppercase(),
                        start: name_start as u32,
                        name_length: name.len() as u16,
                        module_length: module.len() as u16,
                    });
                }
                _ => {}
            }
        }
        entries.reverse();
        // Of several names for one address a global one is better known (`__x64_sys_getppid`) than one that only its
        // own file has (`__do_sys_getppid`), and the last one than those of other kinds of processes (`__ia32_…`).
        entries.sort_by_key(|entry| (entry.address, !entry.is_global));
        entries.dedup_by_key(|entry| entry.address);
        Self { text, entries }
    }

    fn find(&self, address: u64) -> Option<Symbol<'_>> {
        let after = self
            .entries
            .partition_point(|entry| entry.address <= address);
        let entry = self.entries[..after].last()?;
        let offset = address - entry.address;
        if offset > LENGTH_MAX {
            return None;
        }
        let start = entry.start as usize;
        let end = start + usize::from(entry.name_length);
        let module_length = usize::from(entry.module_length);
        let module = match module_length {
            0 => "[kernel.kallsyms]",
            length => &self.text[end + 1..end + 1 + length],
        };
        Some(Symbol {
            name: &self.text[start..end],
            offset,
            module: if module_length == 0 {
                module
            } else {
                module.trim_matches(['[', ']'])
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::parse(
            "ffffffff81000000 t __do\nffffffff81000000 T __ia32\nffffffff81000000 T __x64\nffffffff81000100 t do_it\n\
             ffffffffc0000010 t helper\t[kvm]\n0000000000000000 A hidden\nnonsense\n"
                .to_owned(),
        )
    }

    #[test]
    fn addresses_are_found_in_their_symbols() {
        let table = table();
        let find = |address: u64| {
            let symbol = table.find(address)?;
            Some((symbol.name, symbol.offset, symbol.module))
        };
        let kernel = "[kernel.kallsyms]";
        assert_eq!(find(0xffff_ffff_8100_0000), Some(("__x64", 0, kernel)));
        assert_eq!(find(0xffff_ffff_8100_0123), Some(("do_it", 0x23, kernel)));
        assert_eq!(find(0xffff_ffff_c000_0011), Some(("helper", 1, "kvm")));
        assert_eq!(find(0x1000), None);
        assert_eq!(find(u64::MAX), None);
    }

    #[test]
    fn symbols_of_this_host_are_found() {
        let mut symbols = KernelSymbols::default();
        let table = symbols.table.get_or_insert_with(Table::read);
        if table.entries.is_empty() {
            return eprintln!("SKIPPED: the kernel's symbols are hidden here");
        }
        let named = table.entries.iter().find(|entry| {
            let start = entry.start as usize;
            &table.text[start..start + usize::from(entry.name_length)] == "do_exit"
        });
        let address = named.expect("do_exit is in every kernel").address;
        let found = symbols.find(address + 4).expect("do_exit is longer");
        assert_eq!((found.name, found.offset), ("do_exit", 4));
    }
}
