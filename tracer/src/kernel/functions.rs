//! Functions of the kernel that can be traced.
//!
//! Sources: `available_filter_functions` of tracefs, which ftrace keeps (`Documentation/trace/ftrace.rst`);
//! `/proc/kallsyms` for addresses (`man 5 proc`, `kernel.kptr_restrict`).

use std::{
    borrow::Cow,
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
    /// The module that it belongs to; [`VMLINUX`] where it is part of the kernel itself.
    pub module: String,
}

/// What the kernel itself is called where modules are named.
pub const VMLINUX: &str = "vmlinux";

/// The functions whose names match, in order of their names: one name for each place, and none that several
/// functions have, as it could not be told which is meant.
pub fn matching(kernel: &Kernel, pattern: &Glob) -> anyhow::Result<Vec<Function>> {
    matching_in(kernel, None, pattern)
}

/// The same, of the modules whose names match: what another module has of the same name does not matter.
pub fn matching_in(
    kernel: &Kernel,
    module: Option<&Glob>,
    pattern: &Glob,
) -> anyhow::Result<Vec<Function>> {
    let symbols =
        fs::read_to_string(KALLSYMS).with_context(|| format!("cannot read {KALLSYMS}"))?;
    let listed = listed(kernel)?;
    Ok(select(&symbols, listed.as_deref(), module, pattern))
}

/// All functions whose names match, whether or not they can be traced, in no order: some names are there twice.
pub fn symbols(module: Option<&Glob>, pattern: &Glob) -> anyhow::Result<Vec<Function>> {
    let symbols =
        fs::read_to_string(KALLSYMS).with_context(|| format!("cannot read {KALLSYMS}"))?;
    let all = places(&symbols, module);
    let found = all
        .iter()
        .filter(|(name, _)| pattern.matches(name.as_bytes()))
        .flat_map(|(name, of)| of.iter().map(|place| place.function(name)));
    Ok(found.collect())
}

/// The list that was given, or ftrace's; [`None`] where the kernel has none.
fn listed(kernel: &Kernel) -> anyhow::Result<Option<Cow<'_, str>>> {
    if let Some(text) = kernel.traceable_functions() {
        return Ok(Some(text.into()));
    }
    let Ok(tracefs) = kernel.tracefs() else {
        return Ok(None);
    };
    let path = tracefs.file("available_filter_functions");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.into())),
        // Under lockdown it can be read by nobody: then the attachment tells what cannot be traced.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Picks out of the kernel's symbols those that match and can be traced. A place may have several names, of
/// which ftrace lists one: what it lists is compared by address, where the kernel shows addresses.
fn select(
    symbols: &str,
    listed: Option<&str>,
    module: Option<&Glob>,
    pattern: &Glob,
) -> Vec<Function> {
    let all = places(symbols, module);
    let names: Option<HashSet<&str>> = listed.map(listed_names);
    let places: Option<HashSet<u64>> = names.as_ref().map(|names| {
        names
            .iter()
            .filter_map(|name| all.get(name))
            .flatten()
            .map(|place| place.address)
            .collect()
    });
    let traceable = |name: &str, address: u64| match (&names, &places) {
        (Some(names), Some(places)) => {
            names.contains(name) || address != 0 && places.contains(&address)
        }
        _ => true,
    };
    let mut found: Vec<Function> = all
        .iter()
        .filter(|(name, of)| {
            of.len() == 1 && pattern.matches(name.as_bytes()) && traceable(name, of[0].address)
        })
        .map(|(name, of)| of[0].function(name))
        .collect();
    // Of a place's names the listed one stands for it.
    let unlisted = |name: &str| names.as_ref().is_some_and(|names| !names.contains(name));
    found.sort_by(|a, b| (unlisted(&a.name), &a.name).cmp(&(unlisted(&b.name), &b.name)));
    let mut seen = HashSet::new();
    found.retain(|function| function.address == 0 || seen.insert(function.address));
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// `name`, or `name [module]`, a line.
fn listed_names(text: &str) -> HashSet<&str> {
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| !name.starts_with("__ftrace_invalid_address"))
        .collect()
}

struct Place<'a> {
    address: u64,
    module: &'a str,
}

impl Place<'_> {
    fn function(&self, name: &str) -> Function {
        Function {
            name: name.to_owned(),
            address: self.address,
            module: self.module.to_owned(),
        }
    }
}

/// Places by name, of functions only, of these modules: `ffffffff81000000 T _stext` a line, with
/// `<tab>[module]` behind where it is one's.
fn places<'a>(text: &'a str, modules: Option<&Glob>) -> HashMap<&'a str, Vec<Place<'a>>> {
    let mut found: HashMap<&str, Vec<Place<'_>>> = HashMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(address), Some("t" | "T" | "w" | "W"), Some(name)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let module = words
            .next()
            .map_or(VMLINUX, |word| word.trim_matches(['[', ']']));
        if modules.is_some_and(|wanted| !wanted.matches(module.as_bytes())) {
            continue;
        }
        let address = u64::from_str_radix(address, 16).unwrap_or(0);
        found
            .entry(name)
            .or_default()
            .push(Place { address, module });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYMBOLS: &str = "ffffffff81000010 T vfs_read\nffffffff81000020 D vfs_data\n\
                           ffffffff81000030 t vfs_twice\nffffffff81000040 t vfs_twice\n\
                           ffffffff81000050 T vfs_alias\nffffffff81000050 T vfs_listed\n\
                           ffffffff81000060 T vfs_untraceable\n";

    fn names(listed: Option<&str>, pattern: &str) -> Vec<String> {
        select(SYMBOLS, listed, None, &Glob::new(pattern))
            .into_iter()
            .map(|function| function.name)
            .collect()
    }

    #[test]
    fn what_ftrace_lists_can_be_traced_by_all_its_names() {
        let listed =
            Some("vfs_read\nvfs_listed [module]\nvfs_twice\n__ftrace_invalid_address___64\n");
        assert_eq!(names(listed, "vfs_*"), ["vfs_listed", "vfs_read"]);
        assert_eq!(names(listed, "vfs_alias"), ["vfs_alias"]);
        assert_eq!(names(listed, "vfs_untraceable"), Vec::<String>::new());
    }

    #[test]
    fn without_a_list_every_function_is_offered() {
        assert_eq!(
            names(None, "vfs_*"),
            ["vfs_alias", "vfs_read", "vfs_untraceable"]
        );
    }

    #[test]
    fn hidden_addresses_leave_the_names() {
        let hidden = "0000000000000000 T a\n0000000000000000 T b\n";
        let found = select(hidden, Some("a\nb\n"), None, &Glob::new("*"));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn names_are_told_apart_by_modules() {
        let symbols = "ffffffff81000010 t init\nffffffffc0000010 t init\t[xfs]\n";
        let of = |module: &str| {
            let found = select(symbols, None, Some(&Glob::new(module)), &Glob::new("init"));
            let places = found.into_iter().map(|found| (found.module, found.address));
            places.collect::<Vec<_>>()
        };
        assert_eq!(of("xfs"), [("xfs".to_owned(), 0xffff_ffff_c000_0010)]);
        assert_eq!(of(VMLINUX), [(VMLINUX.to_owned(), 0xffff_ffff_8100_0010)]);
        assert_eq!(of("*"), []);
    }
}
