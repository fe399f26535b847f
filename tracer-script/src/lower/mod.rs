//! From the checked tree to the intermediate form: one program for each unit, its loops' bodies as functions of
//! their own where the kernel calls them back.
//!
//! What a program needs beyond its stack lies in the map of [`crate::program::MapRole::Scratch`]: an area for
//! each program on each CPU, found at the program's start.

mod aggregate;
mod args;
mod assign;
mod build;
mod call;
mod cgroup;
mod compare;
mod expr;
mod iterator;
mod kernel_text;
mod loops;
mod map;
mod marker;
mod memory;
mod operator;
mod other_task;
mod output;
mod packet;
mod piece;
mod place;
mod prologue;
mod series;
mod shared;
mod stack;
mod stmt;
mod string;
mod subprogram;
mod task;
mod unwind;
mod value;

use std::collections::HashMap;

use crate::{
    ast::{Expr, ExprId, Script},
    check::{Checked, Env, Params, Unit},
    config::Config,
    diagnostic::{Diagnostics, Span},
    facts::Facts,
    ir::{Alu, Arg, BlockId, Cond, Function, Helper, Op, Operand, Reg},
    probe::Target,
    types::Type,
};

use build::Builder;
use memory::Mem;
use prologue::Entry;
use subprogram::Subprogram;
use unwind::Unwinder;

pub(crate) use map::Deleted;
pub(crate) use piece::Piece;
pub(crate) use prologue::{Number, Start, SyscallDispatch};
pub(crate) use shared::{Shared, maps, ring_bytes, stack_entries};

/// What the lowering of one unit starts from.
pub(crate) struct Given<'a> {
    pub(crate) script: &'a Script,
    pub(crate) unit: &'a Unit,
    pub(crate) checked: &'a Checked,
    pub(crate) env: &'a Env,
    pub(crate) facts: &'a dyn Facts,
    pub(crate) config: &'a Config,
    pub(crate) params: &'a Params,
    pub(crate) start: &'a Start,
    /// Maps that the script deletes entries of.
    pub(crate) deleted: &'a std::collections::HashSet<String>,
}

/// What came of a unit.
pub(crate) struct Lowered {
    /// The main function first.
    pub(crate) functions: Vec<Function>,
    /// Bytes that it needs outside of its stack.
    pub(crate) scratch: u32,
}

/// Lowers a unit; [`None`] where a predicate says that it never does anything.
pub(crate) fn lower(
    given: &Given<'_>,
    shared: &mut Shared,
    diagnostics: &mut Diagnostics,
) -> Option<Lowered> {
    let probe = &given.script.probes[given.unit.probe];
    if let Some(predicate) = &probe.predicate
        && given.checked.constants.get(&predicate.id) == Some(&0)
    {
        return None;
    }
    let mut lower = Lower {
        given,
        shared,
        diagnostics,
        functions: vec![Builder::new("main", 1)],
        current: 0,
        entry: Entry::default(),
        variables: HashMap::new(),
        subprograms: HashMap::new(),
        inside: None,
        unwinder: None,
        scratch: SCRATCH_HEAD,
        scratch_max: SCRATCH_HEAD,
        loops: Vec::new(),
        ops: 0,
        known: Vec::new(),
        span: probe.span,
    };
    lower.program(probe);
    let scratch = lower.scratch_max;
    let needs_scratch = lower.entry.scratch_used;
    let functions = lower.functions.into_iter().map(Builder::finish).collect();
    Some(Lowered {
        functions,
        scratch: if needs_scratch { scratch } else { 0 },
    })
}

/// The first words of a program's memory: whether it is in use, whether a loop's body has returned for all, whether a
/// subprogram ends the program, and what a test returns.
const SCRATCH_HEAD: u32 = 32;
const SCRATCH_BUSY: i32 = 0;
const SCRATCH_RETURNED: i32 = 8;
const SCRATCH_LEFT: i32 = 16;
const SCRATCH_RESULT: i32 = 24;

/// Operations of a program, at most. The kernel takes a million instructions (`BPF_COMPLEXITY_LIMIT_INSNS` of
/// `include/linux/bpf.h`), and an operation is one or a few.
const OPS_MAX: u32 = 300_000;

/// Where a variable is kept.
#[derive(Clone, Copy, Debug)]
enum Variable {
    /// In a register of the function that declares it.
    Register(Reg),
    /// In the program's memory, from here on.
    Scratch(u32),
    /// A map's entry that a loop is at.
    Entry { key: Mem, value: Mem, map: usize },
}

/// How `break` and `continue` leave a loop.
#[derive(Clone, Copy, Debug)]
enum Loop {
    /// By jumps to these blocks.
    Inline { next: BlockId, end: BlockId },
    /// By returning from the body: 0 goes on, 1 ends.
    Callback,
}

/// What has been worked out already, and holds for all that follows in the same block and those within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    PidTgid,
    UidGid,
    Task,
    TypedTask,
    Cpu,
    /// What a map has for the running thread: its key is `tid`.
    OfThread(usize),
    /// Nothing that still holds.
    Forgotten,
}

pub(crate) struct Lower<'a, 'b> {
    given: &'b Given<'a>,
    shared: &'b mut Shared,
    diagnostics: &'b mut Diagnostics,
    functions: Vec<Builder>,
    current: usize,
    entry: Entry,
    variables: HashMap<usize, Variable>,
    subprograms: HashMap<String, Subprogram>,
    /// The subprogram that is being built.
    inside: Option<Subprogram>,
    /// What follows stacks without frame pointers, where the program does that.
    unwinder: Option<Unwinder>,
    scratch: u32,
    scratch_max: u32,
    loops: Vec<Loop>,
    /// Operations so far.
    ops: u32,
    known: Vec<(usize, Known, Reg)>,
    span: Span,
}

impl Lower<'_, '_> {
    fn f(&mut self) -> &mut Builder {
        &mut self.functions[self.current]
    }

    fn reg(&mut self) -> Reg {
        self.f().reg()
    }

    fn op(&mut self, op: Op) {
        let span = self.span;
        self.ops += 1;
        self.f().op(op, span);
    }

    /// True, and told, where there is more than the kernel would take.
    fn is_too_long(&mut self) -> bool {
        let is_too_long = self.ops > OPS_MAX;
        if is_too_long {
            let span = self.given.script.probes[self.given.unit.probe].span;
            self.error(
                span,
                "The probe is too long: the kernel takes a million instructions at the most",
            );
        }
        is_too_long
    }

    fn block(&mut self) -> BlockId {
        self.f().block()
    }

    fn jump(&mut self, to: BlockId) {
        let span = self.span;
        self.f().jump(to, span);
    }

    fn branch(&mut self, cond: Cond, left: Operand, right: Operand, then: BlockId, other: BlockId) {
        let span = self.span;
        self.f().branch(cond, left, right, then, other, span);
    }

    /// Calculates, into a register of its own.
    fn alu(&mut self, alu: Alu, left: Reg, right: Operand) -> Reg {
        let to = self.reg();
        self.op(Op::Alu(alu, to, Operand::Reg(left), right));
        to
    }

    fn go_on_at(&mut self, block: BlockId) {
        self.f().go_on_at(block);
    }

    /// Calls a helper for its value.
    fn call(&mut self, helper: Helper, args: Vec<Arg>) -> Reg {
        let to = self.reg();
        self.op(Op::Call(Some(to), helper, args));
        // These are called straight, and return an int before Linux 6.4: the upper half means nothing.
        if matches!(helper, Helper::MapUpdateElem | Helper::MapDeleteElem) {
            self.op(Op::Extend {
                to,
                from: to,
                bytes: 4,
                signed: true,
            });
        }
        to
    }

    /// Calls a helper for what it does.
    fn call_only(&mut self, helper: Helper, args: Vec<Arg>) {
        self.op(Op::Call(None, helper, args));
    }

    fn copy(&mut self, value: Operand) -> Reg {
        let to = self.reg();
        self.set(to, value);
        to
    }

    fn set(&mut self, to: Reg, value: Operand) {
        match value {
            Operand::Reg(from) => self.op(Op::Move(to, from)),
            Operand::Imm(value) => self.op(Op::Const(to, value)),
        }
    }

    fn kind(&self, expr: &Expr) -> Type {
        self.given.checked.types[expr.id as usize].clone()
    }

    fn constant(&self, id: ExprId) -> Option<i64> {
        self.given.checked.constants.get(&id).copied()
    }

    fn target(&self) -> &Target {
        &self.given.unit.targets[0]
    }

    fn c_size(&self, kind: &Type) -> u32 {
        kind.c_size(&self.given.env.sizes(self.given.facts))
    }

    fn stored_size(&self, kind: &Type) -> u32 {
        kind.stored_size(&self.given.env.sizes(self.given.facts))
    }

    fn part_offset(&self, kind: &Type, index: usize) -> u32 {
        kind.part_offset(index, &self.given.env.sizes(self.given.facts))
    }

    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.error(span, message);
    }

    /// Runs `inner` with what it learns forgotten afterwards: it may not be reached.
    fn aside<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> T {
        let known = self.known.len();
        let result = inner(self);
        self.known.truncate(known);
        result
    }

    /// Works a value out once for all of a block.
    fn once(&mut self, what: Known, helper: Helper) -> Reg {
        if let Some(reg) = self.known(what) {
            return reg;
        }
        let reg = self.call(helper, Vec::new());
        self.learn(what, reg);
        reg
    }

    fn known(&self, what: Known) -> Option<Reg> {
        let mut known = self.known.iter();
        let found = known.find(|(function, known, _)| (*function, *known) == (self.current, what));
        found.map(|&(.., reg)| reg)
    }

    fn learn(&mut self, what: Known, reg: Reg) {
        self.known.push((self.current, what, reg));
    }

    /// What is known of maps' values for the running thread holds no longer: of one map, or of all.
    fn forget_values(&mut self, of: Option<usize>) {
        for (_, known, _) in &mut self.known {
            if let Known::OfThread(map) = *known
                && of.is_none_or(|of| of == map)
            {
                *known = Known::Forgotten;
            }
        }
    }

    /// Runs `inner`, and gives back the room that it took for values on their way.
    fn temporarily<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> T {
        let scratch = self.scratch;
        let slots = self.f().slots_taken();
        let result = inner(self);
        self.scratch = scratch;
        self.f().release_slots(slots);
        result
    }
}
