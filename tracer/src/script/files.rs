//! The files that scripts name: headers that they include, and what they import.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use tracer_script::facts::{Files, SourceFile};

/// Bytes of a file, at most.
const BYTES_MAX: u64 = 8 << 20;

/// What of a folder is imported, by the ends of names.
const IMPORTED: [&str; 2] = ["bt", "h"];

/// The right of everyone to write: `man 7 inode`.
const WRITABLE_BY_ALL: u32 = 0o002;

/// Looks for files beside those that name them, and in some folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundFiles {
    /// Where headers are looked for, besides.
    pub folders: Vec<PathBuf>,
}

impl Files for FoundFiles {
    fn header(&self, name: &str, quoted: bool, from: &str) -> Option<Result<SourceFile, String>> {
        let beside = quoted.then(|| folder_of(from));
        let folders = beside.iter().chain(&self.folders);
        let mut paths = folders.map(|folder| folder.join(name));
        let path = paths.find(|path| path.is_file())?;
        Some(read(&path))
    }

    fn import(&self, name: &str, from: &str) -> Result<Vec<SourceFile>, String> {
        let path = folder_of(from).join(name);
        let found = fs::metadata(&path).map_err(|error| cannot_read(&path, &error))?;
        if !found.is_dir() {
            let folder = path.parent().unwrap_or(Path::new("/"));
            refuse_writable(folder)?;
            return Ok(vec![read(&path)?]);
        }
        refuse_writable(&path)?;
        let entries = fs::read_dir(&path).map_err(|error| cannot_read(&path, &error))?;
        let entries: io::Result<Vec<_>> = entries.collect();
        let entries = entries.map_err(|error| cannot_read(&path, &error))?;
        let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
        paths.retain(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            path.is_file() && extension.is_some_and(|extension| IMPORTED.contains(&extension))
        });
        paths.sort();
        paths.iter().map(|path| read(path)).collect()
    }
}

/// The folder of a script or a header; the one that we run in for a script that is no file.
fn folder_of(file: &str) -> PathBuf {
    let path = Path::new(file);
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// What anyone may change, root should not run.
fn refuse_writable(folder: &Path) -> Result<(), String> {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let found = fs::metadata(folder).map_err(|error| cannot_read(folder, &error))?;
    if found.mode() & WRITABLE_BY_ALL == 0 {
        return Ok(());
    }
    Err(format!(
        "nothing is imported from {}, where everyone may write: put it elsewhere",
        folder.display()
    ))
}

/// A file by the one path that tells it from all others.
fn read(path: &Path) -> Result<SourceFile, String> {
    let failed = |error: io::Error| cannot_read(path, &error);
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > BYTES_MAX {
        return Err(format!(
            "{} is larger than {BYTES_MAX} bytes",
            path.display()
        ));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    let name = fs::canonicalize(path).map_err(failed)?;
    Ok(SourceFile {
        name: name.to_string_lossy().into_owned(),
        text,
    })
}

fn cannot_read(path: &Path, error: &io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A folder of the test's own, taken away in the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tracer-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("lib")).expect("folders can be made");
            Self(fs::canonicalize(path).expect("it is there"))
        }

        fn write(&self, name: &str, text: &str) -> String {
            let path = self.0.join(name);
            fs::write(&path, text).expect("files can be written");
            path.to_string_lossy().into_owned()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).expect("folders can be removed");
        }
    }

    #[test]
    fn headers_are_found_beside_and_in_folders() {
        let folder = Folder::new("headers");
        let script = folder.write("s.bt", "");
        let beside = folder.write("a.h", "beside");
        let inside = folder.write("lib/b.h", "inside");
        let files = FoundFiles {
            folders: vec![folder.0.join("lib")],
        };
        let found = |name, quoted| {
            let found = files.header(name, quoted, &script);
            found.map(|found| found.expect("it can be read").name)
        };
        assert_eq!(found("a.h", true), Some(beside));
        assert_eq!(found("a.h", false), None);
        assert_eq!(found("b.h", true), Some(inside.clone()));
        assert_eq!(found("b.h", false), Some(inside));
        assert_eq!(found("c.h", true), None);
    }

    #[test]
    fn folders_are_imported_in_order() {
        let folder = Folder::new("imports");
        let script = folder.write("s.bt", "");
        for name in ["lib/b.bt", "lib/a.bt", "lib/c.h", "lib/notes.txt"] {
            folder.write(name, name);
        }
        let files = FoundFiles::default();
        let found = files.import("lib", &script).expect("it is there");
        let texts: Vec<&str> = found.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(texts, ["lib/a.bt", "lib/b.bt", "lib/c.h"]);
        let missing = files.import("none.bt", &script).unwrap_err();
        assert!(missing.contains("none.bt: No such file"), "{missing}");
    }

    #[test]
    fn what_everyone_may_write_is_not_imported() {
        let folder = Folder::new("writable");
        let script = folder.write("s.bt", "");
        folder.write("lib/a.bt", "");
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(folder.0.join("lib"), open).expect("it is ours");
        for name in ["lib", "lib/a.bt"] {
            let refused = FoundFiles::default().import(name, &script).unwrap_err();
            assert!(refused.contains("everyone may write"), "{refused}");
        }
    }
}
