//! A script as a source. It runs in a task of its own; what its maps hold is read by visits between two records.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::Instant as Moment,
};

use tokio::{
    select,
    sync::{mpsc, oneshot},
    time::Instant,
};
use tracer_script::{probe::Target, program::Image};

use super::{
    CATCH_UP, Common, Estate, Findings, Handle, Health, Reply, Request, Requests, State,
    alive::Alive, sizes,
};
use crate::{
    engine::every,
    export::{
        rows,
        script::{
            hint::{self, Hints},
            maps::Maps,
        },
    },
    kernel::{Kernel, cgroup::Cgroups, map::Fill, session::ProgramStats, sys},
    script::{
        machine, output,
        run::{self, Failure, Look, MakeFace, Scene, Started, Visit, Visitor},
        session::{Losses, ScriptError, Session, Stacks, script_maps},
    },
};

/// A script that is to be exported.
pub struct Wanted {
    /// What it is called among the sources.
    pub name: String,
    /// The words that it was asked for with.
    pub about: String,
    /// The script, and how it is run.
    pub run: run::Options,
    /// What is said of its maps elsewhere than in its comments, which that has precedence over.
    pub hints: Hints,
    /// How its maps become series.
    pub options: rows::Options,
    /// What all sources have in common.
    pub common: Common,
    /// What it prints goes to standard output; it is dropped otherwise.
    pub prints: bool,
}

/// How a script came to its end.
pub type Ended = oneshot::Receiver<Result<u8, Failure>>;

/// Compiles, loads and attaches a script and has it run on this thread. One that fails is there, too: it says that it
/// is down.
pub fn start(wanted: Wanted, kernel: &Kernel) -> anyhow::Result<(Handle, Ended)> {
    let (handle, requests) = Handle::new(&wanted.name);
    let (end, ended) = oneshot::channel();
    let alive = Alive::new(&Cgroups::open()?);
    let shared = Rc::new(RefCell::new(Shared::new(
        alive,
        &wanted.common,
        handle.health.clone(),
    )));
    let mut source = Source {
        name: wanted.name.clone(),
        about: wanted.about.clone(),
        hooks: String::new(),
        since_ns: sys::clock_ns(libc::CLOCK_REALTIME),
        shared: shared.clone(),
        visits: None,
    };
    match load(&wanted, kernel) {
        Ok(loaded) => {
            source.hooks = hooks(&loaded.image);
            shared.borrow_mut().maps = Some(loaded.maps);
            let mut started = loaded.started;
            source.visits = Some(admit(&mut started, shared.clone()));
            tokio::task::spawn_local(async move {
                let result = started.until_the_end().await;
                shared.borrow_mut().ended(&wanted.name, &result);
                // No one may want to know.
                let _ = end.send(result);
            });
        }
        Err(failure) => {
            let result = Err(failure);
            shared.borrow_mut().ended(&wanted.name, &result);
            let _ = end.send(result);
        }
    }
    tokio::task::spawn_local(source.serve(requests));
    Ok((handle, ended))
}

/// Compiles a script, and looks at what is said of its maps, without loading anything.
pub fn check(wanted: &Wanted) -> Result<(), Failure> {
    let wrong = |reason: String| Failure::Script(format!("{}: {reason}\n", wanted.run.file));
    let hints = hints(wanted).map_err(wrong)?;
    let kernel = Kernel::running().map_err(machine::failed)?;
    let image = machine::on(&kernel, |machine| {
        run::compile_only(&wanted.run, machine.facts)
    })?;
    let numbers = script_maps(&image);
    let no_stacks: output::Stacks = Box::new(|_| None);
    Maps::new(Rc::new(image), no_stacks, &numbers, &hints, &wanted.options).map_err(wrong)?;
    Ok(())
}

struct Loaded {
    started: Started,
    image: Rc<Image>,
    maps: Maps,
}

fn load(wanted: &Wanted, kernel: &Kernel) -> Result<Loaded, Failure> {
    let wrong = |reason: String| Failure::Script(format!("{}: {reason}\n", wanted.run.file));
    let hints = hints(wanted).map_err(wrong)?;
    let scene: RefCell<Option<(Rc<Image>, Stacks)>> = RefCell::new(None);
    let make_face: MakeFace<'_> = &|writer, given: Scene| {
        *scene.borrow_mut() = Some((given.image.clone(), given.stacks.clone()));
        let writer = if wanted.prints {
            writer
        } else {
            Box::new(io::sink())
        };
        Ok(output::text(
            writer,
            machine::context(given, wanted.run.quiet),
        ))
    };
    let started = machine::on(kernel, |machine| {
        run::start_here(&wanted.run, machine, make_face)
    })?;
    let (image, stacks) = scene
        .take()
        .ok_or_else(|| Failure::Run("ERROR: the script has ended already\n".to_owned()))?;
    let stacks: output::Stacks = Box::new(move |hash| stacks.frames(hash));
    let numbers = script_maps(&image);
    let maps =
        Maps::new(image.clone(), stacks, &numbers, &hints, &wanted.options).map_err(wrong)?;
    Ok(Loaded {
        started,
        image,
        maps,
    })
}

/// What the configuration says of maps, and beneath it what the script's comments say.
fn hints(wanted: &Wanted) -> Result<Hints, String> {
    let mut hints = hint::in_comments(&wanted.run.source).map_err(|wrong| wrong.to_string())?;
    for (map, hint) in &wanted.hints {
        let said = hints.remove(map).unwrap_or_default();
        hints.insert(map.clone(), hint.clone().or(said));
    }
    Ok(hints)
}

/// Places that are told of by name, at most.
const HOOKS_MAX: usize = 20;

fn hooks(image: &Image) -> String {
    let targets = image.programs.iter().flat_map(|program| &program.targets);
    let names: Vec<&str> = targets
        .map(|target: &Target| target.name.as_str())
        .collect();
    let shown = names[..names.len().min(HOOKS_MAX)].join(", ");
    match names.len().saturating_sub(HOOKS_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn admit(started: &mut Started, shared: Rc<RefCell<Shared>>) -> mpsc::Sender<Visit> {
    let (visits, receiver) = mpsc::channel(1);
    let before_change = move |session: &Session, map: usize| {
        let mut shared = shared.borrow_mut();
        let Some(maps) = &mut shared.maps else { return };
        if let Err(error) = maps.look_at(session, map, Moment::now()) {
            log::warn!("what a map held before it was emptied is lost: {error}");
        }
    };
    started.admit(Visitor {
        visits: receiver,
        before_change: Box::new(before_change),
    });
    visits
}

/// What the script's task and that which answers have in common.
struct Shared {
    maps: Option<Maps>,
    state: State,
    health: Rc<Cell<Health>>,
    alive: Alive,
    common: Common,
    programs: Vec<ProgramStats>,
    fills: Vec<Fill>,
    lost: Vec<(&'static str, u64)>,
    records: u64,
}

impl Shared {
    fn new(alive: Alive, common: &Common, health: Rc<Cell<Health>>) -> Self {
        Self {
            maps: None,
            state: State::Up,
            health,
            alive,
            common: common.clone(),
            programs: Vec::new(),
            fills: Vec::new(),
            lost: Vec::new(),
            records: 0,
        }
    }

    /// Takes what there is to see; `thorough` looks at how full maps are, too, and ends series that are done with.
    fn look(&mut self, look: &Look<'_>, thorough: bool) -> Result<(), ScriptError> {
        let now = Moment::now();
        let session = look.session;
        self.records = look.records;
        let programs = session.program_stats()?;
        self.lost = losses(
            &session.losses()?,
            programs.iter().map(|one| one.recursion_misses).sum(),
        );
        self.programs = programs;
        let Self {
            maps: Some(maps),
            alive,
            ..
        } = self
        else {
            return Ok(());
        };
        maps.look(session, now)?;
        if thorough {
            maps.expire(now, self.common.keep, &mut |owner| alive.is(owner));
            self.fills = session.fills()?;
        }
        Ok(())
    }

    fn ended(&mut self, name: &str, result: &Result<u8, Failure>) {
        let reason = match result {
            Ok(status) => {
                log::info!("{name} has ended with status {status}");
                format!("the script has ended with status {status}")
            }
            Err(failure) => {
                let reason = failure.text().trim_end();
                log::error!("{name} is down: {reason}");
                reason.to_owned()
            }
        };
        self.health.set(match result {
            Ok(_) => Health::Ended,
            Err(_) => Health::Failed,
        });
        self.programs.clear();
        self.state = State::Down(reason);
    }
}

/// The causes of loss that scripts know.
fn losses(losses: &Losses, left_out: u64) -> Vec<(&'static str, u64)> {
    vec![
        ("ring_full", losses.events),
        ("map_full", losses.keys.iter().map(|(_, count)| count).sum()),
        ("stack_full", losses.stacks),
        ("recursion", left_out),
    ]
}

/// Answers for a script.
struct Source {
    name: String,
    about: String,
    hooks: String,
    since_ns: u64,
    shared: Rc<RefCell<Shared>>,
    /// [`None`] where it has never run.
    visits: Option<mpsc::Sender<Visit>>,
}

impl Source {
    /// Answers until the handle is dropped; the script ends then.
    async fn serve(self, mut requests: Requests) {
        let mut catching_up = every(Instant::now(), CATCH_UP);
        loop {
            select! {
                request = requests.recv() => match request {
                    Some(Request::Tell(reply)) => self.answer(reply).await,
                    Some(Request::GiveUp(to)) => {
                        // Who asked may have gone away meanwhile.
                        let _ = to.send(self.give_up());
                    }
                    Some(Request::Inherit(estate)) => self.inherit(estate),
                    None => return,
                },
                _ = catching_up.tick() => self.visit(true).await,
            }
        }
    }

    fn give_up(&self) -> Estate {
        let maps = &mut self.shared.borrow_mut().maps;
        Estate::Script(maps.as_mut().map(Maps::give_up).unwrap_or_default())
    }

    fn inherit(&self, estate: Estate) {
        if let (Estate::Script(groups), Some(maps)) = (estate, &mut self.shared.borrow_mut().maps) {
            maps.inherit(groups, Moment::now());
        }
    }

    async fn answer(&self, reply: Reply) {
        self.visit(false).await;
        // Who asked may have gone away meanwhile.
        let _ = reply.send(self.findings());
    }

    /// Looks at the script, unless it has ended.
    async fn visit(&self, thorough: bool) {
        let Some(visits) = &self.visits else { return };
        let (done, seen) = oneshot::channel();
        let (shared, name) = (self.shared.clone(), self.name.clone());
        let visit = move |look: &Look<'_>| {
            if let Err(error) = shared.borrow_mut().look(look, thorough) {
                log::warn!("{name}: {error}");
            }
            let _ = done.send(());
        };
        if visits.send(Box::new(visit)).await.is_ok() {
            // It may end before the visit.
            let _ = seen.await;
        }
    }

    fn findings(&self) -> Findings {
        let shared = &mut *self.shared.borrow_mut();
        let (families, sizes) = match &mut shared.maps {
            Some(maps) => {
                let families = maps.groups().flat_map(|group| group.families()).collect();
                (families, sizes(maps.groups()))
            }
            None => Default::default(),
        };
        Findings {
            name: self.name.clone(),
            state: shared.state.clone(),
            about: self.about.clone(),
            hooks: self.hooks.clone(),
            since_ns: self.since_ns,
            families,
            programs: shared.programs.clone(),
            fills: shared.fills.clone(),
            events: shared.records,
            lost: shared.lost.clone(),
            sizes,
            retries: 0,
        }
    }
}
