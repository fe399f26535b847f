//! `tracepoint` and `rawtracepoint`.

use tracer_script::{
    diagnostic::nearest,
    probe::{AttachKind, Target},
};

use super::{KernelFacts, Point, did_you_mean, is_pattern};
use crate::{
    glob::Glob,
    kernel::{
        btf::Layers,
        functions::VMLINUX,
        tracepoint::{Tracefs, TracefsError},
    },
};

/// The events of ftrace itself: they have a format, but no program can be attached to them.
const FTRACE: &str = "ftrace";

/// `group` is the category, `item` the event.
pub(super) fn expand(point: &Point<'_>) -> Result<Vec<Target>, String> {
    let [category, name] = point.rest.as_slice() else {
        return Err(point.misshapen("tracepoint:CATEGORY:NAME"));
    };
    let tracefs = point
        .facts
        .kernel
        .tracefs()
        .map_err(|error| format!("{error:#}"))?;
    let found = if is_pattern(category) || is_pattern(name) {
        matching(tracefs, category, name).map_err(|error| error.to_string())?
    } else if *category != FTRACE && tracefs.exists(category, name) {
        vec![((*category).to_owned(), (*name).to_owned())]
    } else {
        return Err(missing(tracefs, category, name));
    };
    if found.is_empty() {
        return Err(format!("No tracepoint matches {}", point.name()));
    }
    let target = |(group, item): (String, String)| Target {
        name: point.name_of(&[&group, &item]),
        group,
        item,
        ..Target::new(point.kind, "")
    };
    Ok(found.into_iter().map(target).collect())
}

/// Categories and names of the events that match, in order.
pub(crate) fn matching(
    tracefs: &Tracefs,
    category: &str,
    name: &str,
) -> Result<Vec<(String, String)>, TracefsError> {
    let (categories, names) = (Glob::new(category), Glob::new(name));
    let mut found = Vec::new();
    for category in tracefs.categories()? {
        if category == FTRACE || !categories.matches(category.as_bytes()) {
            continue;
        }
        let events = tracefs.events(&category)?;
        let wanted = events
            .into_iter()
            .filter(|name| names.matches(name.as_bytes()));
        found.extend(wanted.map(|name| (category.clone(), name)));
    }
    Ok(found)
}

/// What to say of an event that is not there: which one is near, in its category or elsewhere.
fn missing(tracefs: &Tracefs, category: &str, name: &str) -> String {
    let mut message = format!("tracepoint not found: {category}:{name}");
    let events = tracefs.events(category).unwrap_or_default();
    let near = if events.is_empty() {
        match tracefs.category_of(name) {
            Ok(Some(other)) => Some(format!("{other}:{name}")),
            _ => nearest_category(tracefs, category),
        }
    } else {
        nearest(name, events.iter().map(String::as_str)).map(|near| format!("{category}:{near}"))
    };
    message.push_str(&did_you_mean(near.as_deref()));
    message
}

fn nearest_category(tracefs: &Tracefs, category: &str) -> Option<String> {
    let categories = tracefs.categories().ok()?;
    let near = nearest(category, categories.iter().map(String::as_str))?;
    Some(format!("{near}:…"))
}

/// `item` is the tracepoint; `group` its module, empty for the kernel itself.
pub(super) fn expand_raw(point: &Point<'_>) -> Result<Vec<Target>, String> {
    let (module, name) = match point.rest.as_slice() {
        [name] => (None, *name),
        [module, name] => (Some(*module), *name),
        _ => return Err(point.misshapen("rawtracepoint:NAME or rawtracepoint:MODULE:NAME")),
    };
    let pattern = is_pattern(name) || module.is_some_and(is_pattern);
    let found = if pattern {
        raw_matching(point.facts, module.unwrap_or("*"), name)?
    } else {
        raw_one(point.facts, module, name)?.into_iter().collect()
    };
    if found.is_empty() && pattern {
        return Err(format!("No raw tracepoint matches {}", point.name()));
    }
    if found.is_empty() {
        return Err(raw_missing(point, name)?);
    }
    Ok(found
        .into_iter()
        .map(|(module, item)| raw_target(point.kind, module, item))
        .collect())
}

fn raw_target(kind: AttachKind, module: String, item: String) -> Target {
    let name = format!("{}:{module}:{item}", kind.name());
    Target {
        group: if module == VMLINUX {
            String::new()
        } else {
            module
        },
        item,
        ..Target::new(kind, name)
    }
}

/// The module and the name of one raw tracepoint, told by the type `btf_trace_<name>` that each has; by the
/// tracepoints' own list where the kernel offers no types.
fn raw_one(
    facts: &KernelFacts<'_>,
    module: Option<&str>,
    name: &str,
) -> Result<Option<(String, String)>, String> {
    let found = |module: &str| Some((module.to_owned(), name.to_owned()));
    let Ok(kernel) = facts.kernel.btf() else {
        let tracefs = facts.kernel.tracefs().map_err(|error| error.to_string())?;
        let category = tracefs.category_of(name).map_err(|e| e.to_string())?;
        return Ok(category.and_then(|_| found(VMLINUX)));
    };
    if module.is_none_or(|module| module == VMLINUX) && kernel.raw_tracepoint(name).is_some() {
        return Ok(found(VMLINUX));
    }
    let typedef = format!("btf_trace_{name}");
    for of in facts.modules.names().map_err(|error| error.to_string())? {
        if module.is_some_and(|module| module != of) {
            continue;
        }
        let btf = facts.modules.get(of, kernel).map_err(|e| e.to_string())?;
        if btf.is_some_and(|btf| {
            let layers = Layers::new(kernel, Some(&btf));
            layers.find_typedef(&typedef).is_some()
        }) {
            return Ok(found(of));
        }
    }
    Ok(None)
}

/// Modules and names of the raw tracepoints that match, in order.
pub(crate) fn raw_matching(
    facts: &KernelFacts<'_>,
    module: &str,
    name: &str,
) -> Result<Vec<(String, String)>, String> {
    let (modules, names) = (Glob::new(module), Glob::new(name));
    let kernel = facts.kernel.btf().map_err(|error| format!("{error:#}"))?;
    let mut found = Vec::new();
    let mut add = |module: &str, all: Vec<String>| {
        let wanted = all
            .into_iter()
            .filter(|name| names.matches(name.as_bytes()));
        found.extend(wanted.map(|name| (module.to_owned(), name)));
    };
    if modules.matches(VMLINUX.as_bytes()) {
        add(VMLINUX, kernel.raw_tracepoints());
    }
    for of in facts.modules.names().map_err(|error| error.to_string())? {
        if modules.matches(of.as_bytes())
            && let Some(btf) = facts.modules.get(of, kernel).map_err(|e| e.to_string())?
        {
            let layers = Layers::new(kernel, Some(&btf));
            add(of, layers.raw_tracepoints());
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn raw_missing(point: &Point<'_>, name: &str) -> Result<String, String> {
    let known = raw_matching(point.facts, "*", "*")?;
    let near = nearest(name, known.iter().map(|(_, name)| name.as_str()));
    let hint = did_you_mean(near);
    Ok(format!("raw tracepoint not found: {name}{hint}"))
}
