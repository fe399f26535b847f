//! Functions of user programs and libraries: from a name to a place in a file.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _, SymbolKind};

use crate::glob::Glob;

/// A function in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFunction {
    /// Its name; of several names for one place, the plainest.
    pub name: String,
    /// Bytes from the start of the file: what uprobes are placed by.
    pub offset: u64,
}

/// Finds a binary: by path, by name on `PATH`, or a library by its short name (`c`, `libc`, `libssl.so.3`).
/// With a process, paths are seen as that process does.
pub fn find_binary(name: &str, pid: Option<u32>) -> anyhow::Result<PathBuf> {
    let root = pid
        .map(|pid| PathBuf::from(format!("/proc/{pid}/root")))
        .unwrap_or_default();
    let seen = |path: &Path| match path.strip_prefix("/") {
        Ok(inner) if pid.is_some() => root.join(inner),
        _ => path.to_owned(),
    };
    if name.contains('/') {
        let path = seen(Path::new(name));
        // The kernel takes the path as it is now: one that is relative would be another elsewhere.
        return path
            .canonicalize()
            .with_context(|| format!("cannot find the binary {name}"));
    }
    let on_path = env::var_os("PATH").unwrap_or_default();
    let programs = env::split_paths(&on_path)
        .map(|folder| folder.join(name))
        .filter(|path| path.is_absolute());
    let libraries = library_paths(name);
    let found = programs
        .chain(libraries)
        .map(|path| seen(&path))
        .find(|path| path.is_file());
    match found {
        Some(path) => path
            .canonicalize()
            .with_context(|| format!("cannot find the binary {name}")),
        None => bail!("there is no program {name:?} on PATH and no library of that name"),
    }
}

/// Where a library of this short name may be: what the loader's cache says, then its usual folders.
fn library_paths(name: &str) -> Vec<PathBuf> {
    let mut paths = fs::read("/etc/ld.so.cache")
        .map(|cache| cached(&cache, name))
        .unwrap_or_default();
    let folders = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"];
    for folder in folders {
        paths.extend(names_in(Path::new(folder), name));
    }
    paths
}

fn names_in(folder: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| {
            path.file_name()
                .and_then(|file| file.to_str())
                .is_some_and(|file| is_library(file, name))
        })
        .collect()
}

/// True where a file is the library that a short name means: `libc.so.6` for `c`, `libc`, `libc.so` and
/// itself.
fn is_library(file: &str, name: &str) -> bool {
    let with_prefix = if name.starts_with("lib") {
        name.to_owned()
    } else {
        format!("lib{name}")
    };
    let rest = file.strip_prefix(&with_prefix);
    rest.is_some_and(|rest| {
        rest.is_empty()
            || rest.starts_with(".so")
            || with_prefix.contains(".so") && rest.starts_with('.')
    })
}

/// Paths out of the loader's cache: all of its strings lie behind one another, each with a NUL; a path that
/// ends in the library's name is one. Source: `sysdeps/generic/dl-cache.h` of glibc.
fn cached(cache: &[u8], name: &str) -> Vec<PathBuf> {
    let strings = cache
        .split(|&byte| byte == 0)
        .filter(|string| string.first() == Some(&b'/'));
    let paths = strings
        .filter_map(|string| std::str::from_utf8(string).ok())
        .map(Path::new);
    let wanted = |path: &&Path| {
        path.file_name()
            .and_then(|file| file.to_str())
            .is_some_and(|file| is_library(file, name))
    };
    paths.filter(wanted).map(Path::to_owned).collect()
}

/// The functions of a file whose names match, in order of their offsets. Those of a separate file of debug
/// information are not looked for.
pub fn functions(path: &Path, pattern: &Glob) -> anyhow::Result<Vec<UserFunction>> {
    let data = fs::read(path)?;
    let file = object::File::parse(data.as_slice())?;
    let segments: Vec<(u64, u64, u64)> = file
        .segments()
        .map(|segment| (segment.address(), segment.size(), segment.file_range().0))
        .collect();
    let mut found: BTreeMap<u64, String> = BTreeMap::new();
    for symbol in file.symbols().chain(file.dynamic_symbols()) {
        let Ok(name) = symbol.name() else { continue };
        // A versioned name is that of the function alone.
        let name = name.split('@').next().unwrap_or(name);
        if symbol.kind() != SymbolKind::Text
            || !symbol.is_definition()
            || !pattern.matches(name.as_bytes())
        {
            continue;
        }
        let Some(offset) = file_offset(&segments, symbol.address()) else {
            continue;
        };
        let known = found.entry(offset).or_insert_with(|| name.to_owned());
        if rank(name) < rank(known) {
            *known = name.to_owned();
        }
    }
    if found.is_empty()
        && file.symbols().next().is_none()
        && file.dynamic_symbols().next().is_none()
    {
        bail!("it is stripped: it names no functions");
    }
    Ok(found
        .into_iter()
        .map(|(offset, name)| UserFunction { name, offset })
        .collect())
}

/// Of several names for one place, the least is the one that people use: `malloc`, not `__libc_malloc`.
fn rank(name: &str) -> (bool, usize, &str) {
    (name.starts_with('_'), name.len(), name)
}

/// Where an address of the program lies in its file.
fn file_offset(segments: &[(u64, u64, u64)], address: u64) -> Option<u64> {
    let holds = |(start, size, _): &&(u64, u64, u64)| {
        (*start..start.saturating_add(*size)).contains(&address)
    };
    let (start, _, offset) = segments.iter().find(holds)?;
    Some(address - start + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_mean_libraries() {
        for name in ["c", "libc", "libc.so", "libc.so.6"] {
            assert!(is_library("libc.so.6", name), "{name}");
        }
        assert!(!is_library("libcrypt.so.1", "c"));
        assert!(!is_library("libc.so.6", "libc.so.5"));
    }

    #[test]
    fn the_cache_is_searched() {
        let cache = b"glibc-ld.so.cache1.1\0libc.so.6\0/lib/x/libc.so.6\0/lib/x/libcrypt.so.1\0";
        assert_eq!(cached(cache, "c"), [PathBuf::from("/lib/x/libc.so.6")]);
    }

    #[test]
    fn own_functions_are_found() {
        let own = env::current_exe().expect("own path");
        let found = functions(&own, &Glob::new("*own_functions_are_found*")).expect("readable");
        assert!(!found.is_empty());
        assert!(functions(Path::new("/etc/passwd"), &Glob::new("*")).is_err());
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert!(find_binary("nosuchbinaryanywhere", None).is_err());
        assert!(find_binary("/no/such/binary", None).is_err());
    }
}
