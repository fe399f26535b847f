//! Symbols that distributions leave in stripped programs: a small ELF file, compressed with xz, in the section
//! `.gnu_debugdata` ("MiniDebugInfo").
//!
//! Source: "MiniDebugInfo" in the manual of gdb. The inner file has a table of those functions that the program's
//! dynamic table lacks; their addresses are the program's own, as the file has no code.

use std::{
    collections::BTreeSet,
    fs,
    io::{Cursor, Read as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::{Context as _, bail};
use object::{Object as _, ObjectSection as _, ReadRef};
use xz4rust::{XzDecoder, XzReader};

const SECTION: &str = ".gnu_debugdata";

/// Bytes that the inner file may have: that of a program with a million functions has some 100 MB.
const BYTES_MAX: u64 = 128 << 20;

/// Bytes that the decoder may look back; xz makes use of 64 MiB at most.
const DICTIONARY_BYTES_MAX: usize = 64 << 20;

/// Bytes that are handed to the decoder at once.
const STEP_BYTES: NonZeroUsize = NonZeroUsize::new(16 << 10).expect("it is not zero");

/// Whether a program has an inner file.
pub fn is_in<'a, R: ReadRef<'a>>(program: &object::File<'a, R>) -> bool {
    program.section_by_name(SECTION).is_some()
}

/// The inner file of a program; [`None`] where it has none. The error says that it is damaged, or too large.
pub fn inner_file<'a, R: ReadRef<'a>>(
    program: &object::File<'a, R>,
) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(section) = program.section_by_name(SECTION) else {
        return Ok(None);
    };
    unpack(section.data()?, BYTES_MAX).map(Some)
}

/// The same, where a warning tells of what is damaged, once for each program, as that is no reason to leave the other
/// symbols out.
pub fn inner_file_or_warning<'a, R: ReadRef<'a>>(
    program: &object::File<'a, R>,
    path: &Path,
) -> Option<Vec<u8>> {
    inner_file(program).unwrap_or_else(|error| {
        // It may be asked for by way of a process that has mapped it.
        let file = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if is_first(&file) {
            log::warn!(
                "the symbols in {SECTION} of {} are left out: {error:#}",
                file.display()
            );
        }
        None
    })
}

/// Whether a file was not asked about before.
fn is_first(file: &Path) -> bool {
    static TOLD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    // A set of paths is whole, whatever happened to who held it.
    let mut told = TOLD.lock().unwrap_or_else(|held| held.into_inner());
    told.insert(file.to_owned())
}

fn unpack(data: &[u8], bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let decoder = XzDecoder::in_heap_with_alloc_dict_size(0, DICTIONARY_BYTES_MAX);
    let input = Cursor::new(data.to_vec());
    let reader = XzReader::new_with_buffer_size_and_decoder(input, STEP_BYTES, decoder);
    let mut inner = Vec::new();
    reader
        .take(bytes_max + 1)
        .read_to_end(&mut inner)
        .context("it is compressed with xz, and damaged")?;
    if inner.len() as u64 > bytes_max {
        bail!("it has more than {bytes_max} bytes when unpacked");
    }
    object::File::parse(inner.as_slice()).context("what is packed into it is no ELF file")?;
    Ok(inner)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const PROGRAM: &str = "/bin/sh";

    /// A file, compressed by the program xz; [`None`] where that is not there.
    fn packed(path: &Path) -> Option<Vec<u8>> {
        let made = Command::new("xz").arg("-0c").arg(path).output();
        let Ok(made) = made else {
            eprintln!("SKIPPED: there is no xz here");
            return None;
        };
        assert!(made.status.success(), "{made:?}");
        Some(made.stdout)
    }

    #[test]
    fn what_xz_packed_is_unpacked() {
        let Some(data) = packed(Path::new(PROGRAM)) else {
            return;
        };
        let plain = fs::read(PROGRAM).expect("xz has read it");
        assert!(unpack(&data, BYTES_MAX).expect("it is whole") == plain);
        let error = unpack(&data, 1000).expect_err("it has more");
        assert!(error.to_string().contains("more than 1000 bytes"));
    }

    #[test]
    fn what_is_damaged_is_said() {
        let Some(data) = packed(Path::new(PROGRAM)) else {
            return;
        };
        let told = |data: &[u8], what: &str| {
            let error = unpack(data, BYTES_MAX)
                .map(|inner| inner.len())
                .expect_err(what);
            assert!(error.to_string().contains("damaged"), "{what}: {error:#}");
        };
        told(b"", "nothing");
        told(b"no xz at all", "text");
        told(&data[..data.len() / 2], "half of it");
        for place in [0, 8, 40, data.len() / 2, data.len() - 1] {
            let mut other = data.clone();
            other[place] ^= 0x55;
            told(&other, &format!("another byte at {place}"));
        }
        let Some(text) = packed(Path::new("/proc/self/status")) else {
            return;
        };
        let error = unpack(&text, BYTES_MAX).expect_err("it is text");
        assert!(error.to_string().contains("no ELF file"), "{error:#}");
    }
}
