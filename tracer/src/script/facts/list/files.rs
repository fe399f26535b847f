//! Places in programs and libraries: functions, and static markers with their arguments.

use std::path::{Path, PathBuf};

use anyhow::bail;
use tracer_script::{
    marker::{Argument, Place},
    probe::AttachKind,
    types::Type,
};

use super::{Entry, What};
use crate::{
    glob::Glob,
    kernel::symbols::UserFunction,
    script::facts::{
        KernelFacts,
        expand::{marker, user_function},
    },
};

/// The places that match: which file must be said, but for markers, where those of all programs that run, or of one
/// process, can be had.
pub(super) fn of_files(
    facts: &KernelFacts<'_>,
    kind: AttachKind,
    rest: &str,
    pid: Option<u32>,
) -> anyhow::Result<Vec<Entry>> {
    if !facts.kernel.has_uprobes() {
        bail!("this kernel was built without uprobes (CONFIG_UPROBES)");
    }
    match kind {
        AttachKind::Usdt => markers(rest, pid),
        _ => functions(kind, rest, pid),
    }
}

fn functions(kind: AttachKind, rest: &str, pid: Option<u32>) -> anyhow::Result<Vec<Entry>> {
    let (binary, pattern) = rest.rsplit_once(':').unwrap_or((rest, "*"));
    if binary.is_empty() || binary == "*" {
        bail!(
            "which file? {} probes are listed for one at a time: {0}:/bin/bash:*",
            kind.name()
        );
    }
    let found = user_function::functions_of(binary, pattern, pid)?;
    let plain = binary.contains('/') && Glob::new(binary).is_plain();
    let entry = |(path, function): (PathBuf, UserFunction)| {
        let of = path.display().to_string();
        let shown = if plain { binary } else { &of };
        let name = format!("{}:{shown}:{}", kind.name(), function.name);
        Entry::new(name, What::OfProgram(path, function.offset))
    };
    Ok(found.into_iter().map(entry).collect())
}

fn markers(rest: &str, pid: Option<u32>) -> anyhow::Result<Vec<Entry>> {
    let parts: Vec<&str> = rest.split(':').collect();
    let (binary, provider, name) = match parts.as_slice() {
        [binary] => (*binary, None, "*"),
        [binary, name] => (*binary, None, *name),
        [binary, provider, name] => (*binary, Some(*provider), *name),
        _ => bail!("a marker is written as usdt:BINARY:PROVIDER:MARKER"),
    };
    let found = marker::listed(binary, provider, name, pid)?;
    let entry = |(name, marker): (String, crate::kernel::markers::Marker)| {
        let lines = marker.arguments.iter().enumerate().map(described);
        Entry::new(name, What::Arguments(lines.collect()))
    };
    Ok(found.into_iter().map(entry).collect())
}

/// The arguments of a function of a program as its source has them; none without debug information.
pub(super) fn parameters(
    facts: &KernelFacts<'_>,
    path: &Path,
    offset: u64,
) -> anyhow::Result<Vec<String>> {
    let Some((dwarf, function)) = facts.binaries.function(path, offset)? else {
        return Ok(Vec::new());
    };
    let parameters = function.parameters.iter();
    parameters
        .map(|parameter| {
            let written = format!("{} {}", dwarf.written(parameter.kind)?, parameter.name);
            Ok(written.trim_end().to_owned())
        })
        .collect()
}

/// `int32 arg0`
fn described((number, argument): (usize, &Argument)) -> String {
    match &argument.place {
        Place::OutOfReach(why) => format!("arg{number}: cannot be read: {why}"),
        _ => {
            let kind = Type::int(argument.bytes, argument.signed);
            format!("{kind} arg{number}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_types() {
        let argument = |place| Argument {
            bytes: 4,
            signed: true,
            place,
        };
        let constant = argument(Place::Constant(5));
        assert_eq!(described((2, &constant)), "int32 arg2");
        let far = argument(Place::OutOfReach("far away".to_owned()));
        assert_eq!(described((0, &far)), "arg0: cannot be read: far away");
    }
}
