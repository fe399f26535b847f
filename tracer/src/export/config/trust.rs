//! Files that say what is loaded into the kernel must not be anyone's to change.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use anyhow::{Context as _, bail};

/// Bytes of a file, at most.
const BYTES_MAX: u64 = 1 << 20;

/// Reads a text that only root or this process' user can have written: no one else may own it or write to it.
pub fn read(path: &Path) -> anyhow::Result<String> {
    let named = || path.display().to_string();
    let mut file = File::open(path).with_context(|| format!("cannot read {}", named()))?;
    let facts = file
        .metadata()
        .with_context(|| format!("cannot read {}", named()))?;
    check(&named(), facts.uid(), facts.gid(), facts.mode())?;
    if !facts.is_file() {
        bail!("{} is not a file", named());
    }
    if facts.len() > BYTES_MAX {
        bail!("{} has more than {BYTES_MAX} bytes", named());
    }
    let mut text = String::new();
    file.read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", named()))?;
    Ok(text)
}

fn check(name: &str, owner: u32, group: u32, mode: u32) -> anyhow::Result<()> {
    let own = fs::metadata("/proc/self")
        .context("cannot tell who runs this")?
        .uid();
    if owner != 0 && owner != own {
        bail!(
            "{name} belongs to the user {owner}, who could change what is run: make it root's (chown)"
        );
    }
    let by_group = mode & 0o020 != 0 && group != 0;
    if by_group || mode & 0o002 != 0 {
        bail!("{name} can be written by others, who could change what is run: chmod go-w {name}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_oneself_may_write() {
        let own = fs::metadata("/proc/self").expect("it is there").uid();
        assert!(check("f", 0, 0, 0o100664).is_ok());
        assert!(check("f", own, 100, 0o100644).is_ok());
        for (owner, group, mode) in [(own + 1, 0, 0o100600), (0, 100, 0o100664), (0, 0, 0o100646)] {
            assert!(
                check("f", owner, group, mode).is_err(),
                "{owner} {group} {mode:o}"
            );
        }
    }
}
