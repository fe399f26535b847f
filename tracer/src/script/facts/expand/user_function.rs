//! `uprobe` and `uretprobe`: functions of programs and libraries, and lines of their source.

use std::path::{Path, PathBuf};

use tracer_script::{config::SymbolSource, probe::Target};

use super::{
    Point, did_you_mean, is_pattern, near, number, source_function, source_line, within_function,
};
use crate::{
    glob::Glob,
    kernel::{
        demangle::{WrittenName, is_written},
        symbols::{self, UserFunction},
    },
};

/// What stands before names as they are written in C++.
const CPP: &str = "cpp";

/// Where in a file.
enum Place {
    /// A function as linkers know it, with a number of bytes behind its start or without; or an address.
    Symbol(String),
    /// A function as it is written in C++ or Rust, with [`CPP`] before it or without.
    Written { name: String, prefix: bool },
    /// A line of the source, and its column.
    Line(source_line::Line),
}

/// `group` is the file, `item` the function, empty where an address or a line is given; `offset` the place in the file.
pub(super) fn expand(point: &Point<'_>) -> Result<Vec<Target>, String> {
    if !point.facts.kernel.has_uprobes() {
        return Err(format!(
            "cannot attach to {}: this kernel was built without uprobes (CONFIG_UPROBES)",
            point.name()
        ));
    }
    let kind = point.kind.name();
    let (binary, place) = parts(&point.rest).ok_or_else(|| {
        point.misshapen(&format!(
            "{kind}:BINARY:FUNCTION, {kind}:BINARY:FUNCTION+OFFSET, {kind}:BINARY:ADDRESS or \
             {kind}:BINARY@FILE:LINE"
        ))
    })?;
    if point.kind.is_return() && matches!(place, Place::Line(_)) {
        return Err(format!(
            "{}: a function returns from wherever it does: {kind} takes no line",
            point.name()
        ));
    }
    if binary.contains('/') && is_pattern(binary) {
        return in_files(point, binary, &place);
    }
    let path = symbols::find_binary(binary, point.options.pid)
        .map_err(|error| format!("cannot attach to {}: {error:#}", point.name()))?;
    point.facts.binaries.trace(&path);
    // A short name is shown as the file that it means.
    let shown = if binary.contains('/') {
        binary.to_owned()
    } else {
        path.display().to_string()
    };
    in_file(point, &path, &shown, &place)
}

/// The file, and the place in it.
fn parts<'a>(rest: &[&'a str]) -> Option<(&'a str, Place)> {
    let (binary, rest) = rest.split_first()?;
    if let Some((binary, line)) = source_line::parts(binary, rest) {
        return Some((binary, Place::Line(line)));
    }
    // Names of C++ and Rust have colons, with quotes around or without.
    let written = |parts: &[&str], prefix| Place::Written {
        name: parts.join(":"),
        prefix,
    };
    let place = match rest {
        [] | [""] => return None,
        [name] if is_written(name) => written(rest, false),
        [symbol] => Place::Symbol((*symbol).to_owned()),
        [CPP, name @ ..] if !name.concat().is_empty() => written(name, true),
        parts if is_written(&parts.join(":")) => written(parts, false),
        _ => return None,
    };
    (!binary.is_empty()).then_some((*binary, place))
}

/// The same in each of the files that match: those that are no programs, or lack the function, are passed over.
fn in_files(point: &Point<'_>, pattern: &str, place: &Place) -> Result<Vec<Target>, String> {
    let paths = symbols::matching_files(pattern, point.options.pid);
    let found: Vec<Target> = paths
        .iter()
        .filter_map(|path| in_file(point, path, &path.display().to_string(), place).ok())
        .flatten()
        .collect();
    match (found.is_empty(), paths.len()) {
        (false, _) => Ok(found),
        (true, 0) => Err(format!("No file matches {pattern}")),
        (true, files) => Err(format!(
            "No function matches {}: none of the {files} files has one",
            point.name()
        )),
    }
}

fn in_file(
    point: &Point<'_>,
    path: &Path,
    shown: &str,
    place: &Place,
) -> Result<Vec<Target>, String> {
    match place {
        Place::Symbol(symbol) => by_symbol(point, path, shown, symbol),
        Place::Written { name, prefix } => by_written_name(point, path, shown, name, *prefix),
        Place::Line(line) => source_line::expand(point, path, shown, line),
    }
}

fn by_written_name(
    point: &Point<'_>,
    path: &Path,
    shown: &str,
    name: &str,
    prefix: bool,
) -> Result<Vec<Target>, String> {
    let failed = |reason: String| point.failed(&reason);
    let wanted = WrittenName::new(name);
    let found = symbols::functions_called(path, &|symbol| wanted.matches(symbol))
        .map_err(|error| failed(format!("{}: {error:#}", path.display())))?;
    if found.is_empty() {
        return Err(failed(format!(
            "{} has no function that is called {name} in C++ or Rust",
            path.display()
        )));
    }
    // It is shown by the name that linkers know, as overloads have one name otherwise.
    let targets = found.into_iter().map(|UserFunction { name, offset, .. }| {
        let written: &[&str] = match prefix {
            true => &[shown, CPP, &name],
            false => &[shown, &name],
        };
        target(point, path, written, &name, offset)
    });
    Ok(targets.collect())
}

fn by_symbol(
    point: &Point<'_>,
    path: &Path,
    shown: &str,
    place: &str,
) -> Result<Vec<Target>, String> {
    let failed = |reason: String| point.failed(&reason);
    if let Some(address) = number(place) {
        let offset = symbols::offset_of_address(path, address)
            .map_err(|error| failed(format!("{}: {error:#}", path.display())))?;
        let offset = offset
            .ok_or_else(|| failed(format!("{} has nothing at {address:#x}", path.display())))?;
        within_function::check_place(point, path, offset).map_err(failed)?;
        return Ok(vec![target(point, path, &[shown, place], "", offset)]);
    }
    let (function, behind) = split_offset(point, place)?;
    if point.options.symbol_source == SymbolSource::Dwarf {
        return source_function::expand(point, path, shown, function, behind);
    }
    let found = symbols::functions(path, &Glob::new(function))
        .map_err(|error| failed(format!("{}: {error:#}", path.display())))?;
    if found.is_empty() && is_pattern(function) {
        return Err(failed(format!(
            "{} has no function that matches",
            path.display()
        )));
    }
    if found.is_empty() {
        return Err(failed(missing(point, path, function)));
    }
    if behind != 0 && found.len() > 1 {
        return Err(failed("an offset needs one function".to_owned()));
    }
    within_function::check(point, path, &found[0], behind).map_err(failed)?;
    let targets = found.into_iter().map(|UserFunction { name, offset, .. }| {
        let item = if is_pattern(function) {
            name.as_str()
        } else {
            function
        };
        let written = if behind == 0 { item } else { place };
        target(point, path, &[shown, written], item, offset + behind)
    });
    Ok(targets.collect())
}

fn split_offset<'a>(point: &Point<'_>, place: &'a str) -> Result<(&'a str, u64), String> {
    let Some((function, offset)) = place.rsplit_once('+') else {
        return Ok((place, 0));
    };
    // `operator+` is a name.
    let Some(offset) = number(offset) else {
        return Ok((place, 0));
    };
    if point.kind.is_return() {
        return Err(format!(
            "{}: a function returns from wherever it does: {} takes no offset",
            point.name(),
            point.kind.name()
        ));
    }
    Ok((function, offset))
}

pub(super) fn target(
    point: &Point<'_>,
    path: &Path,
    written: &[&str],
    function: &str,
    offset: u64,
) -> Target {
    Target {
        group: path.display().to_string(),
        item: function.to_owned(),
        offset,
        pid: point.options.pid,
        ..Target::new(point.kind, point.name_of(written))
    }
}

fn missing(point: &Point<'_>, path: &Path, function: &str) -> String {
    let binary = path.display();
    let inlined = || -> anyhow::Result<bool> {
        let dwarf = point.facts.binaries.get(path)?;
        dwarf.map_or(Ok(false), |dwarf| dwarf.is_inlined(function))
    };
    match inlined() {
        Ok(true) => {
            return format!(
                "{binary} has no code of {function} alone: the compiler has put it into the functions \
                 that call it (inlined). Lines of the source can be attached to: uprobe:FILE@SOURCE:LINE, and \
                 each of these places with: config = {{ symbol_source = dwarf }}"
            );
        }
        Ok(false) => {}
        Err(error) => log::debug!("{binary}: {error:#}"),
    }
    let known = symbols::functions(path, &Glob::new("*")).unwrap_or_default();
    let names = known.iter().map(|found| found.name.as_str());
    let hint = did_you_mean(near(function, names));
    let stripped = match symbols::is_stripped_of_names(path) {
        Ok(true) => ". It is stripped: only functions that other files use have names in it",
        _ => "",
    };
    format!("{binary} has no function {function}{hint}{stripped}")
}

/// Files and functions that match a search, for listing.
pub(crate) fn functions_of(
    binary: &str,
    pattern: &str,
    pid: Option<u32>,
) -> anyhow::Result<Vec<(PathBuf, UserFunction)>> {
    let paths = if binary.contains('/') && is_pattern(binary) {
        symbols::matching_files(binary, pid)
    } else {
        vec![symbols::find_binary(binary, pid)?]
    };
    let mut found = Vec::new();
    for path in paths {
        match symbols::functions(&path, &Glob::new(pattern)) {
            Ok(functions) => {
                found.extend(functions.into_iter().map(|one| (path.clone(), one)));
            }
            // Of many files some are no programs.
            Err(error) if is_pattern(binary) => log::debug!("{}: {error:#}", path.display()),
            Err(error) => return Err(error.context(path.display().to_string())),
        }
    }
    Ok(found)
}
