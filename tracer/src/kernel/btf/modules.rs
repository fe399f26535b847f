//! The types of modules, each read when it is first asked for.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    fs, io,
    path::Path,
    rc::Rc,
};

use super::{Btf, BtfError};

/// Where the kernel offers the types of each module, beside its own (Linux 5.11).
const FOLDER: &str = "/sys/kernel/btf";

/// The types of the modules that are loaded.
#[derive(Default)]
pub struct Modules {
    names: OnceCell<Vec<String>>,
    loaded: RefCell<HashMap<String, Rc<Btf>>>,
}

impl Modules {
    /// The modules that offer their types, in order. Kernels that offer none have none.
    pub fn names(&self) -> Result<&[String], BtfError> {
        if self.names.get().is_none() {
            let names = list().map_err(|source| BtfError::Read {
                path: FOLDER.to_owned(),
                hint: "",
                source,
            })?;
            // Nobody else can have set it meanwhile: this is not shared between threads.
            let _ = self.names.set(names);
        }
        Ok(self.names.get().map_or(&[], Vec::as_slice))
    }

    /// The types of a module, on those of the kernel; [`None`] where it offers none or is not loaded.
    pub fn get(&self, name: &str, kernel: &Btf) -> Result<Option<Rc<Btf>>, BtfError> {
        if let Some(known) = self.loaded.borrow().get(name) {
            return Ok(Some(known.clone()));
        }
        if !self.names()?.iter().any(|known| known == name) {
            return Ok(None);
        }
        let path = Path::new(FOLDER).join(name);
        let btf = Rc::new(Btf::read_above(&path, kernel.as_below())?);
        self.loaded
            .borrow_mut()
            .insert(name.to_owned(), btf.clone());
        Ok(Some(btf))
    }
}

fn list() -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(FOLDER) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.retain(|name| name != "vmlinux");
    names.sort_unstable();
    Ok(names)
}
