//! What the compiler asks of the kernel, answered by the running one.
//!
//! Each question costs well under a millisecond, and is asked of the kernel once: types are found in its mapped
//! BTF, and no table of all of them is made. What a module alone knows is looked for where the kernel itself
//! does not have it.

mod c_text;
mod convention;
mod debug;
mod event;
mod expand;
pub mod list;
mod machine;
mod types;

use std::{cell::RefCell, collections::HashMap, hash::Hash, os::fd::OwnedFd, path::Path, rc::Rc};

use anyhow::{Context as _, anyhow};
use tracer_script::{
    facts::{EventField, ExpandOptions, Facts, Signature, Struct, UserSymbol},
    probe::{AttachKind, PROGRAM, Target},
    types::Type,
};

use self::{
    debug::Binaries,
    expand::program::program_of,
    types::{Types, anonymous_id},
};
use crate::kernel::{
    Kernel,
    btf::{Btf, Layers, Modules},
    cpus,
    programs::Programs,
};

/// Answers that were given before.
type Cache<K, V> = RefCell<HashMap<K, V>>;

/// The fields of an event, or why they are not known.
type Event = Result<Rc<Vec<EventField>>, String>;

/// An enumeration and its enumerators.
type Enumeration = (Type, Vec<(String, i64)>);

/// The running kernel, as the compiler sees it.
pub struct KernelFacts<'a> {
    kernel: &'a Kernel,
    modules: Modules,
    programs: Programs,
    binaries: Binaries,
    cpus: u32,
    structs: Cache<String, Option<Rc<Struct>>>,
    typedefs: Cache<String, Option<Type>>,
    enums: Cache<String, Option<Enumeration>>,
    enumerators: Cache<String, Option<(i64, Type)>>,
    functions: Cache<String, Option<Rc<Signature>>>,
    /// By file and offset.
    user_functions: Cache<(String, u64), Option<Rc<Signature>>>,
    raw_tracepoints: Cache<String, Option<Rc<Signature>>>,
    tracepoints: Cache<(String, String), Event>,
    symbols: Cache<String, Option<u64>>,
}

impl<'a> KernelFacts<'a> {
    /// Looks at the running kernel. The error says that it could not be told how many CPUs there are.
    pub fn new(kernel: &'a Kernel) -> anyhow::Result<Self> {
        let cpus = cpus::possible().context("cannot tell how many CPUs there may be")?;
        Ok(Self {
            kernel,
            modules: Modules::default(),
            programs: Programs::default(),
            binaries: Binaries::default(),
            cpus: u32::try_from(cpus)?,
            structs: Cache::default(),
            typedefs: Cache::default(),
            enums: Cache::default(),
            enumerators: Cache::default(),
            functions: Cache::default(),
            user_functions: Cache::default(),
            raw_tracepoints: Cache::default(),
            tracepoints: Cache::default(),
            symbols: Cache::default(),
        })
    }

    /// Where `fentry` and `fexit` attach: the id of a function's type, and the module whose BTF has it, [`None`]
    /// for the kernel itself. `module` is empty for any of them, `vmlinux` for the kernel.
    ///
    /// The error says that no such function is known to BTF.
    pub fn fentry_target(
        &self,
        module: &str,
        function: &str,
    ) -> anyhow::Result<(Option<String>, u32)> {
        let kernel = self.kernel.btf()?;
        if matches!(module, "" | "vmlinux")
            && let Some(id) = Layers::new(kernel, None).find_function(function)
        {
            return Ok((None, id));
        }
        for name in self.modules.names()? {
            if !module.is_empty() && module != name {
                continue;
            }
            let Some(btf) = self.modules.get(name, kernel)? else {
                continue;
            };
            if let Some(id) = Layers::new(kernel, Some(&btf)).find_function(function) {
                return Ok((Some(name.clone()), id));
            }
        }
        Err(match module {
            "" => anyhow!("the kernel's type information (BTF) has no function {function}"),
            module => anyhow!("the type information (BTF) of {module} has no function {function}"),
        })
    }

    /// The same for the functions of BPF programs: the program, and the id among its types; [`None`] where `group` is
    /// none of a program.
    pub fn program_target(
        &self,
        group: &str,
        function: &str,
    ) -> anyhow::Result<Option<(OwnedFd, u32)>> {
        match program_of(group) {
            Some(program) => self.programs.open(program, function).map(Some),
            None => Ok(None),
        }
    }

    /// The kernel's own types; [`None`] where it offers none, which is logged.
    fn btf(&self) -> Option<&Btf> {
        match self.kernel.btf() {
            Ok(btf) => Some(btf),
            Err(error) => {
                log::warn!("{error:#}");
                None
            }
        }
    }

    /// Looks among the kernel's types, and where it has none such, among its modules', and those of BPF programs that
    /// the script is about.
    fn search<T>(&self, look: impl Fn(Types<'_>) -> Option<T>) -> Option<T> {
        self.in_kernel(&look)
            .or_else(|| self.in_modules(&look))
            .or_else(|| self.in_programs(&look))
    }

    fn in_kernel<T>(&self, look: impl Fn(Types<'_>) -> Option<T>) -> Option<T> {
        look(Types {
            layers: Layers::new(self.btf()?, None),
            module: "",
        })
    }

    fn in_modules<T>(&self, look: impl Fn(Types<'_>) -> Option<T>) -> Option<T> {
        let names = match self.modules.names() {
            Ok(names) => names,
            Err(error) => {
                log::warn!("{error}");
                return None;
            }
        };
        names.iter().find_map(|name| self.in_module(name, &look))
    }

    /// Looks among the types of one module; empty for the kernel itself.
    fn in_module<T>(&self, name: &str, look: impl Fn(Types<'_>) -> Option<T>) -> Option<T> {
        if name.is_empty() {
            return self.in_kernel(look);
        }
        if let Some(program) = program_of(name) {
            return self.in_program(program, name, look);
        }
        let kernel = self.btf()?;
        match self.modules.get(name, kernel) {
            Ok(btf) => look(Types {
                layers: Layers::new(kernel, Some(&*btf?)),
                module: name,
            }),
            Err(error) => {
                log::warn!("{error}");
                None
            }
        }
    }

    fn in_programs<T>(&self, look: impl Fn(Types<'_>) -> Option<T>) -> Option<T> {
        let mut known = self.programs.known().into_iter();
        known.find_map(|program| self.in_program(program, &format!("{PROGRAM}{program}"), &look))
    }

    /// Looks among the types of a BPF program.
    fn in_program<T>(
        &self,
        program: u32,
        name: &str,
        look: impl Fn(Types<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.programs.types(program) {
            Ok(types) => look(Types {
                layers: Layers::new(&types, None),
                module: name,
            }),
            Err(error) => {
                log::warn!("{error:#}");
                None
            }
        }
    }

    fn find_structure(&self, key: &str) -> Option<Struct> {
        let (keyword, name) = key.split_once(' ')?;
        let union = match keyword {
            "struct" => false,
            "union" => true,
            _ => return None,
        };
        if let Some((id, module)) = anonymous_id(name) {
            return self.in_module(module, |types| types.structure(id));
        }
        self.search(|types| types.structure(types.layers.find_struct(name, union)?))
            .or_else(|| logged(self.binaries.structure(key)))
    }

    fn find_typedef(&self, name: &str) -> Option<Type> {
        let look = |types: Types<'_>| Some(types.kind(types.layers.find_typedef(name)?));
        let of_other_kind = |types: Types<'_>| {
            let structs = [false, true].map(|union| types.layers.find_struct(name, union));
            structs
                .into_iter()
                .flatten()
                .next()
                .or_else(|| types.layers.find_enum(name))
        };
        if let Some(found) = self.in_kernel(look) {
            return Some(found);
        }
        // `(task_struct *)x` is read as `(struct task_struct *)x`: no module is asked for what the kernel has.
        if self.in_kernel(of_other_kind).is_some() {
            return None;
        }
        self.in_modules(look)
            .or_else(|| logged(self.binaries.typedef(name)))
    }

    fn find_enumeration(&self, name: &str) -> Option<Enumeration> {
        if let Some((id, module)) = anonymous_id(name) {
            return self.in_module(module, |types| types.enumeration(id));
        }
        self.search(|types| types.enumeration(types.layers.find_enum(name)?))
            .or_else(|| logged(self.binaries.enumeration(name)))
    }
}

/// What was found; that it could not be looked for is logged.
fn logged<T>(found: anyhow::Result<Option<T>>) -> Option<T> {
    found.unwrap_or_else(|error| {
        log::warn!("{error:#}");
        None
    })
}

/// The answer that was given before, or that is found.
fn remember<K, V>(cache: &Cache<K, V>, key: K, find: impl FnOnce(&K) -> V) -> V
where
    K: Eq + Hash,
    V: Clone,
{
    if let Some(known) = cache.borrow().get(&key) {
        return known.clone();
    }
    let found = find(&key);
    cache.borrow_mut().insert(key, found.clone());
    found
}

impl Facts for KernelFacts<'_> {
    fn structure(&self, key: &str) -> Option<Rc<Struct>> {
        remember(&self.structs, key.to_owned(), |key| {
            self.find_structure(key).map(Rc::new)
        })
    }

    fn typedef(&self, name: &str) -> Option<Type> {
        remember(&self.typedefs, name.to_owned(), |name| {
            self.find_typedef(name)
        })
    }

    fn enumeration(&self, name: &str) -> Option<Enumeration> {
        remember(&self.enums, name.to_owned(), |name| {
            self.find_enumeration(name)
        })
    }

    fn enumerator(&self, name: &str) -> Option<(i64, Type)> {
        remember(&self.enumerators, name.to_owned(), |name| {
            let found = self.search(|types| {
                let (id, value) = types.layers.find_enumerator(name)?;
                Some((value, types.kind(id)))
            });
            found.or_else(|| logged(self.binaries.enumerator(name)))
        })
    }

    fn function(&self, name: &str) -> Option<Rc<Signature>> {
        remember(&self.functions, name.to_owned(), |name| {
            let found = self.search(|types| types.signature(types.layers.find_function(name)?));
            found.map(Rc::new)
        })
    }

    fn signature(&self, target: &Target) -> Option<Rc<Signature>> {
        match target.kind {
            AttachKind::RawTracepoint => self.raw_tracepoint(&target.item),
            AttachKind::Uprobe | AttachKind::Uretprobe => {
                let key = (target.group.clone(), target.offset);
                remember(&self.user_functions, key, |(path, offset)| {
                    let found = self.binaries.signature(Path::new(path), *offset);
                    logged(found).map(Rc::new)
                })
            }
            _ if target.group.is_empty() => self.function(&target.item),
            _ => {
                let look =
                    |types: Types<'_>| types.signature(types.layers.find_function(&target.item)?);
                self.in_module(&target.group, look).map(Rc::new)
            }
        }
    }

    fn raw_tracepoint(&self, name: &str) -> Option<Rc<Signature>> {
        remember(&self.raw_tracepoints, name.to_owned(), |name| {
            self.search(|types| types.raw_tracepoint(name)).map(Rc::new)
        })
    }

    fn tracepoint(&self, category: &str, name: &str) -> Event {
        let key = (category.to_owned(), name.to_owned());
        remember(&self.tracepoints, key, |(category, name)| {
            event::fields(self, self.kernel, category, name).map(Rc::new)
        })
    }

    fn kernel_variable(&self, name: &str) -> Option<Type> {
        self.search(|types| Some(types.kind(types.layers.find_variable(name)?)))
    }

    fn kernel_symbol(&self, name: &str) -> Option<u64> {
        remember(&self.symbols, name.to_owned(), |name| {
            machine::kernel_symbol(name)
        })
    }

    fn user_symbol(&self, path: &str, name: &str) -> Option<UserSymbol> {
        machine::user_symbol(path, name)
    }

    fn user_address(&self, path: &str, offset: u64) -> Option<u64> {
        machine::user_address(path, offset)
    }

    fn cgroup_id(&self, path: &str) -> Option<u64> {
        machine::cgroup_id(path)
    }

    fn expand(&self, parts: &[String], options: &ExpandOptions) -> Result<Vec<Target>, String> {
        expand::expand(self, parts, options)
    }

    fn syscall_number(&self, name: &str) -> Option<u32> {
        machine::syscall_number(name)
    }

    fn has_multi(&self, kind: AttachKind) -> bool {
        machine::has_multi(self.kernel, kind)
    }

    fn since(&self, major: u32, minor: u32) -> bool {
        self.kernel.since(major, minor)
    }

    fn kfunc(&self, name: &str) -> Option<u32> {
        self.in_kernel(|types| {
            let id = types.layers.find_function(name)?;
            // Where nothing is marked, the verifier has the last word.
            let callable = types.layers.is_tagged(id, "bpf_kfunc").unwrap_or(true);
            callable.then_some(id)
        })
    }

    fn has_cookie(&self, kind: AttachKind) -> bool {
        machine::has_cookie(self.kernel, kind)
    }

    fn cpus(&self) -> u32 {
        self.cpus
    }

    fn pid_namespace(&self) -> Option<(u64, u64)> {
        machine::pid_namespace()
    }
}

#[cfg(test)]
mod tests;
