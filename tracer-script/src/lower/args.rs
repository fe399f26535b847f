//! What the place of a probe hands to a program: arguments, registers, fields of tracepoints, return values.

use super::{Lower, Mem};
use crate::{
    ast::{Expr, ExprKind},
    facts::{EventField, Part},
    ir::{Alu, Arg, Helper, Op, Operand, Reg},
    probe::{AttachKind, PROGRAM},
    program::ProgramKind,
    types::{Space, Type, align},
};

/// Registers that hold a function's arguments, by their names in `struct pt_regs`
/// (System V ABI, x86-64; AAPCS64).
#[cfg(target_arch = "x86_64")]
const ARGUMENTS: [&str; 6] = ["di", "si", "dx", "cx", "r8", "r9"];
/// Registers that hold a system call's arguments: `man 2 syscall`.
#[cfg(target_arch = "x86_64")]
const SYSCALL_ARGUMENTS: [&str; 6] = ["di", "si", "dx", "r10", "r8", "r9"];
#[cfg(target_arch = "x86_64")]
const RESULT: &str = "ax";
#[cfg(target_arch = "x86_64")]
pub(super) const INSTRUCTION: &str = "ip";
#[cfg(target_arch = "x86_64")]
const STACK: &str = "sp";

/// Where a tracepoint of one system call has its first argument: behind the common fields and the number.
const SYSCALL_FIRST_ARGUMENT: u32 = 16;

impl Lower<'_, '_> {
    /// Where a member lies, by the kernel's types.
    pub(super) fn member_path(&self, structure: &str, path: &[&str]) -> Option<u32> {
        let (env, facts) = (self.given.env, self.given.facts);
        let mut kind = Type::Struct(structure.into());
        let mut offset = 0;
        for name in path {
            let Type::Struct(key) = &kind else {
                return None;
            };
            let structure = env.structure(key, facts)?;
            let field = env.field(&structure, name, facts)?;
            offset += field.offset;
            kind = field.kind;
        }
        Some(offset)
    }

    /// Where a register lies among the registers.
    pub(super) fn register_offset(&self, name: &str) -> Option<u32> {
        self.member_path("struct pt_regs", &[name])
    }

    /// A register's value, where the context is the registers.
    pub(super) fn register(&mut self, name: &str) -> Operand {
        match self.register_offset(name) {
            Some(offset) => {
                let context = self.context();
                Operand::Reg(self.load(Mem::At(context, offset as i32), 8))
            }
            None => {
                let span = self.span;
                self.error(span, format!("this kernel's registers have no '{name}'"));
                Operand::Imm(0)
            }
        }
    }

    /// A word of the context, where that is a list of words.
    pub(super) fn context_word(&mut self, index: u32) -> Reg {
        let context = self.context();
        self.load(Mem::At(context, index as i32 * 8), 8)
    }

    /// The same where the verifier would take it for a pointer, with which it allows less than with a number.
    fn context_word_as_number(&mut self, index: u32) -> Reg {
        let context = self.context();
        self.load(Mem::Far(context, index as i32 * 8, Space::Kernel), 8)
    }

    /// `argN`
    pub(super) fn argument(&mut self, number: u32) -> Operand {
        use AttachKind::*;
        match self.target().kind {
            RawTracepoint => Operand::Reg(self.context_word(number)),
            Fentry | Fexit => Operand::Reg(self.context_word_as_number(number)),
            Usdt => self.marker_argument(number),
            _ => match ARGUMENTS.get(number as usize) {
                Some(name) => self.register(name),
                None => self.stack_argument(number - ARGUMENTS.len() as u32),
            },
        }
    }

    /// Arguments beyond those in registers lie above the return address.
    fn stack_argument(&mut self, number: u32) -> Operand {
        let Operand::Reg(stack) = self.register(STACK) else {
            return Operand::Imm(0);
        };
        let space = if self.target().kind.is_user() {
            Space::User
        } else {
            Space::Kernel
        };
        let offset = (number as i32 + 1) * 8;
        Operand::Reg(self.load(Mem::Far(stack, offset, space), 8))
    }

    /// `retval`
    pub(super) fn retval(&mut self, kind: &Type) -> Operand {
        let value = match self.target().kind {
            AttachKind::Fexit if self.target().group.starts_with(PROGRAM) => self.program_retval(),
            AttachKind::Fexit => {
                let signature = self.given.facts.signature(self.target());
                let count = signature.map_or(0, |signature| signature.params.len() as u32);
                Operand::Reg(self.context_word_as_number(count))
            }
            _ => self.register(RESULT),
        };
        self.narrowed(value, kind)
    }

    /// What a BPF program returns. Where the kernel does not trust its types it takes it to have five arguments: so
    /// the kernel is asked where the value is, from Linux 5.17 on.
    fn program_retval(&mut self) -> Operand {
        if !self.given.facts.since(5, 17) {
            let span = self.span;
            self.error(span, "retval of BPF programs is known from Linux 5.17 on");
            return Operand::Imm(0);
        }
        let context = self.context();
        self.temporarily(|lower| {
            let to = lower.f().slot(8);
            lower.store_word(Mem::Slot(to, 0), Operand::Imm(0));
            let args = vec![Arg::Reg(context), Arg::Slot(to, 0)];
            lower.call_only(Helper::GetFuncRet, args);
            Operand::Reg(lower.load(Mem::Slot(to, 0), 8))
        })
    }

    /// Of a register whose upper bytes may hold anything, those that its type has.
    pub(super) fn narrowed(&mut self, value: Operand, kind: &Type) -> Operand {
        let bytes = match kind {
            Type::Bool => 1,
            Type::Int { size, .. } | Type::Enum { size, .. } => *size,
            _ => 8,
        };
        match value {
            Operand::Reg(from) if bytes < 8 => {
                let to = self.reg();
                let signed = kind.is_signed();
                self.op(Op::Extend {
                    to,
                    from,
                    bytes,
                    signed,
                });
                Operand::Reg(to)
            }
            other => other,
        }
    }

    /// `func`
    pub(super) fn function_address(&mut self) -> Operand {
        if self.given.facts.since(5, 15) && !matches!(self.target().kind, AttachKind::Uprobe) {
            let context = self.context();
            return Operand::Reg(self.call(Helper::GetFuncIp, vec![Arg::Reg(context)]));
        }
        match self.target().kind {
            AttachKind::Uprobe => self.register(INSTRUCTION),
            AttachKind::Kprobe => {
                // The kernel leaves the address behind the breakpoint.
                let Operand::Reg(address) = self.register(INSTRUCTION) else {
                    return Operand::Imm(0);
                };
                let to = self.alu(Alu::Sub, address, Operand::Imm(1));
                Operand::Reg(to)
            }
            _ => {
                let span = self.span;
                self.error(span, "func is known here from Linux 5.15 on");
                Operand::Imm(0)
            }
        }
    }

    /// The field of a tracepoint, or an argument by its name: a value, or where it lies.
    pub(super) fn args_field(&mut self, expr: &Expr, name: &str) -> Result<Operand, Mem> {
        use AttachKind::*;
        let target = self.target().clone();
        if target.kind == Tracepoint {
            let fields = self.given.facts.tracepoint(&target.group, &target.item);
            let field = fields
                .ok()
                .and_then(|fields| fields.iter().find(|field| &*field.name == name).cloned());
            return match field {
                Some(field) => self.event_field(&field),
                None => Ok(Operand::Imm(0)),
            };
        }
        let kind = self.kind(expr);
        self.named_argument(name, &kind)
    }

    /// An argument of a function by its name: a value, or where a structure lies that is handed over by value.
    pub(super) fn named_argument(&mut self, name: &str, kind: &Type) -> Result<Operand, Mem> {
        if !matches!(kind, Type::Struct(_)) {
            let index = self.parameter_index(name).unwrap_or(0);
            let value = self.argument(index);
            return Ok(self.narrowed(value, kind));
        }
        let place = self.temporary(align(self.stored_size(kind)));
        for part in self.parts_of_parameter(name) {
            let value = self.argument(part.argument);
            let bytes = match part.bytes {
                bytes @ (1 | 2 | 4) => bytes,
                _ => 8,
            };
            self.store(place.plus(part.offset as i32), value, bytes);
        }
        Err(place)
    }

    fn event_field(&mut self, field: &EventField) -> Result<Operand, Mem> {
        if self.given.start.kind == ProgramKind::RawTracepoint {
            return Ok(self.syscall_field(field));
        }
        let context = self.context();
        let place = Mem::At(context, field.offset as i32);
        if field.data_loc {
            return Err(self.located(place, context));
        }
        if field.kind.is_scalar() {
            let size = match field.size {
                size @ (1 | 2 | 4 | 8) => size,
                _ => 8,
            };
            let value = self.load(place, size);
            return Ok(Operand::Reg(self.extended(
                value,
                size,
                field.kind.is_signed(),
            )));
        }
        // The context itself may only be read by loads of whole fields.
        Err(Mem::Far(context, field.offset as i32, Space::Kernel))
    }

    /// `__data_loc`: the low half of the word says where in the event the contents lie.
    fn located(&mut self, place: Mem, context: Reg) -> Mem {
        let word = self.load(place, 4);
        let to = self.alu(Alu::And, word, Operand::Imm(0xffff));
        let address = self.alu(Alu::Add, context, Operand::Reg(to));
        Mem::Far(address, 0, Space::Kernel)
    }

    /// A field of a system call's tracepoint, where the program is at that of all calls.
    fn syscall_field(&mut self, field: &EventField) -> Operand {
        let enter = self
            .given
            .start
            .syscalls
            .as_ref()
            .is_some_and(|one| one.enter);
        let value = if field.offset < SYSCALL_FIRST_ARGUMENT {
            self.syscall_number_of_place(enter)
        } else if enter {
            let index = ((field.offset - SYSCALL_FIRST_ARGUMENT) / 8) as usize;
            let name = SYSCALL_ARGUMENTS[index.min(SYSCALL_ARGUMENTS.len() - 1)];
            self.register_of_call(name)
        } else {
            self.context_word(1)
        };
        self.narrowed(Operand::Reg(value), &field.kind)
    }

    fn syscall_number_of_place(&mut self, enter: bool) -> Reg {
        if enter {
            return self.context_word(1);
        }
        self.register_of_call("orig_ax")
    }

    /// A pointer that the verifier knows the type of, for helpers which take no other: an argument by its name, a
    /// structure in what it points to, or a pointer read from there.
    pub(super) fn trusted_pointer(&mut self, expr: &Expr) -> Option<Reg> {
        let ExprKind::Field(operand, name) = &expr.kind else {
            return None;
        };
        if self.kind(operand) == Type::Args {
            let index = self.parameter_index(name)?;
            return Some(self.context_word(index));
        }
        if let ExprKind::Ident(word) = &operand.kind
            && word == "ctx"
        {
            return self.context_pointer(name);
        }
        let (key, _) = self.structure_of(operand)?;
        let (env, facts) = (self.given.env, self.given.facts);
        let field = env.field(&*env.structure(&key, facts)?, name, facts)?;
        let base = self.trusted_pointer(operand)?;
        let offset = field.offset as i32;
        Some(match field.kind {
            Type::Ptr(..) => self.load(Mem::At(base, offset), 8),
            _ => self.address(Mem::At(base, offset)),
        })
    }

    fn parts_of_parameter(&self, name: &str) -> Vec<Part> {
        let signature = self.given.facts.signature(self.target());
        let parts = signature.iter().flat_map(|signature| &signature.parts);
        let mut parts = parts.filter(|(known, _)| **known == *name);
        parts.next().map_or(Vec::new(), |(_, parts)| parts.clone())
    }

    /// Which argument of the function has this name.
    fn parameter_index(&self, name: &str) -> Option<u32> {
        let signature = self.given.facts.signature(self.target());
        let mut params = signature.as_ref()?.params.iter();
        let index = params.position(|(known, _)| **known == *name)?;
        Some(index as u32)
    }
}
