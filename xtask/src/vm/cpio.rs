//! Archives that the kernel unpacks at boot: `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::collections::BTreeSet;

/// An archive in the making. Folders come into being with what is put into them.
#[derive(Default)]
pub struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
    folders: BTreeSet<String>,
}

const FOLDER: u32 = 0o040_755;
const DEVICE: u32 = 0o020_600;
const LINK: u32 = 0o120_777;

impl Cpio {
    /// A file.
    pub fn file(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.folders_above(name);
        self.entry(name, 0o100_000 | mode, data, (0, 0));
    }

    /// A symbolic link.
    pub fn link(&mut self, name: &str, to: &str) {
        self.folders_above(name);
        self.entry(name, LINK, to.as_bytes(), (0, 0));
    }

    /// A folder.
    pub fn folder(&mut self, name: &str) {
        self.folders_above(name);
        if self.folders.insert(name.to_owned()) {
            self.entry(name, FOLDER, &[], (0, 0));
        }
    }

    /// A character device.
    pub fn device(&mut self, name: &str, number: (u32, u32)) {
        self.folders_above(name);
        self.entry(name, DEVICE, &[], number);
    }

    fn folders_above(&mut self, name: &str) {
        if let Some((folder, _)) = name.rsplit_once('/') {
            self.folder(folder);
        }
    }

    fn entry(&mut self, name: &str, mode: u32, data: &[u8], device: (u32, u32)) {
        self.entries += 1;
        let (name_bytes, data_bytes) = (name.len() as u32 + 1, data.len() as u32);
        let (links, time, owner) = (1, 0, 0);
        let words = [
            self.entries,
            mode,
            owner,
            owner,
            links,
            time,
            data_bytes,
            0,
            0,
            device.0,
            device.1,
            name_bytes,
            0,
        ];
        self.bytes.extend(b"070701");
        words
            .iter()
            .for_each(|word| self.bytes.extend(format!("{word:08x}").bytes()));
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad(4);
        self.bytes.extend(data);
        self.pad(4);
    }

    fn pad(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[], (0, 0));
        self.pad(512);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_folders_made_once() {
        let mut archive = Cpio::default();
        archive.file("a/b/c", 0o644, b"hello");
        archive.file("a/b/d", 0o755, b"");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 512, 0);
        let magic = bytes
            .windows(6)
            .enumerate()
            .filter(|(_, window)| *window == b"070701");
        let places: Vec<usize> = magic.map(|(at, _)| at).collect();
        // Two folders, two files, the end.
        assert_eq!(places.len(), 5);
        assert!(places.iter().all(|at| at % 4 == 0));
    }
}
