//! Functions of processes: who they are, where they are, and what is done to them.

use crate::{
    ast::{Call, Expr, ExprKind},
    builtins::UNWOUND,
    check::Checker,
    diagnostic::Span,
    probe::AttachKind,
    types::{INT, StackMode, Type, UINT},
};

impl Checker<'_> {
    pub(crate) fn override_return(&mut self, expr: &Expr, call: &Call) -> Type {
        self.integer(&call.args[0], "override");
        match self.target().kind {
            AttachKind::Kprobe => Type::Void,
            _ => self.error(expr.span, "override() can only be used with kprobes"),
        }
    }

    pub(crate) fn write_user(&mut self, _: &Expr, call: &Call) -> Type {
        self.pointer_or_integer(&call.args[0], "write_user");
        self.expr(&call.args[1]);
        self.integer(&call.args[2], "write_user");
        Type::Void
    }

    pub(crate) fn cgroup_path(&mut self, _: &Expr, call: &Call) -> Type {
        self.integer(&call.args[0], "cgroup_path");
        let filter = match call.args.get(1) {
            Some(arg) => self.literal_string(arg, "cgroup_path").unwrap_or_default(),
            None => String::new(),
        };
        Type::CgroupPath(filter.into())
    }

    pub(crate) fn in_cgroup(&mut self, _: &Expr, call: &Call) -> Type {
        self.integer(&call.args[0], "in_cgroup");
        Type::Bool
    }

    pub(crate) fn nsecs_of_clock(&mut self, _: &Expr, call: &Call) -> Type {
        match self.word(&call.args[0]) {
            Some("monotonic" | "boot" | "tai" | "sw_tai") => UINT,
            _ => self.error_hint(
                call.args[0].span,
                "Invalid timestamp mode",
                "Valid modes: monotonic, boot, tai, sw_tai",
            ),
        }
    }

    pub(crate) fn comm_of(&mut self, expr: &Expr, call: &Call) -> Type {
        self.integer(&call.args[0], "comm");
        if self.facts.pid_namespace().is_some() {
            return self.error(
                expr.span,
                "comm() of another process cannot be used in a pid namespace of its own: \
                 processes have other numbers there",
            );
        }
        Type::Str(16)
    }

    pub(crate) fn id_in_namespace(&mut self, _: &Expr, call: &Call) -> Type {
        match self.word(&call.args[0]) {
            Some("curr_ns" | "init") => Type::int(4, false),
            _ => self.error_hint(
                call.args[0].span,
                format!("Invalid PID namespace mode for {}()", call.name),
                "Valid modes: curr_ns, init",
            ),
        }
    }

    pub(crate) fn id_of_relative(&mut self, _: &Expr, call: &Call) -> Type {
        self.expr(&call.args[0]);
        Type::int(4, false)
    }

    pub(crate) fn comm_of_relative(&mut self, _: &Expr, call: &Call) -> Type {
        self.expr(&call.args[0]);
        Type::Str(16)
    }

    pub(crate) fn socket_cookie(&mut self, expr: &Expr, call: &Call) -> Type {
        self.expr(&call.args[0]);
        match self.target().kind {
            AttachKind::Fentry | AttachKind::Fexit if !self.facts.since(5, 12) => {
                self.error(expr.span, "socket_cookie() needs Linux 5.12")
            }
            AttachKind::Fentry | AttachKind::Fexit => UINT,
            _ => self.error(
                expr.span,
                "socket_cookie() can only be used with fentry and fexit probes",
            ),
        }
    }

    pub(crate) fn skboutput(&mut self, expr: &Expr, call: &Call) -> Type {
        self.literal_string(&call.args[0], "skboutput");
        self.expr(&call.args[1]);
        self.integer(&call.args[2], "skboutput");
        self.integer(&call.args[3], "skboutput");
        match self.target().kind {
            AttachKind::Fentry | AttachKind::Fexit => INT,
            _ => self.error(
                expr.span,
                "skboutput() can only be used with fentry and fexit probes",
            ),
        }
    }

    pub(crate) fn is_compat(&mut self, _: &Expr, _: &Call) -> Type {
        Type::Bool
    }

    pub(crate) fn not_supported(&mut self, expr: &Expr, call: &Call) -> Type {
        self.error(expr.span, format!("{}() is not supported", call.name))
    }

    pub(crate) fn signal(&mut self, expr: &Expr, call: &Call) -> Type {
        use AttachKind::*;
        let arg = &call.args[0];
        if let ExprKind::Str(text) = &arg.kind {
            let text = String::from_utf8_lossy(text).into_owned();
            self.expr(arg);
            match crate::signal::signal_number(&text) {
                Some(number) => self.set_constant(arg.id, i64::from(number)),
                None => {
                    return self.error(arg.span, format!("{text} is not a valid signal"));
                }
            }
        } else {
            self.integer(arg, &call.name);
            if let Some(number) = self.constant(arg.id)
                && !(1..=64).contains(&number)
            {
                return self.error(
                    arg.span,
                    format!("{number} is not a valid signal, allowed range: [1,64]"),
                );
            }
        }
        match self.target().kind {
            Begin | End | SelfSignal | Interval => self.error(
                expr.span,
                format!(
                    "{}() can not be used with '{}' probes",
                    call.name,
                    self.target().kind.name()
                ),
            ),
            _ => Type::Void,
        }
    }

    /// Tables for following stacks are made of the files of processes that are known beforehand.
    pub(crate) fn stack_can_be_had(&mut self, span: Span, name: &str) {
        if name != UNWOUND {
            return;
        }
        if !cfg!(target_arch = "x86_64") {
            self.error(span, "dw_ustack is for x86-64 only");
        }
        if self.params.unwound().next().is_none() {
            self.error_hint(
                span,
                "dw_ustack needs to know the process beforehand",
                "give it by -p or --dwarf-pid, or run a command by -c",
            );
        }
    }

    pub(crate) fn stack(&mut self, _: &Expr, call: &Call) -> Type {
        self.stack_can_be_had(call.name_span, &call.name);
        let user = call.name != "kstack";
        let mut mode = self.config.stack_mode;
        let mut limit = 127;
        for arg in &call.args {
            if let Some(found) = self.word(arg).and_then(StackMode::by_name) {
                if found == StackMode::BuildId && !user {
                    return self.error(arg.span, "build_id is a mode of ustack only");
                }
                mode = found;
                continue;
            }
            if let ExprKind::Ident(word) = &arg.kind
                && self.env.enumerator(word, self.facts).is_none()
            {
                return self.error_hint(
                    arg.span,
                    format!("Invalid stack mode: {word}"),
                    "Valid modes: bpftrace, perf, raw, build_id",
                );
            }
            self.expr(arg);
            match self.constant(arg.id) {
                Some(number @ 0..=127) => limit = number as u32,
                Some(number) => {
                    return self.error(
                        arg.span,
                        format!(
                            "{}([int limit]): limit shouldn't exceed 127, {number} given",
                            call.name
                        ),
                    );
                }
                None => return self.error(arg.span, format!("{}: invalid limit value", call.name)),
            }
        }
        Type::Stack { user, mode, limit }
    }
}
