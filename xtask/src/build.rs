//! Building: the kernel objects, where their sources have changed, then the program.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;

use crate::{
    process::{cargo, run as run_command, say, target, workspace},
    setup::{self, BPF_TARGET, Compiler, Toolchain},
    stamp,
};

/// Flags of `build`.
#[derive(Args, Default)]
pub struct Options {
    /// Optimize the program, and strip it
    #[arg(long)]
    pub release: bool,
}

/// `cargo xtask build`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    objects()?;
    program(options.release)?;
    Ok(())
}

/// Builds the program, and gives its path.
pub fn program(release: bool) -> anyhow::Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--quiet", "--package", "tracer"]);
    if release {
        command.arg("--release");
    }
    run_command(&mut command)?;
    Ok(target()
        .join(if release { "release" } else { "debug" })
        .join("tracer"))
}

/// Makes the kernel objects, unless they are those of the sources that are there.
pub fn objects() -> anyhow::Result<()> {
    let folder = target().join("bpf");
    let sources = stamp::of_sources(&workspace()).context("cannot read the kernel side")?;
    let stamp = folder.join("stamp");
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from.trim() == sources) {
        return Ok(());
    }
    let toolchain = setup::toolchain()?;
    say("compiling the kernel side");
    compile(&toolchain)?;
    // The stamp goes first and comes last: objects that are half there are not taken for whole ones.
    let _ = fs::remove_file(&stamp);
    collect(&folder)?;
    fs::write(&stamp, sources).with_context(|| format!("cannot write {}", stamp.display()))
}

fn build_folder() -> PathBuf {
    target().join("bpf-build")
}

fn compile(toolchain: &Toolchain) -> anyhow::Result<()> {
    let mut command = cargo();
    if let Compiler::Nightly = toolchain.compiler {
        // The proxy of rustup chooses the toolchain by this.
        command = std::process::Command::new("cargo");
        command.current_dir(workspace()).arg("+nightly");
        command
            .env_remove("RUSTC")
            .env_remove("CARGO")
            .env_remove("RUSTUP_TOOLCHAIN");
    }
    command.args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "tracer-ebpf",
        "--bins",
    ]);
    command
        .args(["--target", BPF_TARGET, "--target-dir"])
        .arg(build_folder());
    match &toolchain.compiler {
        Compiler::Nightly => command.args(["-Z", "build-std=core"]),
        // A stable compiler takes the features that the kernel side needs only when told to.
        Compiler::Prebuilt(rustc) => command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1"),
    };
    let arch = std::env::consts::ARCH;
    let linker = toolchain.linker.display();
    let flags = [
        format!("--cfg=bpf_target_arch=\"{arch}\""),
        format!("-Clinker={linker}"),
    ];
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    command
        .env("LD_LIBRARY_PATH", &toolchain.llvm)
        .env_remove("RUSTFLAGS");
    run_command(&mut command)
}

/// Copies each tool's object to where the program takes it from; those of tools that are gone are removed.
fn collect(folder: &Path) -> anyhow::Result<()> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let built = build_folder().join(BPF_TARGET).join("release");
    for source in fs::read_dir(workspace().join("tracer-ebpf/src/bin"))? {
        let source = source?.path();
        let name = source.file_stem().context("a tool without a name")?;
        let (from, to) = (built.join(name), folder.join(name).with_extension("o"));
        fs::copy(&from, &to)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}
