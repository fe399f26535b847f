//! `fentry` and `fexit` at functions of BPF programs.

use tracer_script::probe::{PROGRAM, Target};

use super::{Point, did_you_mean, near};
use crate::{glob::Glob, kernel::programs::ProgramFunction};

/// `item` is the function, `group` says in which program. `rest` stands behind `bpf`: a function, or a program's
/// number and a function of it.
pub(super) fn expand(point: &Point<'_>, rest: &[&str]) -> Result<Vec<Target>, String> {
    let failed = |reason: String| point.failed(&reason);
    let (program, name) = match rest {
        [name] => (None, *name),
        [program, name] => (Some(*program), *name),
        _ => {
            let kind = point.kind.name();
            let forms = format!("{kind}:bpf:FUNCTION or {kind}:bpf:PROGRAM:FUNCTION");
            return Err(point.misshapen(&forms));
        }
    };
    let (of, wanted) = (program.map(Glob::new), Glob::new(name));
    let all = point.facts.programs.functions();
    let all = all.map_err(|error| failed(format!("{error:#}")))?;
    let fits = |one: &&ProgramFunction| {
        let number = one.program.to_string();
        of.as_ref().is_none_or(|of| of.matches(number.as_bytes()))
            && [&one.name, &one.program_name]
                .iter()
                .any(|known| wanted.matches(known.as_bytes()))
    };
    let found: Vec<Target> = all
        .iter()
        .filter(fits)
        .map(|one| target(point, one))
        .collect();
    if found.is_empty() {
        let hint = did_you_mean(near(name, all.iter().map(|one| one.name.as_str())));
        return Err(failed(format!(
            "no BPF program that is loaded has such a function with its types{hint}"
        )));
    }
    Ok(found)
}

fn target(point: &Point<'_>, one: &ProgramFunction) -> Target {
    let number = one.program.to_string();
    Target {
        group: format!("{PROGRAM}{number}"),
        item: one.name.clone(),
        ..Target::new(point.kind, point.name_of(&["bpf", &number, &one.name]))
    }
}

/// The program that a target is in.
pub(crate) fn program_of(group: &str) -> Option<u32> {
    group.strip_prefix(PROGRAM)?.parse().ok()
}
