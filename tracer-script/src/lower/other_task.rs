//! Other tasks than the one that runs, and what kind of call that one is in.

use super::{Known, Lower, Mem, Piece};
use crate::{
    ast::Call,
    ir::{Alu, BlockId, Cond, Helper, Op, Operand, Reg},
    types::{Space, Type},
};

/// What a task's `thread_info.status` has during system calls of 32-bit programs: `TS_COMPAT` of
/// `arch/x86/include/asm/thread_info.h`.
const TS_COMPAT: i64 = 2;

/// The lowest bits of an entry of an XArray, and what they are where it leads to a node: `xa_is_internal()` of
/// `include/linux/xarray.h`.
const TAG: i64 = 3;
const NODE: i64 = 2;

/// Levels of an XArray of process numbers, which have 22 bits, six for each level.
const LEVELS: u32 = 4;

impl Lower<'_, '_> {
    /// `is_compat()`: whether the task is in a system call of a 32-bit program.
    pub(crate) fn is_compat(&mut self, _: &Call) -> Operand {
        match self.compat() {
            Some(compat) => {
                let zero = Operand::Imm(0);
                Operand::Reg(self.comparison(Cond::Ne, Operand::Reg(compat), zero))
            }
            None => Operand::Imm(0),
        }
    }

    /// What is not zero in a system call of a 32-bit program; [`None`] where there are no such programs.
    pub(super) fn compat(&mut self) -> Option<Reg> {
        let offset = self.member_path("struct task_struct", &["thread_info", "status"])?;
        let status = self.of_running_task(offset, 4);
        let mask = Operand::Imm(TS_COMPAT);
        let compat = self.alu(Alu::And, status, mask);
        Some(compat)
    }

    /// `comm(pid)`: the name of another process; empty where there is none of that number.
    pub(crate) fn comm_of(&mut self, call: &Call, _: &Type) -> Piece {
        let pid = self.val(&call.args[0]);
        let comm = self.member_path("struct task_struct", &["comm"]);
        match (self.task_of(pid), comm) {
            (Some(task), Some(comm)) => {
                Piece::copied(Mem::Far(task, comm as i32, Space::Kernel), 16)
            }
            _ => {
                let span = self.span;
                self.error(
                    span,
                    "comm() of another process: this kernel keeps its processes in another way",
                );
                Piece::Words(Vec::new())
            }
        }
    }

    /// The task of a number: the first namespace, which every task's own `struct pid` leads to, has an XArray of all
    /// numbers (`idr_find()` of `lib/idr.c`); an entry is a `struct pid`, whose first list is of the task. Zero
    /// where there is none; [`None`] where the kernel's types are not those.
    fn task_of(&mut self, pid: Operand) -> Option<Reg> {
        let head = self.member_path("struct pid_namespace", &["idr", "idr_rt", "xa_head"])?;
        let tasks = self.member_path("struct pid", &["tasks"])?;
        let links = self.member_path("struct task_struct", &["pid_links"])?;
        let own = self.member_path("struct task_struct", &["thread_pid"])?;
        let numbers = self.member_path("struct pid", &["numbers"])?;
        let namespace = self.member_path("struct upid", &["ns"])?;
        let pid = self.as_register(pid);
        let current = self.once(Known::Task, Helper::GetCurrentTask);
        let own = self.far(current, own);
        let namespace = self.far(own, numbers + namespace);
        let task = self.copy(Operand::Imm(0));
        let (leaf, done) = (self.block(), self.block());
        let entry = self.far(namespace, head);
        let entry = self.copy(Operand::Reg(entry));
        for level in 0..LEVELS {
            self.descend(entry, pid, level == 0, leaf, done)?;
        }
        self.jump(leaf);
        self.go_on_at(leaf);
        let found = self.block();
        let first = self.far(entry, tasks);
        self.branch(Cond::Ne, Operand::Reg(first), Operand::Imm(0), found, done);
        self.go_on_at(found);
        let links = Operand::Imm(links.into());
        self.op(Op::Alu(Alu::Sub, task, Operand::Reg(first), links));
        self.jump(done);
        self.go_on_at(done);
        Some(task)
    }

    /// Goes one level down in an XArray: to `leaf` where the entry is no node, to `missing` where the tree does not
    /// reach as far as the number.
    fn descend(
        &mut self,
        entry: Reg,
        number: Reg,
        is_root: bool,
        leaf: BlockId,
        missing: BlockId,
    ) -> Option<()> {
        let shift = self.member_path("struct xa_node", &["shift"])?;
        let slots = self.member_path("struct xa_node", &["slots"])?;
        let width = i64::from(self.node_width()?);
        let (inner, inside) = (self.block(), self.block());
        let tag = self.reg();
        let (of_entry, of_number) = (Operand::Reg(entry), Operand::Reg(number));
        self.op(Op::Alu(Alu::And, tag, of_entry, Operand::Imm(TAG)));
        self.branch(Cond::Eq, Operand::Reg(tag), Operand::Imm(NODE), inner, leaf);
        self.go_on_at(inner);
        let node = self.reg();
        self.op(Op::Alu(Alu::Sub, node, of_entry, Operand::Imm(NODE)));
        let shift = self.load(Mem::Far(node, shift as i32, Space::Kernel), 1);
        let index = self.reg();
        self.op(Op::Alu(Alu::Rsh, index, of_number, Operand::Reg(shift)));
        if is_root {
            let width = Operand::Imm(width);
            self.branch(Cond::Lt, Operand::Reg(index), width, inside, missing);
            self.go_on_at(inside);
        }
        let mask = Operand::Imm(width - 1);
        let place = self.alu(Alu::And, index, mask);
        self.op(Op::Alu(
            Alu::Lsh,
            place,
            Operand::Reg(place),
            Operand::Imm(3),
        ));
        self.op(Op::Alu(
            Alu::Add,
            place,
            Operand::Reg(place),
            Operand::Reg(node),
        ));
        let next = self.far(place, slots);
        self.op(Op::Move(entry, next));
        Some(())
    }

    /// How many slots a node of an XArray has: `XA_CHUNK_SIZE`.
    fn node_width(&self) -> Option<u32> {
        let (env, facts) = (self.given.env, self.given.facts);
        let node = env.structure("struct xa_node", facts)?;
        match env.field(&node, "slots", facts)?.kind {
            Type::Array(_, count) => Some(count),
            _ => None,
        }
    }

    /// A word of the kernel's memory.
    pub(super) fn far(&mut self, base: Reg, offset: u32) -> Reg {
        self.load(Mem::Far(base, offset as i32, Space::Kernel), 8)
    }
}
