//! The running task and the registers that it entered the kernel with. Where the kernel hands them out as pointers
//! whose types the verifier knows, plain loads follow those; the helper that reads any address costs some 20 ns more.

use super::{Known, Lower, Mem};
use crate::{
    ir::{Arg, Base, Helper, Op, Reg, Size},
    types::Space,
};

impl Lower<'_, '_> {
    /// The running task as a pointer that loads may follow: `bpf_get_current_task_btf`, Linux 5.11.
    fn typed_task(&mut self) -> Option<Reg> {
        let has_helper = self.given.facts.since(5, 11);
        has_helper.then(|| self.once(Known::TypedTask, Helper::GetCurrentTaskBtf))
    }

    /// The process that runs, by its number in the first namespace.
    pub(super) fn process(&mut self) -> Reg {
        match self.typed_number_of_task("tgid") {
            Some(number) => number,
            None => {
                let both = self.once(Known::PidTgid, Helper::GetCurrentPidTgid);
                self.upper(both)
            }
        }
    }

    /// The thread that runs, by its number in the first namespace.
    pub(super) fn thread(&mut self) -> Reg {
        match self.typed_number_of_task("pid") {
            Some(number) => number,
            None => {
                let both = self.once(Known::PidTgid, Helper::GetCurrentPidTgid);
                self.lower_half(both)
            }
        }
    }

    fn typed_number_of_task(&mut self, member: &str) -> Option<Reg> {
        let offset = self.member_path("struct task_struct", &[member])?;
        let task = self.typed_task()?;
        Some(self.load_typed(task, offset, 4))
    }

    /// A number of so many bytes (1, 2, 4 or 8) in the running task, extended by zeros.
    pub(super) fn of_running_task(&mut self, offset: u32, bytes: u32) -> Reg {
        match self.typed_task() {
            Some(task) => self.load_typed(task, offset, bytes),
            None => {
                let task = self.once(Known::Task, Helper::GetCurrentTask);
                self.load(Mem::Far(task, offset as i32, Space::Kernel), bytes)
            }
        }
    }

    /// A register that the system call was entered with, at the raw tracepoints of all calls: `bpf_task_pt_regs`
    /// from Linux 5.15 on, before the tracepoint's first argument.
    pub(super) fn register_of_call(&mut self, name: &str) -> Reg {
        let offset = self.register_offset(name).unwrap_or(0);
        if self.given.facts.since(5, 15)
            && let Some(task) = self.typed_task()
        {
            let registers = self.call(Helper::TaskPtRegs, vec![Arg::Reg(task)]);
            return self.load_typed(registers, offset, 8);
        }
        let registers = self.context_word(0);
        self.load(Mem::Far(registers, offset as i32, Space::Kernel), 8)
    }

    fn load_typed(&mut self, base: Reg, offset: u32, bytes: u32) -> Reg {
        let to = self.reg();
        let load = Op::Load(to, Base::Reg(base), offset as i32, Size::of(bytes));
        self.op(load);
        to
    }
}
