//! The engine that runs scripts: source to image, image to session, records to output, until the script, a
//! signal, the time, or the end of what is traced ends it.

mod actor;
mod live;
mod loss;
mod packets;
mod timer;
mod trials;
mod visit;

#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{io::unix::AsyncFd, runtime::Runtime};
use tracer_script::{
    Compiled, Diagnostics, Input, Level, Sources,
    check::{Mode, Params},
    compile::{Stage, compile_showing},
    facts::Facts,
    program::{Image, Program},
};

use super::{
    elf,
    files::FoundFiles,
    output::Face,
    session::{FindFunction, ScriptError, Session, Stacks},
};
use crate::{
    engine::{
        command::Held,
        is_closed_pipe,
        output::Named,
        stop::{self, Signals, Stop},
    },
    kernel::{
        Kernel,
        process::{self, Privileges},
        sys,
    },
};
use live::Run;

pub use visit::{Look, Visit, Visitor};

/// When output is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// With each batch of records.
    #[default]
    Batch,
    /// When enough has been gathered, and at the end.
    Full,
}

/// What is run, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The script.
    pub source: String,
    /// What it is called in messages.
    pub file: String,
    /// Headers that come before it.
    pub headers: Vec<String>,
    /// Where files are looked for that it names.
    pub files: FoundFiles,
    /// What the script is given. The process of `command` is added.
    pub params: Params,
    /// The environment that the script's configuration is read from.
    pub environment: Vec<(String, String)>,
    /// A command to be traced; empty for none.
    pub command: Vec<OsString>,
    /// Stop after so long.
    pub duration: Option<Duration>,
    /// Print all maps each time that so much has passed.
    pub interval: Option<Duration>,
    /// Where to write to; [`None`] for standard output.
    pub output: Option<PathBuf>,
    /// When to write.
    pub flush: Flush,
    /// Do not tell that tracing is on.
    pub quiet: bool,
    /// Tell of helpers that fail.
    pub helper_errors: bool,
    /// Tell what may be good to know of how the script is understood.
    pub verbose: bool,
    /// Do not tell of what the compiler warns of.
    pub no_warnings: bool,
    /// Where the functions of the kernel are listed that can be traced; [`None`] for tracefs' list.
    pub traceable_functions: Option<PathBuf>,
    /// Load and attach, and end.
    pub dry_run: bool,
    /// Write the programs to this object file, and end.
    pub emit_elf: Option<PathBuf>,
    /// Print what these stages of the compiler made, and end; where there are none, run.
    pub dump: Vec<Stage>,
    /// Load the programs, print what the verifier says of them, and end.
    pub dump_verifier: bool,
    /// It is one of several that the process runs: a hang-up does not end it.
    pub is_hosted: bool,
    /// Print this word and a newline to standard output once tracing is on.
    pub notify: Option<&'static str>,
}

/// What a face is made for.
pub struct Scene {
    /// The script as compiled.
    pub image: Rc<Image>,
    /// The frames of its stacks.
    pub stacks: Stacks,
}

/// Makes a face that writes to a writer.
pub type MakeFace<'a> = &'a dyn Fn(Box<dyn Write>, Scene) -> anyhow::Result<Box<dyn Face>>;

/// A script that was not run to its end. Its text is for standard error, and ends with a newline.
#[derive(Debug)]
pub enum Failure {
    /// The script is wrong.
    Script(String),
    /// It could not be loaded, attached or run.
    Run(String),
}

impl Failure {
    /// What to tell the user.
    pub fn text(&self) -> &str {
        match self {
            Self::Script(text) | Self::Run(text) => text,
        }
    }
}

/// The kernel that a script is compiled for and loaded into.
#[derive(Clone, Copy)]
pub struct Machine<'a> {
    /// What it is.
    pub kernel: &'a Kernel,
    /// What the compiler asks of it.
    pub facts: &'a dyn Facts,
    /// Finds functions for trampolines.
    pub find_function: FindFunction<'a>,
}

/// A script that is loaded and attached.
pub struct Started {
    /// [`None`] where all that was wanted is done.
    run: Option<Run>,
    mode: Mode,
    sources: Rc<Sources>,
}

/// The same, with the event loop that it runs on.
pub struct Ready {
    runtime: Runtime,
    started: Started,
}

/// Compiles a script, loads it, attaches it and lets the command go.
pub fn start(
    options: &Options,
    machine: Machine<'_>,
    make_face: MakeFace<'_>,
) -> Result<Ready, Failure> {
    on_own_loop(|| start_here(options, machine, make_face))
}

/// What `start` starts, with an event loop of its own.
fn on_own_loop(start: impl FnOnce() -> Result<Started, Failure>) -> Result<Ready, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot make the event loop")
        .map_err(|error| failed(&Sources::default(), &error))?;
    let guard = runtime.enter();
    let started = start();
    drop(guard);
    Ok(Ready {
        runtime,
        started: started?,
    })
}

/// The same on the event loop that this is called within.
pub fn start_here(
    options: &Options,
    machine: Machine<'_>,
    make_face: MakeFace<'_>,
) -> Result<Started, Failure> {
    let (options, command) =
        prepare(options).map_err(|error| failed(&Sources::default(), &error))?;
    let Made { image, shown, .. } = compiled(&options, machine.facts)?;
    let Some(image) = image else {
        print(&shown).map_err(|error| failed(&Sources::default(), &error))?;
        return Ok(Started::done(Rc::default()));
    };
    if let Some(path) = &options.emit_elf {
        write_object(&image, path).map_err(|error| failed(&image.sources, &error))?;
        return Ok(Started::done(image.sources));
    }
    if !options.dump.is_empty() || options.dump_verifier {
        let sources = Rc::clone(&image.sources);
        let said = match options.dump_verifier {
            true => verifier_log(Rc::new(image), machine),
            false => Ok(String::new()),
        };
        print(&shown)
            .and_then(|()| print(&said?))
            .map_err(|error| failed(&sources, &error))?;
        return Ok(Started::done(sources));
    }
    start_image(options, Rc::new(image), machine, command, make_face)
}

/// Loads a script's programs, and gives back what the verifier says of them.
fn verifier_log(image: Rc<Image>, machine: Machine<'_>) -> anyhow::Result<String> {
    machine.kernel.make_room()?;
    let said = RefCell::new(String::new());
    let listener = |program: &Program, log: &str| {
        *said.borrow_mut() += &format!("{}\n{}\n", program.name, log.trim_end());
    };
    Session::load(image, machine.find_function, Some(&listener))?;
    Ok(said.into_inner())
}

/// Compiles a script, and does no more.
pub fn compile_only(options: &Options, facts: &dyn Facts) -> Result<Image, Failure> {
    let image = compiled(options, facts)?.image;
    image.ok_or_else(|| Failure::Run("ERROR: there is no more than parameters\n".to_owned()))
}

fn write_object(image: &Image, path: &Path) -> anyhow::Result<()> {
    let bytes = elf::object(image).context("cannot make an object file")?;
    fs::write(path, bytes).with_context(|| format!("cannot write to {}", path.display()))
}

/// What comes before compiling: rights, and the process of the command, which the script may ask for.
fn prepare(options: &Options) -> anyhow::Result<(Options, Option<Held>)> {
    Privileges::read()?.require_for_tracing()?;
    let given = [options.params.pid, options.params.dwarf_pid];
    if let Some(pid) = given
        .into_iter()
        .flatten()
        .find(|&pid| !process::exists(pid))
    {
        bail!("there is no process {pid}");
    }
    let mut options = options.clone();
    let command = match options.command.as_slice() {
        [] => None,
        words => Some(Held::spawn(words)?),
    };
    options.params.child = command.as_ref().map(Held::pid);
    options.params.report_errors = options.helper_errors;
    options.params.start_ns = sys::clock_ns(libc::CLOCK_BOOTTIME);
    let tai_ns = sys::clock_ns(libc::CLOCK_TAI);
    options.params.tai_offset_ns = tai_ns.wrapping_sub(options.params.start_ns);
    let epoch_ns = sys::clock_ns(libc::CLOCK_REALTIME);
    options.params.epoch_offset_ns = epoch_ns.wrapping_sub(options.params.start_ns);
    Ok((options, command))
}

/// What came of compiling.
struct Made {
    /// [`None`] where only the script's parameters were asked for.
    image: Option<Image>,
    /// The text of the stage that is to be looked at, or of the parameters.
    shown: String,
}

/// Compiles, and tells what the compiler has to say.
fn compiled(options: &Options, facts: &dyn Facts) -> Result<Made, Failure> {
    let input = Input {
        source: &options.source,
        file: &options.file,
        headers: &options.headers,
        params: &options.params,
        environment: &options.environment,
        facts,
        files: &options.files,
    };
    let mut shown = String::new();
    let Compiled {
        image,
        diagnostics,
        sources,
    } = compile_showing(&input, &mut |stage, text| {
        if stage == Stage::Parameters || options.dump.contains(&stage) {
            shown.push_str(text().trim_end());
            shown.push('\n');
        }
    });
    let text = rendered(&diagnostics, &sources, options);
    if diagnostics.has_errors() {
        return Err(Failure::Script(text));
    }
    eprint!("{text}");
    Ok(Made { image, shown })
}

fn rendered(diagnostics: &Diagnostics, sources: &Sources, options: &Options) -> String {
    let told = |level| match level {
        Level::Error => true,
        Level::Warning => !options.no_warnings,
        Level::Note => options.verbose,
    };
    diagnostics
        .iter()
        .filter(|one| told(one.level))
        .map(|one| one.render(sources))
        .collect()
}

/// Starts what has been compiled.
fn start_image(
    options: Options,
    image: Rc<Image>,
    machine: Machine<'_>,
    command: Option<Held>,
    make_face: MakeFace<'_>,
) -> Result<Started, Failure> {
    let sources = Rc::clone(&image.sources);
    match attach(&options, image, machine, command, make_face) {
        Ok(run) => Ok(Started {
            run,
            mode: options.params.mode,
            sources,
        }),
        Err(error) if is_closed_pipe(&error) => Ok(Started::done(sources)),
        Err(error) => Err(failed(&sources, &error)),
    }
}

impl Ready {
    /// Runs the script to its end, and gives back the status to exit with. A closed output is an end, not an
    /// error.
    pub fn run(self) -> Result<u8, Failure> {
        self.runtime.block_on(self.started.until_the_end())
    }
}

impl Started {
    /// All that was wanted is done.
    fn done(sources: Rc<Sources>) -> Self {
        Self {
            run: None,
            mode: Mode::Trace,
            sources,
        }
    }

    /// Lets someone else look at the script while it runs. It ends when they go.
    pub fn admit(&mut self, visitor: Visitor) {
        if let Some(run) = &mut self.run {
            run.admit(visitor);
        }
    }

    /// Runs the script to its end, and gives back the status to exit with. A closed output is an end, not an
    /// error.
    pub async fn until_the_end(self) -> Result<u8, Failure> {
        let Self { run, mode, sources } = self;
        let Some(run) = run else {
            return Ok(0);
        };
        let ended = match mode {
            Mode::Trace => run.until_the_end().await,
            Mode::Test => run.test(),
            Mode::Bench => run.bench(),
        };
        match ended {
            Ok(status) => Ok(status),
            Err(error) if is_closed_pipe(&error) => Ok(0),
            Err(error) => Err(failed(&sources, &error)),
        }
    }
}

/// The text of an error: with its place, where it concerns one.
fn failed(sources: &Sources, error: &anyhow::Error) -> Failure {
    Failure::Run(match error.downcast_ref::<ScriptError>() {
        Some(error) => error.render(sources),
        None => format!("ERROR: {error:#}\n"),
    })
}

/// Loads and attaches all, and lets the command go; [`None`] where no more is wanted.
fn attach(
    options: &Options,
    image: Rc<Image>,
    machine: Machine<'_>,
    command: Option<Held>,
    make_face: MakeFace<'_>,
) -> anyhow::Result<Option<Run>> {
    let signals = match options.is_hosted {
        true => Signals::catch_all_but_hang_up()?,
        false => Signals::catch()?,
    };
    machine.kernel.make_room()?;
    if places(&image) > FEW_PLACES {
        sys::raise_open_files()?;
    }
    let watched = watched(options)?;
    let child = command
        .as_ref()
        .map(|held| sys::pidfd_open(held.pid()))
        .transpose()?;
    let mut session = Session::load(image.clone(), machine.find_function, None)?;
    let unwound = options.params.unwound().collect();
    session.follow_stacks(unwound, options.params.child)?;
    let face = make_face(
        writer(options)?,
        Scene {
            image: image.clone(),
            stacks: session.stacks(),
        },
    )?;
    let mut run = Run::new(options, image, session, face, child)?;
    if options.dry_run {
        run.attach_only()?;
        return Ok(None);
    }
    run.begin(options)?;
    run.stops_by(Stop::new(signals, options.duration, watched, command)?);
    Ok(Some(run))
}

/// Places that the usual limit of 1024 open files has room for in any case.
const FEW_PLACES: usize = 256;

fn places(image: &Image) -> usize {
    let programs = image.programs.iter();
    programs.map(|program| program.targets.len()).sum()
}

fn watched(options: &Options) -> anyhow::Result<Option<AsyncFd<OwnedFd>>> {
    let watched = options.params.pid.map(stop::watch_process).transpose()?;
    Ok(watched.flatten())
}

/// Writes to standard output; that it is closed is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// What is written to: it gathers nothing, as the faces do that.
fn writer(options: &Options) -> anyhow::Result<Box<dyn Write>> {
    Ok(match &options.output {
        Some(path) => Box::new(Named::create(path)?),
        None => {
            let stdout = io::stdout();
            let fd = stdout.as_fd().try_clone_to_owned().with_context(|| {
                format!("cannot write to standard output ({})", stdout.as_raw_fd())
            })?;
            Box::new(File::from(fd))
        }
    })
}
