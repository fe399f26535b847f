//! A script that runs.

use std::{
    io::{self, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    rc::Rc,
    time::Duration,
};

use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::{Instant, Interval},
};
use tracer_script::{
    probe::AttachKind,
    program::{Image, ProgramKind},
};

use super::{
    Flush, Options, Visit, Visitor,
    actor::{Actor, Wanted},
    packets::Packets,
    timer::Timers,
    visit,
};
use crate::{
    engine::{
        every,
        records::Records,
        stop::{End, Stop, received},
        tick,
    },
    kernel::sys,
    probe::iterator::Round,
    script::{output::Face, session::Session},
};

/// How often it is looked whether anything was lost.
const LOSS_PERIOD: Duration = Duration::from_secs(1);

/// All that a running script is made of.
pub struct Run {
    pub(super) actor: Actor,
    records: Option<Records>,
    packets: Option<Packets>,
    timers: Timers,
    user_signal: Option<Signal>,
    signal_programs: Vec<usize>,
    reports: Option<Interval>,
    flush: Flush,
    /// The command that is traced: it ends with the script.
    child: Option<OwnedFd>,
    stop: Option<Stop>,
    visits: Option<mpsc::Receiver<Visit>>,
}

impl Run {
    /// What is loaded, not attached yet.
    pub fn new(
        options: &Options,
        image: Rc<Image>,
        session: Session,
        face: Box<dyn Face>,
        child: Option<OwnedFd>,
    ) -> anyhow::Result<Self> {
        let records = session
            .events()?
            .map(|(ring, bytes)| Records::new(ring, bytes))
            .transpose()?;
        let packets = session
            .packets()?
            .map(|array| Packets::new(image.clone(), array, options.params.epoch_offset_ns))
            .transpose()?;
        let signal_programs = session.on_request(AttachKind::SelfSignal);
        // Without a probe for it the signal ends the process, as it does with any other.
        let user_signal = match signal_programs.is_empty() {
            true => None,
            false => Some(signal(SignalKind::user_defined1())?),
        };
        let wanted = Wanted {
            helper_errors: options.helper_errors,
            warnings: !options.no_warnings,
        };
        Ok(Self {
            actor: Actor::new(image, session, face, wanted),
            records,
            packets,
            timers: Timers::default(),
            user_signal,
            signal_programs,
            reports: None,
            flush: options.flush,
            child,
            stop: None,
            visits: None,
        })
    }

    /// Attaches, and detaches again.
    pub fn attach_only(&mut self) -> anyhow::Result<()> {
        self.actor.attach()?;
        self.actor.session.detach();
        Ok(())
    }

    /// Runs the `begin` probes, attaches all others, and tells so.
    pub fn begin(&mut self, options: &Options) -> anyhow::Result<()> {
        let actor = &mut self.actor;
        actor.run_all(AttachKind::Begin)?;
        actor.attach()?;
        self.timers = Timers::start(&actor.image, &actor.session)?;
        let now = Instant::now();
        self.reports = options.interval.map(|period| every(now, period));
        if !options.quiet {
            actor.face.attached(actor.image.attached)?;
            actor.face.flush()?;
        }
        if let Some(word) = options.notify {
            let mut stdout = io::stdout();
            writeln!(stdout, "{word}")?;
            stdout.flush()?;
        }
        Ok(())
    }

    /// What ends it, other than the script itself.
    pub fn stops_by(&mut self, stop: Stop) {
        self.stop = Some(stop);
    }

    /// Lets someone look at it while it runs.
    pub fn admit(&mut self, visitor: Visitor) {
        self.actor.before_change = Some(visitor.before_change);
        self.visits = Some(visitor.visits);
    }

    /// Runs until the end, and gives back the status to exit with.
    pub async fn until_the_end(mut self) -> anyhow::Result<u8> {
        if self.iterate()? {
            return self.finish();
        }
        let mut losses = every(Instant::now(), LOSS_PERIOD);
        while !self.actor.is_exiting() {
            // Whatever is ready comes in turn, by chance: a flood of records starves neither timers nor signals.
            select! {
                end = ended(&mut self.stop) => {
                    if matches!(end?, End::Command(_)) {
                        self.child = None;
                    }
                    break;
                }
                () = tick(&mut self.reports) => {
                    self.actor.print_maps()?;
                    self.actor.face.flush()?;
                }
                result = packets(&mut self.packets) => result?,
                _ = losses.tick() => {
                    self.tell_packets()?;
                    self.actor.tell_losses()?;
                    self.actor.face.flush()?;
                }
                () = received(&mut self.user_signal) => {
                    let session = &self.actor.session;
                    for &program in &self.signal_programs {
                        session.run(program)?;
                    }
                }
                expired = self.timers.next() => {
                    let (program, times) = expired?;
                    for _ in 0..times {
                        self.actor.session.run(program)?;
                    }
                }
                visit = visit::next(&mut self.visits) => match visit {
                    Some(visit) => self.actor.visited(visit),
                    None => break,
                },
                result = batch(&mut self.records, &mut self.actor) => {
                    result?;
                    if self.flush == Flush::Batch {
                        self.actor.face.flush()?;
                    }
                }
            }
        }
        self.finish()
    }

    /// Goes through all objects of the script's iterators. True where nothing else can happen, and the script is
    /// done.
    fn iterate(&mut self) -> anyhow::Result<bool> {
        self.pin()?;
        let rounds = self.actor.session.iterators().iter();
        let rounds = rounds.filter(|iterator| iterator.file().is_none());
        let rounds: Vec<Round> = rounds
            .map(|iterator| {
                iterator
                    .begin()
                    .map_err(|failure| failure.at("the iterator"))
            })
            .collect::<Result<_, _>>()?;
        for mut round in rounds {
            while !self.actor.is_exiting() && round.step()? {
                self.rest()?;
            }
            self.rest()?;
        }
        self.actor.face.flush()?;
        let programs = self.actor.image.programs.iter();
        let mut others = programs.filter(|program| program.kind != ProgramKind::Iter);
        Ok(
            others.all(|program| matches!(program.probe, AttachKind::Begin | AttachKind::End))
                && !self.actor.session.iterators().is_empty(),
        )
    }

    /// Leaves iterators in the kernel that shall be files.
    fn pin(&mut self) -> anyhow::Result<()> {
        let Actor { session, face, .. } = &mut self.actor;
        for iterator in session.iterators() {
            if let Some(file) = iterator.file() {
                iterator
                    .pin(file)
                    .map_err(|failure| failure.at("the iterator"))?;
                face.pinned(file)?;
            }
        }
        Ok(())
    }

    /// Detaches first: what is read then is at rest, and exact.
    fn finish(mut self) -> anyhow::Result<u8> {
        self.actor.session.detach();
        self.rest()?;
        if let Some(packets) = &mut self.packets {
            packets.rest()?;
        }
        self.tell_packets()?;
        self.actor.begin_end();
        self.actor.run_all(AttachKind::End)?;
        self.rest()?;
        for map in self.actor.session.script_maps() {
            self.actor.before_change(map);
        }
        self.actor.tell_losses()?;
        self.actor.face.end()?;
        if self.actor.image.config.print_maps_on_exit {
            self.actor.print_maps()?;
        }
        self.actor.tell_totals(self.timers.left_out())?;
        self.actor.face.flush()?;
        if let Some(child) = &self.child {
            sys::pidfd_signal(child.as_fd(), libc::SIGTERM)?;
        }
        Ok(self.actor.status())
    }

    /// Tells of packets that were lost.
    fn tell_packets(&mut self) -> anyhow::Result<()> {
        let lost = self.packets.as_mut().map_or(0, Packets::take_lost);
        if lost > 0 {
            self.actor.face.warning(&format!(
                "{lost} packets were lost: raise perf_rb_pages, or take less of each"
            ))?;
        }
        Ok(())
    }

    /// Takes the records that are there, when nothing makes any more.
    pub(super) fn rest(&mut self) -> anyhow::Result<()> {
        let Self { actor, records, .. } = self;
        match records {
            Some(records) => records.rest(&mut |record| actor.take(record)),
            None => Ok(()),
        }
    }
}

async fn batch(records: &mut Option<Records>, actor: &mut Actor) -> anyhow::Result<()> {
    match records {
        Some(records) => records.batch(&mut |record| actor.take(record)).await,
        None => std::future::pending().await,
    }
}

async fn packets(packets: &mut Option<Packets>) -> anyhow::Result<()> {
    match packets {
        Some(packets) => packets.batch().await,
        None => std::future::pending().await,
    }
}

async fn ended(stop: &mut Option<Stop>) -> anyhow::Result<End> {
    match stop {
        Some(stop) => stop.wait().await,
        None => std::future::pending().await,
    }
}
