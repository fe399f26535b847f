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
        self, Failure, fentry,
        iterator::Iterator,
        kprobe::{self, Place},
        raw_tracepoint,
        sampling::{self, Event},
        tracepoint,
        uprobe::{self, Binary},
    },
};

/// What is attached: closing the descriptors detaches.
#[derive(Default)]
pub struct Links {
    held: Vec<OwnedFd>,
    /// By the address that is watched.
    watched: Vec<(u64, Vec<OwnedFd>)>,
    /// In the order of the script.
    iterators: Vec<Iterator>,
}

impl Links {
    /// Detaches all.
    pub fn detach(self) {
        let Self {
            mut held,
            watched,
            iterators: _,
        } = self;
        held.extend(watched.into_iter().flat_map(|(_, links)| links));
        probe::detach(held);
    }

    /// The iterators: user space has them run.
    pub fn iterators(&self) -> &[Iterator] {
        &self.iterators
    }

    /// No longer watches an address. That nothing watches it is no error.
    pub fn unwatch(&mut self, address: u64) {
        self.watched.retain(|(watched, _)| *watched != address);
    }
}

/// What has been attached.
#[derive(Default)]
pub struct Attached {
    pub links: Links,
    /// Why places were left out, where they may be.
    pub left_out: Vec<ScriptError>,
    /// Places that the kernel refuses are left out, rather than being an error.
    pub may_leave_out: bool,
}

impl Attached {
    fn add(
        &mut self,
        program: &Program,
        attached: Result<Vec<OwnedFd>, Failure>,
        what: &str,
    ) -> Result<(), ScriptError> {
        self.keep(program, attached, what, |links, found| {
            links.held.extend(found)
        })
    }

    fn keep<T>(
        &mut self,
        program: &Program,
        attached: Result<T, Failure>,
        what: &str,
        keep: impl FnOnce(&mut Links, T),
    ) -> Result<(), ScriptError> {
        let failed = |failure: Failure| ScriptError::at(program.span, failure.at(what).to_string());
        match attached.map_err(failed) {
            Ok(found) => keep(&mut self.links, found),
            Err(error) if self.may_leave_out => self.left_out.push(error),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Attaches a program to all its places. `loaded` are its descriptors, as [`super::Loaded`] has them. What was
/// attached before a failure is in `attached`, too.
pub fn attach(
    program: &Program,
    loaded: &[(OwnedFd, Option<usize>)],
    attached: &mut Attached,
) -> Result<(), ScriptError> {
    if program.kind == ProgramKind::OnRequest {
        return Ok(());
    }
    loaded
        .iter()
        .try_for_each(|(fd, only)| attach_one(program, fd.as_fd(), *only, attached))
}

/// Attaches one descriptor, to `only` one of the places or to all.
fn attach_one(
    program: &Program,
    fd: BorrowedFd<'_>,
    only: Option<usize>,
    attached: &mut Attached,
) -> Result<(), ScriptError> {
    match program.kind {
        ProgramKind::KprobeMulti { on_return } => {
            attach_functions(program, fd, on_return, attached)?;
        }
        ProgramKind::UprobeMulti { on_return } => {
            for (binary, places, cookies) in by_binary(program, on_return) {
                let link = uprobe::attach_multi(fd, &binary, &places, &cookies);
                let what = format!("{} places of {}", places.len(), binary.path.display());
                attached.add(program, link.map(|link| vec![link]), &what)?;
            }
        }
        ProgramKind::Iter => {
            let target = &program.targets[only.unwrap_or(0)];
            let file = target.is_pinned().then(|| target.group.clone().into());
            let iterator = Iterator::attach(fd, file);
            attached.keep(program, iterator, &target.name, |links, iterator| {
                links.iterators.push(iterator)
            })?;
        }
        _ => {
            let mut places = Places::default();
            for (index, target) in program.targets.iter().enumerate() {
                if only.is_some_and(|only| only != index) {
                    continue;
                }
                let cookie = program.cookies.as_ref().map(|cookies| cookies[index]);
                let links = places.attach(program.kind, fd, target, cookie);
                attached.keep(program, links, &target.name, |links, found| {
                    match target.kind {
                        AttachKind::Watchpoint => links.watched.push((target.offset, found)),
                        _ => links.held.extend(found),
                    }
                })?;
            }
        }
    }
    Ok(())
}

/// Attaches to many functions of the kernel by one link. The kernel takes all or none: where some may be left
/// out, each gets a link of its own then.
fn attach_functions(
    program: &Program,
    fd: BorrowedFd<'_>,
    on_return: bool,
    attached: &mut Attached,
) -> Result<(), ScriptError> {
    let cookies = all_cookies(program);
    let names = program.targets.iter().map(|target| target.item.as_str());
    let link = kprobe::attach_multi(fd, names, &cookies, on_return);
    if link.is_ok() || !attached.may_leave_out {
        let what = format!("{} functions by one link", program.targets.len());
        return attached.add(program, link.map(|link| vec![link]), &what);
    }
    for (target, cookie) in program.targets.iter().zip(&cookies) {
        let name = std::iter::once(target.item.as_str());
        let link = kprobe::attach_multi(fd, name, &[*cookie], on_return);
        attached.add(program, link.map(|link| vec![link]), &target.name)?;
    }
    Ok(())
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
                return kprobe::attach(fd, &place, cookie);
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
        AttachKind::Watchpoint => Some(Event::watch(target.offset, target.count, &target.group)),
        _ => Some(Event::CPU_CLOCK),
    };
    event.ok_or_else(|| Failure::from(format!("there is no event {}", target.item)))
}

fn rate(target: &Target) -> Rate {
    match (target.kind, target.group.as_str()) {
        (AttachKind::Watchpoint, _) => Rate::Every(1),
        (_, "hz") => Rate::Hertz(target.count),
        _ => Rate::Every(target.count),
    }
}
