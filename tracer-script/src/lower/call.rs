//! Calls of functions whose value fits into a register, or that have none.

use super::Lower;
use crate::{
    ast::{Call, Expr, ExprKind},
    ir::{Alu, Arg, Cond, Helper, Op, Operand},
    types::Type,
};

/// The kernel's errors lie in the last page of addresses: `MAX_ERRNO` of `include/linux/err.h`.
const MAX_ERRNO: i64 = 4095;

impl Lower<'_, '_> {
    pub(super) fn builtin(&mut self, expr: &Expr, call: &Call) -> Operand {
        let args = call.args.as_slice();
        match call.name.as_str() {
            "printf" | "errorf" | "warnf" | "cat" | "system" => self.formatted(call),
            "print" => self.print(call),
            "clear" | "zero" => self.whole_map(call),
            "exit" => self.exit_call(call),
            "time" => self.time(call),
            "join" => self.join(call),
            "assert" => self.assert_call(call),
            "static_assert" | "assert_str" => {}
            "signal" => self.signal(call, Helper::SendSignal),
            "signal_thread" => self.signal(call, Helper::SendSignalThread),
            "override" => self.override_return(&args[0]),
            "write_user" => self.write_user(args),
            _ => return self.function_value(expr, call),
        }
        Operand::Imm(0)
    }

    fn function_value(&mut self, expr: &Expr, call: &Call) -> Operand {
        let args = call.args.as_slice();
        match call.name.as_str() {
            "delete" => self.delete_call(args),
            "has_key" => self.with_map(args, |lower, name, key| lower.has_key(name, key)),
            "find" => {
                let variable = args[2].clone();
                self.with_map(args, |lower, name, key| lower.find(name, key, &variable))
            }
            "len" => self.length(&args[0]),
            "strlen" => self.temporarily(|lower| lower.string_length(&args[0])),
            "strcap" => Operand::Imm(0),
            "strncmp" => {
                let most = self
                    .constant(args[2].id)
                    .unwrap_or(0)
                    .clamp(0, u32::MAX.into());
                self.temporarily(|lower| lower.compare_strings(&args[0], &args[1], most as u32))
            }
            "strcmp" => {
                self.temporarily(|lower| lower.compare_strings(&args[0], &args[1], u32::MAX))
            }
            "strstr" => self.temporarily(|lower| lower.find_string(&args[0], &args[1])),
            "strcontains" => self.temporarily(|lower| {
                let at = lower.find_string(&args[0], &args[1]);
                match at {
                    Operand::Imm(at) => Operand::Imm(i64::from(at >= 0)),
                    at => Operand::Reg(lower.comparison(Cond::SGe, at, Operand::Imm(0))),
                }
            }),
            "memcmp" => {
                let size = self.constant(args[2].id).unwrap_or(1) as u32;
                self.temporarily(|lower| lower.compare_memory(&args[0], &args[1], size))
            }
            "strerror" | "signal_name" | "syscall_name" | "cgroup_path" => self.val(&args[0]),
            "strftime" => self.val(&args[1]),
            "ksym" => self.val_of_pointer(&args[0]),
            "kptr" | "uptr" => self.val(&args[0]),
            "bswap" => self.swapped(&args[0]),
            "reg" => self.register_call(&args[0]),
            "is_err" => self.is_error(&args[0]),
            "nsecs" => self.time_call(&args[0]),
            "pid" | "tid" => {
                let initial = matches!(&args[0].kind, ExprKind::Ident(word) if word == "init");
                self.pid_or_tid(call.name == "tid", initial)
            }
            "ppid" => {
                let task = self.val(&args[0]);
                self.task_field(Some(task), &["real_parent"], &["tgid"])
            }
            "leader_tid" => {
                let task = self.val(&args[0]);
                self.task_field(Some(task), &["group_leader"], &["pid"])
            }
            "socket_cookie" => {
                let value = self.val(&args[0]);
                let socket = self.as_register(value);
                Operand::Reg(self.call(Helper::GetSocketCookie, vec![Arg::Reg(socket)]))
            }
            "container_of" => self.container(args),
            name => {
                let message = format!("{name}() cannot be used here");
                self.error(expr.span, message);
                Operand::Imm(0)
            }
        }
    }

    fn with_map(
        &mut self,
        args: &[Expr],
        inner: impl FnOnce(&mut Self, &str, &Expr) -> Operand,
    ) -> Operand {
        match &args[0].kind {
            ExprKind::Map(name, _) => self.temporarily(|lower| inner(lower, name, &args[1])),
            _ => Operand::Imm(0),
        }
    }

    fn delete_call(&mut self, args: &[Expr]) -> Operand {
        let ExprKind::Map(name, key) = &args[0].kind else {
            return Operand::Imm(0);
        };
        let key = args.get(1).or(key.as_deref());
        self.temporarily(|lower| lower.delete(name, key))
    }

    fn length(&mut self, arg: &Expr) -> Operand {
        match (&arg.kind, self.kind(arg)) {
            (ExprKind::Map(name, None), _) => {
                let map = self.map_number(name);
                self.map_length(map)
            }
            (_, Type::Stack { .. }) => self.temporarily(|lower| lower.stack_length(arg)),
            _ => self.temporarily(|lower| lower.string_length(arg)),
        }
    }

    fn signal(&mut self, call: &Call, helper: Helper) {
        let number = match self.constant(call.args[0].id) {
            Some(number) => Operand::Imm(number),
            None => self.val(&call.args[0]),
        };
        let result = self.call(helper, vec![number.into()]);
        self.report_failure(result, "send_signal");
    }

    fn override_return(&mut self, arg: &Expr) {
        let value = self.val(arg);
        let context = self.context();
        self.call_only(
            Helper::OverrideReturn,
            vec![Arg::Reg(context), value.into()],
        );
    }

    /// Writes into the memory of the process that runs.
    fn write_user(&mut self, args: &[Expr]) {
        let to = self.val_of_pointer(&args[0]);
        let length = self.constant(args[2].id).unwrap_or(0).clamp(0, 4096) as u32;
        let from = self.pointed_memory(&args[1]);
        let room = self.temporary(length.max(8));
        self.copy_memory(room, from, length);
        let from = self.pointer(room);
        let args = vec![to.into(), from, Arg::Imm(length.into())];
        let result = self.call(Helper::ProbeWriteUser, args);
        self.report_failure(result, "probe_write_user");
    }

    fn swapped(&mut self, arg: &Expr) -> Operand {
        let bytes = self.c_size(&self.kind(arg)) as u8;
        let value = self.val(arg);
        if bytes < 2 {
            return value;
        }
        let from = self.as_register(value);
        let to = self.reg();
        self.op(Op::Swap(to, from, bytes));
        Operand::Reg(to)
    }

    fn register_call(&mut self, arg: &Expr) -> Operand {
        let name = self.literal_text(arg).unwrap_or_default();
        let name = String::from_utf8_lossy(&name).into_owned();
        let member = crate::compile::register_member(&name).unwrap_or_default();
        self.register(member)
    }

    fn is_error(&mut self, arg: &Expr) -> Operand {
        let value = self.val(arg);
        let first = Operand::Imm(-MAX_ERRNO);
        Operand::Reg(self.comparison(Cond::Ge, value, first))
    }

    fn time_call(&mut self, arg: &Expr) -> Operand {
        let helper = match &arg.kind {
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
        let to = self.reg();
        let offset = Operand::Imm(self.given.params.tai_offset_ns as i64);
        self.op(Op::Alu(Alu::Add, to, Operand::Reg(time), offset));
        Operand::Reg(to)
    }

    fn container(&mut self, args: &[Expr]) -> Operand {
        let pointer = self.val(&args[0]);
        let offset = self.constant(args[2].id).unwrap_or(0);
        let to = self.reg();
        self.op(Op::Alu(Alu::Sub, to, pointer, Operand::Imm(offset)));
        Operand::Reg(to)
    }
}
