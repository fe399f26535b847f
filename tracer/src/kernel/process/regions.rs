//! Where a process has code in its memory.

use std::path::PathBuf;

use super::{ProcessError, mapping, path, read};

/// What code comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file, by a path that leads to it whatever its name is meanwhile, and where in the file it begins.
    File {
        /// `/proc/PID/map_files/…`
        path: PathBuf,
        /// Bytes.
        offset: u64,
    },
    /// The part of the kernel that each process has: `[vdso]`.
    Kernel,
    /// Nothing: it was made while the process ran.
    Made,
    /// Others of the kernel's own.
    Special,
}

/// Memory of a process that holds code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRegion {
    /// Its first address.
    pub start: u64,
    /// The address behind it.
    pub end: u64,
    /// What it comes from.
    pub origin: Origin,
}

/// All of a process, in the order of addresses.
pub fn code_regions(pid: u32) -> Result<Vec<CodeRegion>, ProcessError> {
    let text = read(pid, "maps")?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter_map(|line| region(pid, line)).collect())
}

fn region(pid: u32, line: &str) -> Option<CodeRegion> {
    let mapping = mapping::of_code(line)?;
    let (from, to) = mapping.addresses.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let origin = match (mapping.inode, mapping.path) {
        ("0", "[vdso]") => Origin::Kernel,
        ("0", name) if name.starts_with("[v") || name == "[uprobes]" => Origin::Special,
        ("0", _) => Origin::Made,
        _ => Origin::File {
            path: path(pid, &format!("map_files/{from}-{to}")),
            offset: number(mapping.offset)?,
        },
    };
    Some(CodeRegion {
        start: number(from)?,
        end: number(to)?,
        origin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_the_rest() {
        let found = |line| region(7, line);
        let file =
            found("55d1-55d2 r-xp 00001000 fd:00 10       /bin/a b (deleted)").expect("code");
        assert_eq!((file.start, file.end), (0x55d1, 0x55d2));
        let path = PathBuf::from("/proc/7/map_files/55d1-55d2");
        let offset = 0x1000;
        assert_eq!(file.origin, Origin::File { path, offset });
        assert_eq!(found("55d1-55d2 r--p 00001000 fd:00 10   /bin/a"), None);
        let origin = |line| found(line).expect("code").origin;
        assert_eq!(
            origin("7f02-7f03 r-xp 00000000 00:00 0   [vdso]"),
            Origin::Kernel
        );
        assert_eq!(origin("7f03-7f04 rwxp 00000000 00:00 0 "), Origin::Made);
        assert_eq!(
            origin("7f03-7f04 rwxp 00000000 00:00 0 [heap]"),
            Origin::Made
        );
        assert_eq!(
            origin("7f05-7f06 --xp 00000000 00:00 0 [uprobes]"),
            Origin::Special
        );
    }

    #[test]
    fn own_code_can_be_read_by_the_path_that_is_told() {
        let own = code_regions(std::process::id()).expect("it lives");
        let address = own_code_can_be_read_by_the_path_that_is_told as *const () as u64;
        let mut around = own
            .iter()
            .filter(|one| (one.start..one.end).contains(&address));
        let found = around.next().expect("it runs there");
        let Origin::File { path, .. } = &found.origin else {
            panic!("{found:?}");
        };
        match std::fs::metadata(path) {
            Ok(there) => assert!(there.len() > 0),
            // It takes rights that tests need not have: `CAP_CHECKPOINT_RESTORE`.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied),
        }
    }
}
