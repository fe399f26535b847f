//! Which modules must be loaded, and in what order, for others to work.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// What depmod and the build say of a kernel's modules: `man 5 modules.dep`.
pub struct Modules {
    folder: PathBuf,
    /// Path and needs, by name.
    known: HashMap<String, (String, Vec<String>)>,
    built_in: HashSet<String>,
    /// What is to be loaded before, by name.
    before: HashMap<String, Vec<String>>,
}

/// The name of a module's file: `kernel/drivers/virtio/virtio-pci.ko.xz` is `virtio_pci`.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

impl Modules {
    /// Reads them.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = |file: &str| {
            let path = folder.join(file);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Self {
            folder: folder.to_owned(),
            known: parse_needs(&text("modules.dep")?),
            built_in: text("modules.builtin")?.lines().map(name_of).collect(),
            before: parse_before(&text("modules.softdep").unwrap_or_default()),
        })
    }

    /// The files to load for these modules, in order. Those that are built in need none.
    pub fn files(&self, names: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
        let mut order = Vec::new();
        let mut seen = HashSet::new();
        for name in names {
            self.add(&name.replace('-', "_"), true, &mut seen, &mut order)?;
        }
        Ok(order
            .into_iter()
            .map(|path| self.folder.join(path))
            .collect())
    }

    fn add(
        &self,
        name: &str,
        needed: bool,
        seen: &mut HashSet<String>,
        order: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        if !seen.insert(name.to_owned()) || self.built_in.contains(name) {
            return Ok(());
        }
        let Some((path, needs)) = self.known.get(name) else {
            if needed {
                bail!("this kernel has no module {name}");
            }
            return Ok(());
        };
        for before in self.before.get(name).into_iter().flatten() {
            self.add(before, false, seen, order)?;
        }
        // The list names what is needed last first.
        for need in needs.iter().rev() {
            self.add(&name_of(need), true, seen, order)?;
        }
        order.push(path.clone());
        Ok(())
    }
}

fn parse_needs(text: &str) -> HashMap<String, (String, Vec<String>)> {
    let line = |line: &str| {
        let (path, needs) = line.split_once(':')?;
        let needs = needs.split_whitespace().map(str::to_owned).collect();
        Some((name_of(path), (path.to_owned(), needs)))
    };
    text.lines().filter_map(line).collect()
}

/// `softdep NAME pre: A B post: C`.
fn parse_before(text: &str) -> HashMap<String, Vec<String>> {
    let line = |line: &str| {
        let (name, rest) = line.strip_prefix("softdep ")?.split_once(' ')?;
        let before = rest.split("pre:").nth(1)?.split("post:").next()?;
        Some((
            name.replace('-', "_"),
            before
                .split_whitespace()
                .map(|name| name.replace('-', "_"))
                .collect(),
        ))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_come_first() {
        let modules = Modules {
            folder: PathBuf::from("/m"),
            known: parse_needs(
                "k/c.ko.xz: k/b.ko.xz k/a-x.ko.xz\nk/b.ko.xz: k/a-x.ko.xz\nk/a-x.ko.xz:\nk/s.ko:\n",
            ),
            built_in: ["built_in".to_owned()].into(),
            before: parse_before("softdep c pre: s nothing\n"),
        };
        let files = modules.files(&["built-in", "c"]).expect("known");
        let names: Vec<String> = files
            .iter()
            .map(|file| name_of(&file.to_string_lossy()))
            .collect();
        assert_eq!(names, ["s", "a_x", "b", "c"]);
        assert!(modules.files(&["missing"]).is_err());
    }
}
