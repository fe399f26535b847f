//! `software` and `hardware`: events that perf counts (`man 2 perf_event_open`).

use tracer_script::{
    diagnostic::nearest,
    probe::{AttachKind, Target},
};

use super::{Point, did_you_mean, number};

/// An event: its name, another one, and how many of it pass for each run where nothing is said.
type Event = (&'static str, &'static str, u64);

/// The events of `PERF_TYPE_SOFTWARE`.
pub(crate) const SOFTWARE: [Event; 11] = [
    ("alignment-faults", "", 1),
    ("bpf-output", "", 1),
    ("context-switches", "cs", 1_000),
    ("cpu-clock", "cpu", 1_000_000),
    ("cpu-migrations", "", 1),
    ("dummy", "", 1),
    ("emulation-faults", "", 1),
    ("major-faults", "", 1),
    ("minor-faults", "", 100),
    ("page-faults", "faults", 100),
    ("task-clock", "", 1_000_000),
];

/// The events of `PERF_TYPE_HARDWARE`.
pub(crate) const HARDWARE: [Event; 10] = [
    ("backend-stalls", "", 1_000_000),
    ("branch-instructions", "branches", 100_000),
    ("branch-misses", "", 100_000),
    ("bus-cycles", "", 100_000),
    ("cache-misses", "", 1_000_000),
    ("cache-references", "", 1_000_000),
    ("cpu-cycles", "cycles", 1_000_000),
    ("frontend-stalls", "", 1_000_000),
    ("instructions", "", 1_000_000),
    ("ref-cycles", "", 1_000_000),
];

/// `item` is the event by its first name, `count` its period.
pub(super) fn expand(point: &Point<'_>) -> Result<Vec<Target>, String> {
    let kind = point.kind.name();
    let (event, count) = match point.rest.as_slice() {
        // An empty count is the default one, as none at all.
        [event] | [event, ""] => (*event, None),
        [event, count] => (*event, Some(*count)),
        _ => return Err(point.misshapen(&format!("{kind}:EVENT or {kind}:EVENT:COUNT"))),
    };
    let events: &[Event] = match point.kind {
        AttachKind::Hardware => &HARDWARE,
        _ => &SOFTWARE,
    };
    let (name, _, default) = events
        .iter()
        .find(|(name, alias, _)| *name == event || !event.is_empty() && *alias == event)
        .ok_or_else(|| unknown(kind, event, events))?;
    let count = match count {
        None => *default,
        Some(text) => number(text).filter(|count| *count > 0).ok_or_else(|| {
            format!("{text} is no count of {kind} events: it is a whole number above 0")
        })?,
    };
    Ok(vec![Target {
        item: (*name).to_owned(),
        count,
        pid: point.options.pid,
        ..Target::new(point.kind, point.name())
    }])
}

fn unknown(kind: &str, event: &str, events: &[Event]) -> String {
    let names: Vec<&str> = events.iter().map(|(name, ..)| *name).collect();
    let aliases = events.iter().map(|(_, alias, _)| *alias);
    let aliases = aliases.filter(|alias| !alias.is_empty());
    let hint = did_you_mean(nearest(event, names.iter().copied().chain(aliases)));
    format!(
        "there is no {kind} event {event}; there are {}{hint}",
        names.join(", ")
    )
}
