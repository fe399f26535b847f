// Whether the kernel objects were made from the sources that are there. Shared by `xtask`, which makes
// them, and by the build script of `tracer`, which takes them in.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The folders whose files make the kernel objects.
pub const SOURCES: [&str; 2] = ["tracer-ebpf", "tracer-common"];

/// A number that changes with any name or any byte of the kernel side's sources (FNV-1a, 64 bits).
pub fn of_sources(workspace: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for folder in SOURCES {
        collect(&workspace.join(folder), &mut files)?;
    }
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut feed = |bytes: &[u8]| {
        for &byte in bytes.iter().chain(&[0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    };
    for file in files {
        let name = file.strip_prefix(workspace).unwrap_or(&file);
        feed(name.as_os_str().as_encoded_bytes());
        feed(&fs::read(&file)?);
    }
    Ok(format!("{hash:016x}"))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
