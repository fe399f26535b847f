//! Packages of Debian, and of what descends from it.

use std::{path::Path, process::Command};

use anyhow::bail;

use crate::process::{as_root, find, run, say};

/// Installs these packages. `why` says what for.
pub fn install(packages: &[&str], why: &str) -> anyhow::Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if find("apt-get").is_none() {
        bail!(
            "{why} needs {}: there is no apt-get here, install them by hand",
            missing.join(", ")
        );
    }
    say(format!("installing {} ({why})", missing.join(", ")));
    if install_now(&missing).is_ok() {
        return Ok(());
    }
    // The lists of packages may be missing or old.
    run(as_root("apt-get").args(["-q", "update"]))?;
    install_now(&missing)
}

fn install_now(packages: &[&str]) -> anyhow::Result<()> {
    let mut command = as_root("env");
    command.args([
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-q",
        "-y",
        "install",
        "--no-install-recommends",
    ]);
    run(command.args(packages))
}

fn is_installed(package: &str) -> bool {
    if !Path::new("/usr/bin/dpkg-query").exists() {
        return false;
    }
    let output = Command::new("dpkg-query")
        .args(["-W", "-f=${db:Status-Status}", package])
        .output();
    output.is_ok_and(|output| output.stdout == b"installed")
}
