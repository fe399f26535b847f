//! Where values lie that do not fit into a register, and where parts of them do.

use super::{Lower, Mem, Variable};
use crate::{
    ast::{Expr, ExprKind, UnaryOp},
    ir::{Alu, Cond, Op, Operand, Reg},
    types::{Space, Type},
};

impl Lower<'_, '_> {
    /// The structure that an expression is or points to.
    pub(super) fn structure_of(&self, operand: &Expr) -> Option<(std::rc::Rc<str>, bool)> {
        match self.kind(operand) {
            Type::Struct(key) => Some((key, false)),
            Type::Ptr(to, _) => match &*to {
                Type::Struct(key) => Some((key.clone(), true)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Where the structure lies that an expression is or points to.
    pub(super) fn structure_memory(&mut self, operand: &Expr) -> Mem {
        match self.kind(operand) {
            Type::Ptr(_, space) => {
                let value = self.val(operand);
                let pointer = self.as_register(value);
                Mem::Far(pointer, 0, space)
            }
            _ => self.memory(operand),
        }
    }

    /// Where a value lies that does not fit into a register, or a part of such a value.
    pub(super) fn memory(&mut self, expr: &Expr) -> Mem {
        let before = std::mem::replace(&mut self.span, expr.span);
        let place = self.memory_inner(expr);
        self.span = before;
        place
    }

    fn memory_inner(&mut self, expr: &Expr) -> Mem {
        let kind = self.kind(expr);
        match &expr.kind {
            ExprKind::Str(text) => {
                let mut bytes = text.clone();
                bytes.push(0);
                Mem::Rodata(self.shared.constant(&bytes))
            }
            ExprKind::Positional(_) => self.known_text(expr),
            ExprKind::Var(_) => self.variable_memory(expr),
            ExprKind::Map(name, key) => self.map_memory(name, key.as_deref()),
            ExprKind::Unary(UnaryOp::Deref, operand) => {
                let space = match self.kind(operand) {
                    Type::Ptr(_, space) => space,
                    _ => Space::Any,
                };
                let value = self.val(operand);
                Mem::Far(self.as_register(value), 0, space)
            }
            ExprKind::Field(operand, name) => self.field_memory(expr, operand, name),
            ExprKind::TupleIndex(operand, index) => {
                let offset = self.part_offset(&self.kind(operand), *index as usize);
                self.part_memory(operand, *index as usize, offset)
            }
            ExprKind::Index(operand, index) => self.index_memory(operand, index),
            ExprKind::Cast(_, operand) => self.cast_memory(&kind, operand),
            ExprKind::Block(statements, Some(value)) => {
                self.block_statements(statements);
                self.memory(value)
            }
            ExprKind::Ternary(condition, Some(then), other)
            | ExprKind::If(condition, then, Some(other)) => {
                self.ternary_memory(condition, then, other, &kind)
            }
            _ => self.made_in_memory(expr, &kind),
        }
    }

    /// A value that is put together: room is made for it.
    fn made_in_memory(&mut self, expr: &Expr, kind: &Type) -> Mem {
        let size = self.stored_size(kind);
        let piece = self.piece(expr, kind);
        let to = self.temporary(size);
        self.fill(piece, to, size, true);
        to
    }

    /// The text of a parameter, which is known.
    pub(super) fn known_text(&mut self, expr: &Expr) -> Mem {
        let parameter = expr.parameter();
        let bytes = parameter.and_then(|parameter| self.parameter_bytes(parameter));
        let mut bytes = bytes.unwrap_or_default();
        bytes.push(0);
        Mem::Rodata(self.shared.constant(&bytes))
    }

    /// Where a variable lies.
    pub(super) fn variable_memory(&mut self, expr: &Expr) -> Mem {
        match self.variable(expr) {
            Some(Variable::Scratch(at)) => self.in_scratch(at),
            Some(Variable::Entry { key, value, map }) => self.entry_memory(key, value, map),
            // What fits into a register is put where it can be looked at.
            Some(Variable::Register(reg)) => {
                let to = self.temporary(8);
                self.store_word(to, Operand::Reg(reg));
                to
            }
            None => Mem::Rodata(self.shared.zeros(8)),
        }
    }

    fn field_memory(&mut self, expr: &Expr, operand: &Expr, name: &str) -> Mem {
        let kind = self.kind(operand);
        if kind == Type::Args {
            return match self.args_field(expr, name) {
                Err(place) => place,
                Ok(value) => {
                    let to = self.temporary(8);
                    self.store_word(to, value);
                    to
                }
            };
        }
        if let Type::Record(fields) = &kind {
            let index = fields.iter().position(|(known, _)| **known == *name);
            let index = index.unwrap_or(0);
            let offset = self.part_offset(&kind, index);
            return self.part_memory(operand, index, offset);
        }
        let field = self.structure_of(operand).and_then(|(key, _)| {
            let structure = self.given.env.structure(&key, self.given.facts)?;
            self.given.env.field(&structure, name, self.given.facts)
        });
        let place = self.structure_memory(operand);
        place.plus(field.map_or(0, |field| field.offset as i32))
    }

    /// A part of a tuple or a record; that of a loop's entry lies where the map has it.
    fn part_memory(&mut self, operand: &Expr, index: usize, offset: u32) -> Mem {
        if let ExprKind::Var(_) = operand.kind
            && let Some(Variable::Entry { key, value, map }) = self.variable(operand)
        {
            return self.entry_part(key, value, map, index);
        }
        self.memory(operand).plus(offset as i32)
    }

    fn index_memory(&mut self, operand: &Expr, index: &Expr) -> Mem {
        let kind = self.kind(operand);
        let (element, count) = match &kind {
            Type::Tuple(_) => {
                let index = self.constant(index.id).unwrap_or(0) as usize;
                let offset = self.part_offset(&kind, index);
                return self.part_memory(operand, index, offset);
            }
            Type::Array(element, count) => ((**element).clone(), *count),
            Type::Ptr(to, _) => ((**to).clone(), 0),
            Type::Str(size) | Type::Buf(size) => (Type::int(1, true), *size),
            _ => (Type::int(8, false), 0),
        };
        let place = match &kind {
            Type::Ptr(_, space) => {
                let value = self.val(operand);
                Mem::Far(self.as_register(value), 0, *space)
            }
            Type::Buf(_) => self.memory(operand).plus(4),
            _ => self.memory(operand),
        };
        let size = self.c_size(&element).max(1);
        match self.val(index) {
            Operand::Imm(index) => place.plus((index * i64::from(size)) as i32),
            Operand::Reg(index) => self.at_index(place, index, size, count),
        }
    }

    /// An element that is known only when the program runs. Outside of an array there is nothing: the first
    /// element is taken in its place, as the verifier wants to see that no other memory is read.
    fn at_index(&mut self, place: Mem, index: Reg, size: u32, count: u32) -> Mem {
        let offset = self.copy(Operand::Reg(index));
        if count > 0 && !matches!(place, Mem::Far(..)) {
            let (outside, done) = (self.block(), self.block());
            let limit = Operand::Imm(count.into());
            self.branch(Cond::Lt, Operand::Reg(offset), limit, done, outside);
            self.go_on_at(outside);
            self.op(Op::Const(offset, 0));
            self.jump(done);
            self.go_on_at(done);
        }
        let by = Operand::Imm(size.into());
        let scaled = self.alu(Alu::Mul, offset, by);
        // Through a pointer that helpers read by: the stack does not take offsets that vary.
        let base = self.address(place);
        let to = self.alu(Alu::Add, base, Operand::Reg(scaled));
        match place {
            Mem::Far(_, _, space) => Mem::Far(to, 0, space),
            _ => Mem::Far(to, 0, Space::Kernel),
        }
    }

    fn cast_memory(&mut self, kind: &Type, operand: &Expr) -> Mem {
        let from = self.kind(operand);
        if !from.is_scalar() {
            return self.memory(operand);
        }
        let value = self.val(operand);
        let to = self.temporary(8);
        self.store_word(to, value);
        debug_assert!(!kind.is_scalar());
        to
    }

    fn ternary_memory(&mut self, condition: &Expr, then: &Expr, other: &Expr, kind: &Type) -> Mem {
        let size = self.stored_size(kind);
        let to = self.temporary(size);
        if let Some(holds) = self.known_truth(condition) {
            let piece = self.piece(if holds { then } else { other }, kind);
            self.fill(piece, to, size, true);
            return to;
        }
        let (yes, no, done) = (self.block(), self.block(), self.block());
        self.truth(condition, yes, no);
        for (block, value) in [(yes, then), (no, other)] {
            self.go_on_at(block);
            self.aside(|lower| {
                let piece = lower.piece(value, kind);
                lower.fill(piece, to, size, true);
            });
            self.jump(done);
        }
        self.go_on_at(done);
        to
    }
}
