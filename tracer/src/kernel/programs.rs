//! BPF programs that are loaded: their functions can be traced as the kernel's own.

use std::{
    cell::RefCell,
    collections::HashMap,
    ffi::CStr,
    os::fd::{AsFd as _, OwnedFd},
    rc::Rc,
};

use anyhow::{Context as _, anyhow};

use super::{
    btf::{Btf, Layers},
    sys::{self, programs},
};

/// A function of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFunction {
    /// The program's number.
    pub program: u32,
    /// What the program is called: at most 15 bytes, which is not the whole name where that is longer.
    pub program_name: String,
    /// The function.
    pub name: String,
}

/// The types of programs, each read when it is first asked for.
#[derive(Default)]
pub struct Programs {
    types: RefCell<HashMap<u32, Rc<Btf>>>,
}

impl Programs {
    /// The functions of all programs that a trampoline can be put before: those that were loaded with types and
    /// made into the machine's own code.
    pub fn functions(&self) -> anyhow::Result<Vec<ProgramFunction>> {
        let mut found = Vec::new();
        let mut id = 0;
        while let Some(next) = programs::prog_next_id(id)? {
            id = next;
            match programs::prog_by_id(id) {
                Ok(fd) => found.extend(self.functions_of(id, &fd)?),
                // It has gone meanwhile.
                Err(error) if error.errno() == libc::ENOENT => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    fn functions_of(&self, program: u32, fd: &OwnedFd) -> anyhow::Result<Vec<ProgramFunction>> {
        let info = sys::prog_info(fd.as_fd())?;
        if info.btf_id == 0 || info.jited_prog_len == 0 {
            return Ok(Vec::new());
        }
        let types = self.types(program)?;
        let layers = Layers::new(&types, None);
        let own = programs::prog_functions(fd.as_fd())?;
        let bytes: Vec<u8> = info.name.iter().map(|&byte| byte as u8).collect();
        let program_name = CStr::from_bytes_until_nul(&bytes).unwrap_or_default();
        let program_name = program_name.to_string_lossy().into_owned();
        // An object's types are those of all its programs.
        let is_own = |name: &String| {
            layers
                .find_function(name)
                .is_some_and(|id| own.contains(&id))
        };
        let names = types.functions().filter(is_own);
        Ok(names
            .map(|name| ProgramFunction {
                program,
                program_name: program_name.clone(),
                name,
            })
            .collect())
    }

    /// The types that a program was loaded with.
    pub fn types(&self, program: u32) -> anyhow::Result<Rc<Btf>> {
        if let Some(known) = self.types.borrow().get(&program) {
            return Ok(known.clone());
        }
        let fd = programs::prog_by_id(program)
            .with_context(|| format!("cannot open the BPF program {program}"))?;
        let id = sys::prog_info(fd.as_fd())?.btf_id;
        let data = programs::btf_data(id)
            .with_context(|| format!("the BPF program {program} has no types"))?;
        let parsed = Btf::parse(data)
            .map_err(|reason| anyhow!("the types of the BPF program {program}: {reason}"))?;
        let parsed = Rc::new(parsed);
        self.types.borrow_mut().insert(program, parsed.clone());
        Ok(parsed)
    }

    /// The programs whose types have been asked for, in order.
    pub fn known(&self) -> Vec<u32> {
        let mut known: Vec<u32> = self.types.borrow().keys().copied().collect();
        known.sort_unstable();
        known
    }

    /// A program, and the number of the type of one of its functions.
    pub fn open(&self, program: u32, function: &str) -> anyhow::Result<(OwnedFd, u32)> {
        let types = self.types(program)?;
        let id = Layers::new(&types, None).find_function(function);
        let id =
            id.with_context(|| format!("the BPF program {program} has no function {function}"))?;
        Ok((programs::prog_by_id(program)?, id))
    }
}
