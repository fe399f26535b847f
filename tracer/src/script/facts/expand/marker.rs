//! `usdt`: static markers of programs and libraries.

use std::path::{Path, PathBuf};

use tracer_script::probe::{AttachKind, Target};

use super::{Point, did_you_mean, is_pattern, near};
use crate::{
    glob::Glob,
    kernel::{
        markers::{self, Marker},
        process, symbols,
    },
};

/// A file to look for markers in: where it is, and what it is called.
type Candidate = (PathBuf, String);

/// `group` is the file, `item` the marker's name, `offset` its place in the file: a marker that has several places is
/// as many targets of one name.
pub(super) fn expand(point: &Point<'_>) -> Result<Vec<Target>, String> {
    let failed = |reason: String| point.failed(&reason);
    if !point.facts.kernel.has_uprobes() {
        return Err(failed(
            "this kernel was built without uprobes (CONFIG_UPROBES)".to_owned(),
        ));
    }
    let (binary, provider, name) = match point.rest.as_slice() {
        [binary, name] if !name.is_empty() => (*binary, None, *name),
        [binary, provider, name] if !name.is_empty() => (*binary, Some(*provider), *name),
        _ => return Err(point.misshapen("usdt:BINARY:MARKER or usdt:BINARY:PROVIDER:MARKER")),
    };
    let files = files(binary, point.options.pid).map_err(|error| failed(format!("{error:#}")))?;
    let wanted = Wanted::new(provider, name);
    let mut found = Vec::new();
    for (path, shown) in &files {
        let markers = match markers::markers(path) {
            Ok(markers) => markers,
            // Of many files some are no programs.
            Err(error) if has_many(binary) => {
                log::debug!("{}: {error:#}", path.display());
                continue;
            }
            Err(error) => return Err(failed(format!("{}: {error:#}", path.display()))),
        };
        if !has_many(binary) && !markers.iter().any(|marker| wanted.fits(marker)) {
            return Err(failed(missing(path, &markers, name)));
        }
        let fitting = markers.into_iter().filter(|marker| wanted.fits(marker));
        found.extend(fitting.map(|marker| target(point, path, shown, marker)));
    }
    if found.is_empty() {
        let count = files.len();
        return Err(failed(format!(
            "none of the {count} files that were looked at has such a marker"
        )));
    }
    if provider.is_none() && !is_pattern(name) {
        must_be_one(&found).map_err(failed)?;
    }
    Ok(found)
}

/// True where a name may mean several files.
fn has_many(binary: &str) -> bool {
    binary.is_empty() || is_pattern(binary)
}

/// The files that are meant: by path, by short name, by a pattern of paths; without a slash in it, or without any
/// word, of those that the process or all processes run.
fn files(binary: &str, pid: Option<u32>) -> anyhow::Result<Vec<Candidate>> {
    let shown = |path: PathBuf| {
        let text = path.display().to_string();
        (path, text)
    };
    if !has_many(binary) {
        let path = symbols::find_binary(binary, pid)?;
        return Ok(vec![match binary.contains('/') {
            true => (path, binary.to_owned()),
            false => shown(path),
        }]);
    }
    if binary.contains('/') {
        let paths = symbols::matching_files(binary, pid).into_iter();
        return Ok(paths.map(shown).collect());
    }
    let glob = Glob::new(if binary.is_empty() { "*" } else { binary });
    let running = process::files_in_use(pid)?.into_iter();
    Ok(running
        .map(|(known, reached)| (reached, known.display().to_string()))
        .filter(|(_, name)| glob.matches(name.as_bytes()))
        .collect())
}

struct Wanted {
    provider: Option<Glob>,
    name: Glob,
}

impl Wanted {
    fn new(provider: Option<&str>, name: &str) -> Self {
        Self {
            provider: provider.filter(|one| !one.is_empty()).map(Glob::new),
            name: Glob::new(name),
        }
    }

    fn fits(&self, marker: &Marker) -> bool {
        let provider = self.provider.as_ref();
        provider.is_none_or(|glob| glob.matches(marker.provider.as_bytes()))
            && self.name.matches(marker.name.as_bytes())
    }
}

fn target(point: &Point<'_>, path: &Path, shown: &str, marker: Marker) -> Target {
    let Marker {
        provider,
        name,
        offset,
        semaphore,
        arguments,
    } = marker;
    Target {
        group: path.display().to_string(),
        item: name.clone(),
        offset,
        semaphore,
        arguments,
        pid: point.options.pid,
        ..Target::new(point.kind, point.name_of(&[shown, &provider, &name]))
    }
}

/// A name that several providers have means none of them.
fn must_be_one(found: &[Target]) -> Result<(), String> {
    let first = &found[0];
    match found.iter().find(|other| other.name != first.name) {
        None => Ok(()),
        Some(other) if other.group != first.group => Ok(()),
        Some(other) => Err(format!(
            "several providers have such a marker: write {} or {}, or * in place of the provider for all",
            first.name, other.name
        )),
    }
}

fn missing(path: &Path, markers: &[Marker], name: &str) -> String {
    let path = path.display();
    if markers.is_empty() {
        return format!("{path} has no markers (no notes of SystemTap's kind)");
    }
    let hint = did_you_mean(near(
        name,
        markers.iter().map(|marker| marker.name.as_str()),
    ));
    format!("{path} has no such marker{hint}; `tracer run -l 'usdt:{path}:*'` lists those it has")
}

/// The markers that match a search, for listing: what they are called, and their arguments.
pub(crate) fn listed(
    binary: &str,
    provider: Option<&str>,
    name: &str,
    pid: Option<u32>,
) -> anyhow::Result<Vec<(String, Marker)>> {
    let wanted = Wanted::new(provider, name);
    let mut found = Vec::new();
    for (path, shown) in files(binary, pid)? {
        let markers = match markers::markers(&path) {
            Err(error) if has_many(binary) => {
                log::debug!("{}: {error:#}", path.display());
                continue;
            }
            markers => markers?,
        };
        let fitting = markers.into_iter().filter(|marker| wanted.fits(marker));
        found.extend(fitting.map(|marker| {
            let kind = AttachKind::Usdt.name();
            let Marker { provider, name, .. } = &marker;
            (format!("{kind}:{shown}:{provider}:{name}"), marker)
        }));
    }
    Ok(found)
}
