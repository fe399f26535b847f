//! Symbols of processes: of their binaries and libraries, and of what runtimes compile (`/tmp/perf-PID.map`).

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use blazesym::{
    Pid,
    normalize::{Normalizer, UserMeta},
    symbolize::{
        CodeInfo, Input, Sym, Symbolized, Symbolizer,
        cache::{self, Cache},
        source::{Elf, Process, Source},
    },
};
use object::Object as _;
use tracer_script::config::{Config, SymbolCache};

use super::files::Files;
use crate::kernel::{
    dwarf::folders,
    process::{CodeHistory, Place, code_regions},
};

/// Addresses whose symbols are kept.
const ADDRESSES_MAX: usize = 200_000;
/// Files whose build ids are kept.
const FILES_MAX: usize = 4096;
/// Processes whose maps are kept.
const PROCESSES_MAX: usize = 4096;

/// A function that an address is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Bytes from its start; [`None`] where the compiler put it into the function that follows.
    pub offset: Option<usize>,
    /// The file that it is in.
    pub module: String,
    /// `@file:line`, where debug information tells.
    pub place: Option<String>,
}

/// The symbols of all processes, as far as they were asked for.
pub struct UserSymbols {
    demangle: bool,
    debug_info: bool,
    /// Files are opened when a process is first heard of, not when something of them is printed.
    eager: bool,
    keep: bool,
    symbolizer: Symbolizer,
    /// What processes that are gone had mapped.
    history: Option<CodeHistory>,
    /// Processes whose memory maps the symbolizer holds, so that they can be gone when the next address comes.
    known: HashMap<u32, ()>,
    found: HashMap<(u32, u64), Vec<Symbol>>,
    build_ids: HashMap<PathBuf, Option<String>>,
}

impl UserSymbols {
    /// Symbols as the script's config wants them.
    pub fn new(config: &Config) -> Self {
        let (demangle, eager) = (config.cpp_demangle, !config.lazy_symbolication);
        // As in bpftrace, whose other source of symbols knows nothing of lines.
        let debug_info = config.show_debug_info && config.use_blazesym;
        Self {
            demangle,
            debug_info,
            eager,
            keep: config.cache_user_symbols != Some(SymbolCache::None),
            symbolizer: symbolizer(demangle, debug_info, eager),
            history: None,
            known: HashMap::new(),
            found: HashMap::new(),
            build_ids: HashMap::new(),
        }
    }

    /// Remembers what code processes map from here on, so that they may be gone when their symbols are asked for.
    pub fn watch(&mut self) {
        if !self.keep {
            return;
        }
        match CodeHistory::begin() {
            Ok(history) => self.history = Some(history),
            Err(error) => log::debug!("processes that end soon will have no symbols: {error:#}"),
        }
    }

    /// The functions that an address of a process is in, the innermost first; none where that is not known.
    pub fn find(&mut self, address: u64, pid: u32) -> &[Symbol] {
        let bounded = self.found.len() < ADDRESSES_MAX && self.known.len() < PROCESSES_MAX;
        if !self.keep || !bounded {
            self.found.clear();
            self.known.clear();
            self.symbolizer = symbolizer(self.demangle, self.debug_info, self.eager);
        }
        let key = (pid, address);
        if !self.found.contains_key(&key) {
            let symbols = self.look_up(address, pid);
            self.found.insert(key, symbols);
        }
        &self.found[&key]
    }

    /// Reads a process's memory maps, unless that has been done.
    pub fn learn(&mut self, pid: u32) {
        if self.keep && self.known.len() < PROCESSES_MAX && !self.known.contains_key(&pid) {
            self.remember(pid);
            if self.eager {
                self.open_files(pid);
            }
        }
    }

    /// Opens all files that a process has code of, so that they may be gone, too, when their symbols are asked for.
    fn open_files(&self, pid: u32) {
        match code_regions(pid) {
            // Whatever is asked about a file has it opened.
            Ok(regions) => regions.iter().for_each(|region| {
                self.symbolize(region.start, pid, true);
            }),
            Err(error) => log::debug!("the files of process {pid} are not known: {error}"),
        }
    }

    fn look_up(&mut self, address: u64, pid: u32) -> Vec<Symbol> {
        if pid == 0 {
            return Vec::new();
        }
        let lives = Path::new(&format!("/proc/{pid}")).exists();
        if !self.known.contains_key(&pid) {
            self.remember(pid);
        }
        let mut symbols = self.symbolize(address, pid, lives);
        if symbols.is_empty() && lives {
            // It may have mapped a library, or become another program, since its maps were read.
            self.remember(pid);
            symbols = self.symbolize(address, pid, lives);
        }
        if symbols.is_empty() {
            symbols = self.symbolize_gone(address, pid);
        }
        symbols
    }

    /// The same for a process that ended before its memory maps were read.
    fn symbolize_gone(&self, address: u64, pid: u32) -> Vec<Symbol> {
        let history = self.history.as_ref();
        let Some(Place { path, offset }) = history.and_then(|history| history.place(pid, address))
        else {
            return Vec::new();
        };
        let mut file = Elf::new(path);
        file.debug_syms = self.debug_info;
        self.functions_at(&Source::Elf(file), Input::FileOffset(offset), pid)
    }

    /// Reads a process's memory maps.
    fn remember(&mut self, pid: u32) {
        let process = cache::Process::new(Pid::from(pid));
        match self.symbolizer.cache(&Cache::from(process)) {
            Ok(()) => {
                self.known.insert(pid, ());
            }
            Err(error) => log::debug!("no memory maps of process {pid}: {error}"),
        }
    }

    fn symbolize(&self, address: u64, pid: u32, lives: bool) -> Vec<Symbol> {
        let mut process = Process::new(Pid::from(pid));
        process.debug_syms = self.debug_info;
        // Of a process that is gone there are the paths only.
        process.map_files = lives;
        self.functions_at(&Source::Process(process), Input::AbsAddr(address), pid)
    }

    fn functions_at(&self, source: &Source<'_>, at: Input<u64>, pid: u32) -> Vec<Symbol> {
        match self.symbolizer.symbolize_single(source, at) {
            Ok(Symbolized::Sym(symbol)) => functions(&symbol),
            Ok(Symbolized::Unknown(reason)) => {
                log::debug!("no symbol at {at:x?} of process {pid}: {reason}");
                Vec::new()
            }
            Err(error) => {
                log::debug!("no symbol at {at:x?} of process {pid}: {error}");
                Vec::new()
            }
        }
    }

    /// The build id and the offset in its file of each address, or the address where its file has none.
    pub fn build_ids(&mut self, addresses: &[u64], pid: u32) -> Vec<String> {
        let normalizer = Normalizer::builder().enable_build_ids(false).build();
        let plain = || addresses.iter().map(|address| format!("{address:x}"));
        let output = match normalizer.normalize_user_addrs(Pid::from(pid), addresses) {
            Ok(output) if pid != 0 => output,
            Ok(_) => return plain().collect(),
            Err(error) => {
                log::debug!("no build ids of process {pid}: {error}");
                return plain().collect();
            }
        };
        let mut lines = Vec::with_capacity(addresses.len());
        for ((offset, meta), address) in output.outputs.iter().zip(addresses) {
            let id = match output.meta.get(*meta) {
                Some(UserMeta::Elf(elf)) => self.build_id(&elf.path),
                _ => None,
            };
            lines.push(match id {
                Some(digits) => format!("{digits} 0x{offset:02x}"),
                None => format!("{address:x}"),
            });
        }
        lines
    }

    /// The build id of a file, in hexadecimal. It is read here, as blazesym takes other notes of the same number for
    /// it, such as those of USDT.
    fn build_id(&mut self, path: &Path) -> Option<String> {
        if let Some(known) = self.build_ids.get(path) {
            return known.clone();
        }
        let id = match read_build_id(path) {
            Ok(id) => id.map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect()),
            Err(error) => {
                log::debug!("no build id of {}: {error:#}", path.display());
                None
            }
        };
        if self.build_ids.len() < FILES_MAX {
            self.build_ids.insert(path.to_owned(), id.clone());
        }
        id
    }
}

fn read_build_id(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let file = std::fs::File::open(path)?;
    let cache = object::ReadCache::new(file);
    let object = object::File::parse(&cache)?;
    Ok(object.build_id()?.map(<[u8]>::to_vec))
}

fn symbolizer(demangle: bool, debug_info: bool, eager: bool) -> Symbolizer {
    Symbolizer::builder()
        .enable_demangling(demangle)
        .enable_code_info(debug_info)
        .enable_inlined_fns(debug_info)
        .set_debug_dirs(Some(folders::all()))
        .set_process_dispatcher(Files::new(eager).dispatcher())
        .build()
}

/// The function of a symbol, and before it those that the compiler put into it.
fn functions(symbol: &Sym<'_>) -> Vec<Symbol> {
    let module = symbol.module.as_deref();
    let module = module.map_or_else(
        || "[unknown]".to_owned(),
        |module| module.to_string_lossy().into_owned(),
    );
    let inlined = symbol.inlined.iter().rev().map(|inner| Symbol {
        name: inner.name.clone().into_owned(),
        offset: None,
        module: module.clone(),
        place: inner.code_info.as_ref().map(place),
    });
    let mut all: Vec<Symbol> = inlined.collect();
    all.push(Symbol {
        name: symbol.name.clone().into_owned(),
        offset: Some(symbol.offset),
        module,
        place: symbol.code_info.as_deref().map(place),
    });
    all
}

fn place(info: &CodeInfo<'_>) -> String {
    let path = info.to_path();
    format!("@{}:{}", path.display(), info.line.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;
    use crate::{glob::Glob, kernel::symbols};

    #[inline(never)]
    fn a_function_of_our_own() -> u64 {
        std::hint::black_box(a_function_of_our_own as *const () as u64)
    }

    #[test]
    fn own_functions_are_found_with_their_place() {
        let mut symbols = UserSymbols::new(&Config::default());
        let found = symbols.find(a_function_of_our_own() + 1, std::process::id());
        let symbol = found.last().expect("a symbol");
        assert!(symbol.name.ends_with("a_function_of_our_own"), "{symbol:?}");
        assert_eq!(symbol.offset, Some(1));
        let place = symbol.place.as_deref().unwrap_or_default();
        assert!(place.contains("user.rs:"), "{symbol:?}");
        assert!(symbols.find(1, std::process::id()).is_empty());
    }

    /// Where the C library of a process lies, less where that part of it begins in the file.
    fn library(pid: u32) -> Option<(PathBuf, u64)> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
        let line = maps
            .lines()
            .find(|line| line.contains("r-xp") && line.contains("libc.so"))?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let start = u64::from_str_radix(words[0].split('-').next()?, 16).ok()?;
        let offset = u64::from_str_radix(words[2], 16).ok()?;
        Some((PathBuf::from(words[5]), start - offset))
    }

    #[test]
    fn processes_that_are_gone_keep_their_symbols() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        let pid = child.id();
        let library = (0..100).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            library(pid)
        });
        let Some((path, base)) = library else {
            child.kill().expect("it runs");
            child.wait().expect("it ran");
            return eprintln!("SKIPPED: sleep has no C library of its own here");
        };
        let address = |name: &str| {
            let found = symbols::functions(&path, &Glob::new(name)).expect("readable");
            base + found.first().expect("every C library has it").offset
        };
        let (first, second) = (address("qsort"), address("getenv"));
        let mut symbols = UserSymbols::new(&Config::default());
        // With debug information of the library it may be another of the function's names.
        let is = |symbols: &[Symbol], name: &str| {
            symbols.last().is_some_and(|one| one.name.ends_with(name))
        };
        assert!(is(symbols.find(first + 2, pid), "qsort"));
        let lines = symbols.build_ids(&[first, 0x10], pid);
        let (id, offset) = lines[0].split_once(' ').expect("an id and an offset");
        assert!(id.len() == 40, "{lines:?}");
        assert_eq!(offset, format!("0x{:02x}", first - base));
        assert_eq!(lines[1], "10");
        child.kill().expect("it runs");
        child.wait().expect("it ran");
        assert!(is(symbols.find(second, pid), "getenv"));
        assert!(symbols.find(0x10, pid).is_empty());
        assert!(symbols.find(first, 0).is_empty());
    }
}
