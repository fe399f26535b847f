//! Where a process is among cgroups.

use super::{Known, Lower, Mem};
use crate::{
    ast::Call,
    ir::{Alu, Arg, Cond, Helper, Op, Operand, Reg},
    types::Space,
};

/// Cgroups within each other that are looked through: the verifier wants to see an end.
const DEPTH_MAX: u32 = 64;

/// Where the numbers of the process's cgroups come from, from the root down to its own.
enum Line {
    /// The kernel tells them; 0 below the process's own.
    Told,
    /// They are read: the list, and the place of the process's own in it.
    Read { list: Reg, own: Reg },
}

impl Lower<'_, '_> {
    /// `in_cgroup`: whether the process is in the cgroup of this number, or in one below it.
    pub(crate) fn in_cgroup(&mut self, call: &Call) -> Operand {
        let wanted = self.val(&call.args[0]);
        let wanted = self.as_register(wanted);
        let Some(line) = self.line_of_cgroups() else {
            let span = self.span;
            self.error(
                span,
                "in_cgroup(): this kernel keeps its cgroups in another way",
            );
            return Operand::Imm(0);
        };
        let found = self.copy(Operand::Imm(0));
        let done = self.block();
        self.counted(DEPTH_MAX, done, |lower, level, next| {
            if let Line::Read { own, .. } = line {
                let inside = lower.block();
                let (level, own) = (Operand::Reg(level), Operand::Reg(own));
                lower.branch(Cond::Le, level, own, inside, done);
                lower.go_on_at(inside);
            }
            let id = lower.cgroup_at(&line, level);
            let (there, is_it) = (lower.block(), lower.block());
            lower.branch(Cond::Ne, Operand::Reg(id), Operand::Imm(0), there, done);
            lower.go_on_at(there);
            let (id, wanted) = (Operand::Reg(id), Operand::Reg(wanted));
            lower.branch(Cond::Ne, id, wanted, next, is_it);
            lower.go_on_at(is_it);
            lower.op(Op::Const(found, 1));
            lower.jump(done);
        });
        Operand::Reg(found)
    }

    /// Before Linux 5.15 the helper is not there for tracing; [`None`] where the types are not those of then.
    fn line_of_cgroups(&mut self) -> Option<Line> {
        if self.given.facts.since(5, 15) {
            return Some(Line::Told);
        }
        let sets = self.member_path("struct task_struct", &["cgroups"])?;
        let cgroup = self.member_path("struct css_set", &["dfl_cgrp"])?;
        let own = self.member_path("struct cgroup", &["level"])?;
        let list = self.member_path("struct cgroup", &["ancestor_ids"])?;
        let task = self.once(Known::Task, Helper::GetCurrentTask);
        let sets = self.far(task, sets);
        let cgroup = self.far(sets, cgroup);
        let own = self.load(Mem::Far(cgroup, own as i32, Space::Kernel), 4);
        let list = self.alu(Alu::Add, cgroup, Operand::Imm(list.into()));
        Some(Line::Read { list, own })
    }

    /// The number of the process's cgroup at a level; the root is at 0.
    fn cgroup_at(&mut self, line: &Line, level: Reg) -> Reg {
        match line {
            Line::Told => self.call(Helper::GetCurrentAncestorCgroupId, vec![Arg::Reg(level)]),
            Line::Read { list, .. } => {
                const BYTES: i64 = 8;
                let offset = self.alu(Alu::Mul, level, Operand::Imm(BYTES));
                let place = self.alu(Alu::Add, *list, Operand::Reg(offset));
                self.far(place, 0)
            }
        }
    }
}
