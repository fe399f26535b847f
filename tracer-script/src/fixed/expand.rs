//! Attach points over the fixed tables.

use super::tables;
use crate::{
    facts::ExpandOptions,
    marker::{Machine, arguments},
    probe::{AttachKind, Target},
};

/// Functions of every program and library, and where they are.
const USER_FUNCTIONS: [(&str, u64); 3] =
    [("main", 0x1000), ("malloc", 0x2000), ("readline", 0x3000)];

/// Static markers of every program and library: provider, name, where they are, and their arguments.
const MARKERS: [(&str, &str, u64, &str); 3] = [
    ("app", "start", 0x4000, "-4@%edi 8@-16(%rbp) 2@$7"),
    ("app", "step", 0x4100, "4@(%rax,%rcx,8)"),
    ("app", "step", 0x4200, "8@%rsi"),
];

pub(super) fn user_function(name: &str) -> Option<u64> {
    let found = USER_FUNCTIONS.iter().find(|(known, _)| *known == name);
    found.map(|(_, offset)| *offset)
}

/// The names of the kernel's functions, in order.
pub(super) fn function_names() -> impl Iterator<Item = &'static str> {
    tables::functions().into_iter().map(|(name, ..)| name)
}

pub(super) fn expand(parts: &[String], options: &ExpandOptions) -> Result<Vec<Target>, String> {
    use AttachKind::*;
    let (provider, rest) = parts.split_first().ok_or("an attach point is empty")?;
    let kind = AttachKind::by_name(provider)
        .ok_or_else(|| format!("Unrecognized probe type: {provider}"))?;
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let found = match (kind, rest.as_slice()) {
        (Begin | End, []) => vec![Target::new(kind, kind.name())],
        (SelfSignal, ["signal", signal]) => vec![target(kind, &rest, "", signal)],
        (Interval | Profile, [unit, count]) => vec![Target {
            count: timer(unit, count)?,
            ..target(kind, &rest, unit, "")
        }],
        (Software | Hardware, [event, count @ ..]) => vec![Target {
            count: count
                .first()
                .and_then(|text| text.parse().ok())
                .unwrap_or(1),
            pid: options.pid,
            ..target(kind, &rest, "", event)
        }],
        (Tracepoint, [category, name]) => tables::tracepoints()
            .into_iter()
            .filter(|(of, event, _)| matches(category, of) && matches(name, event))
            .map(|(of, event, _)| target(kind, &[of, event], of, event))
            .collect(),
        (RawTracepoint, [name] | ["vmlinux", name]) => tables::raw_tracepoints()
            .into_iter()
            .filter(|(event, ..)| matches(name, event))
            .map(|(event, ..)| target(kind, &["vmlinux", event], "", event))
            .collect(),
        (Kprobe | Kretprobe, [name]) => kprobes(kind, name)?,
        (Fentry | Fexit, [name] | ["vmlinux", name]) => function_names()
            .filter(|function| matches(name, function))
            .map(|function| target(kind, &["vmlinux", function], "", function))
            .collect(),
        (Uprobe | Uretprobe, [path, name]) => USER_FUNCTIONS
            .iter()
            .filter(|(function, _)| matches(name, function))
            .map(|(function, offset)| Target {
                offset: *offset,
                pid: options.pid,
                ..target(kind, &[path, function], path, function)
            })
            .collect(),
        (Usdt, [path, provider, name]) => MARKERS
            .iter()
            .filter(|(of, marker, ..)| matches(provider, of) && matches(name, marker))
            .map(|(of, marker, offset, operands)| Target {
                offset: *offset,
                pid: options.pid,
                arguments: arguments(operands, Machine::X86, &|_| Some(0x100)),
                ..target(kind, &[path, of, marker], path, marker)
            })
            .collect(),
        _ => return Err(format!("{} is not supported", parts.join(":"))),
    };
    if found.is_empty() {
        return Err(format!("nothing matches {}", parts.join(":")));
    }
    Ok(found)
}

fn target(kind: AttachKind, shown: &[&str], group: &str, item: &str) -> Target {
    Target {
        group: group.to_owned(),
        item: item.to_owned(),
        ..Target::new(kind, format!("{}:{}", kind.name(), shown.join(":")))
    }
}

fn timer(unit: &str, count: &str) -> Result<u64, String> {
    let factor = match unit {
        "hz" | "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return Err(format!("{unit} is no unit")),
    };
    let count: Option<u64> = count.parse().ok();
    count
        .and_then(|count| count.checked_mul(factor))
        .ok_or_else(|| "it is no whole number".to_owned())
}

fn kprobes(kind: AttachKind, name: &str) -> Result<Vec<Target>, String> {
    let (function, offset) = match name.split_once('+') {
        Some((function, offset)) => (function, offset.parse().map_err(|_| "no offset")?),
        None => (name, 0),
    };
    let found = function_names().filter(|known| matches(function, known));
    let targets = found.map(|known| {
        let shown = if offset == 0 { known } else { name };
        Target {
            offset,
            ..target(kind, &[shown], "", known)
        }
    });
    Ok(targets.collect())
}

/// True where `text` matches a pattern, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|behind| {
            (0..=behind.len())
                .filter_map(|at| behind.get(at..))
                .any(|tail| matches(rest, tail))
        }),
    }
}
