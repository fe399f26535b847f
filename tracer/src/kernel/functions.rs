//! Functions of the kernel that can be traced.
//!
//! Sources: `available_filter_functions` of tracefs, which ftrace keeps (`Documentation/trace/ftrace.rst`);
//! `/proc/kallsyms` for addresses (`man 5 proc`, `kernel.kptr_restrict`).

use std::{
    collections::{HashMap, HashSet},
    fs, io,
};

use anyhow::Context as _;

use super::Kernel;
use crate::glob::Glob;

const KALLSYMS: &str = "/proc/kallsyms";

/// A function of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Where it is; 0 where the kernel hides that.
    pub address: u64,
}

/// The functions whose names match, in order of their names. One name that several functions have is left
/// out: it could not be told which is meant.
pub fn matching(kernel: &Kernel, pattern: &Glob) -> anyhow::Result<Vec<Function>> {
    let traceable = traceable(kernel, pattern)?;
    let symbols =
        fs::read_to_string(KALLSYMS).with_context(|| format!("cannot read {KALLSYMS}"))?;
    let addresses = addresses(&symbols, pattern);
    let mut found: Vec<Function> = match traceable {
        Some(names) => names
            .into_iter()
            .filter(|name| {
                addresses
                    .get(name.as_str())
                    .is_none_or(|all| all.len() == 1)
            })
            .map(|name| {
                let address = addresses.get(name.as_str()).map_or(0, |all| all[0]);
                Function { name, address }
            })
            .collect(),
        None => addresses
            .into_iter()
            .filter(|(_, all)| all.len() == 1)
            .map(|(name, all)| Function {
                name: name.to_owned(),
                address: all[0],
            })
            .collect(),
    };
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The names that ftrace lists, without those of modules' copies; [`None`] where it has no list.
fn traceable(kernel: &Kernel, pattern: &Glob) -> anyhow::Result<Option<HashSet<String>>> {
    let Ok(tracefs) = kernel.tracefs() else {
        return Ok(None);
    };
    let path = tracefs.file("available_filter_functions");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(listed(&text, pattern))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// `name`, or `name [module]`, a line.
fn listed(text: &str, pattern: &Glob) -> HashSet<String> {
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| !name.starts_with("__ftrace_invalid_address"));
    names
        .filter(|name| pattern.matches(name.as_bytes()))
        .map(str::to_owned)
        .collect()
}

/// Addresses by name, of functions only: `ffffffff81000000 T _stext` a line.
fn addresses<'a>(text: &'a str, pattern: &Glob) -> HashMap<&'a str, Vec<u64>> {
    let mut found: HashMap<&str, Vec<u64>> = HashMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(address), Some("t" | "T" | "w" | "W"), Some(name)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        if pattern.matches(name.as_bytes()) {
            found
                .entry(name)
                .or_default()
                .push(u64::from_str_radix(address, 16).unwrap_or(0));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let text = "vfs_read\nvfs_write\n__ftrace_invalid_address___64\next4_sync [ext4]\n";
        let found = listed(text, &Glob::new("*"));
        assert_eq!(found.len(), 3);
        assert!(found.contains("ext4_sync"));
    }

    #[test]
    fn symbols_that_are_no_functions_are_left_out() {
        let text = "ffffffff81000010 T vfs_read\nffffffff81000020 D vfs_data\n0000000000000000 t vfs_hidden [m]\n\
                    ffffffff81000030 t vfs_twice\nffffffff81000040 t vfs_twice\n";
        let found = addresses(text, &Glob::new("vfs_*"));
        assert_eq!(found["vfs_read"], [0xffff_ffff_8100_0010]);
        assert_eq!(found["vfs_twice"].len(), 2);
        assert!(!found.contains_key("vfs_data"));
    }
}
