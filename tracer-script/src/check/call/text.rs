//! Functions of strings and bytes.

use crate::{
    ast::{Call, Expr},
    check::Checker,
    probe::AttachKind,
    types::{INT, Named, Type},
};

impl Checker<'_> {
    pub(crate) fn strlen(&mut self, _: &Expr, call: &Call) -> Type {
        self.string(&call.args[0], "strlen");
        INT
    }

    pub(crate) fn strcap(&mut self, expr: &Expr, call: &Call) -> Type {
        let kind = self.string(&call.args[0], "strcap");
        // What a pointer leads to has no room of its own: there it is the length.
        if let (Type::Str(size), false) = (kind, self.is_pointer(&call.args[0])) {
            self.set_constant(expr.id, i64::from(size));
        }
        INT
    }

    fn is_pointer(&self, arg: &Expr) -> bool {
        matches!(self.result.types[arg.id as usize], Type::Ptr(..))
    }

    pub(crate) fn strcmp(&mut self, _: &Expr, call: &Call) -> Type {
        self.string(&call.args[0], "strcmp");
        self.string(&call.args[1], "strcmp");
        INT
    }

    pub(crate) fn strncmp(&mut self, _: &Expr, call: &Call) -> Type {
        let size = &call.args[2];
        self.string(&call.args[0], "strncmp");
        self.string(&call.args[1], "strncmp");
        self.expr(size);
        match self.constant(size.id) {
            Some(0..) => INT,
            Some(_) => self.error(size.span, "strncmp: the size cannot be negative"),
            None => self.error(size.span, "strncmp: the size must be a literal"),
        }
    }

    pub(crate) fn strstr(&mut self, _: &Expr, call: &Call) -> Type {
        self.string(&call.args[0], "strstr");
        self.string(&call.args[1], "strstr");
        INT
    }

    pub(crate) fn strcontains(&mut self, _: &Expr, call: &Call) -> Type {
        self.string(&call.args[0], "strcontains");
        self.string(&call.args[1], "strcontains");
        Type::Bool
    }

    pub(crate) fn str_concat(&mut self, _: &Expr, call: &Call) -> Type {
        let sizes =
            [&call.args[0], &call.args[1]].map(|arg| match self.string(arg, "str_concat") {
                Type::Str(size) => size,
                _ => 1,
            });
        Type::Str((sizes[0] + sizes[1]).saturating_sub(1).max(1))
    }

    pub(crate) fn memcmp(&mut self, _: &Expr, call: &Call) -> Type {
        for arg in &call.args {
            self.expr(arg);
        }
        let size = &call.args[2];
        match self.constant(size.id) {
            Some(1..=4096) => INT,
            _ => self.error(size.span, "memcmp: the size is a literal from 1 to 4096"),
        }
    }

    pub(crate) fn strerror(&mut self, _: &Expr, call: &Call) -> Type {
        self.named(call, Named::Errno)
    }

    pub(crate) fn signal_name(&mut self, _: &Expr, call: &Call) -> Type {
        self.named(call, Named::Signal)
    }

    pub(crate) fn syscall_name(&mut self, _: &Expr, call: &Call) -> Type {
        self.named(call, Named::Syscall)
    }

    /// A number that is printed as a name.
    fn named(&mut self, call: &Call, named: Named) -> Type {
        self.integer(&call.args[0], &call.name);
        Type::Named(named)
    }

    pub(crate) fn strftime(&mut self, _: &Expr, call: &Call) -> Type {
        let format = self.literal_string(&call.args[0], "strftime");
        self.integer(&call.args[1], "strftime");
        Type::Timestamp(format.unwrap_or_default().into())
    }

    pub(crate) fn bswap(&mut self, _: &Expr, call: &Call) -> Type {
        match self.expr(&call.args[0]) {
            Type::Int { size, .. } => Type::int(size, false),
            Type::Unknown => Type::Unknown,
            kind => self.error(
                call.args[0].span,
                format!("bswap() only supports integer arguments ({kind} provided)"),
            ),
        }
    }

    pub(crate) fn path(&mut self, expr: &Expr, call: &Call) -> Type {
        self.expr(&call.args[0]);
        let size = self.size_argument(call.args.get(1), "path");
        match self.target().kind {
            AttachKind::Iter if !self.facts.since(5, 12) => self.error(
                expr.span,
                "path() can be used in iter probes from Linux 5.12 on",
            ),
            AttachKind::Fentry | AttachKind::Fexit | AttachKind::Iter => Type::Str(size),
            _ => self.error(
                expr.span,
                "path() can only be used with fentry, fexit and iter probes",
            ),
        }
    }

    pub(crate) fn str(&mut self, _: &Expr, call: &Call) -> Type {
        let first = &call.args[0];
        if let Some((number, skip)) = first.parameter() {
            let size = self.size_argument(call.args.get(1), "str");
            let Some(text) = self.params.text(number, skip) else {
                return self.error(
                    first.span,
                    format!("cannot leave out {skip} bytes: parameter ${number} is shorter"),
                );
            };
            let room = text.len() as u32 + 1;
            return Type::Str(match call.args.get(1) {
                Some(_) => room.min(size),
                None => room,
            });
        }
        let kind = self.expr(first);
        let size = self.size_argument(call.args.get(1), "str");
        match kind {
            Type::Int { .. } | Type::Ptr(..) | Type::Unknown => Type::Str(size),
            Type::Str(own) | Type::Array(_, own) => Type::Str(match call.args.get(1) {
                Some(_) => own.min(size),
                None => own,
            }),
            _ => self.error(
                first.span,
                format!(
                    "str() expects an integer or a pointer type as first argument ({kind} provided)"
                ),
            ),
        }
    }

    pub(crate) fn buf(&mut self, _: &Expr, call: &Call) -> Type {
        let first = &call.args[0];
        let kind = self.expr(first);
        let own = match &kind {
            Type::Array(..) | Type::Str(_) | Type::Struct(_) => {
                Some(kind.c_size(&self.env.sizes(self.facts)))
            }
            Type::Ptr(..) | Type::Int { .. } | Type::Unknown => None,
            _ => {
                return self.error(
                    first.span,
                    format!("buf() expects an integer or a pointer type as first argument ({kind} provided)"),
                );
            }
        };
        let max = self.config.max_strlen as u32;
        match call.args.get(1) {
            Some(arg) => Type::Buf(self.size_argument(Some(arg), "buf")),
            None => match own {
                Some(size) => Type::Buf(size.min(max)),
                None => self.error(
                    call.name_span,
                    "buf() expects a length argument for this type",
                ),
            },
        }
    }
}
