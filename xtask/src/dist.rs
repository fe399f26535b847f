//! What is given to others: one static program, a Debian package and a tarball, with man pages and shell
//! completions made from the program's own flags.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{
    build,
    process::{cargo, output, run as run_command, say, target, workspace},
};

const STATIC_TARGET: &str = "x86_64-unknown-linux-gnu";

/// The program on disk is to stay below this.
const BYTES_MAX: u64 = 10 << 20;

/// What the exporter is configured with. Changes of the administrator's stay when another version is installed.
const CONFIGURATION: &str = "etc/tracer/export.toml";

/// What the exporter is deployed with: from `contrib`, and where it is on a system.
const DEPLOYMENT: [(&str, &str); 7] = [
    ("export.toml", CONFIGURATION),
    (
        "systemd/tracer-export.service",
        "usr/lib/systemd/system/tracer-export.service",
    ),
    (
        "kubernetes/daemonset.yaml",
        "usr/share/tracer/kubernetes/daemonset.yaml",
    ),
    (
        "grafana/tracer.json",
        "usr/share/tracer/grafana/tracer.json",
    ),
    (
        "prometheus/recording.yml",
        "usr/share/tracer/prometheus/recording.yml",
    ),
    (
        "prometheus/alerts.yml",
        "usr/share/tracer/prometheus/alerts.yml",
    ),
    (
        "prometheus/tests.yml",
        "usr/share/tracer/prometheus/tests.yml",
    ),
];

/// `cargo xtask dist`.
pub fn run() -> anyhow::Result<()> {
    build::objects()?;
    let folder = target().join("dist");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let program = folder.join("tracer");
    fs::copy(static_program()?, &program)?;
    check(&program)?;
    let tree = folder.join("tree");
    lay_out(&program, &tree)?;
    let name = format!("tracer_{}_{}", env!("CARGO_PKG_VERSION"), architecture());
    package(&tree, &folder.join(format!("{name}.deb")))?;
    tarball(&tree, &folder.join(format!("{name}.tar.gz")))?;
    fs::remove_dir_all(&tree)?;
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        say(format!(
            "{} ({} KiB)",
            entry.path().display(),
            entry.metadata()?.len() / 1024
        ));
    }
    Ok(())
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn static_program() -> anyhow::Result<PathBuf> {
    say("building the static program");
    let mut command = cargo();
    command.args([
        "build",
        "--quiet",
        "--release",
        "--target",
        STATIC_TARGET,
        "--package",
        "tracer",
    ]);
    command.env("RUSTFLAGS", "-Ctarget-feature=+crt-static");
    run_command(&mut command)?;
    Ok(target().join(STATIC_TARGET).join("release/tracer"))
}

fn check(program: &Path) -> anyhow::Result<()> {
    let data = fs::read(program)?;
    if data.len() as u64 > BYTES_MAX {
        bail!(
            "{} has {} bytes, more than {BYTES_MAX}",
            program.display(),
            data.len()
        );
    }
    if has_interpreter(&data).context("the program is no ELF file")? {
        bail!("{} is not static: it names a loader", program.display());
    }
    Ok(())
}

/// Whether an ELF file of 64 bits names a loader: a program header of type `PT_INTERP` (`man 5 elf`).
fn has_interpreter(data: &[u8]) -> Option<bool> {
    const PT_INTERP: u32 = 3;
    let bytes = |at: usize, count: usize| data.get(at..at + count);
    if bytes(0, 5)? != b"\x7fELF\x02" {
        return None;
    }
    let headers = u64::from_le_bytes(bytes(32, 8)?.try_into().ok()?) as usize;
    let size = usize::from(u16::from_le_bytes(bytes(54, 2)?.try_into().ok()?));
    let count = usize::from(u16::from_le_bytes(bytes(56, 2)?.try_into().ok()?));
    for index in 0..count {
        let kind = bytes(headers + index * size, 4)?;
        if u32::from_le_bytes(kind.try_into().ok()?) == PT_INTERP {
            return Some(true);
        }
    }
    Some(false)
}

/// Puts every file where it will be on a system.
fn lay_out(program: &Path, tree: &Path) -> anyhow::Result<()> {
    install(program, &tree.join("usr/bin/tracer"), 0o755)?;
    let made = tree.with_file_name("made");
    for what in ["man", "completions"] {
        run_command(
            Command::new(program)
                .args(["generate", what])
                .arg(made.join(what)),
        )?;
    }
    for page in files(&made.join("man"))? {
        let name = format!(
            "{}.gz",
            page.file_name().unwrap_or_default().to_string_lossy()
        );
        let to = tree.join("usr/share/man/man1").join(name);
        fs::create_dir_all(to.parent().context("a folder")?)?;
        fs::write(&to, output(Command::new("gzip").args(["-9nc"]).arg(&page))?)?;
    }
    let completions = [
        (
            "tracer.bash",
            "usr/share/bash-completion/completions/tracer",
        ),
        ("_tracer", "usr/share/zsh/vendor-completions/_tracer"),
        (
            "tracer.fish",
            "usr/share/fish/vendor_completions.d/tracer.fish",
        ),
    ];
    for (from, to) in completions {
        install(&made.join("completions").join(from), &tree.join(to), 0o644)?;
    }
    for script in files(&workspace().join("scripts"))? {
        let name = script.file_name().context("a script has a name")?;
        let to = tree.join("usr/share/tracer/scripts").join(name);
        install(&script, &to, 0o755)?;
    }
    fs::remove_dir_all(made)?;
    for (from, to) in DEPLOYMENT {
        install(
            &workspace().join("contrib").join(from),
            &tree.join(to),
            0o644,
        )?;
    }
    install(
        &workspace().join("LICENSE"),
        &tree.join("usr/share/doc/tracer/copyright"),
        0o644,
    )?;
    install(
        &workspace().join("README.md"),
        &tree.join("usr/share/doc/tracer/README.md"),
        0o644,
    )?;
    for page in files(&workspace().join("docs"))? {
        let name = page.file_name().unwrap_or_default().to_owned();
        install(
            &page,
            &tree.join("usr/share/doc/tracer/docs").join(name),
            0o644,
        )?;
    }
    Ok(())
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn install(from: &Path, to: &Path, mode: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(to.parent().context("a folder")?)?;
    fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(mode))?)
}

fn package(tree: &Path, to: &Path) -> anyhow::Result<()> {
    let control = tree.join("DEBIAN/control");
    fs::create_dir_all(control.parent().context("a folder")?)?;
    let mut file = fs::File::create(&control)?;
    writeln!(
        file,
        "Package: tracer\nVersion: {}\nArchitecture: {}\nMaintainer: the tracer authors <tracer@localhost>\n\
         Section: admin\nPriority: optional\nDescription: eBPF tracing toolkit\n \
         Shows where latency comes from: system calls, disk I/O, files, programs and\n \
         functions, by process and container. One static program.",
        env!("CARGO_PKG_VERSION"),
        architecture()
    )?;
    drop(file);
    fs::write(tree.join("DEBIAN/conffiles"), format!("/{CONFIGURATION}\n"))?;
    let mut command = Command::new("dpkg-deb");
    command
        .args(["--root-owner-group", "--build"])
        .arg(tree)
        .arg(to);
    output(command.env("SOURCE_DATE_EPOCH", epoch()))?;
    Ok(fs::remove_dir_all(tree.join("DEBIAN"))?)
}

fn tarball(tree: &Path, to: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("tar");
    command.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    command
        .arg(format!("--mtime=@{}", epoch()))
        .arg("-C")
        .arg(tree)
        .arg("-czf")
        .arg(to)
        .args(["etc", "usr"]);
    output(&mut command).map(drop)
}

/// The time that all files bear, so that the same sources make the same packages: that of the last commit.
fn epoch() -> String {
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        return epoch;
    }
    let time = output(
        Command::new("git")
            .args(["log", "-1", "--format=%ct"])
            .current_dir(workspace()),
    );
    time.map_or_else(
        |_| "0".to_owned(),
        |time| String::from_utf8_lossy(&time).trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_for_deployment_is_packed() {
        let contrib = workspace().join("contrib");
        let mut there = vec![contrib.join("export.toml")];
        for folder in ["systemd", "kubernetes", "grafana", "prometheus"] {
            there.extend(files(&contrib.join(folder)).expect("readable"));
        }
        let mut packed: Vec<PathBuf> = DEPLOYMENT.map(|(from, _)| contrib.join(from)).to_vec();
        there.sort();
        packed.sort();
        assert_eq!(there, packed);
    }

    #[test]
    fn loaders_are_seen() {
        let own = fs::read(std::env::current_exe().expect("own path")).expect("readable");
        assert!(has_interpreter(&own).is_some());
        assert_eq!(has_interpreter(b"#!/bin/sh"), None);
    }
}
