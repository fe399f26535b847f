//! The builtin values.

use super::{Known, Lower, Mem, prologue::Number};
use crate::{
    ast::Expr,
    builtins,
    ir::{Alu, Arg, Helper, Op, Operand, Reg},
    types::{Space, Type},
};

impl Lower<'_, '_> {
    pub(super) fn upper(&mut self, both: Reg) -> Reg {
        self.alu(Alu::Rsh, both, Operand::Imm(32))
    }

    pub(super) fn lower_half(&mut self, from: Reg) -> Reg {
        let to = self.reg();
        self.op(Op::Extend {
            to,
            from,
            bytes: 4,
            signed: false,
        });
        to
    }

    /// `pid` or `tid`, in the tracer's own namespace unless `initial`.
    pub(super) fn pid_or_tid(&mut self, thread: bool, initial: bool) -> Operand {
        let namespace = self.given.facts.pid_namespace();
        if let (Some((inode, device)), false) = (namespace, initial) {
            return self.pid_in_namespace(thread, device, inode);
        }
        Operand::Reg(if thread {
            self.thread()
        } else {
            self.process()
        })
    }

    /// `struct bpf_pidns_info`: the thread, then the process.
    fn pid_in_namespace(&mut self, thread: bool, device: u64, inode: u64) -> Operand {
        self.temporarily(|lower| {
            let to = lower.temporary(8);
            lower.store_word(to, Operand::Imm(0));
            let pointer = lower.pointer(to);
            let args = vec![
                Arg::Imm(device as i64),
                Arg::Imm(inode as i64),
                pointer,
                Arg::Imm(8),
            ];
            let result = lower.call(Helper::GetNsCurrentPidTgid, args);
            lower.report_failure(result, "get_ns_current_pid_tgid");
            let place = if thread { to } else { to.plus(4) };
            Operand::Reg(lower.load(place, 4))
        })
    }

    /// A builtin value that fits into a register; [`None`] for those that do not.
    pub(super) fn value(&mut self, expr: &Expr, name: &str) -> Option<Operand> {
        if let Some(number) = builtins::argument_number(name) {
            return Some(self.argument(number));
        }
        Some(match name {
            "pid" => self.pid_or_tid(false, false),
            "tid" => self.pid_or_tid(true, false),
            "uid" | "username" => {
                let both = self.once(Known::UidGid, Helper::GetCurrentUidGid);
                Operand::Reg(self.lower_half(both))
            }
            "gid" => {
                let both = self.once(Known::UidGid, Helper::GetCurrentUidGid);
                Operand::Reg(self.upper(both))
            }
            "nsecs" => Operand::Reg(self.boot_time()),
            "elapsed" => self.elapsed(),
            "cpu" => Operand::Reg(self.once(Known::Cpu, Helper::GetSmpProcessorId)),
            "cgroup" => Operand::Reg(self.call(Helper::GetCurrentCgroupId, Vec::new())),
            "jiffies" => Operand::Reg(self.call(Helper::Jiffies64, Vec::new())),
            "numaid" => Operand::Reg(self.call(Helper::GetNumaNodeId, Vec::new())),
            "rand" => {
                let number = self.call(Helper::GetPrandomU32, Vec::new());
                Operand::Reg(self.lower_half(number))
            }
            "curtask" => Operand::Reg(self.once(Known::Task, Helper::GetCurrentTask)),
            "ctx" => {
                let context = self.context();
                Operand::Reg(self.copy(Operand::Reg(context)))
            }
            "retval" => {
                let kind = self.kind(expr);
                self.retval(&kind)
            }
            "func" if self.kind(expr) == Type::KSym => self.function_address(),
            "probe" => self.place_number(),
            "usermode" => self.usermode(),
            "ppid" => self.task_field(None, &["real_parent"], &["tgid"]),
            "leader_tid" => self.task_field(None, &["group_leader"], &["pid"]),
            _ => return None,
        })
    }

    /// Nanoseconds since boot, the time of sleep included: what `nsecs` is.
    pub(super) fn boot_time(&mut self) -> Reg {
        self.call(Helper::KtimeGetBootNs, Vec::new())
    }

    /// Since the tracer started.
    fn elapsed(&mut self) -> Operand {
        let time = self.boot_time();
        let start = Operand::Imm(self.given.params.start_ns as i64);
        let to = self.alu(Alu::Sub, time, start);
        Operand::Reg(to)
    }

    /// The number of the place that the program runs at.
    fn place_number(&mut self) -> Operand {
        match self.given.start.number {
            Number::Only(number) => Operand::Imm(number.into()),
            Number::Cookie => {
                let context = self.context();
                Operand::Reg(self.call(Helper::GetAttachCookie, vec![Arg::Reg(context)]))
            }
            Number::Syscall => match (self.entry.place, &self.given.start.syscalls) {
                (Some(place), _) => Operand::Reg(self.known_place(place)),
                // One call alone has no table.
                (None, Some(dispatch)) => Operand::Imm(dispatch.calls[0].1.into()),
                (None, None) => Operand::Imm(0),
            },
        }
    }

    /// Whether the interrupted code is the user's: the lowest bits of `cs` are its level of privilege.
    fn usermode(&mut self) -> Operand {
        let context = self.context();
        let offset = self.register_offset("cs").unwrap_or(0);
        let cs = self.load(Mem::At(context, offset as i32), 8);
        let level = self.alu(Alu::And, cs, Operand::Imm(3));
        let is_user = self.comparison(crate::ir::Cond::Eq, Operand::Reg(level), Operand::Imm(3));
        Operand::Reg(is_user)
    }

    /// A member of another task, found from this one or the one that is given: `pointer` leads there.
    pub(super) fn task_field(
        &mut self,
        task: Option<Operand>,
        pointer: &[&str],
        member: &[&str],
    ) -> Operand {
        let other = self.other_task(task, pointer);
        let offset = self.member_path("struct task_struct", member).unwrap_or(0);
        let place = Mem::Far(other, offset as i32, Space::Kernel);
        Operand::Reg(self.load(place, 4))
    }

    /// The task that a member of a task points to.
    pub(super) fn other_task(&mut self, task: Option<Operand>, pointer: &[&str]) -> Reg {
        let task = match task {
            Some(Operand::Reg(task)) => task,
            _ => self.once(Known::Task, Helper::GetCurrentTask),
        };
        let offset = self.member_path("struct task_struct", pointer).unwrap_or(0);
        self.load(Mem::Far(task, offset as i32, Space::Kernel), 8)
    }
}
