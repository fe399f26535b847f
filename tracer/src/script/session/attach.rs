//! Each kind of program to its places.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
};

use tracer_script::{
    probe::{AttachKind, Target},
    program::{Program, ProgramKind},
};

use super::{ScriptError, load::tracing_type};
use crate::{
    kernel::{sys::Rate, tracepoint::Tracefs},
    probe::{
        Failure, fentry,
        kprobe::{self, Place},
        raw_tracepoint,
        sampling::{self, Event},
        tracepoint,
        uprobe::{self, Binary},
    },
};

/// Attaches a program to all its places. `loaded` are its descriptors, as [`super::Loaded`] has them. What was
/// attached before a failure is among the links, too.
pub fn attach(
    program: &Program,
    loaded: &[(OwnedFd, Option<usize>)],
    links: &mut Vec<OwnedFd>,
) -> Result<(), ScriptError> {
    if program.kind == ProgramKind::OnRequest {
        return Ok(());
    }
    loaded
        .iter()
        .try_for_each(|(fd, only)| attach_one(program, fd.as_fd(), *only, links))
}

/// Attaches one descriptor, to `only` one of the places or to all.
fn attach_one(
    program: &Program,
    fd: BorrowedFd<'_>,
    only: Option<usize>,
    links: &mut Vec<OwnedFd>,
) -> Result<(), ScriptError> {
    match program.kind {
        ProgramKind::KprobeMulti { on_return } => {
            let functions = program.targets.iter().map(|target| target.item.as_str());
            let link = kprobe::attach_multi(fd, functions, &all_cookies(program), on_return);
            let what = format!("{} functions by one link", program.targets.len());
            links.push(link.map_err(|failure| failed(program, failure, &what))?);
        }
        ProgramKind::UprobeMulti { on_return } => {
            for (binary, places, cookies) in by_binary(program, on_return) {
                let link = uprobe::attach_multi(fd, &binary, &places, &cookies);
                let what = format!("{} places of {}", places.len(), binary.path.display());
                links.push(link.map_err(|failure| failed(program, failure, &what))?);
            }
        }
        _ => {
            let mut places = Places::default();
            for (index, target) in program.targets.iter().enumerate() {
                if only.is_some_and(|only| only != index) {
                    continue;
                }
                let cookie = program.cookies.as_ref().map(|cookies| cookies[index]);
                let attached = places.attach(program.kind, fd, target, cookie);
                links.extend(attached.map_err(|failure| failed(program, failure, &target.name))?);
            }
        }
    }
    Ok(())
}

fn failed(program: &Program, failure: Failure, what: &str) -> ScriptError {
    ScriptError::at(program.span, failure.at(what).to_string())
}

fn all_cookies(program: &Program) -> Vec<u64> {
    match &program.cookies {
        Some(cookies) => cookies.clone(),
        None => vec![0; program.targets.len()],
    }
}

/// The places of a program by file and process, each file's with their cookies.
fn by_binary(
    program: &Program,
    on_return: bool,
) -> Vec<(Binary<'_>, Vec<uprobe::Place>, Vec<u64>)> {
    let mut files: BTreeMap<_, (Vec<uprobe::Place>, Vec<u64>)> = BTreeMap::new();
    for (target, cookie) in program.targets.iter().zip(all_cookies(program)) {
        let (places, cookies) = files
            .entry((target.group.as_str(), target.pid))
            .or_default();
        places.push(place_in_file(target));
        cookies.push(cookie);
    }
    let files = files.into_iter();
    files
        .map(|((path, pid), (places, cookies))| {
            let binary = Binary {
                path: Path::new(path),
                pid,
                on_return,
            };
            (binary, places, cookies)
        })
        .collect()
}

fn place_in_file(target: &Target) -> uprobe::Place {
    uprobe::Place {
        offset: target.offset,
        semaphore: target.semaphore,
    }
}

/// Attaches to places one by one, and keeps what has been looked up for them.
#[derive(Default)]
struct Places {
    tracefs: Option<Tracefs>,
}

impl Places {
    fn attach(
        &mut self,
        kind: ProgramKind,
        fd: BorrowedFd<'_>,
        target: &Target,
        cookie: Option<u64>,
    ) -> Result<Vec<OwnedFd>, Failure> {
        let link = match kind {
            ProgramKind::RawTracepoint => raw_tracepoint::attach(fd, &target.item, cookie),
            ProgramKind::Tracepoint => {
                let tracefs = self.tracefs()?;
                tracepoint::attach(fd, tracefs, &target.group, &target.item, cookie)
            }
            ProgramKind::Kprobe { on_return } => {
                let place = Place {
                    module: &target.group,
                    function: &target.item,
                    offset: target.offset,
                    on_return,
                };
                kprobe::attach(fd, &place, cookie)
            }
            ProgramKind::Uprobe { on_return } => {
                let binary = Binary {
                    path: Path::new(&target.group),
                    pid: target.pid,
                    on_return,
                };
                uprobe::attach(fd, &binary, place_in_file(target), cookie)
            }
            ProgramKind::Fentry { on_return } => {
                fentry::attach(fd, tracing_type(on_return), cookie)
            }
            ProgramKind::PerfEvent => {
                return sampling::attach(fd, event(target)?, rate(target), target.pid, cookie);
            }
            ProgramKind::OnRequest
            | ProgramKind::KprobeMulti { .. }
            | ProgramKind::UprobeMulti { .. }
            | ProgramKind::Iter => unreachable!("not attached place by place: {kind:?}"),
        };
        link.map(|link| vec![link])
    }

    fn tracefs(&mut self) -> Result<&Tracefs, Failure> {
        match &mut self.tracefs {
            Some(found) => Ok(found),
            none => {
                let found = Tracefs::find().map_err(|error| Failure::from(error.to_string()))?;
                Ok(none.insert(found))
            }
        }
    }
}

fn event(target: &Target) -> Result<Event, Failure> {
    let event = match target.kind {
        AttachKind::Hardware => Event::hardware(&target.item),
        AttachKind::Software => Event::software(&target.item),
        _ => Some(Event::CPU_CLOCK),
    };
    event.ok_or_else(|| Failure::from(format!("there is no event {}", target.item)))
}

fn rate(target: &Target) -> Rate {
    match target.group.as_str() {
        "hz" => Rate::Hertz(target.count),
        _ => Rate::Every(target.count),
    }
}
