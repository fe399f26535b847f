//! The programs and libraries that processes run.

use std::{collections::HashSet, fs, io, path::PathBuf};

use super::{mapping, read};
use crate::kernel::root::Root;

/// The files of which a process has code in its memory, or of which any process has: each once, with the path that
/// its process knows it by, and the one that we reach it by. Those that have been deleted since are left out.
pub fn files_in_use(pid: Option<u32>) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let processes = match pid {
        Some(pid) => vec![pid],
        None => all()?,
    };
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for process in processes {
        let text = match read(process, "maps") {
            Ok(text) => text,
            Err(error) if pid.is_some() => return Err(io::Error::other(error)),
            // It has ended meanwhile.
            Err(error) => {
                log::debug!("{error}");
                continue;
            }
        };
        let root = Root::of(Some(process));
        for file in parse(&String::from_utf8_lossy(&text)) {
            if !seen.insert(file.identity) {
                continue;
            }
            match root.resolve(&file.path) {
                Ok(reached) => found.push((file.path, reached)),
                Err(error) => log::debug!("{}: {error}", file.path.display()),
            }
        }
    }
    Ok(found)
}

/// The numbers of all processes.
fn all() -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(found)
}

/// A file of which a process has code in its memory.
#[derive(Debug)]
struct CodeFile {
    /// Its path as the process sees it.
    path: PathBuf,
    /// Its device and inode, which are the same whatever it is called.
    identity: (String, u64),
}

/// The files of all lines, each once.
fn parse(maps: &str) -> Vec<CodeFile> {
    let mut seen = HashSet::new();
    let files = maps.lines().filter_map(|line| {
        let mapping = mapping::of_code(line)?;
        let inode = mapping.inode.parse().ok()?;
        let is_file = mapping.path.starts_with('/') && !mapping.path.ends_with(" (deleted)");
        is_file.then(|| CodeFile {
            path: mapping.path.into(),
            identity: (mapping.device.to_owned(), inode),
        })
    });
    files
        .filter(|file| seen.insert(file.identity.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_code_are_told_once() {
        let found = parse(
            "55d0-55d1 r--p 00000000 fd:00 10                         /bin/a b\n\
             55d1-55d2 r-xp 00001000 fd:00 10                         /bin/a b\n\
             55d2-55d3 r-xp 00002000 fd:00 10                         /bin/a b\n\
             7f00-7f01 r-xp 00000000 fd:00 11                         /lib/gone (deleted)\n\
             7f01-7f02 rw-p 00000000 fd:00 12                         /lib/data\n\
             7f02-7f03 r-xp 00000000 00:00 0                          [vdso]\n\
             7f03-7f04 r-xp 00000000 00:00 0 \n",
        );
        let paths: Vec<&str> = found.iter().filter_map(|file| file.path.to_str()).collect();
        assert_eq!(paths, ["/bin/a b"]);
        assert_eq!(found[0].identity, ("fd:00".to_owned(), 10));
    }

    #[test]
    fn own_program_is_among_its_files() {
        let own = std::env::current_exe().expect("own path");
        let own = own.canonicalize().expect("it is there");
        for pid in [Some(std::process::id()), None] {
            let found = files_in_use(pid).expect("it lives");
            let times = found.iter().filter(|(_, path)| *path == own).count();
            assert_eq!(times, 1, "{pid:?}");
        }
        assert!(files_in_use(Some(u32::MAX)).is_err());
    }
}
