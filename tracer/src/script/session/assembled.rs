//! Images put together by hand, for tests: programs of a few instructions each.

use std::rc::Rc;

use tracer_script::{
    Span,
    emit::{Code, Insn, Reference},
    facts::{EventField, ExpandOptions, Facts, Signature, Struct, UserSymbol},
    format,
    probe::{AttachKind, Target},
    program::{Action, ActionKind, Image, Map, MapKind, MapRole, Program, ProgramKind},
    types::Type,
};

use super::FunctionType;
use crate::kernel::process::Privileges;

/// The numbers of the maps of [`image`].
pub const EVENTS: usize = 0;
/// Causes of loss.
pub const LOSS: usize = 1;
/// A hash by `u64`.
pub const HASH: usize = 2;
/// One value with a word that tells that it is set, per CPU.
pub const SCALAR: usize = 3;

/// False where this process may not trace; then it says that the test is skipped.
pub fn may_trace() -> bool {
    let privileges = Privileges::read().expect("/proc is mounted");
    let may = privileges.require_for_tracing().is_ok();
    if !may {
        eprintln!("SKIPPED: loading programs takes root");
    }
    may
}

/// Knows nothing: images that are put together by hand need no compiler.
pub struct NoFacts;

impl Facts for NoFacts {
    fn structure(&self, _: &str) -> Option<Rc<Struct>> {
        None
    }
    fn typedef(&self, _: &str) -> Option<Type> {
        None
    }
    fn enumeration(&self, _: &str) -> Option<(Type, Vec<(String, i64)>)> {
        None
    }
    fn enumerator(&self, _: &str) -> Option<(i64, Type)> {
        None
    }
    fn function(&self, _: &str) -> Option<Rc<Signature>> {
        None
    }
    fn raw_tracepoint(&self, _: &str) -> Option<Rc<Signature>> {
        None
    }
    fn tracepoint(&self, _: &str, name: &str) -> Result<Rc<Vec<EventField>>, String> {
        Err(format!("there is no tracepoint {name}"))
    }
    fn kernel_variable(&self, _: &str) -> Option<Type> {
        None
    }
    fn kernel_symbol(&self, _: &str) -> Option<u64> {
        None
    }
    fn user_symbol(&self, _: &str, _: &str) -> Option<UserSymbol> {
        None
    }
    fn user_address(&self, _: &str, _: u64) -> Option<u64> {
        None
    }
    fn cgroup_id(&self, _: &str) -> Option<u64> {
        None
    }
    fn expand(&self, _: &[String], _: &ExpandOptions) -> Result<Vec<Target>, String> {
        Err("there is no such place".to_owned())
    }
    fn syscall_number(&self, _: &str) -> Option<u32> {
        None
    }
    fn has_multi(&self, _: AttachKind) -> bool {
        false
    }
    fn since(&self, _: u32, _: u32) -> bool {
        false
    }
    fn kfunc(&self, _: &str) -> Option<u32> {
        None
    }
    fn has_cookie(&self, _: AttachKind) -> bool {
        false
    }
    fn cpus(&self) -> u32 {
        1
    }
    fn pid_namespace(&self) -> Option<(u64, u64)> {
        None
    }
}

/// For images without programs on trampolines.
pub fn no_function(_: &str, function: &str) -> anyhow::Result<FunctionType> {
    anyhow::bail!("there is no function {function}")
}

/// Maps and no programs.
pub fn image() -> Image {
    Image {
        maps: vec![
            map("events", MapRole::Events, MapKind::Ringbuf, (0, 0, 1 << 16)),
            map("loss", MapRole::Loss, MapKind::PercpuArray, (4, 8, 16)),
            map("@b", MapRole::Script, MapKind::Hash, (8, 8, 100)),
            Map {
                presence: true,
                ..map("@a", MapRole::Script, MapKind::PercpuArray, (4, 16, 1))
            },
        ],
        ..Image::default()
    }
}

/// A map with the bytes of a key and of a value, and its entries.
pub fn map(name: &str, role: MapRole, kind: MapKind, sizes: (u32, u32, u32)) -> Map {
    let (key_size, value_size, entries) = sizes;
    Map {
        name: name.to_owned(),
        role,
        kind,
        key: Type::int(8, false),
        value: Type::int(8, false),
        key_size,
        value_size,
        entries,
        bucket_in_key: false,
        presence: false,
    }
}

/// A program at one place.
pub fn program(kind: ProgramKind, target: Target, code: Code) -> Program {
    Program {
        name: "p".to_owned(),
        kind,
        probe: target.kind,
        targets: vec![target],
        cookies: None,
        code,
        span: Span::new(0, 5),
    }
}

/// A program that user space has run.
pub fn on_request(kind: AttachKind, code: Code) -> Program {
    program(ProgramKind::OnRequest, Target::new(kind, kind.name()), code)
}

/// An action.
pub fn action(kind: ActionKind, args: &[Type]) -> Action {
    Action {
        kind,
        span: Span::new(0, 5),
        args: args.to_vec(),
    }
}

/// A `printf` without arguments.
pub fn print(text: &str) -> Action {
    let format = format::parse(text.as_bytes());
    action(ActionKind::Printf(format), &[])
}

/// `return 0`
pub fn nothing() -> Code {
    Assembly::default().done()
}

/// Sends the records with these numbers, each with an argument, and returns.
pub fn send(records: &[(u32, u64)]) -> Code {
    let mut assembly = Assembly::default();
    for &(number, argument) in records {
        assembly.send(number, argument);
    }
    assembly.done()
}

/// Instructions as they are put together.
#[derive(Default)]
pub struct Assembly {
    code: Code,
}

impl Assembly {
    fn push(&mut self, code: u8, registers: u8, offset: i16, imm: i32) {
        self.code.instructions.push(Insn {
            code,
            registers,
            offset,
            imm,
        });
    }

    /// `registers` gets a map's address, or its value's at `offset`.
    fn load(&mut self, register: u8, reference: Reference) {
        let at = self.code.instructions.len();
        self.code.references.push((at, reference));
        self.push(0x18, register, 0, 0);
        self.push(0, 0, 0, 0);
    }

    /// Stores a constant of 8 bytes, of which 31 bits are used, at `offset` of the stack.
    fn store(&mut self, offset: i16, value: u64) {
        let value = i32::try_from(value).expect("31 bits");
        self.push(0x7a, 10, offset, value);
    }

    /// `register = r10 + offset`
    fn stack_address(&mut self, register: u8, offset: i32) {
        self.push(0xbf, 10 << 4 | register, 0, 0);
        self.push(0x07, register, 0, offset);
    }

    fn set(&mut self, register: u8, value: i32) {
        self.push(0xb7, register, 0, value);
    }

    /// `bpf_ringbuf_output`
    pub fn send(&mut self, number: u32, argument: u64) {
        self.store(-16, number.into());
        self.store(-8, argument);
        self.load(1, Reference::Map(EVENTS));
        self.stack_address(2, -16);
        self.set(3, 16);
        self.set(4, 0);
        self.push(0x85, 0, 0, 130);
    }

    /// `bpf_map_update_elem` of a key of 8 bytes.
    pub fn update(&mut self, map: usize, key: u64, value: [u64; 2]) {
        self.store(-8, key);
        self.store(-24, value[0]);
        self.store(-16, value[1]);
        self.load(1, Reference::Map(map));
        self.stack_address(2, -8);
        self.stack_address(3, -24);
        self.set(4, 0);
        self.push(0x85, 0, 0, 2);
    }

    /// Adds 1 to the first `u64` behind an address of a map's value.
    pub fn count_at(&mut self, map: usize) {
        self.load(1, Reference::MapValue(map));
        self.set(2, 1);
        // lock *(u64 *)(r1 + 0) += r2
        self.push(0xdb, 2 << 4 | 1, 0, 0);
    }

    /// Reads where no memory is: the verifier refuses it. The span of that is `span`.
    pub fn read_nowhere(&mut self, span: Span) {
        self.code.spans.push((self.code.instructions.len(), span));
        self.set(1, 0);
        self.push(0x79, 1 << 4, 0, 0);
    }

    /// Returns 0.
    pub fn done(mut self) -> Code {
        self.set(0, 0);
        self.push(0x95, 0, 0, 0);
        self.code
    }
}
