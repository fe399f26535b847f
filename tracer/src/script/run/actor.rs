//! What is done when a record comes.

use std::{
    ffi::OsStr,
    io::{self, Read as _},
    os::unix::ffi::OsStrExt as _,
    process::{Command, Stdio},
    rc::Rc,
};

use anyhow::{Context as _, bail};
use tracer_script::{
    config::MissingProbes,
    format::Format,
    probe::AttachKind,
    program::{Action, ActionKind, Image},
};

use super::{loss::Told, visit::BeforeChange};
use crate::script::{
    output::{Face, RawEntry},
    session::Session,
};

/// Bytes of a record before its arguments: the action's number, and as many of nothing.
const HEAD_BYTES: usize = 8;

/// Which messages are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Those of helpers that fail.
    pub helper_errors: bool,
    /// Those of `warnf`.
    pub warnings: bool,
}

/// Does what records ask for.
pub struct Actor {
    /// The script.
    pub image: Rc<Image>,
    /// What it has in the kernel.
    pub session: Session,
    /// What it prints to.
    pub face: Box<dyn Face>,
    wanted: Wanted,
    pub(super) told: Told,
    pub(super) before_change: Option<BeforeChange>,
    /// Records that came.
    pub(super) records: u64,
    status: u8,
    exiting: bool,
    /// The script has told of an error.
    wrong: bool,
}

impl Actor {
    /// With nothing done yet.
    pub fn new(image: Rc<Image>, session: Session, face: Box<dyn Face>, wanted: Wanted) -> Self {
        Self {
            image,
            session,
            face,
            wanted,
            told: Told::default(),
            before_change: None,
            records: 0,
            status: 0,
            exiting: false,
            wrong: false,
        }
    }

    /// True from a record of `exit` on: records that follow it are left out.
    pub fn is_exiting(&self) -> bool {
        self.exiting
    }

    /// What `exit` gave.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// The `end` probes follow: their records are taken again.
    pub fn begin_end(&mut self) {
        self.exiting = false;
    }

    /// A test follows: what went wrong before is not its fault.
    pub fn begin_test(&mut self) {
        self.exiting = false;
        self.status = 0;
        self.wrong = false;
    }

    /// Whether the script has told of an error, or has ended itself as having failed, since the test began.
    pub fn went_wrong(&self) -> bool {
        self.wrong || self.status != 0
    }

    /// Has the programs of all probes of a kind run.
    pub fn run_all(&mut self, kind: AttachKind) -> anyhow::Result<()> {
        for program in self.session.on_request(kind) {
            self.session.run(program)?;
        }
        Ok(())
    }

    /// Takes a record.
    pub fn take(&mut self, record: &[u8]) -> anyhow::Result<()> {
        if self.exiting {
            return Ok(());
        }
        self.records += 1;
        let number = record.first_chunk().map(|&bytes| u32::from_ne_bytes(bytes));
        let (Some(number), Some(args)) = (number, record.get(HEAD_BYTES..)) else {
            bail!(
                "the kernel sent a record of {} bytes, which is too short",
                record.len()
            );
        };
        let image = self.image.clone();
        match image.actions.get(number as usize) {
            Some(action) => self.act(action, args),
            None => bail!("the kernel sent a record of the unknown kind {number}"),
        }
    }

    fn act(&mut self, action: &Action, args: &[u8]) -> anyhow::Result<()> {
        self.wrong |= matches!(
            action.kind,
            ActionKind::Errorf(_) | ActionKind::HelperError(_)
        );
        match &action.kind {
            ActionKind::Printf(_)
            | ActionKind::Errorf(_)
            | ActionKind::Cat(_)
            | ActionKind::PrintValue
            | ActionKind::Time(_)
            | ActionKind::Join(_) => self.face.record(action, args)?,
            ActionKind::Warnf(_) => {
                if self.wanted.warnings {
                    self.face.record(action, args)?;
                }
            }
            ActionKind::Process => self.face.process(first_word(args) as u32),
            ActionKind::Unwind => self.session.learn_stacks_of(first_word(args) as u32)?,
            ActionKind::HelperError(_) => {
                if self.wanted.helper_errors {
                    self.face.record(action, args)?;
                }
            }
            &ActionKind::PrintMap { map, top, div } => {
                let mut entries = self.session.entries(map)?;
                if entries.is_empty() {
                    entries.extend(RawEntry::unset(&self.image.maps[map]));
                }
                self.face.map(&self.image.maps[map], entries, top, div)?;
            }
            &ActionKind::Clear(map) => {
                self.before_change(map);
                self.session.clear(map)?;
            }
            &ActionKind::Zero(map) => {
                self.before_change(map);
                self.session.zero(map)?;
            }
            ActionKind::Exit => self.exit(args),
            ActionKind::System(format) => self.system(format, action, args)?,
            ActionKind::SkbOutput(_) => bail!("the kernel sent a packet as a record"),
            ActionKind::Unwatch => self.session.unwatch(first_word(args)),
        }
        Ok(())
    }

    /// Attaches all programs, and warns of what is left out where the script asks for that.
    pub fn attach(&mut self) -> anyhow::Result<()> {
        let left_out = self.session.attach()?;
        if self.image.config.missing_probes == MissingProbes::Warn {
            for error in left_out {
                self.face.warning(&error.message)?;
            }
        }
        Ok(())
    }

    /// Of the status that a script gives, a process keeps the low 8 bits.
    fn exit(&mut self, args: &[u8]) {
        self.status = first_word(args) as u8;
        self.exiting = true;
    }

    /// Prints all maps of the script that hold anything, in the order of their names.
    pub fn print_maps(&mut self) -> anyhow::Result<()> {
        for map in self.session.script_maps() {
            let entries = self.session.entries(map)?;
            self.face.map(&self.image.maps[map], entries, 0, 0)?;
        }
        Ok(())
    }

    /// Has the shell run a command, and prints what it prints. Its errors go where ours do.
    fn system(&mut self, format: &Format, action: &Action, args: &[u8]) -> anyhow::Result<()> {
        /// What it prints is handed on in pieces of so many bytes at most.
        const PIECE_BYTES: u64 = 1 << 16;
        let text = self.face.format(format, &action.args, args);
        let failed = || format!("cannot run {:?}", String::from_utf8_lossy(&text));
        // What was printed before it stands before what it prints to standard error.
        self.face.flush()?;
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(OsStr::from_bytes(&text))
            .stdout(Stdio::piped())
            .spawn()
            .with_context(failed)?;
        let mut output = child.stdout.take().context("it has no output")?;
        loop {
            let mut piece = Vec::new();
            let mut limited = io::Read::by_ref(&mut output).take(PIECE_BYTES);
            if limited.read_to_end(&mut piece).with_context(failed)? == 0 {
                break;
            }
            self.face.system(&piece)?;
        }
        child.wait().with_context(failed)?;
        Ok(())
    }
}

/// The first argument of a record, 0 where there is none.
fn first_word(args: &[u8]) -> u64 {
    let word = args.first_chunk().copied();
    u64::from_ne_bytes(word.unwrap_or_default())
}
