//! What a guest boots into: busybox, the modules that it needs, the files that it was given.

use std::{fs, path::Path, process::Command};

use anyhow::Context as _;

use super::{cpio::Cpio, guest::Guest, kernel::pipe, modules::Modules};
use crate::process::output;

const BUSYBOX: &str = "/bin/busybox";

/// Modules that every guest needs: for its ports and its disk.
const MODULES: [&str; 3] = ["virtio_pci", "virtio_console", "virtio_blk"];

/// The first process: mounts what a server has, loads the modules, runs the command with its output on the
/// ports, and tells its status.
const INIT: &str = r#"#!/bin/busybox sh
export PATH=/bin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module" || echo "guest: cannot load $module"; done < /modules/order
port() {
  tries=0
  until name=$(grep -lx "$1" /sys/class/virtio-ports/*/name 2>/dev/null); do
    tries=$((tries + 1)); [ $tries -gt 500 ] && return; usleep 10000
  done
  name=${name%/name}; echo "/dev/${name##*/}"
}
control=$(port control); out=$(port out); err=$(port err)
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ifconfig lo 127.0.0.1 up
echo started > "$control"
sh /command.sh < /dev/null > "$out" 2> "$err"
echo "status $?" > "$control"
sync
poweroff -f
"#;

/// Packs it.
pub fn pack(guest: &Guest) -> anyhow::Result<Vec<u8>> {
    let mut archive = Cpio::default();
    ["proc", "sys", "dev", "tmp", "root", "run"]
        .iter()
        .for_each(|folder| archive.folder(folder));
    archive.device("dev/console", (5, 1));
    archive.device("dev/null", (1, 3));
    archive.file(
        "etc/passwd",
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
    );
    add_busybox(&mut archive)?;
    add_modules(&mut archive, guest)?;
    for (from, to) in &guest.files {
        archive.file(to, 0o755, &read(from)?);
    }
    archive.file("command.sh", 0o755, script(guest).as_bytes());
    archive.file("init", 0o755, INIT.as_bytes());
    Ok(archive.finish())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn add_busybox(archive: &mut Cpio) -> anyhow::Result<()> {
    archive.file("bin/busybox", 0o755, &read(Path::new(BUSYBOX))?);
    let names = output(Command::new(BUSYBOX).arg("--list"))?;
    let names = String::from_utf8_lossy(&names).into_owned();
    names
        .lines()
        .filter(|name| *name != "busybox")
        .for_each(|name| archive.link(&format!("bin/{name}"), "busybox"));
    Ok(())
}

fn add_modules(archive: &mut Cpio, guest: &Guest) -> anyhow::Result<()> {
    let wanted: Vec<&str> = MODULES
        .into_iter()
        .chain(guest.modules.iter().map(String::as_str))
        .collect();
    let mut order = String::new();
    for file in Modules::read(&guest.kernel.modules)?.files(&wanted)? {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let name = name.split(".ko").next().unwrap_or(&name).to_owned() + ".ko";
        archive.file(&format!("modules/{name}"), 0o644, &module(&file)?);
        order.push_str(&name);
        order.push('\n');
    }
    archive.file("modules/order", 0o644, order.as_bytes());
    Ok(())
}

/// A module as it is loaded, unpacked.
fn module(file: &Path) -> anyhow::Result<Vec<u8>> {
    let data = read(file)?;
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => pipe(&["xz", "-dcq"], &data),
        Some("zst") => pipe(&["zstd", "-dcq"], &data),
        _ => Ok(data),
    }
}

fn script(guest: &Guest) -> String {
    let mut script = String::new();
    for (name, value) in &guest.environment {
        script.push_str(&format!("export {name}={}\n", quote(value)));
    }
    let words: Vec<String> = guest.command.iter().map(|word| quote(word)).collect();
    script.push_str(&words.join(" "));
    script.push('\n');
    script
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        assert_eq!(quote("it's a"), r"'it'\''s a'");
    }
}
