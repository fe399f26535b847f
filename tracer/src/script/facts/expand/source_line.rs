//! `uprobe:BINARY@FILE:LINE`: lines of the source, by the program's debug information.

use std::path::Path;

use tracer_script::probe::Target;

use super::{Point, user_function::target};
use crate::{
    glob::Glob,
    kernel::{dwarf::LinePlace, symbols},
};

/// A line as it is written.
pub(super) struct Line {
    file: String,
    line: u64,
    column: Option<u64>,
}

/// The binary and the line, where a place is written as one: `BINARY@FILE:LINE`, `BINARY@FILE:LINE:COLUMN`, or
/// `BINARY:FILE:LINE` where the file has an ending.
pub(super) fn parts<'a>(first: &'a str, rest: &[&str]) -> Option<(&'a str, Line)> {
    let (binary, file, numbers) = match (first.rsplit_once('@'), rest) {
        (Some((binary, file)), numbers) => (binary, file, numbers),
        (None, [file, numbers @ ..]) if file.contains('.') => (first, *file, numbers),
        _ => return None,
    };
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
    let (line, column) = match numbers {
        [line] => (number(line)?, None),
        [line, column] => (number(line)?, Some(number(column)?)),
        _ => return None,
    };
    let line = Line {
        file: file.to_owned(),
        line,
        column,
    };
    (!binary.is_empty() && !file.is_empty()).then_some((binary, line))
}

/// The places of a line: where its code begins, in each function that has some of it.
pub(super) fn expand(
    point: &Point<'_>,
    path: &Path,
    shown: &str,
    line: &Line,
) -> Result<Vec<Target>, String> {
    let failed = |reason: String| point.failed(&reason);
    let unreadable = |error: anyhow::Error| failed(format!("{}: {error:#}", path.display()));
    let places = places(point, path, line)
        .map_err(unreadable)?
        .map_err(failed)?;
    let written = format!("{shown}@{}", line.file);
    let number = line.line.to_string();
    let mut found = Vec::new();
    for place in places {
        let offset = symbols::offset_of_address(path, place.address).map_err(unreadable)?;
        found.extend(offset);
    }
    let targets = firsts(path, found).map_err(unreadable)?.into_iter();
    Ok(targets
        .map(|offset| target(point, path, &[&written, &number], "", offset))
        .collect())
}

/// The places that debug information tells; what is wrong otherwise.
fn places(
    point: &Point<'_>,
    path: &Path,
    line: &Line,
) -> anyhow::Result<Result<Vec<LinePlace>, String>> {
    let shown = path.display();
    let Some(dwarf) = point.facts.binaries.get(path)? else {
        return Ok(Err(format!(
            "{shown} has no debug information that would tell of lines: compile it with -g"
        )));
    };
    let mut places = dwarf.lines(&line.file, line.line)?;
    let Some(first) = places.first() else {
        return Ok(Err(format!(
            "{shown} has no code of a file {} at line {} or behind",
            line.file, line.line
        )));
    };
    if first.line != line.line {
        return Ok(Err(format!(
            "line {} of {} has no code of its own in {shown}; the next one that has is {}",
            line.line, line.file, first.line
        )));
    }
    let columns: Vec<String> = places
        .iter()
        .map(|place| place.column.to_string())
        .collect();
    if let Some(column) = line.column {
        places.retain(|place| place.column == column);
        if places.is_empty() {
            return Ok(Err(format!(
                "no code of that line begins at column {column}; some does at {}",
                columns.join(", ")
            )));
        }
    }
    Ok(Ok(places))
}

/// Of several places in one function the first: as a loop's line has code before the loop and behind it.
fn firsts(path: &Path, offsets: Vec<u64>) -> anyhow::Result<Vec<u64>> {
    let functions = symbols::functions(path, &Glob::new("*"))?;
    let of = |offset: u64| functions.partition_point(|function| function.offset <= offset);
    let mut offsets = offsets;
    offsets.sort_unstable();
    offsets.dedup_by_key(|offset| of(*offset));
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_in_three_ways() {
        let shape = |first: &str, rest: &[&str]| {
            let (binary, line) = parts(first, rest)?;
            Some((binary.to_owned(), line.file, line.line, line.column))
        };
        let line = |column| Some(("/bin/a".to_owned(), "src/a.c".to_owned(), 12, column));
        assert_eq!(shape("/bin/a@src/a.c", &["12"]), line(None));
        assert_eq!(shape("/bin/a@src/a.c", &["12", "7"]), line(Some(7)));
        assert_eq!(shape("/bin/a", &["src/a.c", "12"]), line(None));
        for rest in [
            &["main"][..],
            &["main+4"],
            &["cpp", "12"],
            &["a.c"],
            &["a.c", "0"],
        ] {
            assert_eq!(shape("/bin/a", rest), None, "{rest:?}");
        }
        assert_eq!(shape("/srv/me@home/a", &["main"]), None);
    }
}
