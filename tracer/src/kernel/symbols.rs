//! Functions of user programs and libraries: from a name to a place in a file.

use std::{
    collections::{BTreeMap, HashSet},
    env,
    fs::{self, File},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use object::{
    Architecture, Object as _, ObjectSegment as _, ObjectSymbol as _, ReadCache, ReadRef,
    SymbolKind,
};

use super::{dwarf, mini_debug, root::Root};
use crate::glob::Glob;

/// A function in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFunction {
    /// Its name; of several names for one place, the plainest.
    pub name: String,
    /// Bytes from the start of the file: what uprobes are placed by.
    pub offset: u64,
    /// Bytes of its code; 0 where that is not told.
    pub size: u64,
}

impl UserFunction {
    /// Whether a place of the file is in its code.
    pub fn holds(&self, offset: u64) -> bool {
        (self.offset..self.offset.saturating_add(self.size)).contains(&offset)
    }
}

/// Finds a binary: by path, by name on `PATH`, or a library by its short name (`c`, `libc`, `libssl.so.3`).
/// With a process, paths are seen as that process does.
pub fn find_binary(name: &str, pid: Option<u32>) -> anyhow::Result<PathBuf> {
    let root = Root::of(pid);
    if name.contains('/') {
        // The kernel takes the path as it is now: one that is relative would be another elsewhere.
        return root
            .resolve(Path::new(name))
            .with_context(|| format!("cannot find the binary {name}"));
    }
    let on_path = env::var_os("PATH").unwrap_or_default();
    let programs = env::split_paths(&on_path)
        .map(|folder| folder.join(name))
        .filter(|path| path.is_absolute());
    let libraries = library_paths(name);
    let found = programs
        .chain(libraries)
        .filter_map(|path| root.resolve(&path).ok())
        .find(|path| path.is_file());
    match found {
        Some(path) => Ok(path),
        None => bail!("there is no program {name:?} on PATH and no library of that name"),
    }
}

/// The files whose paths match, in order, seen as that process does where one is given. Patterns match within a
/// name: none matches a `/`.
pub fn matching_files(pattern: &str, pid: Option<u32>) -> Vec<PathBuf> {
    let root = Root::of(pid);
    let mut found = vec![PathBuf::from(if pattern.starts_with('/') {
        "/"
    } else {
        "."
    })];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let glob = Glob::new(part);
        found = found
            .iter()
            .flat_map(|folder| {
                if glob.is_plain() {
                    return vec![folder.join(part)];
                }
                let mut entries = names_matching(&root, folder, &glob);
                entries.sort_unstable();
                entries
            })
            .collect();
    }
    let files = found.iter().filter_map(|path| root.resolve(path).ok());
    let mut files: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
    // Several names may lead to one file.
    let mut seen = HashSet::new();
    files.retain(|path| seen.insert(path.clone()));
    files
}

fn names_matching(root: &Root, folder: &Path, glob: &Glob) -> Vec<PathBuf> {
    let entries = root.resolve(folder).and_then(fs::read_dir);
    let names = entries.into_iter().flatten().flatten();
    names
        .map(|entry| entry.file_name())
        .filter(|name| glob.matches(name.as_bytes()) && !name.as_bytes().starts_with(b"."))
        .map(|name| folder.join(name))
        .collect()
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

/// The functions of a file whose names match, in order of their offsets.
///
/// Where the file is stripped, they are looked for in its debug information, too, if that is there, or else among the
/// symbols that were left in it compressed.
pub fn functions(path: &Path, pattern: &Glob) -> anyhow::Result<Vec<UserFunction>> {
    functions_called(path, &|name| pattern.matches(name.as_bytes()))
}

/// The same for those whose symbols are wanted.
pub fn functions_called(
    path: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> anyhow::Result<Vec<UserFunction>> {
    let data = fs::read(path)?;
    let file = program(&data)?;
    let segments = segments(&file);
    let mut found = BTreeMap::new();
    collect(&file, &segments, wanted, &mut found);
    if is_stripped(&file) {
        match stripped_off(path, &file)? {
            Some(other) => collect(&program(&other)?, &segments, wanted, &mut found),
            None if file.dynamic_symbols().next().is_none() => {
                bail!("it is stripped: it names no functions")
            }
            None => {}
        }
    }
    Ok(found.into_values().collect())
}

/// The file with the symbols that a program was stripped of; [`None`] where there is none.
fn stripped_off(path: &Path, file: &object::File<'_>) -> anyhow::Result<Option<Vec<u8>>> {
    match dwarf::apart(path)? {
        Some(other) => Ok(Some(fs::read(&other)?)),
        None => Ok(mini_debug::inner_file_or_warning(file, path)),
    }
}

/// Whether a file names only those functions that other files use; nothing else tells of the others.
pub fn is_stripped_of_names(path: &Path) -> anyhow::Result<bool> {
    let data = fs::read(path)?;
    let file = program(&data)?;
    Ok(is_stripped(&file) && stripped_off(path, &file)?.is_none())
}

/// Where the symbols of a stripped file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In another file, which is found by the number of the build.
    In(PathBuf),
    /// In the file itself, compressed, and nowhere else.
    Compressed,
}

/// Where a stripped file's symbols are; [`None`] for a file that is not stripped, and where they are nowhere.
pub fn kept(path: &Path) -> anyhow::Result<Option<Kept>> {
    // Most files are not of this kind, and some are large: only what is looked at is read.
    let cache = ReadCache::new(File::open(path)?);
    let file = object::File::parse(&cache)?;
    if !is_stripped(&file) {
        return Ok(None);
    }
    if let Some(other) = dwarf::of_build(&file)? {
        return Ok(Some(Kept::In(other)));
    }
    let compressed = mini_debug::is_in(&file) && dwarf::apart(path)?.is_none();
    Ok(compressed.then_some(Kept::Compressed))
}

/// The function that a place of a file is in; [`None`] where none is known.
pub fn function_around(path: &Path, offset: u64) -> anyhow::Result<Option<UserFunction>> {
    let functions = functions(path, &Glob::new("*"))?;
    Ok(functions.into_iter().find(|known| known.holds(offset)))
}

/// The kind of processor that a file is for.
pub fn machine(path: &Path) -> anyhow::Result<Architecture> {
    let data = fs::read(path)?;
    Ok(program(&data)?.architecture())
}

fn program(data: &[u8]) -> anyhow::Result<object::File<'_>> {
    object::File::parse(data).context("it is no program or library (ELF)")
}

fn is_stripped<'a, R: ReadRef<'a>>(file: &object::File<'a, R>) -> bool {
    file.symbols().next().is_none()
}

/// Adds the functions of a file that are wanted, by their places. Of several names for one place the plainest is taken.
fn collect(
    file: &object::File<'_>,
    segments: &[(u64, u64, u64)],
    wanted: &dyn Fn(&str) -> bool,
    found: &mut BTreeMap<u64, UserFunction>,
) {
    for symbol in file.symbols().chain(file.dynamic_symbols()) {
        let Ok(name) = symbol.name() else { continue };
        // A versioned name is that of the function alone.
        let name = name.split('@').next().unwrap_or(name);
        if symbol.kind() != SymbolKind::Text || !symbol.is_definition() || !wanted(name) {
            continue;
        }
        let Some(offset) = file_offset(segments, symbol.address()) else {
            continue;
        };
        let function = || UserFunction {
            name: name.to_owned(),
            offset,
            size: symbol.size(),
        };
        let known = found.entry(offset).or_insert_with(function);
        if rank(name) < rank(&known.name) {
            *known = function();
        }
    }
}

/// The address of a function or variable of a file, in the program's own numbering as `nm` shows it, and its size in
/// bytes; [`None`] where the file has none of this name.
pub fn address(path: &Path, name: &str) -> anyhow::Result<Option<(u64, u64)>> {
    let data = fs::read(path)?;
    let file = object::File::parse(data.as_slice())?;
    let found = address_in(&file, name);
    if found.is_some() || !is_stripped(&file) {
        return Ok(found);
    }
    match stripped_off(path, &file)? {
        Some(other) => Ok(address_in(&program(&other)?, name)),
        None => Ok(None),
    }
}

fn address_in(file: &object::File<'_>, name: &str) -> Option<(u64, u64)> {
    let mut symbols = file.symbols().chain(file.dynamic_symbols());
    let wanted = symbols.find(|symbol| {
        symbol.is_definition()
            && symbol
                .name()
                .is_ok_and(|found| found.split('@').next() == Some(name))
    });
    wanted.map(|symbol| (symbol.address(), symbol.size()))
}

/// Where an address of the program's own numbering lies in its file; [`None`] where no part of the file is
/// loaded there.
pub fn offset_of_address(path: &Path, address: u64) -> anyhow::Result<Option<u64>> {
    let data = fs::read(path)?;
    let file = object::File::parse(data.as_slice())?;
    Ok(file_offset(&segments(&file), address))
}

/// The address of a place of a file, in the program's own numbering; [`None`] where it is not loaded.
pub fn address_of_offset(path: &Path, offset: u64) -> anyhow::Result<Option<u64>> {
    let data = fs::read(path)?;
    let file = object::File::parse(data.as_slice())?;
    let segments = file.segments();
    let found = segments.map(|part| (part.address(), part.file_range()));
    let mut found =
        found.filter(|(_, (start, size))| (*start..start.saturating_add(*size)).contains(&offset));
    Ok(found
        .next()
        .map(|(address, (start, _))| address + (offset - start)))
}

/// Address, size and place in the file of each part that is loaded.
pub(super) fn segments<'a>(file: &object::File<'a, impl ReadRef<'a>>) -> Vec<(u64, u64, u64)> {
    let parts = file.segments();
    parts
        .map(|part| (part.address(), part.size(), part.file_range().0))
        .collect()
}

/// Of several names for one place, the least is the one that people use: `malloc`, not `__libc_malloc`.
fn rank(name: &str) -> (bool, usize, &str) {
    (name.starts_with('_'), name.len(), name)
}

/// Where an address of the program lies in its file.
pub(super) fn file_offset(segments: &[(u64, u64, u64)], address: u64) -> Option<u64> {
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

    #[test]
    fn paths_may_have_patterns() {
        let own = env::current_exe().expect("own path");
        let own = own.canonicalize().expect("it is there");
        let folder = own.parent().expect("it is in one").display();
        let found = matching_files(&format!("{folder}/*"), None);
        assert!(found.contains(&own), "{found:?}");
        assert_eq!(matching_files("/no/such/*", None), Vec::<PathBuf>::new());
    }

    #[test]
    fn addresses_lead_to_places_in_the_file() {
        let own = env::current_exe().expect("own path");
        let pattern = Glob::new("*addresses_lead_to_places*");
        let function = functions(&own, &pattern).expect("readable").remove(0);
        let data = fs::read(&own).expect("readable");
        let file = object::File::parse(data.as_slice()).expect("a program");
        let symbol = file
            .symbols()
            .find(|symbol| symbol.name() == Ok(&function.name))
            .expect("it was found before");
        let address = address(&own, &function.name).expect("readable");
        assert_eq!(address, Some((symbol.address(), symbol.size())));
        let offset = offset_of_address(&own, symbol.address()).expect("readable");
        assert_eq!(offset, Some(function.offset));
        let back = address_of_offset(&own, function.offset).expect("readable");
        assert_eq!(back, Some(symbol.address()));
        assert_eq!(offset_of_address(&own, u64::MAX).expect("readable"), None);
    }
}
