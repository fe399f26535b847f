//! Putting values together in memory, in two steps. First all that can be worked out beforehand is: nothing
//! that may leave the program happens after room in the ring buffer has been taken. Then the pieces are put
//! where they belong, each read from where it is straight to there.

use std::rc::Rc;

use super::{Lower, Mem};
use crate::{
    ast::{Expr, ExprKind},
    builtins::UNWOUND,
    ir::{Arg, Cond, Helper, Operand, Reg},
    types::{Space, Type, align},
};

/// Bytes of a task's name.
const COMM: u32 = 16;

/// A value that is ready to be put somewhere.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// 8 bytes each.
    Words(Vec<Operand>),
    /// So many bytes from elsewhere, after such words.
    Copied {
        before: Option<Operand>,
        from: Mem,
        size: u32,
    },
    /// A string that is read up to its end, at most so many bytes with the NUL that is put behind it.
    Text {
        from: Mem,
        size: u32,
        limit: Option<Operand>,
    },
    /// An array of so many characters, up to its NUL where it has one.
    Characters { from: Mem, size: u32 },
    /// The task's name.
    Comm,
    /// So many bytes of a buffer, with their number before.
    Buffer {
        from: Mem,
        length: Operand,
        size: u32,
    },
    /// Parts, each with the bytes it takes.
    Parts(Vec<(Piece, u32)>),
}

impl Piece {
    /// So many bytes from elsewhere.
    pub(super) fn copied(from: Mem, size: u32) -> Self {
        Self::Copied {
            before: None,
            from,
            size,
        }
    }
}

impl Lower<'_, '_> {
    /// Works out what can be of a value that shall be of this type.
    pub(super) fn piece(&mut self, expr: &Expr, kind: &Type) -> Piece {
        let before = std::mem::replace(&mut self.span, expr.span);
        let piece = self.piece_inner(expr, kind);
        self.span = before;
        piece
    }

    fn piece_inner(&mut self, expr: &Expr, wanted: &Type) -> Piece {
        let own = self.kind(expr);
        if super::expr::is_scalar_like(&own) {
            let value = self.val(expr);
            let value = match &expr.kind {
                // A variable may be given another value before this one is put down.
                ExprKind::Var(_) => Operand::Reg(self.copy(value)),
                _ => value,
            };
            return Piece::Words(vec![value]);
        }
        match &expr.kind {
            ExprKind::Tuple(elements) => self.parts(elements.iter(), wanted),
            ExprKind::Record(fields) => {
                let Type::Record(wanted_fields) = wanted else {
                    return self.parts(fields.iter().map(|(_, value)| value), wanted);
                };
                // By name: the order may differ.
                let ordered: Vec<&Expr> = wanted_fields
                    .iter()
                    .filter_map(|(name, _)| {
                        fields
                            .iter()
                            .find(|(known, _)| **known == **name)
                            .map(|(_, value)| value)
                    })
                    .collect();
                self.parts(ordered.into_iter(), wanted)
            }
            ExprKind::Ident(name) => match &own {
                Type::Record(fields) if name == "args" => self.all_args(fields),
                _ => self.value_piece(name, &own),
            },
            ExprKind::Call(call) => self.call_piece(expr, call, &own),
            _ => self.copied(expr, &own, wanted),
        }
    }

    fn parts<'e>(&mut self, parts: impl Iterator<Item = &'e Expr>, wanted: &Type) -> Piece {
        let kinds: Vec<Type> = match wanted {
            Type::Tuple(kinds) => kinds.to_vec(),
            Type::Record(fields) => fields.iter().map(|(_, kind)| kind.clone()).collect(),
            _ => Vec::new(),
        };
        let pieces = parts.zip(&kinds).map(|(part, kind)| {
            let size = align(self.stored_size(kind));
            (self.piece(part, kind), size)
        });
        Piece::Parts(pieces.collect())
    }

    /// What lies in memory as a whole.
    fn copied(&mut self, expr: &Expr, own: &Type, wanted: &Type) -> Piece {
        let from = self.memory(expr);
        if let (Mem::Far(..), Type::Str(size)) = (from, own) {
            return Piece::Characters { from, size: *size };
        }
        self.piece_of_memory(from, own, wanted)
    }

    /// The parts of a tuple may be shorter than they are wanted.
    pub(super) fn piece_of_memory(&mut self, from: Mem, own: &Type, wanted: &Type) -> Piece {
        let (own_parts, wanted_parts) = (parts_of(own), parts_of(wanted));
        let (own_size, wanted_size) = (self.stored_size(own), self.stored_size(wanted));
        if own_parts.is_empty() || own_size == wanted_size {
            return Piece::Copied {
                before: None,
                from,
                size: own_size,
            };
        }
        let mut parts = Vec::new();
        for (index, (own_part, wanted_part)) in own_parts.iter().zip(&wanted_parts).enumerate() {
            let from = from.plus(self.part_offset(own, index) as i32);
            let size = align(self.stored_size(wanted_part));
            parts.push((self.piece_of_memory(from, own_part, wanted_part), size));
        }
        Piece::Parts(parts)
    }

    /// The arguments of a function by their names.
    fn all_args(&mut self, fields: &[(Rc<str>, Type)]) -> Piece {
        let pieces = fields.iter().map(|(name, kind)| {
            let size = align(self.stored_size(kind));
            let piece = match self.named_argument(name, kind) {
                Ok(value) => Piece::Words(vec![value]),
                Err(place) => Piece::copied(place, self.stored_size(kind)),
            };
            (piece, size)
        });
        Piece::Parts(pieces.collect())
    }

    pub(super) fn value_piece(&mut self, name: &str, own: &Type) -> Piece {
        match name {
            "comm" => Piece::Comm,
            "pcomm" => self.other_comm(None, "real_parent"),
            "leader_comm" => self.other_comm(None, "group_leader"),
            "probetype" => {
                let mut text = self.target().kind.type_name().as_bytes().to_vec();
                text.push(0);
                let from = Mem::Rodata(self.shared.constant(&text));
                Piece::copied(from, text.len() as u32)
            }
            "func" => {
                let address = self.function_address();
                self.user_symbol(address)
            }
            "kstack" | "ustack" | UNWOUND => self.stack_piece(name, own),
            _ => Piece::Words(vec![Operand::Imm(0)]),
        }
    }

    /// A user's symbol: its address, and the process.
    pub(super) fn user_symbol(&mut self, address: Operand) -> Piece {
        let process = self.told_process();
        Piece::Words(vec![address, Operand::Reg(process)])
    }

    pub(super) fn other_comm(&mut self, task: Option<Operand>, pointer: &str) -> Piece {
        let other = self.other_task(task, &[pointer]);
        let offset = self
            .member_path("struct task_struct", &["comm"])
            .unwrap_or(0);
        Piece::Copied {
            before: None,
            from: Mem::Far(other, offset as i32, Space::Kernel),
            size: COMM,
        }
    }

    /// The address that an argument is: that of an array is where it lies.
    pub(super) fn val_of_pointer(&mut self, arg: &Expr) -> Operand {
        match self.kind(arg) {
            Type::Array(..) | Type::Str(_) | Type::Struct(_) => {
                let place = self.memory(arg);
                Operand::Reg(self.address(place))
            }
            _ => self.val(arg),
        }
    }

    /// The memory that an argument lies in, or points to.
    pub(super) fn pointed_memory(&mut self, arg: &Expr) -> Mem {
        match self.kind(arg) {
            Type::Ptr(_, space) => {
                let value = self.val(arg);
                Mem::Far(self.as_register(value), 0, space)
            }
            kind if kind.is_scalar() => {
                let value = self.val(arg);
                Mem::Far(self.as_register(value), 0, Space::Any)
            }
            _ => self.memory(arg),
        }
    }

    /// Puts a value where `size` bytes belong to it. With `clean`, what it does not fill is cleared.
    pub(super) fn fill(&mut self, piece: Piece, to: Mem, size: u32, clean: bool) {
        match piece {
            Piece::Words(words) => {
                let mut at = 0;
                for word in words {
                    self.store_word(to.plus(at), word);
                    at += 8;
                }
                self.clear_rest(to, at as u32, size, clean);
            }
            Piece::Copied {
                before,
                from,
                size: own,
            } => {
                let at = match before {
                    Some(word) => {
                        self.store_word(to, word);
                        8
                    }
                    None => 0,
                };
                let own = own.min(size - at);
                self.clear_rest(to, (own + at) / 8 * 8, size, clean || at > 0);
                self.copy_memory(to.plus(at as i32), from, own);
            }
            Piece::Text {
                from,
                size: own,
                limit,
            } => {
                self.clear_rest(to, 0, size, clean);
                self.read_text(to, from, own.min(size), limit);
            }
            Piece::Characters { from, size: own } => {
                self.clear_rest(to, 0, size, clean);
                self.read_characters(to, from, own.min(size));
            }
            Piece::Comm => {
                // Some kernels (6.1) leave what is behind the end of the name as it was.
                self.clear(to, COMM.min(size));
                let pointer = self.pointer(to);
                let args = vec![pointer, Arg::Imm(COMM.min(size).into())];
                self.call_only(Helper::GetCurrentComm, args);
                self.clear_rest(to, COMM, size, clean);
            }
            Piece::Buffer {
                from,
                length,
                size: own,
            } => {
                self.clear_rest(to, 0, size, clean);
                self.read_buffer(to, from, length, own.min(size.saturating_sub(4)));
            }
            Piece::Parts(parts) => {
                let mut at = 0;
                for (part, part_size) in parts {
                    self.fill(part, to.plus(at as i32), part_size, clean);
                    at += part_size;
                }
                self.clear_rest(to, at, size, clean);
            }
        }
    }

    fn clear_rest(&mut self, to: Mem, from: u32, size: u32, clean: bool) {
        if clean && from < size {
            self.clear(to.plus(from as i32), size - from);
        }
    }

    /// Reads an array of characters: the last is one of its own where no NUL comes before.
    fn read_characters(&mut self, to: Mem, from: Mem, size: u32) {
        let length = self.read_text(to, from, size, None);
        let Some(last) = size.checked_sub(1) else {
            return;
        };
        let (full, done) = (self.block(), self.block());
        let most = Operand::Imm(size.into());
        self.branch(Cond::Eq, Operand::Reg(length), most, full, done);
        self.go_on_at(full);
        let byte = self.load(from.plus(last as i32), 1);
        self.store(to.plus(last as i32), Operand::Reg(byte), 1);
        self.jump(done);
        self.go_on_at(done);
    }

    /// Reads a string, and gives back how long it is with its NUL. Where it cannot be read, it is empty.
    fn read_text(&mut self, to: Mem, from: Mem, size: u32, limit: Option<Operand>) -> Reg {
        let size = self.limited(limit, size);
        let space = match from {
            Mem::Far(_, _, space) => space,
            _ => Space::Kernel,
        };
        // The helper leaves what it did not write as it was.
        self.store(to, Operand::Imm(0), 1);
        let helpers = [Helper::ProbeReadKernelStr, Helper::ProbeReadUserStr];
        self.read_by(to, size, from, space, helpers)
    }

    fn read_buffer(&mut self, to: Mem, from: Mem, length: Operand, size: u32) {
        let length = match length {
            Operand::Imm(length) => Operand::Imm(length.clamp(0, size.into())),
            length => self.limited(Some(length), size),
        };
        self.store(to, length, 4);
        let space = match from {
            Mem::Far(_, _, space) => space,
            _ => Space::Kernel,
        };
        let helpers = [Helper::ProbeReadKernel, Helper::ProbeReadUser];
        self.read_by(to.plus(4), length, from, space, helpers);
    }

    /// A number that the verifier sees to be no more than `most`.
    fn limited(&mut self, limit: Option<Operand>, most: u32) -> Operand {
        let Some(limit) = limit else {
            return Operand::Imm(most.into());
        };
        let to = self.copy(limit);
        let (more, done) = (self.block(), self.block());
        let most = Operand::Imm(most.into());
        self.branch(Cond::Gt, Operand::Reg(to), most, more, done);
        self.go_on_at(more);
        self.set(to, most);
        self.jump(done);
        self.go_on_at(done);
        Operand::Reg(to)
    }

    /// Where a helper fails and that is to be told, a record says so.
    pub(super) fn report_failure(&mut self, result: Reg, helper: &'static str) {
        if !self.given.params.report_errors {
            return;
        }
        let (failed, done) = (self.block(), self.block());
        let zero = Operand::Imm(0);
        self.branch(Cond::SLt, Operand::Reg(result), zero, failed, done);
        self.go_on_at(failed);
        self.helper_error(helper, result);
        self.jump(done);
        self.go_on_at(done);
    }
}

fn parts_of(kind: &Type) -> Vec<Type> {
    match kind {
        Type::Tuple(parts) => parts.to_vec(),
        Type::Record(fields) => fields.iter().map(|(_, kind)| kind.clone()).collect(),
        _ => Vec::new(),
    }
}
