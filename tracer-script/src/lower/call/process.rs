//! Functions of processes: who they are, what time it is for them, and what is done to them.

use crate::{
    ast::{Call, ExprKind},
    ir::{Alu, Arg, Helper, Operand},
    lower::{Lower, Piece},
    types::Type,
};

impl Lower<'_, '_> {
    pub(crate) fn signal(&mut self, call: &Call) {
        self.signal_by(call, Helper::SendSignal);
    }

    pub(crate) fn signal_thread(&mut self, call: &Call) {
        self.signal_by(call, Helper::SendSignalThread);
    }

    pub(crate) fn pid_of_namespace(&mut self, call: &Call) -> Operand {
        self.pid_or_tid(false, is_initial(call))
    }

    pub(crate) fn tid_of_namespace(&mut self, call: &Call) -> Operand {
        self.pid_or_tid(true, is_initial(call))
    }

    pub(crate) fn ppid_of(&mut self, call: &Call) -> Operand {
        let task = self.val(&call.args[0]);
        self.task_field(Some(task), &["real_parent"], &["tgid"])
    }

    pub(crate) fn leader_tid_of(&mut self, call: &Call) -> Operand {
        let task = self.val(&call.args[0]);
        self.task_field(Some(task), &["group_leader"], &["pid"])
    }

    pub(crate) fn pcomm_of(&mut self, call: &Call, _: &Type) -> Piece {
        let task = self.val(&call.args[0]);
        self.other_comm(Some(task), "real_parent")
    }

    pub(crate) fn leader_comm_of(&mut self, call: &Call, _: &Type) -> Piece {
        let task = self.val(&call.args[0]);
        self.other_comm(Some(task), "group_leader")
    }

    pub(crate) fn stack_call(&mut self, call: &Call, own: &Type) -> Piece {
        self.stack_piece(&call.name, own)
    }

    pub(crate) fn socket_cookie(&mut self, call: &Call) -> Operand {
        let Some(socket) = self.trusted_pointer(&call.args[0]) else {
            self.error(
                call.args[0].span,
                "socket_cookie() takes a struct sock * which is an argument of the function, or lies behind one",
            );
            return Operand::Imm(0);
        };
        Operand::Reg(self.call(Helper::GetSocketCookie, vec![Arg::Reg(socket)]))
    }

    fn signal_by(&mut self, call: &Call, helper: Helper) {
        let number = match self.constant(call.args[0].id) {
            Some(number) => Operand::Imm(number),
            None => self.val(&call.args[0]),
        };
        let result = self.call(helper, vec![number.into()]);
        self.report_failure(result, "send_signal");
    }

    pub(crate) fn override_return(&mut self, call: &Call) {
        let value = self.val(&call.args[0]);
        let context = self.context();
        self.call_only(
            Helper::OverrideReturn,
            vec![Arg::Reg(context), value.into()],
        );
    }

    /// Writes into the memory of the process that runs.
    pub(crate) fn write_user(&mut self, call: &Call) {
        let to = self.val_of_pointer(&call.args[0]);
        let length = self.constant(call.args[2].id).unwrap_or(0).clamp(0, 4096) as u32;
        let from = self.pointed_memory(&call.args[1]);
        let room = self.temporary(length.max(8));
        self.copy_memory(room, from, length);
        let from = self.pointer(room);
        let args = vec![to.into(), from, Arg::Imm(length.into())];
        let result = self.call(Helper::ProbeWriteUser, args);
        self.report_failure(result, "probe_write_user");
    }

    pub(crate) fn nsecs_of_clock(&mut self, call: &Call) -> Operand {
        let helper = match &call.args[0].kind {
            ExprKind::Ident(word) if word == "monotonic" => Helper::KtimeGetNs,
            ExprKind::Ident(word) if word == "tai" => Helper::KtimeGetTaiNs,
            ExprKind::Ident(word) if word == "sw_tai" => return self.tai_by_offset(),
            _ => Helper::KtimeGetBootNs,
        };
        if helper == Helper::KtimeGetTaiNs && !self.given.facts.since(6, 1) {
            let span = self.span;
            self.error(
                span,
                "nsecs(tai) needs Linux 6.1; nsecs(sw_tai) is the same without its help",
            );
            return Operand::Imm(0);
        }
        Operand::Reg(self.call(helper, Vec::new()))
    }

    /// International atomic time, by its distance from the time since boot when the tracer started.
    fn tai_by_offset(&mut self) -> Operand {
        let time = self.boot_time();
        let offset = Operand::Imm(self.given.params.tai_offset_ns as i64);
        let to = self.alu(Alu::Add, time, offset);
        Operand::Reg(to)
    }
}

fn is_initial(call: &Call) -> bool {
    matches!(&call.args[0].kind, ExprKind::Ident(word) if word == "init")
}
