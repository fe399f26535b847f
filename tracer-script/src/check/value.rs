//! Builtin values.

use super::Checker;
use crate::{
    ast::Expr,
    builtins,
    diagnostic::Span,
    marker::{Argument, Place},
    probe::AttachKind,
    types::{INT, Named, Space, Type, UINT},
};

/// An unsigned integer of 32 bits.
const U32: Type = Type::Int {
    size: 4,
    signed: false,
};

impl Checker<'_> {
    /// The type of a builtin value; where it is not there in this probe, that is told.
    pub(super) fn value(&mut self, expr: &Expr, name: &str) -> Type {
        let kind = self.target().kind;
        if builtins::argument_number(name).is_some() {
            return self.argument(expr.span, name, kind);
        }
        match name {
            "pid" | "tid" | "uid" | "gid" | "ppid" | "leader_tid" | "numaid" | "rand" => U32,
            "cpu" | "nsecs" | "elapsed" | "cgroup" | "jiffies" => UINT,
            "ncpus" => {
                self.set_constant(expr.id, i64::from(self.facts.cpus()));
                UINT
            }
            "cpid" => match self.params.child {
                Some(pid) => {
                    self.set_constant(expr.id, i64::from(pid));
                    INT
                }
                None => {
                    self.set_constant(expr.id, 0);
                    self.diagnostics.warn_hint(
                        expr.span,
                        "cpid is 0: there is no child command",
                        "start one with -c, or ask has_cpid before",
                    );
                    INT
                }
            },
            "has_cpid" => {
                self.set_constant(expr.id, i64::from(self.params.child.is_some()));
                Type::Bool
            }
            "default_str_length" => {
                self.set_constant(expr.id, self.config.max_strlen as i64);
                INT
            }
            "usermode" if kind.has_registers() || kind.is_sampled() => Type::int(1, false),
            "usermode" => self.not_here(
                expr.span,
                "usermode",
                "profile, software, kprobe and uprobe",
            ),
            "comm" | "pcomm" | "leader_comm" => Type::Str(16),
            "username" => Type::Named(Named::Username),
            "curtask" => Type::pointer(Type::Struct("struct task_struct".into()), Space::Kernel),
            "probe" => Type::Named(Named::Probe),
            "probetype" => Type::Str(kind.type_name().len() as u32 + 1),
            "func" => {
                use AttachKind::*;
                match kind {
                    Kprobe | Kretprobe | Fentry | Fexit => Type::KSym,
                    Uprobe | Uretprobe => Type::USym,
                    _ => self.not_here(expr.span, "func", "kprobe, fentry and uprobe"),
                }
            }
            "ctx" => self.context(),
            "args" => Type::Args,
            "retval" => self.retval(expr.span, kind),
            "kstack" | "ustack" | builtins::UNWOUND => {
                self.stack_can_be_had(expr.span, name);
                Type::Stack {
                    user: name != "kstack",
                    mode: self.config.stack_mode,
                    limit: 127,
                }
            }
            _ => self.error(expr.span, format!("Unknown identifier: '{name}'")),
        }
    }

    pub(super) fn not_here(&mut self, span: Span, what: &str, where_: &str) -> Type {
        let kind = self.target().kind.name();
        self.error(
            span,
            format!("The {what} builtin can only be used with {where_} probes, not with '{kind}'"),
        )
    }

    fn argument(&mut self, span: Span, name: &str, kind: AttachKind) -> Type {
        use AttachKind::*;
        match kind {
            Kprobe | Uprobe | Fentry | RawTracepoint => UINT,
            Usdt => self.marker_argument(span, name),
            Kretprobe | Uretprobe | Fexit => self.error(
                span,
                format!("The {name} builtin cannot be used at a function's return: use retval, or keep it at the entry"),
            ),
            _ => self.not_here(span, name, "kprobe, uprobe, usdt and rawtracepoint"),
        }
    }

    /// An argument of a static marker, as far as its note tells where that is.
    fn marker_argument(&mut self, span: Span, name: &str) -> Type {
        let target = self.target().clone();
        let number = builtins::argument_number(name).unwrap_or(0) as usize;
        match target.arguments.get(number) {
            Some(Argument {
                place: Place::OutOfReach(why),
                ..
            }) => self.error(
                span,
                format!("{name} of {} cannot be read: {why}", target.name),
            ),
            Some(Argument { signed: true, .. }) => INT,
            Some(_) => UINT,
            None => self.error(
                span,
                format!(
                    "There is no {name} at {}: it has {} arguments",
                    target.name,
                    target.arguments.len()
                ),
            ),
        }
    }

    fn retval(&mut self, span: Span, kind: AttachKind) -> Type {
        match kind {
            AttachKind::Kretprobe | AttachKind::Fexit => {
                let known = self.facts.signature(self.target());
                match known.map(|signature| signature.returns.clone()) {
                    Some(Type::Void) if kind == AttachKind::Fexit => {
                        self.error(span, "The function returns nothing")
                    }
                    // Through a kretprobe it is a register, whose upper half means nothing for an int; an address
                    // is a number there, as those of `arg0` are.
                    Some(returns @ (Type::Int { .. } | Type::Bool)) => returns,
                    Some(returns @ Type::Ptr(..)) if kind == AttachKind::Fexit => returns,
                    _ => UINT,
                }
            }
            AttachKind::Uretprobe => UINT,
            _ => self.not_here(span, "retval", "kretprobe, uretprobe and fexit"),
        }
    }

    fn context(&mut self) -> Type {
        use AttachKind::*;
        let target = match self.target().kind {
            Kprobe | Kretprobe | Uprobe | Uretprobe | Usdt => "struct pt_regs",
            Profile | Interval | Software | Hardware | Watchpoint => "struct bpf_perf_event_data",
            Iter => {
                let name = format!("struct bpf_iter__{}", self.target().item);
                return Type::pointer(Type::Struct(name.into()), Space::Kernel);
            }
            _ => return Type::pointer(UINT, Space::Kernel),
        };
        Type::pointer(Type::Struct(target.into()), Space::Kernel)
    }
}
