//! Against the running kernel.

use std::{fs, rc::Rc, thread, time::Duration};

use tracer_script::{
    Sources, Span,
    emit::Code,
    probe::{AttachKind, Target},
    program::{Image, Loss, MapKind, MapRole, Program, ProgramKind},
};

use super::{
    CutStacks, Losses, ScriptError, Session,
    assembled::{
        Assembly, HASH, LOSS, SCALAR, image, map, may_trace, no_function, nothing, on_request,
        program,
    },
};
use crate::{
    glob::Glob,
    kernel::{Kernel, symbols},
    script::output::RawEntry,
};

/// The map that counts how often [`counting`] has run.
const COUNT: usize = 4;

fn load(image: Image) -> Result<Session, ScriptError> {
    Session::load(Rc::new(image), &no_function, None)
}

fn counting() -> Code {
    let mut assembly = Assembly::default();
    assembly.count_at(COUNT);
    assembly.done()
}

fn counting_image(programs: Vec<Program>) -> Image {
    let mut image = image();
    image
        .maps
        .push(map("@n", MapRole::Script, MapKind::Array, (4, 8, 1)));
    image.programs = programs;
    image
}

fn count(session: &Session) -> u64 {
    let entries = session.entries(COUNT).expect("it can be read");
    u64::from_ne_bytes(entries[0].values[0][..8].try_into().expect("8 bytes"))
}

/// How often a program of this kind at this place has run while `work` was done.
fn counted(kind: ProgramKind, target: Target, work: impl FnOnce()) -> Result<u64, ScriptError> {
    let mut session = load(counting_image(vec![program(kind, target, counting())]))?;
    session.attach()?;
    work();
    session.detach();
    let at_rest = count(&session);
    read_something();
    assert_eq!(count(&session), at_rest, "it is detached");
    Ok(at_rest)
}

fn read_something() {
    for _ in 0..100 {
        fs::read("/proc/self/comm").expect("/proc is mounted");
    }
}

fn target(kind: AttachKind, group: &str, item: &str) -> Target {
    Target {
        group: group.to_owned(),
        item: item.to_owned(),
        ..Target::new(kind, item)
    }
}

fn entry(map: &Image, number: usize, key: &[u8], words: [u64; 2]) -> RawEntry {
    let map = &map.maps[number];
    let value: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let cpus = match map.kind.is_per_cpu() {
        true => crate::kernel::cpus::possible().expect("/sys is mounted"),
        false => 1,
    };
    RawEntry {
        key: key.to_vec(),
        values: vec![value[..map.value_size as usize].to_vec(); cpus],
    }
}

#[test]
fn programs_run_on_request() {
    if !may_trace() {
        return;
    }
    let programs = vec![
        on_request(AttachKind::End, nothing()),
        on_request(AttachKind::Begin, counting()),
        on_request(AttachKind::Begin, counting()),
    ];
    let session = load(counting_image(programs)).expect("the verifier takes it");
    assert_eq!(session.on_request(AttachKind::Begin), [1, 2]);
    for program in [1, 2, 1, 0] {
        session.run(program).expect("it runs");
    }
    assert_eq!(count(&session), 3);
}

#[test]
fn tracepoints_are_attached_by_both_ways() {
    if !may_trace() {
        return;
    }
    let raw = target(AttachKind::RawTracepoint, "", "sys_enter");
    let runs = counted(ProgramKind::RawTracepoint, raw, read_something);
    assert!(runs.expect("it can be attached") >= 300);

    let by_format = target(AttachKind::Tracepoint, "raw_syscalls", "sys_enter");
    let runs = counted(ProgramKind::Tracepoint, by_format, read_something);
    assert!(runs.expect("it can be attached") >= 300);
}

#[test]
fn user_functions_are_attached_by_both_ways() {
    if !may_trace() {
        return;
    }
    let path = symbols::find_binary("libc", None).expect("the tests use it");
    let found = symbols::functions(&path, &Glob::new("getppid")).expect("it can be read");
    let function = Target {
        offset: found[0].offset,
        pid: Some(std::process::id()),
        ..target(
            AttachKind::Uprobe,
            path.to_str().expect("a plain path"),
            "getppid",
        )
    };
    let call = || {
        for _ in 0..10 {
            std::hint::black_box(std::os::unix::process::parent_id());
        }
    };
    let on_return = false;
    let alone = counted(ProgramKind::Uprobe { on_return }, function.clone(), call);
    assert_eq!(alone.expect("it can be attached"), 10);
    if Kernel::running().expect("/proc is mounted").since(6, 6) {
        let many = counted(ProgramKind::UprobeMulti { on_return }, function, call);
        assert_eq!(many.expect("it can be attached"), 10);
    }
}

#[test]
fn a_trampoline_needs_its_function() {
    if !may_trace() {
        return;
    }
    let function = target(AttachKind::Fentry, "", "no_such_function");
    let kind = ProgramKind::Fentry { on_return: false };
    let error = counted(kind, function, || {}).expect_err("it is missing");
    assert_eq!(
        error.message,
        "cannot attach to no_such_function: there is no function no_such_function"
    );
}

#[test]
fn a_missing_tracepoint_is_named_with_its_place() {
    if !may_trace() {
        return;
    }
    let missing = target(AttachKind::RawTracepoint, "", "no_such_tracepoint");
    let error = counted(ProgramKind::RawTracepoint, missing, || {}).expect_err("it is missing");
    assert_eq!(error.span, Some(Span::new(0, 5)));
    assert!(
        error
            .message
            .starts_with("cannot attach to no_such_tracepoint: "),
        "{error}"
    );
}

#[test]
fn clocks_sample_every_cpu_or_one_process() {
    if !may_trace() {
        return;
    }
    let work = || {
        let end = std::time::Instant::now() + Duration::from_millis(300);
        while std::time::Instant::now() < end {}
    };
    let hertz = Target {
        count: 100,
        pid: Some(std::process::id()),
        ..target(AttachKind::Profile, "hz", "")
    };
    let runs = counted(ProgramKind::PerfEvent, hertz, || {
        thread::scope(|scope| {
            scope.spawn(work);
        });
    });
    let runs = runs.expect("it can be attached");
    assert!((5..=60).contains(&runs), "a thread made later: {runs}");

    let period = Target {
        count: 10_000_000,
        ..target(AttachKind::Profile, "ms", "")
    };
    let runs = counted(ProgramKind::PerfEvent, period, work).expect("it can be attached");
    assert!(runs >= 5, "{runs}");
}

#[test]
fn too_high_a_rate_is_refused_with_the_limit() {
    if !may_trace() {
        return;
    }
    let hertz = Target {
        count: 1 << 40,
        ..target(AttachKind::Profile, "hz", "")
    };
    let error = counted(ProgramKind::PerfEvent, hertz, || {}).expect_err("it is too high");
    assert!(
        error.message.contains("more than the kernel allows"),
        "{error}"
    );
}

#[test]
fn a_refused_program_is_shown_in_the_source() {
    if !may_trace() {
        return;
    }
    let mut assembly = Assembly::default();
    assembly.count_at(COUNT);
    assembly.read_nowhere(Span::new(8, 12));
    let refused = on_request(AttachKind::Begin, assembly.done());
    let error = load(counting_image(vec![refused]))
        .err()
        .expect("it is refused");
    assert_eq!(error.span, Some(Span::new(8, 12)), "{error:?}");
    let text = error.render(&Sources::new("a.bt", "BEGIN { $x.y }"));
    assert!(
        text.starts_with(
            "a.bt:1:9-13: ERROR: the kernel refused the program: R1 invalid mem access 'scalar'\n\
             BEGIN { $x.y }\n        ~~~~\n"
        ),
        "{text}"
    );
    assert!(text.contains("(79) r0 = *(u64 *)(r1 +0)"), "{text}");
}

#[test]
fn constants_cannot_be_written() {
    if !may_trace() {
        return;
    }
    let mut image = counting_image(vec![on_request(AttachKind::Begin, counting())]);
    image.maps[COUNT] = map("rodata", MapRole::Rodata, MapKind::Array, (4, 16, 1));
    image.rodata = vec![7; 9];
    let error = load(image).err().expect("it is refused");
    assert!(
        error.message.contains("write into map forbidden"),
        "{error}"
    );
}

#[test]
fn maps_are_read_zeroed_and_cleared() {
    if !may_trace() {
        return;
    }
    let mut fill = Assembly::default();
    fill.update(HASH, 5, [50, 0]);
    fill.update(HASH, 6, [60, 0]);
    fill.update(SCALAR, 0, [1, 9]);
    let mut image = image();
    image.programs = vec![on_request(AttachKind::Begin, fill.done())];
    let expected = image.clone_maps();
    let session = load(image).expect("the verifier takes it");
    assert_eq!(session.entries(SCALAR).expect("it can be read"), []);
    session.run(0).expect("it runs");

    let sorted = |map| {
        let mut entries = session.entries(map).expect("it can be read");
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries
    };
    let hash = |key: u64, value| entry(&expected, HASH, &key.to_ne_bytes(), [value, 0]);
    assert_eq!(sorted(HASH), [hash(5, 50), hash(6, 60)]);
    let scalar = sorted(SCALAR);
    let set = |value: &&Vec<u8>| value[..8] != [0; 8];
    let values: Vec<_> = scalar[0].values.iter().filter(set).collect();
    assert_eq!(values.len(), 1, "one CPU has set it: {scalar:?}");
    assert_eq!(values[0][8..], 9u64.to_ne_bytes());

    session.zero(HASH).expect("it can be changed");
    session.zero(SCALAR).expect("it can be changed");
    assert_eq!(sorted(HASH), [hash(5, 0), hash(6, 0)]);
    let scalar = sorted(SCALAR);
    assert!(
        scalar[0].values.iter().all(|value| value[8..] == [0; 8]),
        "{scalar:?}"
    );
    session.clear(HASH).expect("it can be changed");
    session.clear(SCALAR).expect("it can be changed");
    assert_eq!(sorted(HASH), []);
    assert_eq!(sorted(SCALAR), []);
    assert_eq!(session.script_maps(), [SCALAR, HASH], "by their names");
}

#[test]
fn losses_are_told_apart() {
    if !may_trace() {
        return;
    }
    let mut lose = Assembly::default();
    let full = Loss::MapFull as u64 + HASH as u64;
    for (cause, count) in [
        (Loss::RingFull as u64, 3),
        (Loss::Busy as u64, 4),
        (Loss::StackFull as u64, 5),
        (Loss::UnwindOther as u64, 1),
        (Loss::UnwindUnread as u64, 2),
        (Loss::UnwindUnknown as u64, 3),
        (Loss::UnwindMemory as u64, 4),
        (full, 6),
    ] {
        lose.update(LOSS, cause, [count, 0]);
    }
    let mut image = image();
    image.programs = vec![on_request(AttachKind::Begin, lose.done())];
    let session = load(image).expect("the verifier takes it");
    assert_eq!(session.losses().expect("it can be read"), Losses::default());
    session.run(0).expect("it runs");
    let losses = session.losses().expect("it can be read");
    assert_eq!(
        losses,
        Losses {
            events: 7,
            stacks: 5,
            cut: CutStacks {
                other: 1,
                unread: 2,
                unknown: 3,
                memory: 4,
            },
            keys: vec![(HASH, 6)],
        }
    );
}

/// An image with only the maps, to compare with.
trait CloneMaps {
    fn clone_maps(&self) -> Image;
}

impl CloneMaps for Image {
    fn clone_maps(&self) -> Image {
        Image {
            maps: self.maps.clone(),
            ..Image::default()
        }
    }
}
