//! Debian's archive, through an apt with a configuration of its own: the machine's is left as it is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::process::{output, run, say, target};

/// Suites with kernels, and whether each is in the archive of security updates.
const SUITES: [(&str, bool); 3] = [
    ("bullseye-security", true),
    ("bookworm-security", true),
    ("trixie-backports", false),
];

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// An apt that is ready to be asked.
pub struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Fetches the lists of packages.
    pub fn open() -> anyhow::Result<Self> {
        let folder = target().join("vm/apt");
        for sub in ["lists/partial", "cache/archives/partial", "parts"] {
            fs::create_dir_all(folder.join(sub)).context("cannot make apt's folders")?;
        }
        let (main, security) = archives()?;
        let line = |(suite, is_security): &(&str, bool)| {
            let archive = if *is_security { &security } else { &main };
            format!("deb [signed-by={KEYRING}] {archive} {suite} main\n")
        };
        fs::write(
            folder.join("sources.list"),
            SUITES.iter().map(line).collect::<String>(),
        )?;
        fs::write(folder.join("apt.conf"), configuration(&folder))?;
        let apt = Self { folder };
        say("fetching Debian's lists of kernels");
        output(apt.command("apt-get").args(["-q", "update"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.folder.join("apt.conf"));
        command
    }

    /// The names of all packages that begin so.
    pub fn names(&self, prefix: &str) -> anyhow::Result<Vec<String>> {
        let mut command = self.command("apt-cache");
        let text = output(command.args(["search", "--names-only", &format!("^{prefix}")]))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(text
            .lines()
            .filter_map(|line| line.split(' ').next())
            .map(str::to_owned)
            .collect())
    }

    /// Fetches a package and unpacks it; nothing is installed.
    pub fn unpack(&self, package: &str, into: &Path) -> anyhow::Result<()> {
        say(format!("fetching {package}"));
        let downloads = self.folder.join("downloads").join(package);
        let _ = fs::remove_dir_all(&downloads);
        fs::create_dir_all(&downloads)?;
        // apt fetches as a user of its own, which cannot write here: it says so, and fetches as root.
        output(
            self.command("apt-get")
                .args(["-q", "download", package])
                .current_dir(&downloads),
        )?;
        let archive = fs::read_dir(&downloads)?
            .next()
            .context("apt fetched nothing")??
            .path();
        run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(into))?;
        Ok(fs::remove_dir_all(&downloads)?)
    }
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "Dir::Etc::SourceList \"{folder}/sources.list\";\nDir::Etc::SourceParts \"{folder}/parts\";\n\
         Dir::State::Lists \"{folder}/lists\";\nDir::Cache \"{folder}/cache\";\n\
         Dir::State::status \"/dev/null\";\n"
    )
}

/// Where this machine has Debian's packages and their security updates from.
fn archives() -> anyhow::Result<(String, String)> {
    let mut texts = vec![fs::read_to_string("/etc/apt/sources.list").unwrap_or_default()];
    for entry in fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten()
    {
        texts.push(fs::read_to_string(entry.path()).unwrap_or_default());
    }
    let addresses: Vec<&str> = texts.iter().flat_map(|text| addresses(text)).collect();
    let find = |security: bool| {
        let wanted = |address: &&&str| {
            let end = address.trim_end_matches('/');
            if security {
                end.ends_with("debian-security")
            } else {
                end.ends_with("/debian")
            }
        };
        addresses
            .iter()
            .find(wanted)
            .map(|address| (*address).to_owned())
    };
    let Some(main) = find(false) else {
        bail!(
            "this machine has no archive of Debian among its apt sources: kernels for virtual machines come from there"
        )
    };
    let security = find(true).unwrap_or_else(|| format!("{}-security", main.trim_end_matches('/')));
    Ok((main, security))
}

/// The addresses in a list of sources, of either format.
fn addresses(text: &str) -> Vec<&str> {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let words = lines.flat_map(str::split_whitespace);
    words
        .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_of_sources_are_read() {
        let old = "# deb http://a/x y z\ndeb [signed-by=/k] http://b/debian bookworm main\n";
        assert_eq!(addresses(old), ["http://b/debian"]);
        let new = "Types: deb\nURIs: https://c/debian-security\nSuites: x\n";
        assert_eq!(addresses(new), ["https://c/debian-security"]);
    }
}
