//! Sections' names, by which libbpf knows a program's kind and place: `section_defs` of `tools/lib/bpf/libbpf.c`.

use tracer_script::{
    probe::{AttachKind, Target},
    program::{Program, ProgramKind},
};

/// The section of a program at one of its places. Where it has several, or one that libbpf has no words for, the name
/// tells the kind only: such a program loads, and is left to the loader to attach.
pub fn section(program: &Program, target: Option<&Target>) -> String {
    let kind = kind(program.kind);
    match target.and_then(|target| place(program, target)) {
        Some(place) => format!("{kind}/{place}"),
        None => kind.to_owned(),
    }
}

fn kind(kind: ProgramKind) -> &'static str {
    match kind {
        ProgramKind::OnRequest | ProgramKind::RawTracepoint => "raw_tracepoint",
        ProgramKind::Tracepoint => "tracepoint",
        ProgramKind::Kprobe { on_return: false } => "kprobe",
        ProgramKind::Kprobe { on_return: true } => "kretprobe",
        ProgramKind::KprobeMulti { on_return: false } => "kprobe.multi",
        ProgramKind::KprobeMulti { on_return: true } => "kretprobe.multi",
        ProgramKind::Uprobe { on_return: false } => "uprobe",
        ProgramKind::Uprobe { on_return: true } => "uretprobe",
        ProgramKind::UprobeMulti { on_return: false } => "uprobe.multi",
        ProgramKind::UprobeMulti { on_return: true } => "uretprobe.multi",
        ProgramKind::Fentry { on_return: false } => "fentry",
        ProgramKind::Fentry { on_return: true } => "fexit",
        ProgramKind::PerfEvent => "perf_event",
        ProgramKind::Iter => "iter",
    }
}

fn place(program: &Program, target: &Target) -> Option<String> {
    let Target { group, item, .. } = target;
    match program.kind {
        ProgramKind::OnRequest | ProgramKind::PerfEvent => None,
        ProgramKind::Tracepoint => Some(format!("{group}/{item}")),
        // A marker's name is not a function's.
        _ if item.is_empty() || target.kind == AttachKind::Usdt => None,
        // Within a function: the place is counted from the file's beginning, and libbpf counts from the function's.
        ProgramKind::Uprobe { .. } if is_within(target) => None,
        ProgramKind::Uprobe { .. } | ProgramKind::UprobeMulti { .. } => {
            Some(format!("{group}:{item}"))
        }
        ProgramKind::Kprobe { .. } if target.offset > 0 => {
            Some(format!("{item}+{:#x}", target.offset))
        }
        _ => Some(item.clone()),
    }
}

/// True for `uprobe:FILE:FUNCTION+OFFSET`.
fn is_within(target: &Target) -> bool {
    target
        .name
        .rsplit(':')
        .next()
        .is_some_and(|place| place.contains('+'))
}
