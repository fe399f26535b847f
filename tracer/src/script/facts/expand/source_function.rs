//! Functions by their names in debug information, as the config's `symbol_source = dwarf` wants them: themselves, and
//! wherever they were put into others. There, arguments are not known.

use std::path::Path;

use tracer_script::probe::Target;

use super::{Point, did_you_mean, is_pattern, near, user_function::target};
use crate::{glob::Glob, kernel::symbols};

/// The places of all functions of a file that match; `behind` bytes behind the start, of which only 0 can be had.
pub(super) fn expand(
    point: &Point<'_>,
    path: &Path,
    shown: &str,
    function: &str,
    behind: u64,
) -> Result<Vec<Target>, String> {
    let failed = |reason: String| point.failed(&reason);
    let unreadable = |error: anyhow::Error| failed(format!("{}: {error:#}", path.display()));
    if behind != 0 {
        return Err(failed(
            "an offset needs symbol_source = symbol_table, as code that was put into other \
             functions has none of its own"
                .to_owned(),
        ));
    }
    let Some(dwarf) = point.facts.binaries.get(path).map_err(unreadable)? else {
        return Err(failed(format!(
            "{} has no debug information, which the config's symbol_source asks for: compile it \
             with -g, or leave that out",
            path.display()
        )));
    };
    let pattern = Glob::new(function);
    // What was put into another function does not return.
    let inlined = !point.kind.is_return();
    let mut places = dwarf
        .functions_called(inlined, &|name| pattern.matches(name.as_bytes()))
        .map_err(unreadable)?;
    if places.is_empty() {
        let all = dwarf
            .functions_called(inlined, &|_| true)
            .map_err(unreadable)?;
        let hint = did_you_mean(near(function, all.iter().map(|(_, name)| name.as_str())));
        return Err(failed(format!(
            "the debug information of {} has no code of {function}{hint}",
            path.display()
        )));
    }
    places.sort_unstable();
    places.dedup_by_key(|(address, _)| *address);
    let mut found = Vec::new();
    for (address, name) in places {
        // Code that the linker has thrown away has no place.
        let Some(offset) = symbols::offset_of_address(path, address).map_err(unreadable)? else {
            continue;
        };
        let item = if is_pattern(function) {
            &name
        } else {
            function
        };
        found.push(target(point, path, &[shown, item], item, offset));
    }
    Ok(found)
}
