//! Files of processes that blazesym is not left alone with: stripped programs that hold their symbols compressed, which it
//! reads with a library of C only, and without a limit; those whose symbols are found by the number of the build alone,
//! which it does not look for; and files that are to be kept open, as they may be gone when an address of theirs comes.

use std::{
    cell::RefCell, collections::HashMap, fs, os::unix::fs::MetadataExt as _, path::Path, rc::Rc,
};

use blazesym::{
    Addr, Result,
    helper::ElfResolver,
    symbolize::{
        FindSymOpts, ProcessDispatch, ProcessMemberInfo, ProcessMemberType, Reason, Resolve,
        ResolvedSym, SrcLang, Symbolize, TranslateFileOffset,
    },
};

use crate::{
    glob::Glob,
    kernel::symbols::{self, Kept, UserFunction},
};

/// Files whose symbols are kept.
const FILES_MAX: usize = 256;

/// Device and number of a file.
type File = (u64, u64);

/// All such files, as far as they were asked for.
pub struct Files {
    /// Whether those are kept open that are not compressed.
    keep_open: bool,
    /// [`None`] for a file that blazesym is left alone with.
    found: RefCell<HashMap<File, Option<Symbols>>>,
}

impl Files {
    /// None yet.
    pub fn new(keep_open: bool) -> Self {
        Self {
            keep_open,
            found: RefCell::default(),
        }
    }

    /// What tells blazesym to look here for what a process has mapped, or to go on by itself.
    pub fn dispatcher(self) -> impl ProcessDispatch + 'static {
        move |member: ProcessMemberInfo<'_>| -> Result<Option<Box<dyn Resolve>>> {
            let ProcessMemberType::Path(entry) = member.member_entry else {
                return Ok(None);
            };
            // Of a process that is gone there is the path only.
            let paths = [&entry.maps_file, &entry.symbolic_path];
            let module = &entry.symbolic_path;
            let symbols = paths.into_iter().find_map(|path| self.of(path, module));
            Ok(symbols.map(|symbols| Box::new(symbols) as Box<dyn Resolve>))
        }
    }

    /// The symbols of the file at `path`, which is shown as `module`.
    fn of(&self, path: &Path, module: &Path) -> Option<Symbols> {
        let file = fs::metadata(path).ok()?;
        let key = (file.dev(), file.ino());
        let mut found = self.found.borrow_mut();
        if found.len() >= FILES_MAX {
            found.clear();
        }
        let symbols = found.entry(key).or_insert_with(|| {
            let found = Symbols::stripped_off(path, module).unwrap_or_else(|error| {
                log::debug!("{}: {error:#}", path.display());
                None
            });
            match self.keep_open {
                true => found.or_else(|| Symbols::open(path)),
                false => found,
            }
        });
        symbols.clone()
    }
}

/// The symbols of a file.
#[derive(Clone, Debug)]
enum Symbols {
    /// Of one that holds them compressed.
    Table(Table),
    /// Of one whose symbols are in another.
    Apart(Apart),
    /// As blazesym reads them.
    Whole(Rc<ElfResolver>),
}

impl Symbols {
    /// Those that a file was stripped of, where they are kept.
    fn stripped_off(path: &Path, module: &Path) -> anyhow::Result<Option<Self>> {
        let module = module.into();
        Ok(match symbols::kept(path)? {
            Some(Kept::Compressed) => Some(Self::Table(Table {
                module,
                functions: symbols::functions(path, &Glob::new("*"))?.into(),
            })),
            Some(Kept::In(other)) => Some(Self::Apart(Apart {
                module,
                program: Rc::new(ElfResolver::open(path)?),
                symbols: Rc::new(ElfResolver::open(other)?),
            })),
            None => None,
        })
    }

    fn open(path: &Path) -> Option<Self> {
        match ElfResolver::open(path) {
            Ok(file) => Some(Self::Whole(Rc::new(file))),
            Err(error) => {
                log::debug!("{}: {error}", path.display());
                None
            }
        }
    }
}

impl TranslateFileOffset for Symbols {
    fn file_offset_to_virt_offset(&self, offset: u64) -> Result<Option<Addr>> {
        match self {
            // Addresses are places in the file.
            Self::Table(_) => Ok(Some(offset)),
            // The other file has no code, so that places in it are not those in the program.
            Self::Apart(apart) => apart.program.file_offset_to_virt_offset(offset),
            Self::Whole(file) => file.file_offset_to_virt_offset(offset),
        }
    }
}

impl Symbolize for Symbols {
    fn find_sym(&self, addr: Addr, opts: &FindSymOpts) -> Result<Result<ResolvedSym<'_>, Reason>> {
        match self {
            Self::Table(table) => Ok(table.find(addr)),
            Self::Apart(apart) => {
                let found = apart.symbols.find_sym(addr, opts)?;
                Ok(found.map(|found| ResolvedSym {
                    module: Some(apart.module.as_os_str()),
                    ..found
                }))
            }
            Self::Whole(file) => file.find_sym(addr, opts),
        }
    }
}

/// A program, and the file that holds its symbols.
#[derive(Clone, Debug)]
struct Apart {
    module: Rc<Path>,
    program: Rc<ElfResolver>,
    symbols: Rc<ElfResolver>,
}

/// The functions of a file, in the order of their places in it.
#[derive(Clone, Debug)]
struct Table {
    module: Rc<Path>,
    functions: Rc<[UserFunction]>,
}

impl Table {
    /// The function that a place of the file is in.
    fn find(&self, place: u64) -> Result<ResolvedSym<'_>, Reason> {
        let functions = &self.functions;
        let behind = functions.partition_point(|function| function.offset <= place);
        // What is written in assembly may have no size: it ends where the next begins.
        let around = functions[..behind].last();
        let around = around.filter(|function| function.size == 0 || function.holds(place));
        let Some(function) = around else {
            return Err(Reason::UnknownAddr);
        };
        Ok(ResolvedSym {
            name: &function.name,
            module: Some(self.module.as_os_str()),
            addr: function.offset,
            size: usize::try_from(function.size).ok().filter(|&size| size > 0),
            lang: SrcLang::Unknown,
            code_info: None,
            inlined: Box::new([]),
            _non_exhaustive: (),
        })
    }
}
