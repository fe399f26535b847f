//! Programs that the kernel runs for each of its objects of a kind.
//!
//! Source: `struct bpf_iter__*` of the kernel's types: what is common to all runs, the object, and what belongs to
//! it. After the last object the program is run once more without one.

use super::{Lower, Mem};
use crate::{
    ir::{Arg, Cond, Helper, Operand, Reg},
    probe::AttachKind,
    types::{Space, Type},
};

/// Where the context has the object.
const OBJECT: i32 = 8;

impl Lower<'_, '_> {
    /// What the context of an iterator is.
    pub(super) fn iterator_context(&self) -> String {
        format!("struct bpf_iter__{}", self.target().item)
    }

    fn is_iterator(&self) -> bool {
        self.target().kind == AttachKind::Iter
    }

    /// Goes on only where there is an object, and it is of the process that is asked for.
    pub(super) fn leave_out_other_objects(&mut self) {
        if !self.is_iterator() {
            return;
        }
        let object = self.load(Mem::At(0, OBJECT), 8);
        let (exit, go_on) = (self.entry.unwanted, self.block());
        self.branch(Cond::Ne, Operand::Reg(object), Operand::Imm(0), go_on, exit);
        self.go_on_at(go_on);
        let Some(pid) = self.target().pid else {
            return;
        };
        let offset = self.member_path("struct task_struct", &["tgid"]);
        let is_task = self.member_path(&self.iterator_context(), &["task"]) == Some(OBJECT as u32);
        if let (Some(offset), true) = (offset, is_task) {
            let of = self.load(Mem::Far(object, offset as i32, Space::Kernel), 4);
            let (exit, go_on) = (self.entry.unwanted, self.block());
            let pid = Operand::Imm(pid.into());
            self.branch(Cond::Eq, Operand::Reg(of), pid, go_on, exit);
            self.go_on_at(go_on);
        }
    }

    /// Writes a byte to the descriptor that user space reads, which thereby stops now and then to take the records
    /// of the objects so far.
    pub(super) fn count_object(&mut self) {
        if !self.is_iterator() || self.target().is_pinned() {
            return;
        }
        let Some(seq) = self.seq_file(0) else {
            return;
        };
        let byte = self.f().slot(8);
        self.store_word(Mem::Slot(byte, 0), Operand::Imm(0));
        let args = vec![Arg::Reg(seq), Arg::Slot(byte, 0), Arg::Imm(1)];
        self.call_only(Helper::SeqWrite, args);
    }

    /// What the descriptor's text is written to.
    pub(super) fn seq_file(&mut self, context: Reg) -> Option<Reg> {
        let Some(offset) = self.member_path("struct bpf_iter_meta", &["seq"]) else {
            let span = self.span;
            self.error(span, "the kernel's types have no struct bpf_iter_meta");
            return None;
        };
        let meta = self.load(Mem::At(context, 0), 8);
        Some(self.load(Mem::At(meta, offset as i32), 8))
    }

    /// A pointer in the context, which the verifier knows what it leads to. Where it leads nowhere the program ends.
    pub(super) fn context_pointer(&mut self, name: &str) -> Option<Reg> {
        if !self.is_iterator() {
            return None;
        }
        let (env, facts) = (self.given.env, self.given.facts);
        let structure = env.structure(&self.iterator_context(), facts)?;
        let field = env.field(&structure, name, facts)?;
        let Type::Ptr(..) = field.kind else {
            return None;
        };
        let context = self.context();
        let pointer = self.load(Mem::At(context, field.offset as i32), 8);
        let (exit, go_on) = (self.entry.exit, self.block());
        self.branch(
            Cond::Ne,
            Operand::Reg(pointer),
            Operand::Imm(0),
            go_on,
            exit,
        );
        self.go_on_at(go_on);
        Some(pointer)
    }
}
