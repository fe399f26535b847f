//! Virtual machines with Debian's kernels, to try what this host's kernel lacks.

mod apt;
mod cpio;
mod guest;
mod initramfs;
mod kernel;
mod modules;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

pub use guest::Guest;
pub use kernel::Kernel;

use crate::setup;

/// The kernels that the project is tested on: series and flavour, oldest first.
pub const KERNELS: [&str; 6] = ["5.10", "6.1", "6.12", "6.12-rt", "6.18", "newest"];

/// Flags of `vm`.
#[derive(Args)]
pub struct Options {
    /// The kernel: a series such as 6.1, with -rt for the one with PREEMPT_RT, or "newest"
    #[arg(long, value_name = "KERNEL", default_value = "6.1")]
    kernel: Vec<String>,

    /// On every kernel that the project is tested on
    #[arg(long)]
    all: bool,

    /// A scratch disk, /dev/vda, of so many MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    disk: u32,

    /// Processors
    #[arg(long, default_value_t = 2)]
    cpus: u32,

    /// End it after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,

    /// A file to take in, and where to: FILE:PLACE
    #[arg(long, value_name = "FILE:PLACE")]
    file: Vec<String>,

    /// A module to load
    #[arg(long, value_name = "NAME")]
    module: Vec<String>,

    /// The command, run as root; programs must be static, busybox is there
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// `cargo xtask vm`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    setup::vm_packages()?;
    let names: Vec<String> = if options.all {
        KERNELS.map(str::to_owned).to_vec()
    } else {
        options.kernel.clone()
    };
    let files = options
        .file
        .iter()
        .map(|pair| split_pair(pair))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut failed = Vec::new();
    for name in &names {
        let guest = Guest {
            kernel: Kernel::get(name)?,
            command: options.command.clone(),
            environment: Vec::new(),
            files: files.clone(),
            modules: options.module.clone(),
            disk_mib: options.disk,
            cpus: options.cpus,
            timeout_seconds: options.timeout,
        };
        let outcome = guest.run()?;
        outcome.show(name);
        if outcome.status != Some(0) {
            failed.push(name.as_str());
        }
    }
    if !failed.is_empty() {
        bail!("it failed on {}", failed.join(", "));
    }
    Ok(())
}

fn split_pair(pair: &str) -> anyhow::Result<(PathBuf, String)> {
    let (file, place) = pair
        .split_once(':')
        .with_context(|| format!("{pair:?} is not FILE:PLACE"))?;
    Ok((
        PathBuf::from(file),
        place.trim_start_matches('/').to_owned(),
    ))
}
