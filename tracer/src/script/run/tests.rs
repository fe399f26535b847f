//! Whole runs of images put together by hand, against the running kernel.

use std::{
    cell::RefCell,
    io::{self, Write},
    path::Path,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use tracer_script::{
    format::{Format, Part},
    probe::{AttachKind, Target},
    program::{Action, ActionKind, Image, Loss, Map, ProgramKind},
    types::{INT, Type},
};

use super::{Failure, Machine, MakeFace, Options, Ready, on_own_loop, start_image};
use crate::{
    engine::command::Held,
    kernel::Kernel,
    script::{
        output::{Benchmark, Face, RawEntry, Test},
        session::assembled::{
            Assembly, HASH, LOSS, NoFacts, action, image, may_trace, no_function, nothing,
            on_request, print, program, send,
        },
    },
};

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) -> io::Result<()> {
        self.0.borrow_mut().push(note.into());
        Ok(())
    }

    fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

fn text(format: &Format) -> String {
    let text = format.parts.iter().map(|part| match part {
        Part::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Part::Conversion(conversion) => conversion.text.clone(),
    });
    text.collect()
}

impl Face for Notes {
    fn attached(&mut self, probes: usize) -> io::Result<()> {
        self.add(format!("attached {probes}"))
    }

    fn record(&mut self, action: &Action, args: &[u8]) -> io::Result<()> {
        let argument = u64::from_ne_bytes(args[..8].try_into().expect("8 bytes"));
        match &action.kind {
            ActionKind::Printf(format) if text(format) == "closed" => {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            ActionKind::Printf(format) => self.add(format!("{} {argument}", text(format))),
            other => self.add(format!("{other:?} {argument}")),
        }
    }

    fn process(&mut self, pid: u32) {
        self.0.borrow_mut().push(format!("process {pid}"));
    }

    fn pinned(&mut self, file: &Path) -> io::Result<()> {
        self.add(format!("pinned {}", file.display()))
    }

    fn format(&mut self, format: &Format, _: &[Type], _: &[u8]) -> Vec<u8> {
        text(format).into_bytes()
    }

    fn system(&mut self, output: &[u8]) -> io::Result<()> {
        self.add(format!("system {}", String::from_utf8_lossy(output)))
    }

    fn map(&mut self, map: &Map, entries: Vec<RawEntry>, top: u64, div: u64) -> io::Result<()> {
        let keys: Vec<u8> = entries.iter().map(|entry| entry.key[0]).collect();
        self.add(format!("map {} {keys:?} {top} {div}", map.name))
    }

    fn lost(&mut self, events: u64) -> io::Result<()> {
        self.add(format!("lost {events}"))
    }

    fn warning(&mut self, text: &str) -> io::Result<()> {
        self.add(format!("warning {text}"))
    }

    fn tests_begin(&mut self, count: usize) -> io::Result<()> {
        self.add(format!("tests {count}"))
    }

    fn test_begins(&mut self, name: &str) -> io::Result<()> {
        self.add(format!("test {name}"))
    }

    fn test_ends(&mut self, test: &Test) -> io::Result<()> {
        self.add(format!("passed {}", test.passed))
    }

    fn tests_end(&mut self, tests: &[Test]) -> io::Result<()> {
        self.add(format!("tests done {}", tests.len()))
    }

    fn benchmarks(&mut self, benchmarks: &[Benchmark]) -> io::Result<()> {
        self.add(format!("benchmarks {}", benchmarks.len()))
    }

    fn end(&mut self) -> io::Result<()> {
        self.add("end")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Numbers of the actions of [`acting`].
const HELLO: u32 = 0;
const EXIT: u32 = 1;
const PRINT_MAP: u32 = 2;
const CLEAR: u32 = 3;
const SYSTEM: u32 = 4;
const CLOSED: u32 = 5;
const HELPER: u32 = 6;

/// An image with some actions.
fn acting() -> Image {
    let print_map = ActionKind::PrintMap {
        map: HASH,
        top: 2,
        div: 3,
    };
    let shell = tracer_script::format::parse(b"echo out; exit 3");
    Image {
        actions: vec![
            print("hello"),
            action(ActionKind::Exit, &[INT]),
            action(print_map, &[]),
            action(ActionKind::Clear(HASH), &[]),
            action(ActionKind::System(shell), &[]),
            print("closed"),
            action(ActionKind::HelperError("map_update_elem"), &[INT]),
        ],
        attached: 7,
        ..image()
    }
}

fn run(image: Image, options: &Options) -> (Result<u8, Failure>, Vec<String>) {
    let held = match options.command.as_slice() {
        [] => None,
        words => Some(Held::spawn(words).expect("it can be run")),
    };
    run_with(image, options, held)
}

fn run_with(
    image: Image,
    options: &Options,
    held: Option<Held>,
) -> (Result<u8, Failure>, Vec<String>) {
    let notes = Notes::default();
    let face = notes.clone();
    let kernel = Kernel::running().expect("/proc is mounted");
    let machine = Machine {
        kernel: &kernel,
        facts: &NoFacts,
        find_function: &no_function,
    };
    let make_face: MakeFace<'_> = &|_: Box<dyn Write>, _| Ok(Box::new(face.clone()));
    let ready =
        on_own_loop(|| start_image(options.clone(), Rc::new(image), machine, held, make_face));
    let result = ready.and_then(Ready::run);
    (result, notes.all())
}

fn interval(milliseconds: u64) -> Target {
    Target {
        group: "ms".to_owned(),
        count: milliseconds * 1_000_000,
        ..Target::new(AttachKind::Interval, "interval")
    }
}

/// What is printed where nothing is done.
const MAPS: [&str; 3] = ["end", "map @a [] 0 0", "map @b [] 0 0"];

#[test]
fn exit_ends_with_its_status_and_what_came_before_it() {
    if !may_trace() {
        return;
    }
    let mut image = acting();
    image.programs = vec![
        on_request(AttachKind::End, send(&[(HELLO, 9)])),
        on_request(
            AttachKind::Begin,
            send(&[(HELLO, 1), (EXIT, 42), (HELLO, 2)]),
        ),
        on_request(AttachKind::Begin, send(&[(HELLO, 3)])),
    ];
    let (result, notes) = run(image, &Options::default());
    assert_eq!(result.expect("it runs"), 42);
    assert_eq!(
        notes,
        [["attached 7", "hello 1", "hello 9"], MAPS].concat(),
        "what follows exit() is left out, but for the end probes"
    );
}

#[test]
fn actions_are_done_in_order() {
    if !may_trace() {
        return;
    }
    let mut begin = Assembly::default();
    begin.update(HASH, 5, [1, 0]);
    for number in [PRINT_MAP, SYSTEM, CLEAR, PRINT_MAP, HELPER, EXIT] {
        begin.send(number, 0);
    }
    let mut image = acting();
    image.config.print_maps_on_exit = false;
    image.programs = vec![on_request(AttachKind::Begin, begin.done())];
    let options = Options {
        quiet: true,
        ..Options::default()
    };
    let (result, notes) = run(image, &options);
    assert_eq!(result.expect("it runs"), 0);
    assert_eq!(
        notes,
        ["map @b [5] 2 3", "system out\n", "map @b [] 2 3", "end"]
    );
}

#[test]
fn intervals_tick_until_the_time_is_over() {
    if !may_trace() {
        return;
    }
    let mut image = acting();
    image.programs = vec![
        program(ProgramKind::OnRequest, interval(20), send(&[(HELLO, 20)])),
        program(ProgramKind::OnRequest, interval(90), send(&[(HELLO, 90)])),
    ];
    let options = Options {
        duration: Some(Duration::from_millis(230)),
        ..Options::default()
    };
    let (result, notes) = run(image, &options);
    assert_eq!(result.expect("it runs"), 0);
    let times = |note: &str| notes.iter().filter(|&one| one == note).count();
    assert!((10..=11).contains(&times("hello 20")), "{notes:?}");
    assert_eq!(times("hello 90"), 2, "{notes:?}");
}

#[test]
fn a_run_ends_with_its_command() {
    if !may_trace() {
        return;
    }
    let mut image = acting();
    let enter = Target {
        item: "sched_process_exec".to_owned(),
        ..Target::new(AttachKind::RawTracepoint, "exec")
    };
    image.programs = vec![program(
        ProgramKind::RawTracepoint,
        enter,
        send(&[(HELLO, 1)]),
    )];
    let options = Options {
        command: vec!["true".into()],
        ..Options::default()
    };
    let (result, notes) = run(image, &options);
    assert_eq!(result.expect("it runs"), 0);
    assert!(notes.contains(&"hello 1".to_owned()), "{notes:?}");
}

#[test]
fn a_command_ends_with_its_script() {
    if !may_trace() {
        return;
    }
    let mut image = acting();
    image.programs = vec![on_request(AttachKind::Begin, send(&[(EXIT, 0)]))];
    let held = Held::spawn(&["sleep".into(), "1000".into()]).expect("it can be run");
    let process = format!("/proc/{}", held.pid());
    let (result, _) = run_with(image, &Options::default(), Some(held));
    assert_eq!(result.expect("it runs"), 0);
    let patience = Instant::now() + Duration::from_secs(10);
    while Path::new(&process).exists() {
        assert!(Instant::now() < patience, "it still runs");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_has_its_probes_run() {
    if !may_trace() {
        return;
    }
    let mut image = acting();
    image.programs = vec![on_request(
        AttachKind::SelfSignal,
        send(&[(HELLO, 1), (EXIT, 2)]),
    )];
    let signal = format!("kill -USR1 {}; exec sleep 1000", std::process::id());
    let options = Options {
        command: vec!["sh".into(), "-c".into(), signal.into()],
        ..Options::default()
    };
    let (result, notes) = run(image, &options);
    assert_eq!(result.expect("it runs"), 2);
    assert_eq!(notes[1], "hello 1");
}

#[test]
fn a_closed_output_is_an_end() {
    if !may_trace() {
        return;
    }
    let mut image = acting();
    image.programs = vec![on_request(AttachKind::Begin, send(&[(CLOSED, 0)]))];
    let (result, notes) = run(image, &Options::default());
    assert_eq!(result.expect("it is no error"), 0);
    assert_eq!(notes, ["attached 7"]);
}

#[test]
fn a_dry_run_runs_nothing() {
    if !may_trace() {
        return;
    }
    let mut image = acting();
    image.programs = vec![on_request(AttachKind::Begin, send(&[(HELLO, 1)]))];
    let options = Options {
        dry_run: true,
        ..Options::default()
    };
    let (result, notes) = run(image, &options);
    assert_eq!(result.expect("it can be loaded"), 0);
    assert_eq!(notes, [""; 0]);
}

#[test]
fn losses_are_told_once() {
    if !may_trace() {
        return;
    }
    let mut begin = Assembly::default();
    begin.update(LOSS, 0, [3, 0]);
    begin.update(LOSS, Loss::MapFull as u64 + HASH as u64, [4, 0]);
    begin.send(EXIT, 0);
    let mut image = acting();
    image.config.print_maps_on_exit = false;
    image.programs = vec![on_request(AttachKind::Begin, begin.done())];
    let (result, notes) = run(image, &Options::default());
    assert_eq!(result.expect("it runs"), 0);
    assert_eq!(notes[..2], ["attached 7", "lost 3"]);
    assert!(notes[2].starts_with("warning Map full;"), "{notes:?}");
    assert_eq!(
        notes[3..],
        [
            "end",
            "warning @b: 4 updates were lost, as the map was full"
        ]
    );
}

#[test]
fn a_record_of_an_unknown_kind_is_an_error() {
    if !may_trace() {
        return;
    }
    let mut image = acting();
    image.programs = vec![
        on_request(AttachKind::Begin, send(&[(99, 0)])),
        on_request(AttachKind::End, nothing()),
    ];
    let (result, _) = run(image, &Options::default());
    let failure = result.expect_err("it is unknown");
    assert_eq!(
        failure.text(),
        "ERROR: the kernel sent a record of the unknown kind 99\n"
    );
}
