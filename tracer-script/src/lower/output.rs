//! Records for user space: an action's number, and its arguments.

use super::{Lower, Mem};
use crate::{
    ast::{Call, Expr, ExprKind},
    format::{self, Format},
    ir::{Arg, Cond, Helper, Operand, Reg},
    probe::AttachKind,
    program::{Action, ActionKind, Loss, MapRole},
    types::{INT, Type, UINT, align},
};

/// Bytes before the arguments.
const HEAD: u32 = 8;

/// The most strings that `join` takes.
const JOIN_MAX: u32 = 16;

impl Lower<'_, '_> {
    /// Sends a record with these arguments.
    fn send(&mut self, kind: ActionKind, args: &[&Expr]) {
        let types: Vec<Type> = args.iter().map(|arg| self.sent_type(arg)).collect();
        let pieces = args
            .iter()
            .zip(&types)
            .map(|(arg, kind)| {
                let size = align(self.stored_size(kind));
                (self.piece(arg, kind), size)
            })
            .collect();
        self.send_pieces(kind, types, pieces);
    }

    /// Arguments are sent as they are; what a map adds up as a number.
    fn sent_type(&self, arg: &Expr) -> Type {
        let kind = self.kind(arg);
        match kind {
            Type::Aggregate(_) => crate::check::number_of(&kind),
            kind => kind,
        }
    }

    pub(super) fn send_pieces(
        &mut self,
        kind: ActionKind,
        args: Vec<Type>,
        pieces: Vec<(super::piece::Piece, u32)>,
    ) {
        self.learn_structs(&args);
        let span = self.span;
        if self.target().is_pinned() {
            return self.error(
                span,
                "tracer is not there any more when a pinned iterator is read: it can use printf and maps only",
            );
        }
        let number = self.shared.action(Action { kind, span, args });
        let size = HEAD + pieces.iter().map(|(_, size)| size).sum::<u32>();
        self.note_records();
        let Some((record, done)) = self.reserve(size) else {
            return;
        };
        self.store_word(Mem::At(record, 0), Operand::Imm(number.into()));
        let mut at = HEAD;
        for (piece, size) in pieces {
            self.fill(piece, Mem::At(record, at as i32), size, false);
            at += size;
        }
        let submit = vec![Arg::Reg(record), Arg::Imm(0)];
        self.call_only(Helper::RingbufSubmit, submit);
        self.jump(done);
        self.go_on_at(done);
    }

    /// Structures among the arguments are shown by their members.
    fn learn_structs(&mut self, kinds: &[Type]) {
        for kind in kinds {
            crate::collect::collect_structs(
                kind,
                self.given.env,
                self.given.facts,
                &mut self.shared.structs,
                0,
            );
        }
    }

    fn note_records(&mut self) {
        use AttachKind::*;
        let rare = matches!(self.target().kind, Begin | End | SelfSignal | Interval);
        self.shared.many_records |= !rare;
    }

    /// Room in the ring buffer; where there is none, that is counted.
    fn reserve(&mut self, size: u32) -> Option<(Reg, crate::ir::BlockId)> {
        let map = Arg::Map(self.shared.role(MapRole::Events));
        let args = vec![map, Arg::Imm(size.into()), Arg::Imm(0)];
        let record = self.call(Helper::RingbufReserve, args);
        let (full, there, done) = (self.block(), self.block(), self.block());
        self.branch(Cond::Ne, Operand::Reg(record), Operand::Imm(0), there, full);
        self.go_on_at(full);
        self.count_loss(Loss::RingFull as u32);
        self.jump(done);
        self.go_on_at(there);
        Some((record, done))
    }

    /// Sends that a helper failed.
    pub(super) fn helper_error(&mut self, helper: &'static str, result: Reg) {
        let words = super::piece::Piece::Words(vec![Operand::Reg(result)]);
        self.send_pieces(ActionKind::HelperError(helper), vec![INT], vec![(words, 8)]);
    }

    /// The process that runs. The first time that it is asked for, user space is told, so that it can read where
    /// the process has its code before that is gone.
    pub(super) fn told_process(&mut self) -> Reg {
        let process = self.process();
        let process = self.copy(Operand::Reg(process));
        self.temporarily(|lower| {
            let map = lower.shared.role(MapRole::Seen);
            let key = lower.temporary(8);
            lower.store_word(key, Operand::Reg(process));
            let pointer = lower.pointer(key);
            let known = lower.call(Helper::MapLookupElem, vec![Arg::Map(map), pointer]);
            let (first, done) = (lower.block(), lower.block());
            lower.branch(Cond::Ne, Operand::Reg(known), Operand::Imm(0), done, first);
            lower.go_on_at(first);
            let args = vec![Arg::Map(map), pointer, pointer, Arg::Imm(0)];
            lower.call_only(Helper::MapUpdateElem, args);
            let many_records = lower.shared.many_records;
            let words = super::piece::Piece::Words(vec![Operand::Reg(process)]);
            lower.send_pieces(ActionKind::Process, vec![UINT], vec![(words, 8)]);
            lower.shared.many_records = many_records;
            lower.jump(done);
            lower.go_on_at(done);
        });
        process
    }

    /// `printf` and its kin.
    pub(crate) fn formatted(&mut self, call: &Call) {
        let text = self.literal_text(&call.args[0]).unwrap_or_default();
        let format = format::parse(&text);
        let kind = match call.name.as_str() {
            "printf" if self.target().is_pinned() => {
                return self.print_to_file(&format, &call.args[1..]);
            }
            "printf" => ActionKind::Printf(format),
            "errorf" => ActionKind::Errorf(format),
            "warnf" => ActionKind::Warnf(format),
            "system" => ActionKind::System(format),
            _ => ActionKind::Cat(format),
        };
        let args: Vec<&Expr> = call.args[1..].iter().collect();
        self.send(kind, &args);
    }

    /// `print`
    pub(crate) fn print(&mut self, call: &Call) {
        let first = &call.args[0];
        let number = |arg: Option<&Expr>| {
            let value = arg.and_then(|arg| self.constant(arg.id));
            value.unwrap_or(0).max(0) as u64
        };
        if let ExprKind::Map(name, None) = &first.kind {
            let (top, div) = (number(call.args.get(1)), number(call.args.get(2)));
            let map = self.map_number(name);
            return self.send(ActionKind::PrintMap { map, top, div }, &[]);
        }
        self.send(ActionKind::PrintValue, &[first]);
    }

    /// What is done to a whole map, in user space.
    pub(crate) fn whole_map(&mut self, call: &Call) {
        let ExprKind::Map(name, _) = &call.args[0].kind else {
            return;
        };
        let map = self.map_number(name);
        let kind = match call.name.as_str() {
            "clear" => ActionKind::Clear(map),
            _ => ActionKind::Zero(map),
        };
        self.send(kind, &[]);
    }

    /// `exit`: the program ends here, too.
    pub(crate) fn exit_call(&mut self, call: &Call) {
        let status = match call.args.first() {
            Some(arg) => self.val(arg),
            None => Operand::Imm(0),
        };
        let words = super::piece::Piece::Words(vec![status]);
        self.send_pieces(ActionKind::Exit, vec![INT], vec![(words, 8)]);
        self.leave_program();
    }

    /// `unwatch`: user space lets go of the address.
    pub(crate) fn unwatch(&mut self, call: &Call) {
        let address = self.val(&call.args[0]);
        let words = super::piece::Piece::Words(vec![address]);
        self.send_pieces(ActionKind::Unwatch, vec![UINT], vec![(words, 8)]);
    }

    /// `time`
    pub(crate) fn time(&mut self, call: &Call) {
        let format = match call.args.first() {
            Some(arg) => {
                let text = self.literal_text(arg).unwrap_or_default();
                String::from_utf8_lossy(&text).into_owned()
            }
            None => "%H:%M:%S\n".to_owned(),
        };
        self.send(ActionKind::Time(format), &[]);
    }

    /// `join`: the strings of an array of pointers, as `argv` is one.
    pub(crate) fn join(&mut self, call: &Call) {
        let separator = match call.args.get(1) {
            Some(arg) => {
                let text = self.literal_text(arg).unwrap_or_default();
                String::from_utf8_lossy(&text).into_owned()
            }
            None => " ".to_owned(),
        };
        let size = (self.given.config.max_strlen as u32).next_multiple_of(8);
        let first = self.val(&call.args[0]);
        let array = self.as_register(first);
        let space = match self.kind(&call.args[0]) {
            Type::Ptr(_, space) => space,
            _ => crate::types::Space::Any,
        };
        let strings = (0..JOIN_MAX)
            .map(|index| {
                let pointer = self.load(Mem::Far(array, index as i32 * 8, space), 8);
                let from = Mem::Far(pointer, 0, space);
                let piece = super::piece::Piece::Text {
                    from,
                    size,
                    limit: None,
                };
                (piece, size)
            })
            .collect();
        let kind = Type::Array(Type::Str(size).into(), JOIN_MAX);
        self.send_pieces(ActionKind::Join(separator), vec![kind], strings);
    }

    /// `assert`
    pub(crate) fn assert_call(&mut self, call: &Call) {
        let (holds, fails) = (self.block(), self.block());
        self.truth(&call.args[0], holds, fails);
        self.go_on_at(fails);
        let message = self.literal_text(&call.args[1]).unwrap_or_default();
        let text = [b"assert failed: ", message.as_slice(), b"\n"].concat();
        let format = Format {
            parts: vec![format::Part::Text(text)],
        };
        self.aside(|lower| {
            lower.send(ActionKind::Errorf(format), &[]);
            let words = super::piece::Piece::Words(vec![Operand::Imm(1)]);
            lower.send_pieces(ActionKind::Exit, vec![INT], vec![(words, 8)]);
            lower.leave_program();
        });
        self.go_on_at(holds);
    }
}
