//! Folders with the debug information that was put apart from its programs.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context as _, bail};

/// Where distributions put it.
const USUAL: &str = "/usr/lib/debug";

static GIVEN: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Has debug information be looked for in these folders, too, before the usual one: paths with `:` between them. To be
/// called once, before anything is looked for.
///
/// The error says that one is no folder.
pub fn add(folders: &OsStr) -> anyhow::Result<()> {
    let folders: Vec<PathBuf> = env::split_paths(folders).collect();
    for folder in &folders {
        let name = folder.display();
        let found = folder.metadata();
        let found =
            found.with_context(|| format!("cannot look for debug information in {name}"))?;
        if !found.is_dir() {
            bail!("cannot look for debug information in {name}: it is no folder");
        }
    }
    if GIVEN.set(folders).is_err() {
        bail!("folders with debug information are given twice: once will do, with : between them");
    }
    Ok(())
}

/// All, in the order in which they are looked into.
pub fn all() -> impl Iterator<Item = &'static Path> {
    let given = GIVEN.get().into_iter().flatten();
    given.map(PathBuf::as_path).chain([Path::new(USUAL)])
}
