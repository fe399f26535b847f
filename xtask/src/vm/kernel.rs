//! A kernel of Debian's, fetched and unpacked once.

use std::{
    cmp::Ordering,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

use super::apt::Apt;
use crate::process::target;

/// A kernel that can be booted.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// What `uname -r` will say.
    pub release: String,
    /// The uncompressed kernel, which boots in a third of the time where the CPU is emulated.
    pub image: PathBuf,
    /// The folder of its modules.
    pub modules: PathBuf,
}

impl Kernel {
    /// The kernel of this name (see [`super::KERNELS`]), fetched where it is not there.
    pub fn get(name: &str) -> anyhow::Result<Self> {
        let folder = target().join("vm/kernels").join(name);
        if !folder.join("complete").exists() {
            fetch(name, &folder).with_context(|| format!("cannot get the kernel {name}"))?;
        }
        Self::unpacked(&folder).with_context(|| format!("{} holds no kernel", folder.display()))
    }

    fn unpacked(folder: &Path) -> anyhow::Result<Self> {
        let modules = ["lib/modules", "usr/lib/modules"].map(|place| folder.join(place));
        let modules = modules
            .iter()
            .filter_map(|place| fs::read_dir(place).ok())
            .flatten()
            .flatten();
        let modules = modules
            .map(|entry| entry.path())
            .find(|path| path.join("kernel").is_dir());
        let modules = modules.context("no modules")?;
        let release = modules
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Self {
            release,
            image: folder.join("vmlinux"),
            modules,
        })
    }
}

fn fetch(name: &str, folder: &Path) -> anyhow::Result<()> {
    let apt = Apt::open()?;
    let images = apt.names("linux-image-")?;
    let release = choose(&images, name).context("Debian has no such kernel now")?;
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    // From 7.2 on an image is split: the kernel proper, its modules and what is said of them are packages
    // of their own.
    let mut packages = vec![format!("linux-image-{release}")];
    for part in ["linux-binary-", "linux-modules-", "linux-base-"] {
        packages.extend(
            apt.names(part)?
                .into_iter()
                .filter(|package| *package == format!("{part}{release}")),
        );
    }
    for package in packages {
        apt.unpack(&package, folder)?;
    }
    unpack_image(folder, &release)?;
    let depmod = crate::process::find("depmod").context("there is no depmod (package kmod)")?;
    let base = if folder.join("usr/lib/modules").is_dir() {
        folder.join("usr")
    } else {
        folder.to_owned()
    };
    crate::process::run(Command::new(depmod).arg("-b").arg(base).arg(&release))?;
    Ok(fs::write(folder.join("complete"), release)?)
}

/// The release of the newest kernel of a series and flavour: of `6.12-rt`, say. `newest` is the newest of all.
fn choose(images: &[String], name: &str) -> Option<String> {
    let (series, flavour) = match name.strip_suffix("-rt") {
        Some(series) => (series, "rt"),
        None => (name, "cloud"),
    };
    let releases = images
        .iter()
        .filter_map(|image| image.strip_prefix("linux-image-"));
    let wanted = releases.filter(|release| {
        let of_series = series == "newest"
            || release
                .strip_prefix(series)
                .is_some_and(|rest| rest.starts_with('.'));
        // A release has at least three numbers; packages with fewer name the newest by a dependency, and
        // those rebuilt for an older suite are not that suite's own.
        of_series
            && release.ends_with(&format!("-{flavour}-amd64"))
            && numbers(release).len() >= 3
            && !release.contains(".deb")
    });
    wanted.max_by(|a, b| compare(a, b)).map(str::to_owned)
}

fn numbers(release: &str) -> Vec<u64> {
    let version = release
        .split(['-', '+'])
        .take(2)
        .collect::<Vec<_>>()
        .join(".");
    version
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect()
}

fn compare(a: &str, b: &str) -> Ordering {
    numbers(a).cmp(&numbers(b))
}

/// Takes the kernel out of its self-extracting image: `Documentation/arch/x86/boot.rst`.
fn unpack_image(folder: &Path, release: &str) -> anyhow::Result<()> {
    let places = [
        folder.join(format!("boot/vmlinuz-{release}")),
        folder.join(format!("usr/lib/modules/{release}/vmlinuz")),
    ];
    let image = places
        .iter()
        .find(|place| place.is_file())
        .context("the packages hold no image")?;
    let image = fs::read(image)?;
    let payload = payload(&image).context("the image is not laid out as x86 images are")?;
    let kernel = decompress(payload)?;
    if !kernel.starts_with(b"\x7fELF") {
        bail!("the image does not hold an ELF file");
    }
    Ok(fs::write(folder.join("vmlinux"), kernel)?)
}

fn payload(image: &[u8]) -> Option<&[u8]> {
    let word =
        |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?) as usize);
    let setup_sectors = match *image.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = (setup_sectors + 1) * 512 + word(0x248)?;
    image.get(start..start + word(0x24c)?)
}

/// The program that unpacks what begins so.
fn decompress(data: &[u8]) -> anyhow::Result<Vec<u8>> {
    let program: &[&str] = match data {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => &["zstd", "-dcq"],
        [0xfd, b'7', b'z', b'X', b'Z', ..] => &["xz", "-dcq", "--single-stream"],
        [0x1f, 0x8b, ..] => &["gzip", "-dcq"],
        [0x02, 0x21, 0x4c, 0x18, ..] => &["lz4", "-dcq"],
        _ => bail!("it is compressed in a way that is not known"),
    };
    pipe(program, data)
}

/// Runs data through a program.
pub fn pipe(program: &[&str], data: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut command = Command::new(program[0]);
    command
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {}", program[0]))?;
    let mut input = child.stdin.take().context("no standard input")?;
    let output = std::thread::scope(|scope| {
        // What stands behind the stream is of no use to it: it may stop reading early.
        scope.spawn(move || io::Write::write_all(&mut input, data));
        child.wait_with_output()
    })?;
    if output.stdout.is_empty() {
        bail!("{} could not unpack it", program[0]);
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(name: &str) -> Option<String> {
        let images = [
            "linux-image-5.10.0-45-cloud-amd64",
            "linux-image-5.10.0-46-cloud-amd64",
            "linux-image-5.10.0-46-cloud-amd64-unsigned",
            "linux-image-6.1-cloud-amd64",
            "linux-image-6.1.0-0.deb11.52-cloud-amd64",
            "linux-image-6.1.0-9-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64",
            "linux-image-6.12.117+deb12-rt-amd64",
            "linux-image-6.12.99+deb12-rt-amd64",
            "linux-image-7.3.4+deb13-cloud-amd64",
            "linux-image-cloud-amd64",
        ];
        choose(&images.map(str::to_owned), name)
    }

    #[test]
    fn the_newest_of_a_series_is_chosen() {
        assert_eq!(chosen("5.10").as_deref(), Some("5.10.0-46-cloud-amd64"));
        assert_eq!(chosen("6.1").as_deref(), Some("6.1.0-56-cloud-amd64"));
        assert_eq!(
            chosen("6.12-rt").as_deref(),
            Some("6.12.117+deb12-rt-amd64")
        );
        assert_eq!(chosen("newest").as_deref(), Some("7.3.4+deb13-cloud-amd64"));
        assert_eq!(chosen("4.19"), None);
    }
}
