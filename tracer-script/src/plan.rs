//! Which programs a script needs: the places that its probes mean, and the cheapest way to each that means the
//! same.

mod survey;

use std::collections::HashMap;

use crate::{
    ast::{Probe, Script},
    check::{Mode, Params, Unit},
    config::{Config, MissingProbes},
    diagnostic::Diagnostics,
    facts::{ExpandOptions, Facts},
    lower::{Number, Start, SyscallDispatch},
    probe::{AttachKind, Target},
    program::ProgramKind,
    uses::Uses,
};

pub(crate) use survey::{deleted_maps, describe_options, option_names, writers};

/// A unit and how its program starts.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) unit: Unit,
    pub(crate) start: Start,
    pub(crate) kind: ProgramKind,
    /// What the program is attached to, where that is not the places themselves.
    pub(crate) attached: Option<Target>,
}

/// The plan of a script.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) programs: Vec<Planned>,
    pub(crate) probe_names: Vec<String>,
    /// Areas of memory of all programs together.
    pub(crate) areas: u32,
}

/// Programs at the tracepoint of all calls, at most: each runs at every call.
const SYSCALL_PROGRAMS: usize = 6;

/// Makes the plan.
pub(crate) fn plan(
    script: &Script,
    config: &Config,
    params: &Params,
    facts: &dyn Facts,
    diagnostics: &mut Diagnostics,
) -> Plan {
    let mut planner = Planner {
        params,
        facts,
        plan: Plan::default(),
        syscall_programs: HashMap::new(),
    };
    let options = ExpandOptions {
        pid: params.pid,
        child: params.child,
        allow_unsafe: params.allow_unsafe,
        symbol_source: config.symbol_source,
    };
    for (index, probe) in script.probes.iter().enumerate() {
        let targets = planner.expand(probe, config, &options, diagnostics);
        let uses = Uses::of(script, probe);
        planner.probe(index, uses, targets);
    }
    let count = planner.plan.probe_names.len() as u64;
    if count > config.max_probes
        && let Some(last) = script.probes.last()
    {
        diagnostics.error_hint(
            last.span,
            format!(
                "Can't attach to {count} probes because it exceeds the current limit of {}",
                config.max_probes
            ),
            "raise it by the config variable max_probes, or match fewer",
        );
    }
    let programs = planner.plan.programs.len() as u64;
    if programs > config.max_bpf_progs
        && let Some(last) = script.probes.last()
    {
        diagnostics.error_hint(
            last.span,
            format!(
                "Your program is trying to generate {programs} BPF programs, which exceeds the \
                 current limit of {}",
                config.max_bpf_progs
            ),
            "raise it by the config variable max_bpf_progs",
        );
    }
    planner.plan
}

struct Planner<'a> {
    params: &'a Params,
    facts: &'a dyn Facts,
    plan: Plan,
    /// By direction, how many programs look at all system calls.
    syscall_programs: HashMap<bool, usize>,
}

impl Planner<'_> {
    fn expand(
        &mut self,
        probe: &Probe,
        config: &Config,
        options: &ExpandOptions,
        diagnostics: &mut Diagnostics,
    ) -> Vec<Target> {
        let mut targets = Vec::new();
        let mut missing = Vec::new();
        for point in &probe.points {
            if let Some(found) = trial(&point.parts) {
                targets.extend(found.filter(|target| is_wanted(target.kind, self.params.mode)));
                continue;
            }
            match self.facts.expand(&point.parts, options) {
                Ok(found) => targets.extend(found),
                Err(reason) => missing.push((point, reason)),
            }
        }
        for (point, reason) in missing {
            // What a pattern matches differs by kernel: it may be nothing, where the probe has other places.
            let may_be_empty =
                !targets.is_empty() && point.parts.iter().any(|part| part.contains('*'));
            match config.missing_probes {
                MissingProbes::Ignore => {}
                MissingProbes::Error if !may_be_empty => diagnostics.error(point.span, reason),
                MissingProbes::Error | MissingProbes::Warn => diagnostics.warn(point.span, reason),
            }
        }
        if let Some(filter) = &self.params.probe_filter {
            targets.retain(|target| filter.takes(target));
        }
        targets
    }

    /// Groups the places of one probe into programs.
    fn probe(&mut self, probe: usize, uses: Uses, targets: Vec<Target>) {
        let mut groups: Vec<(Way, Vec<Target>)> = Vec::new();
        let wide = targets.len() > SYSCALL_PROGRAMS;
        for target in targets {
            let way = self.way(&target, uses, wide);
            let fits = |(other, group): &&mut (Way, Vec<Target>)| {
                *other == way && uses.are_alike(&group[0], &target)
            };
            match groups.iter_mut().find(fits) {
                Some((_, group)) if !self.stands_alone(way, uses) => group.push(target),
                _ => groups.push((way, vec![target])),
            }
        }
        for (way, targets) in groups {
            self.program(probe, way, targets);
        }
    }

    /// The cheapest way to a place that shows the program what it uses.
    fn way(&self, target: &Target, uses: Uses, wide: bool) -> Way {
        use AttachKind::*;
        match target.kind {
            Begin | End | SelfSignal | Interval | Test | Bench => Way::OnRequest,
            RawTracepoint => Way::RawTracepoint,
            Tracepoint => self.tracepoint_way(target, uses, wide),
            Kprobe | Kretprobe => Way::Kprobe {
                on_return: target.kind == Kretprobe,
                plain: target.offset == 0 && !target.item.is_empty() && target.group.is_empty(),
            },
            Uprobe | Uretprobe | Usdt => Way::Uprobe {
                on_return: target.kind == Uretprobe,
            },
            Fentry | Fexit => Way::Fentry {
                on_return: target.kind == Fexit,
            },
            Profile | Software | Hardware | Watchpoint => Way::PerfEvent,
            Iter => Way::Iter,
        }
    }

    /// A tracepoint's raw form costs less, both at each event and when it is detached. From Linux 6.19 on a task
    /// may be preempted in it, and events of others are then left out: there it is not taken. The same holds for
    /// the tracepoints of single system calls, but not for that of all.
    fn tracepoint_way(&self, target: &Target, uses: Uses, wide: bool) -> Way {
        if uses.context {
            return Way::Tracepoint;
        }
        let raw = !self.facts.since(6, 19);
        if let Some((enter, _)) = self.syscall(target)
            && (raw || self.has_calls_event(enter))
        {
            let programs = self.syscall_programs.get(&enter).copied().unwrap_or(0);
            if wide && uses.own_fields || programs >= SYSCALL_PROGRAMS {
                return Way::Tracepoint;
            }
            return Way::Syscalls { enter, raw };
        }
        if uses.args || target.group == "syscalls" || !raw {
            return Way::Tracepoint;
        }
        match self.facts.raw_tracepoint(&target.item) {
            Some(_) => Way::RawTracepoint,
            None => Way::Tracepoint,
        }
    }

    fn has_calls_event(&self, enter: bool) -> bool {
        self.facts
            .tracepoint(CALLS_GROUP, calls_event(enter))
            .is_ok()
    }

    /// The system call that a tracepoint is for, and whether it is at its start.
    fn syscall(&self, target: &Target) -> Option<(bool, u32)> {
        if target.group != "syscalls" || !cfg!(target_arch = "x86_64") {
            return None;
        }
        let (enter, name) = match target.item.strip_prefix("sys_enter_") {
            Some(name) => (true, name),
            None => (false, target.item.strip_prefix("sys_exit_")?),
        };
        self.facts.raw_tracepoint(calls_event(enter))?;
        let call = self.facts.syscall_number(syscall_of(name))?;
        Some((enter, call))
    }

    /// True where each place needs a program of its own.
    fn stands_alone(&self, way: Way, uses: Uses) -> bool {
        match way {
            Way::OnRequest | Way::PerfEvent | Way::Iter => true,
            Way::Fentry { .. } => uses.args || uses.retval || uses.place,
            Way::Syscalls { .. } => uses.own_fields,
            Way::RawTracepoint => {
                uses.args || uses.place && !self.facts.has_cookie(AttachKind::RawTracepoint)
            }
            Way::Tracepoint => {
                uses.args || uses.place && !self.facts.has_cookie(AttachKind::Tracepoint)
            }
            Way::Kprobe { .. } => {
                uses.args || uses.place && !self.facts.has_cookie(AttachKind::Kprobe)
            }
            Way::Uprobe { .. } => {
                uses.args || uses.place && !self.facts.has_cookie(AttachKind::Uprobe)
            }
        }
    }

    fn program(&mut self, probe: usize, way: Way, targets: Vec<Target>) {
        let first = self.plan.probe_names.len() as u32;
        let names = targets.iter().map(|target| target.name.clone());
        self.plan.probe_names.extend(names);
        let syscalls = self.dispatch(way, &targets, first);
        let number = match (&syscalls, targets.as_slice()) {
            (Some(_), _) => Number::Syscall,
            // Places of one name are one key of a map.
            (None, [only]) => Number::Only(self.number_of_name(&only.name, first)),
            _ => Number::Cookie,
        };
        let kind = self.kind(way, &targets);
        let start = Start {
            first_area: self.plan.areas,
            kind,
            number,
            syscalls,
            exclusive: self.is_exclusive(kind, targets.len()),
        };
        self.plan.areas += start.areas() * self.facts.cpus();
        let attached = match way {
            Way::Syscalls { enter, raw } => {
                *self.syscall_programs.entry(enter).or_default() += 1;
                Some(all_calls(enter, raw))
            }
            _ => None,
        };
        self.plan.programs.push(Planned {
            unit: Unit { probe, targets },
            start,
            kind,
            attached,
        });
    }

    /// The first number that a name has.
    fn number_of_name(&self, name: &str, otherwise: u32) -> u32 {
        let found = self.plan.probe_names.iter().position(|known| known == name);
        found.map_or(otherwise, |at| at as u32)
    }

    fn dispatch(&self, way: Way, targets: &[Target], first: u32) -> Option<SyscallDispatch> {
        let Way::Syscalls { enter, .. } = way else {
            return None;
        };
        let calls = targets.iter().zip(first..).filter_map(|(target, place)| {
            let (_, call) = self.syscall(target)?;
            Some((call, place))
        });
        Some(SyscallDispatch {
            enter,
            calls: calls.collect(),
        })
    }

    fn kind(&self, way: Way, targets: &[Target]) -> ProgramKind {
        let several = targets.len() > 1;
        match way {
            Way::OnRequest => ProgramKind::OnRequest,
            Way::RawTracepoint | Way::Syscalls { raw: true, .. } => ProgramKind::RawTracepoint,
            Way::Tracepoint | Way::Syscalls { raw: false, .. } => ProgramKind::Tracepoint,
            Way::Kprobe { on_return, plain } => {
                if several && plain && self.facts.has_multi(AttachKind::Kprobe) {
                    ProgramKind::KprobeMulti { on_return }
                } else {
                    ProgramKind::Kprobe { on_return }
                }
            }
            Way::Uprobe { on_return } => {
                if several && self.facts.has_multi(AttachKind::Uprobe) {
                    ProgramKind::UprobeMulti { on_return }
                } else {
                    ProgramKind::Uprobe { on_return }
                }
            }
            Way::Fentry { on_return } => ProgramKind::Fentry { on_return },
            Way::PerfEvent => ProgramKind::PerfEvent,
            Way::Iter => ProgramKind::Iter,
        }
    }

    /// Whether the kernel keeps a program from running where it is at work already on that CPU: programs on perf
    /// events and kprobes never (`bpf_prog_active`), raw tracepoints and trampolines from 6.1 on (`prog->active`),
    /// user probes not since they may sleep, 5.19.
    fn is_exclusive(&self, kind: ProgramKind, places: usize) -> bool {
        match kind {
            ProgramKind::OnRequest | ProgramKind::PerfEvent | ProgramKind::Iter => true,
            ProgramKind::Tracepoint
            | ProgramKind::Kprobe { .. }
            | ProgramKind::KprobeMulti { .. } => true,
            ProgramKind::RawTracepoint => self.facts.since(6, 1),
            ProgramKind::Fentry { .. } => self.facts.since(6, 1) && places == 1,
            ProgramKind::Uprobe { .. } | ProgramKind::UprobeMulti { .. } => {
                !self.facts.since(5, 19)
            }
        }
    }
}

/// What a `test` or a `bench` probe means: no place of the kernel. [`None`] for all others.
fn trial(parts: &[String]) -> Option<std::option::IntoIter<Target>> {
    let [provider, name] = parts else {
        return None;
    };
    let kind = AttachKind::by_name(provider)?;
    if !matches!(kind, AttachKind::Test | AttachKind::Bench) || name.is_empty() {
        return None;
    }
    let mut target = Target::new(kind, format!("{}:{name}", kind.name()));
    target.item = name.clone();
    Some(Some(target).into_iter())
}

/// Tests and benchmarks are run where they are asked for, and left out else.
fn is_wanted(kind: AttachKind, mode: Mode) -> bool {
    match kind {
        AttachKind::Test => mode == Mode::Test,
        AttachKind::Bench => mode == Mode::Bench,
        _ => true,
    }
}

/// A way to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    OnRequest,
    RawTracepoint,
    /// By the tracepoint of all system calls: its raw form, or the event.
    Syscalls {
        enter: bool,
        raw: bool,
    },
    Tracepoint,
    Kprobe {
        on_return: bool,
        /// The start of a function, in no module in particular.
        plain: bool,
    },
    Uprobe {
        on_return: bool,
    },
    Fentry {
        on_return: bool,
    },
    PerfEvent,
    Iter,
}

/// Some tracepoints bear the name of the kernel's function instead of the call's.
fn syscall_of(tracepoint: &str) -> &str {
    match tracepoint {
        "newstat" => "stat",
        "newlstat" => "lstat",
        "newfstat" => "fstat",
        "newuname" => "uname",
        "umount" => "umount2",
        "sendfile64" => "sendfile",
        other => other,
    }
}

fn all_calls(enter: bool, raw: bool) -> Target {
    let name = calls_event(enter);
    let mut target = if raw {
        Target::new(AttachKind::RawTracepoint, format!("rawtracepoint:{name}"))
    } else {
        let mut event = Target::new(
            AttachKind::Tracepoint,
            format!("tracepoint:{CALLS_GROUP}:{name}"),
        );
        event.group = CALLS_GROUP.to_owned();
        event
    };
    target.item = name.to_owned();
    target
}

/// Where the tracepoints of all system calls are.
const CALLS_GROUP: &str = "raw_syscalls";

fn calls_event(enter: bool) -> &'static str {
    if enter { "sys_enter" } else { "sys_exit" }
}
