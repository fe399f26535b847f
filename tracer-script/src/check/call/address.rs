//! Functions of addresses: in memory, of networks, of registers.

use crate::{
    ast::{Call, Expr, ExprKind},
    check::Checker,
    types::{Space, Type, UINT},
};

/// What is added to the addresses of variables that each CPU has of its own, by CPU:
/// `include/asm-generic/percpu.h`.
pub(crate) const CPU_OFFSETS: &str = "__per_cpu_offset";

/// Bytes of a MAC address (`ETH_ALEN` of `include/uapi/linux/if_ether.h`).
const MAC_BYTES: u32 = 6;

impl Checker<'_> {
    pub(crate) fn ksym(&mut self, _: &Expr, call: &Call) -> Type {
        self.pointer_or_integer(&call.args[0], "ksym");
        Type::KSym
    }

    pub(crate) fn usym(&mut self, _: &Expr, call: &Call) -> Type {
        self.pointer_or_integer(&call.args[0], "usym");
        Type::USym
    }

    pub(crate) fn kaddr(&mut self, expr: &Expr, call: &Call) -> Type {
        let Some(name) = self.literal_string(&call.args[0], "kaddr") else {
            return UINT;
        };
        match self.facts.kernel_symbol(&name) {
            Some(address) => {
                self.set_constant(expr.id, address as i64);
                UINT
            }
            None => self.error(
                call.args[0].span,
                format!("Failed to resolve kernel symbol: {name}"),
            ),
        }
    }

    pub(crate) fn unwatch(&mut self, _: &Expr, call: &Call) -> Type {
        self.pointer_or_integer(&call.args[0], "unwatch");
        Type::Void
    }

    /// A variable that each CPU has of its own: that of this one, or of another. Its type is told by BTF.
    pub(crate) fn percpu_kaddr(&mut self, _: &Expr, call: &Call) -> Type {
        if let Some(cpu) = call.args.get(1) {
            self.integer(cpu, "percpu_kaddr");
        }
        let Some(name) = self.literal_string(&call.args[0], "percpu_kaddr") else {
            return Type::Unknown;
        };
        for symbol in [name.as_str(), CPU_OFFSETS] {
            if self.facts.kernel_symbol(symbol).is_none() {
                return self.error_hint(
                    call.args[0].span,
                    format!("Failed to resolve kernel symbol: {symbol}"),
                    "the addresses of variables are in /proc/kallsyms where the kernel is built with CONFIG_KALLSYMS_ALL",
                );
            }
        }
        let kind = self.facts.kernel_variable(&name);
        Type::pointer(kind.unwrap_or(Type::Void), Space::Kernel)
    }

    pub(crate) fn kptr(&mut self, _: &Expr, call: &Call) -> Type {
        self.pointer_into(call, Space::Kernel)
    }

    pub(crate) fn uptr(&mut self, _: &Expr, call: &Call) -> Type {
        self.pointer_into(call, Space::User)
    }

    fn pointer_into(&mut self, call: &Call, space: Space) -> Type {
        match self.pointer_or_integer(&call.args[0], &call.name) {
            Type::Ptr(to, _) => Type::Ptr(to, space),
            _ => Type::pointer(Type::Void, space),
        }
    }

    pub(crate) fn is_err(&mut self, _: &Expr, call: &Call) -> Type {
        self.pointer_or_integer(&call.args[0], "is_err");
        Type::Bool
    }

    pub(crate) fn macaddr(&mut self, _: &Expr, call: &Call) -> Type {
        match self.expr(&call.args[0]) {
            kind @ (Type::Str(_) | Type::Array(..))
                if kind.c_size(&self.env.sizes(self.facts)) < MAC_BYTES =>
            {
                self.error(
                    call.args[0].span,
                    format!("macaddr() takes {MAC_BYTES} bytes ({kind} provided)"),
                )
            }
            Type::Str(_) | Type::Array(..) | Type::Ptr(..) | Type::Unknown => Type::Mac,
            kind => self.error(
                call.args[0].span,
                format!("macaddr() only supports array or pointer arguments ({kind} provided)"),
            ),
        }
    }

    pub(crate) fn ntop(&mut self, _: &Expr, call: &Call) -> Type {
        let address = call.args.last().expect("one at least");
        if call.args.len() == 2 {
            self.integer(&call.args[0], "ntop");
        }
        let kind = self.expr(address);
        match kind {
            Type::Int { .. } | Type::Unknown => Type::Inet,
            Type::Array(..) | Type::Str(_) => match kind.c_size(&self.env.sizes(self.facts)) {
                4 | 16 => Type::Inet,
                _ => self.error(
                    address.span,
                    "ntop() argument must be 4 or 16 bytes in size",
                ),
            },
            Type::Ptr(..) if call.args.len() == 2 => Type::Inet,
            _ => self.error(
                address.span,
                format!("ntop() expects an integer or array argument, got {kind}"),
            ),
        }
    }

    pub(crate) fn pton(&mut self, expr: &Expr, call: &Call) -> Type {
        let Some(text) = self.literal_string(&call.args[0], "pton") else {
            return Type::Unknown;
        };
        let size = if text.parse::<std::net::Ipv4Addr>().is_ok() {
            4
        } else if text.parse::<std::net::Ipv6Addr>().is_ok() {
            16
        } else {
            return self.error(
                expr.span,
                format!("pton() expects a string argument of an IPv4 or IPv6 address, got {text}"),
            );
        };
        Type::Array(Type::int(1, false).into(), size)
    }

    pub(crate) fn uaddr(&mut self, expr: &Expr, call: &Call) -> Type {
        let Some(name) = self.literal_string(&call.args[0], "uaddr") else {
            return UINT;
        };
        let target = self.target().clone();
        if !target.kind.is_user() {
            return self.error(
                expr.span,
                "uaddr() can only be used with uprobe, uretprobe and usdt probes",
            );
        }
        match self.facts.user_symbol(&target.group, &name) {
            Some(symbol) => {
                let pointed = match symbol.size {
                    size @ (1 | 2 | 4 | 8) => Type::int(size as u8, false),
                    _ => UINT,
                };
                Type::pointer(pointed, Space::User)
            }
            None => self.error(
                call.args[0].span,
                format!("Could not resolve symbol: {}:{name}", target.group),
            ),
        }
    }

    pub(crate) fn reg(&mut self, _: &Expr, call: &Call) -> Type {
        let arg = &call.args[0];
        let Some(name) = self.literal_string(arg, "reg") else {
            return UINT;
        };
        if !self.target().kind.has_registers() {
            return self.error(
                arg.span,
                "reg() can only be used with kprobe, uprobe and usdt probes",
            );
        }
        if crate::registers::register_member(&name).is_none() {
            return self.error(
                arg.span,
                format!("'{name}' is not a valid register on this architecture"),
            );
        }
        UINT
    }

    pub(crate) fn container_of(&mut self, expr: &Expr, call: &Call) -> Type {
        let [pointer, of, member] = call.args.as_slice() else {
            return Type::Unknown;
        };
        let space = match self.expr(pointer) {
            Type::Ptr(_, space) => space,
            _ => Space::Any,
        };
        let kind = self.type_argument(of);
        let (Type::Struct(key), Some(path)) = (&kind, member_path(member)) else {
            return self.error(
                expr.span,
                "container_of() takes a pointer, a struct and a member",
            );
        };
        let structure = self.env.structure(key, self.facts);
        let field = structure.and_then(|one| self.env.field(&one, &path, self.facts));
        match field {
            Some(field) => {
                self.set_constant(member.id, i64::from(field.offset));
                Type::pointer(kind, space)
            }
            None => self.error(member.span, format!("'{key}' has no field named '{path}'")),
        }
    }
}

fn member_path(member: &Expr) -> Option<String> {
    match &member.kind {
        ExprKind::Ident(name) => Some(name.clone()),
        _ => None,
    }
}
