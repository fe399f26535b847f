//! What building the kernel side needs: a compiler with `core` for the BPF target, and bpf-linker.
//!
//! Two ways lead there: rustup's nightly with the sources of `core`, as on most machines, or Debian's
//! `rustc-web` with a ready-made `core`, where rustup has none to give.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::{
    packages,
    process::{cargo, find, output, say, target},
};

/// Flags of `setup`.
#[derive(Args, Default)]
pub struct Options {
    /// Also what the virtual machines need
    #[arg(long)]
    pub vm: bool,

    /// Also the programs that tests go with: the Prometheus that scrapes the exporter, the bpftool that loads object
    /// files. Where systemd runs, Debian's package starts Prometheus as a service
    #[arg(long)]
    pub peers: bool,
}

/// The version of bpf-linker that is built. It works with the LLVM of the compilers below.
const LINKER_VERSION: &str = "0.10.4";

/// The target of the kernel side.
pub const BPF_TARGET: &str = "bpfel-unknown-none";

/// How the kernel side is compiled.
pub struct Toolchain {
    /// The compiler's way.
    pub compiler: Compiler,
    /// bpf-linker.
    pub linker: PathBuf,
    /// Where bpf-linker finds libLLVM.
    pub llvm: PathBuf,
}

/// Which compiler.
pub enum Compiler {
    /// rustup's nightly, which builds `core` from its sources.
    Nightly,
    /// One with a ready-made `core` for BPF.
    Prebuilt(PathBuf),
}

/// Installs what is missing.
pub fn run_setup(options: &Options) -> anyhow::Result<Toolchain> {
    let toolchain = toolchain()?;
    if options.vm {
        vm_packages()?;
    }
    if options.peers {
        packages::install(&["prometheus", "bpftool"], "tests beside other programs")?;
        // Not every distribution has it; its test says so.
        if let Err(error) = packages::install(&["chromium-headless-shell"], "a test of the page") {
            say(format!(
                "there will be no Chromium to look at the page with: {error:#}"
            ));
        }
    }
    Ok(toolchain)
}

/// `cargo xtask setup`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let toolchain = run_setup(options)?;
    match &toolchain.compiler {
        Compiler::Nightly => say("the kernel side is compiled by rustup's nightly"),
        Compiler::Prebuilt(rustc) => say(format!(
            "the kernel side is compiled by {}",
            rustc.display()
        )),
    }
    say(format!("and linked by {}", toolchain.linker.display()));
    Ok(())
}

/// What virtual machines need.
pub fn vm_packages() -> anyhow::Result<()> {
    let packages = [
        "qemu-system-x86",
        "busybox-static",
        "kmod",
        "zstd",
        "xz-utils",
    ];
    packages::install(&packages, "virtual machines with other kernels")
}

/// The toolchain of the kernel side, installed where it is not there.
pub fn toolchain() -> anyhow::Result<Toolchain> {
    let compiler = match find_compiler() {
        Some(compiler) => compiler,
        None => install_compiler()?,
    };
    let llvm = llvm_folder()?;
    Ok(Toolchain {
        compiler,
        linker: linker(&llvm)?,
        llvm,
    })
}

fn find_compiler() -> Option<Compiler> {
    let debian = PathBuf::from("/usr/bin/rustc");
    if has_prebuilt_core(&debian) {
        return Some(Compiler::Prebuilt(debian));
    }
    let sysroot = output(Command::new("rustc").args(["+nightly", "--print", "sysroot"])).ok()?;
    let sysroot = PathBuf::from(String::from_utf8(sysroot).ok()?.trim());
    sysroot
        .join("lib/rustlib/src/rust/library/core")
        .is_dir()
        .then_some(Compiler::Nightly)
}

/// True where a compiler brings a ready-made `core` for BPF.
fn has_prebuilt_core(rustc: &Path) -> bool {
    let mut command = Command::new(rustc);
    let Ok(libdir) = output(command.args(["--print", "target-libdir", "--target", BPF_TARGET]))
    else {
        return false;
    };
    let libdir = PathBuf::from(String::from_utf8_lossy(&libdir).trim());
    let files = fs::read_dir(libdir).into_iter().flatten().flatten();
    files
        .into_iter()
        .any(|file| file.file_name().to_string_lossy().starts_with("libcore"))
}

fn install_compiler() -> anyhow::Result<Compiler> {
    if find("rustup").is_some() {
        say("adding the sources of `core` to rustup's nightly, to compile the kernel side");
        let mut command = Command::new("rustup");
        command.args([
            "toolchain",
            "install",
            "nightly",
            "--profile",
            "minimal",
            "--component",
            "rust-src",
        ]);
        match run_quietly(&mut command) {
            Ok(()) => return Ok(Compiler::Nightly),
            Err(error) => say(format!(
                "rustup cannot give them ({error:#}): taking Debian's compiler"
            )),
        }
    }
    packages::install(
        &["rustc-web", "libstd-rust-web-dev-bpf"],
        "compiling the kernel side",
    )?;
    find_compiler().context("the compiler that was installed has no `core` for BPF")
}

fn run_quietly(command: &mut Command) -> anyhow::Result<()> {
    output(command).map(drop)
}

/// Where libLLVM is that the linker loads: that of rustup's stable toolchain, or LLVM's own package.
fn llvm_folder() -> anyhow::Result<PathBuf> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let rustup = PathBuf::from(String::from_utf8_lossy(&sysroot).trim()).join("lib");
    let folders = [rustup, PathBuf::from("/usr/lib/llvm-22/lib")];
    folders
        .into_iter()
        .find(|folder| has_llvm(folder))
        .context("there is no libLLVM 22 here: install the package llvm-22-dev")
}

fn has_llvm(folder: &Path) -> bool {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.into_iter().any(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        name.starts_with("libLLVM") && name.contains("22")
    })
}

/// bpf-linker: one that is there, or our own build of it.
fn linker(llvm: &Path) -> anyhow::Result<PathBuf> {
    let own = target().join("tools/bin/bpf-linker");
    let given = std::env::var_os("BPF_LINKER").map(PathBuf::from);
    let candidates = given
        .into_iter()
        .chain([own.clone()])
        .chain(find("bpf-linker"));
    if let Some(linker) = candidates.into_iter().find(|linker| works(linker, llvm)) {
        return Ok(linker);
    }
    say(format!(
        "building bpf-linker {LINKER_VERSION}, which links the kernel side (some two minutes, once)"
    ));
    let mut command = cargo();
    command.args([
        "install",
        "bpf-linker",
        "--version",
        LINKER_VERSION,
        "--locked",
        "--quiet",
    ]);
    command.args([
        "--no-default-features",
        "--features",
        "llvm-22,rust-llvm-22",
    ]);
    command
        .arg("--root")
        .arg(target().join("tools"))
        .env_remove("RUSTFLAGS");
    crate::process::run(&mut command)?;
    if !works(&own, llvm) {
        bail!("{} was built but does not run", own.display());
    }
    Ok(own)
}

fn works(linker: &Path, llvm: &Path) -> bool {
    output(
        Command::new(linker)
            .arg("--version")
            .env("LD_LIBRARY_PATH", llvm),
    )
    .is_ok()
}
