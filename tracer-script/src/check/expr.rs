//! Expressions.

use std::{collections::HashMap, rc::Rc};

use super::{Checker, env};
use crate::{
    ast::{BinaryOp, Expr, ExprId, ExprKind, TypeBase, TypeName, TypeOrExpr, TypeSuffix, UnaryOp},
    builtins,
    diagnostic::{Span, nearest},
    facts::Struct,
    probe::AttachKind,
    types::{Aggregate, INT, Named, Space, StackMode, Type, UINT},
};

/// An unsigned integer of 32 bits.
const U32: Type = Type::Int {
    size: 4,
    signed: false,
};

/// Bytes of a tuple or a record, at most.
const VALUE_MAX: u32 = 512 << 10;

impl Checker<'_> {
    pub(super) fn set_type(&mut self, id: ExprId, kind: Type) {
        self.result.types[id as usize] = kind;
    }

    pub(super) fn set_constant(&mut self, id: ExprId, value: i64) {
        self.result.constants.insert(id, value);
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Type {
        let kind = self.expr_type(expr);
        self.set_type(expr.id, kind.clone());
        kind
    }

    fn expr_type(&mut self, expr: &Expr) -> Type {
        match &expr.kind {
            ExprKind::Int(value) => {
                self.set_constant(expr.id, *value as i64);
                literal_type(*value)
            }
            ExprKind::Bool(value) => {
                self.set_constant(expr.id, i64::from(*value));
                Type::Bool
            }
            ExprKind::Str(text) => Type::Str(text.len() as u32 + 1),
            ExprKind::Positional(index) => self.positional(expr.id, *index),
            ExprKind::PositionalCount => {
                self.set_constant(expr.id, self.params.positional.len() as i64);
                INT
            }
            ExprKind::Ident(name) => self.ident(expr, name),
            ExprKind::Var(name) => match self.used_variable(name, expr.span) {
                Some(index) => self.bind(expr.id, index),
                None => self.error(
                    expr.span,
                    format!("Undefined or undeclared variable: {name}"),
                ),
            },
            ExprKind::Map(name, key) => {
                self.map_key(name, key.as_deref(), expr.span);
                let info = self.map(name, expr.span);
                info.used = true;
                info.value.clone()
            }
            ExprKind::Unary(operator, operand) => self.unary(expr, *operator, operand),
            ExprKind::Binary(operator, left, right) => self.binary(expr, *operator, left, right),
            ExprKind::IncDec { target, .. } => self.inc_dec(target),
            ExprKind::Ternary(condition, then, other) => {
                let kind = self.expr(condition);
                self.condition(&kind, condition.span, "ternary");
                let first = match then {
                    Some(then) => self.expr(then),
                    None => kind,
                };
                let second = self.expr(other);
                let literals = (
                    then.as_ref().is_some_and(|then| self.is_literal(then)),
                    self.is_literal(other),
                );
                self.branches(expr.span, first, second, literals)
            }
            ExprKind::If(condition, then, other) => {
                let kind = self.expr(condition);
                self.condition(&kind, condition.span, "if");
                let first = self.expr(then);
                let second = match other {
                    Some(other) => self.expr(other),
                    None => Type::Void,
                };
                self.branches(expr.span, first, second, (false, false))
            }
            ExprKind::Call(call) => self.call(expr, call),
            ExprKind::Cast(name, operand) => self.cast(expr, name, operand),
            ExprKind::Field(operand, name) => self.field(expr, operand, name),
            ExprKind::TupleIndex(operand, index) => {
                let kind = self.expr(operand);
                self.element(expr.span, &kind, *index)
            }
            ExprKind::Index(operand, index) => self.index(expr, operand, index),
            ExprKind::Tuple(elements) => {
                let kinds: Vec<Type> = elements.iter().map(|element| self.part(element)).collect();
                if kinds.contains(&Type::Unknown) {
                    return Type::Unknown;
                }
                self.value_of_size(expr.span, Type::Tuple(kinds.into()))
            }
            ExprKind::Record(fields) => {
                let kinds: Vec<(Rc<str>, Type)> = fields
                    .iter()
                    .map(|(name, value)| (name.as_str().into(), self.part(value)))
                    .collect();
                if kinds.iter().any(|(_, kind)| *kind == Type::Unknown) {
                    return Type::Unknown;
                }
                self.value_of_size(expr.span, Type::Record(kinds.into()))
            }
            ExprKind::Sizeof(of) => {
                let kind = self.type_or_expr(of);
                let size = kind.c_size(&self.env.sizes(self.facts));
                self.set_constant(expr.id, i64::from(size));
                UINT
            }
            ExprKind::Offsetof(of, path) => self.offsetof(expr, of, path),
            ExprKind::Type(name) => self.error(name.span, "a type stands where a value is needed"),
            ExprKind::Block(statements, value) => {
                self.scopes.push(HashMap::new());
                self.stmts(statements);
                let kind = match value {
                    Some(value) => self.expr(value),
                    None => Type::Void,
                };
                self.scopes.pop();
                kind
            }
        }
    }

    /// The type of a value that is put together, as long as it is not too large.
    fn value_of_size(&mut self, span: Span, kind: Type) -> Type {
        let size = kind.stored_size(&self.env.sizes(self.facts));
        if size <= VALUE_MAX {
            return kind;
        }
        let message = format!("the value has {size} bytes, and can have {VALUE_MAX}");
        self.error(span, message)
    }

    /// A part of a tuple: what is added up in a map counts as a number.
    fn part(&mut self, expr: &Expr) -> Type {
        let kind = self.expr(expr);
        match &kind {
            Type::Aggregate(aggregate) if aggregate.is_number() => Self::number_of(&kind),
            Type::Aggregate(_) | Type::Void | Type::Args | Type::StackModeName(_) => {
                self.error(expr.span, format!("{kind} cannot be part of a tuple"))
            }
            _ => kind,
        }
    }

    /// What an aggregated value is as a number.
    pub(super) fn number_of(kind: &Type) -> Type {
        match kind {
            Type::Aggregate(Aggregate::Count) => UINT,
            Type::Aggregate(aggregate) if aggregate.is_number() => {
                if kind.is_signed() {
                    INT
                } else {
                    UINT
                }
            }
            other => other.clone(),
        }
    }

    fn branches(&mut self, span: Span, first: Type, second: Type, literals: (bool, bool)) -> Type {
        let (first, second) = (Self::number_of(&first), Self::number_of(&second));
        match self.unify(&first, &second, literals.0, literals.1) {
            Some(kind) => kind,
            None => self.error(
                span,
                format!("Branches must return the same type: have '{first}' and '{second}'"),
            ),
        }
    }

    fn positional(&mut self, id: ExprId, index: u32) -> Type {
        let value = self.params.positional.get(index as usize - 1);
        match value.map(String::as_str) {
            None => {
                self.set_constant(id, 0);
                INT
            }
            Some(text) => match parse_number(text) {
                Some(number) => {
                    self.set_constant(id, number);
                    INT
                }
                None => Type::Str(text.len() as u32 + 1),
            },
        }
    }

    fn ident(&mut self, expr: &Expr, name: &str) -> Type {
        if builtins::is_value(name) {
            return self.value(expr, name);
        }
        if let Some((value, kind)) = self.env.enumerator(name, self.facts) {
            self.set_constant(expr.id, value);
            return kind;
        }
        if let Some(mode) = StackMode::by_name(name) {
            return Type::StackModeName(mode);
        }
        if let Some(function) = builtins::find(name) {
            return self.error(
                expr.span,
                format!("{}() is a function: it needs parentheses", function.name),
            );
        }
        let near = nearest(
            name,
            builtins::VALUES
                .into_iter()
                .chain(builtins::FUNCTIONS.iter().map(|function| function.name)),
        );
        let message = format!("Unknown identifier: '{name}'");
        match near {
            Some(near) => self.error_hint(expr.span, message, format!("did you mean {near}?")),
            None => self.error(expr.span, message),
        }
    }

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
                    self.error_hint(
                        expr.span,
                        "cpid cannot be used without child command",
                        "start one with -c",
                    )
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
            "usermode" => Type::int(1, false),
            "comm" | "pcomm" | "leader_comm" => Type::Str(16),
            "username" => Type::Named(Named::Username),
            "curtask" => Type::pointer(Type::Struct("struct task_struct".into()), Space::Kernel),
            "probe" => Type::Named(Named::Probe),
            "probetype" => Type::Str(kind.name().len() as u32 + 1),
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
            "kstack" | "ustack" => Type::Stack {
                user: name == "ustack",
                mode: self.config.stack_mode,
                limit: 127,
            },
            _ => self.error(expr.span, format!("Unknown identifier: '{name}'")),
        }
    }

    fn not_here(&mut self, span: Span, what: &str, where_: &str) -> Type {
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
            Usdt => UINT,
            Kretprobe | Uretprobe | Fexit => self.error(
                span,
                format!("The {name} builtin cannot be used at a function's return: use retval, or keep it at the entry"),
            ),
            _ => self.not_here(span, name, "kprobe, uprobe, usdt and rawtracepoint"),
        }
    }

    fn retval(&mut self, span: Span, kind: AttachKind) -> Type {
        match kind {
            AttachKind::Kretprobe | AttachKind::Fexit => {
                let known = self.facts.function(&self.target().item);
                match known.map(|signature| signature.returns.clone()) {
                    Some(Type::Void) if kind == AttachKind::Fexit => {
                        self.error(span, "The function returns nothing")
                    }
                    // Through a kretprobe it is a register, whose upper half means nothing for an int.
                    Some(kind @ (Type::Int { .. } | Type::Ptr(..) | Type::Bool)) => kind,
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
            _ => return Type::pointer(UINT, Space::Kernel),
        };
        Type::pointer(Type::Struct(target.into()), Space::Kernel)
    }

    fn unary(&mut self, expr: &Expr, operator: UnaryOp, operand: &Expr) -> Type {
        let kind = self.expr(operand);
        if kind == Type::Unknown {
            return kind;
        }
        let value = self.constant(operand.id);
        match operator {
            UnaryOp::Deref => match &kind {
                Type::Ptr(to, _) if **to == Type::Void => {
                    self.error(expr.span, "Cannot dereference a pointer to void")
                }
                Type::Ptr(to, _) => (**to).clone(),
                Type::Int { .. } => UINT,
                _ => self.error(
                    expr.span,
                    format!("Cannot dereference a value of type '{kind}'"),
                ),
            },
            UnaryOp::AddressOf => match &operand.kind {
                ExprKind::Var(_) => {
                    if let Some(&index) = self.result.bindings.get(&operand.id) {
                        self.result.variables[index].in_memory = true;
                    }
                    Type::pointer(kind, Space::Kernel)
                }
                ExprKind::Map(_, None) => Type::pointer(Type::Void, Space::Kernel),
                _ => self.error(
                    expr.span,
                    "Only the address of a variable or a map can be taken",
                ),
            },
            UnaryOp::Not => {
                if !kind.is_scalar() && !matches!(kind, Type::Aggregate(_)) {
                    return self.bad_operand("!", expr.span, &kind);
                }
                if let Some(value) = value {
                    self.set_constant(expr.id, i64::from(value == 0));
                }
                Type::Bool
            }
            UnaryOp::BitNot => {
                if !kind.is_integer() {
                    return self.bad_operand("~", expr.span, &kind);
                }
                if let Some(value) = value {
                    self.set_constant(expr.id, !value);
                }
                UINT
            }
            UnaryOp::Neg => {
                if !kind.is_integer() {
                    return self.bad_operand("-", expr.span, &kind);
                }
                if let Some(value) = value {
                    if matches!(operand.kind, ExprKind::Int(number) if number > 1 << 63) {
                        return self.error(
                            expr.span,
                            "this number does not fit into a signed integer of 64 bits",
                        );
                    }
                    self.set_constant(expr.id, value.wrapping_neg());
                }
                INT
            }
        }
    }

    fn bad_operand(&mut self, operator: &str, span: Span, kind: &Type) -> Type {
        self.error(
            span,
            format!("The {operator} operator cannot be used on expressions of type '{kind}'"),
        )
    }

    fn binary(&mut self, expr: &Expr, operator: BinaryOp, left: &Expr, right: &Expr) -> Type {
        let (left_kind, right_kind) = (self.expr(left), self.expr(right));
        let literals = (self.is_literal(left), self.is_literal(right));
        let kind = self.binary_type(
            operator,
            &left_kind,
            &right_kind,
            expr.span,
            literals.0,
            literals.1,
        );
        if let (Some(a), Some(b)) = (self.constant(left.id), self.constant(right.id))
            && left_kind.is_integer()
            && right_kind.is_integer()
        {
            let signed = left_kind.is_signed() && a < 0 || right_kind.is_signed() && b < 0;
            let signed = signed || kind.is_signed();
            match fold(operator, a, b, signed) {
                Some(value) => self.set_constant(expr.id, value),
                None if matches!(operator, BinaryOp::Div | BinaryOp::Mod) && b == 0 => {
                    return self.error(expr.span, "division by zero");
                }
                None => {}
            }
        }
        kind
    }

    /// The type of an operation, by those of its operands.
    pub(super) fn binary_type(
        &mut self,
        operator: BinaryOp,
        left: &Type,
        right: &Type,
        span: Span,
        left_literal: bool,
        right_literal: bool,
    ) -> Type {
        use BinaryOp::*;
        let (left, right) = (Self::number_of(left), Self::number_of(right));
        if left == Type::Unknown || right == Type::Unknown {
            return if operator.is_comparison() || matches!(operator, And | Or) {
                Type::Bool
            } else {
                Type::Unknown
            };
        }
        if matches!(operator, And | Or) {
            for kind in [&left, &right] {
                if !kind.is_scalar() && !matches!(kind, Type::Str(_)) {
                    return self.bad_operand(operator.text(), span, kind);
                }
            }
            return Type::Bool;
        }
        let mismatch = |checker: &mut Self| {
            checker.error(
                span,
                format!(
                    "Type mismatch for '{}': comparing '{left}' with '{right}'",
                    operator.text()
                ),
            )
        };
        if operator.is_comparison() {
            let both_numbers = left.is_scalar() && right.is_scalar();
            let comparable = match (&left, &right) {
                (Type::Str(_), Type::Str(_)) => matches!(operator, Eq | Ne),
                (Type::Tuple(_), Type::Tuple(_)) | (Type::Array(..), Type::Array(..)) => {
                    matches!(operator, Eq | Ne) && self.unify(&left, &right, true, true).is_some()
                }
                (Type::Mac, Type::Mac)
                | (Type::Inet, Type::Inet)
                | (Type::Buf(_), Type::Buf(_)) => {
                    matches!(operator, Eq | Ne)
                }
                _ => both_numbers,
            };
            if !comparable {
                return mismatch(self);
            }
            return Type::Bool;
        }
        match (&left, &right) {
            (Type::Ptr(..), kind) if kind.is_integer() && matches!(operator, Add | Sub) => left,
            (kind, Type::Ptr(..)) if kind.is_integer() && operator == Add => right,
            (Type::Ptr(..), Type::Ptr(..)) if operator == Sub => INT,
            (Type::Ptr(..), other) | (other, Type::Ptr(..))
                if other.is_integer() || matches!(other, Type::Ptr(..)) =>
            {
                UINT
            }
            (a, b) if a.is_integer() && b.is_integer() => {
                let signed = match (a.is_signed(), b.is_signed()) {
                    (false, false) => false,
                    (true, false) => !left_literal,
                    (false, true) => !right_literal,
                    (true, true) => true,
                };
                if signed { INT } else { UINT }
            }
            (a, b) if a.is_scalar() && b.is_scalar() => UINT,
            _ => self.error(
                span,
                format!(
                    "The {} operator can not be used on expressions of types '{left}', '{right}'",
                    operator.text()
                ),
            ),
        }
    }

    fn inc_dec(&mut self, target: &Expr) -> Type {
        match &target.kind {
            ExprKind::Map(name, key) => {
                self.map_key(name, key.as_deref(), target.span);
                let known = self.map(name, target.span).value.clone();
                match known {
                    Type::Unknown => self.give_map(name, &INT, target.span, true),
                    Type::Int { .. } => {}
                    Type::Ptr(..) => {}
                    other => {
                        return self.error(
                            target.span,
                            format!(
                                "The ++ and -- operators cannot be used on a map of type '{other}'"
                            ),
                        );
                    }
                }
                let info = self.map(name, target.span);
                info.assigned = true;
                let kind = info.value.clone();
                self.set_type(target.id, kind.clone());
                kind
            }
            _ => {
                let kind = self.expr(target);
                if !matches!(kind, Type::Int { .. } | Type::Ptr(..) | Type::Unknown) {
                    return self.bad_operand("++", target.span, &kind);
                }
                kind
            }
        }
    }

    /// A type as it is written.
    pub(super) fn type_name(&mut self, name: &TypeName) -> Type {
        let space = if self.target().kind.is_user() {
            Space::User
        } else {
            Space::Any
        };
        let mut suffixes = name.suffixes.as_slice();
        let base = match &name.base {
            TypeBase::Typeof(of) => self.type_or_expr(of),
            TypeBase::Tuple(elements) => {
                let elements: Vec<Type> = elements.iter().map(|one| self.type_name(one)).collect();
                Type::Tuple(elements.into())
            }
            TypeBase::Named(word) if matches!(word.as_str(), "string" | "buffer" | "inet") => {
                let size = match suffixes.first() {
                    Some(TypeSuffix::Array(Some(size))) => {
                        suffixes = &suffixes[1..];
                        *size as u32
                    }
                    _ => self.config.max_strlen as u32,
                };
                match word.as_str() {
                    "string" => Type::Str(size),
                    "buffer" => Type::Buf(size),
                    _ => Type::Inet,
                }
            }
            base => match env::plain(name, self.env, self.facts) {
                Some(kind) => kind,
                None => {
                    let what = match base {
                        TypeBase::Struct(key) => key.clone(),
                        TypeBase::Enum(name) => format!("enum {name}"),
                        TypeBase::Named(name) => name.clone(),
                        _ => String::new(),
                    };
                    // A pointer may lead to something unknown, as long as it is not followed.
                    if matches!(base, TypeBase::Struct(_))
                        && suffixes.first() == Some(&TypeSuffix::Pointer)
                    {
                        Type::Struct(what.into())
                    } else {
                        return self
                            .error(name.span, format!("Cannot resolve unknown type \"{what}\""));
                    }
                }
            },
        };
        let kind = env::with_suffixes(base, suffixes, space, env::is_text(&name.base));
        let size = kind.c_size(&self.env.sizes(self.facts));
        if size > env::SIZE_MAX {
            let message = format!("{kind} is larger than {} bytes", env::SIZE_MAX);
            return self.error(name.span, message);
        }
        kind
    }

    pub(super) fn type_or_expr(&mut self, of: &TypeOrExpr) -> Type {
        match of {
            TypeOrExpr::Type(name) => self.type_name(name),
            TypeOrExpr::Expr(expr) => self.type_argument(expr),
        }
    }

    /// An argument that may be a type instead of a value.
    pub(super) fn type_argument(&mut self, expr: &Expr) -> Type {
        let ExprKind::Type(name) = &expr.kind else {
            return self.expr(expr);
        };
        let kind = self.type_name(name);
        self.set_type(expr.id, kind.clone());
        kind
    }

    fn cast(&mut self, expr: &Expr, name: &TypeName, operand: &Expr) -> Type {
        let from = self.expr(operand);
        let to = self.type_name(name);
        if from == Type::Unknown || to == Type::Unknown {
            return to;
        }
        let fits = match (&from, &to) {
            (Type::Aggregate(aggregate), to) => aggregate.is_number() && to.is_integer(),
            (from, to) if from.is_scalar() && to.is_scalar() => true,
            (Type::Array(..) | Type::Str(_), to) if to.is_integer() => {
                from.c_size(&self.env.sizes(self.facts)) <= 8
            }
            (from, Type::Array(element, 0)) if from.is_integer() => {
                let size = element.c_size(&self.env.sizes(self.facts)).max(1);
                let count = from.c_size(&self.env.sizes(self.facts)).max(1) / size;
                return Type::Array(element.clone(), count.max(1));
            }
            (from, Type::Array(..)) if from.is_integer() => {
                to.c_size(&self.env.sizes(self.facts)) <= 8
            }
            (from, Type::Str(size)) if from.is_integer() => *size <= 8,
            (Type::Str(_), Type::Str(_)) | (Type::Array(..), Type::Array(..)) => true,
            (Type::Str(size), Type::Array(..)) => to.c_size(&self.env.sizes(self.facts)) <= *size,
            (Type::Array(..), Type::Ptr(..)) | (Type::Str(_), Type::Ptr(..)) => true,
            (Type::Struct(_), Type::Struct(_)) => from == to,
            (Type::Named(_) | Type::USym, to) => to.is_integer(),
            (from, to) => from == to,
        };
        if !fits {
            return self.error(
                expr.span,
                format!("Cannot cast from \"{from}\" to \"{to}\""),
            );
        }
        if let (Some(value), true) = (self.constant(operand.id), to.is_integer()) {
            let cut = truncate(value, &to, &self.env.sizes(self.facts));
            self.set_constant(expr.id, cut);
        }
        // A pointer that is cast to another keeps leading to where it led.
        match (&from, &to) {
            (Type::Ptr(_, space), Type::Ptr(inner, _)) => Type::Ptr(inner.clone(), *space),
            _ => to,
        }
    }

    fn field(&mut self, expr: &Expr, operand: &Expr, name: &str) -> Type {
        let kind = self.expr(operand);
        match &kind {
            Type::Args => self.args_field(expr.span, name),
            Type::Record(fields) => match fields.iter().find(|(known, _)| **known == *name) {
                Some((_, kind)) => kind.clone(),
                None => self.error(
                    expr.span,
                    format!("Record does not contain a field named '{name}'"),
                ),
            },
            Type::Struct(key) => {
                let key = key.clone();
                self.member(expr.span, &key, name, Space::Any)
            }
            Type::Ptr(to, space) => match &**to {
                Type::Struct(key) => {
                    let (key, space) = (key.clone(), *space);
                    self.member(expr.span, &key, name, space)
                }
                _ => self.error(
                    expr.span,
                    format!("Can not access field '{name}' on expression of type '{kind}'"),
                ),
            },
            Type::Unknown => Type::Unknown,
            _ => self.error(
                expr.span,
                format!("Can not access field '{name}' on expression of type '{kind}'"),
            ),
        }
    }

    fn member(&mut self, span: Span, key: &Rc<str>, name: &str, space: Space) -> Type {
        let Some(structure) = self.env.structure(key, self.facts) else {
            return self.error(span, format!("Unknown struct/union: '{key}'"));
        };
        match self.env.field(&structure, name, self.facts) {
            Some(field) => led_to(field.kind, space),
            None => {
                let near = nearest(name, names(&structure)).map(str::to_owned);
                let message =
                    format!("Struct/union of type '{key}' does not contain a field named '{name}'");
                match near {
                    Some(near) => self.error_hint(span, message, format!("did you mean {near}?")),
                    None => self.error(span, message),
                }
            }
        }
    }

    fn args_field(&mut self, span: Span, name: &str) -> Type {
        use AttachKind::*;
        let target = self.target().clone();
        match target.kind {
            Tracepoint => match self.facts.tracepoint(&target.group, &target.item) {
                Err(reason) => self.error(span, reason),
                Ok(fields) => match fields.iter().find(|field| &*field.name == name) {
                    // How long a string is that lies elsewhere in the event is told only there.
                    Some(field) if field.kind == Type::Str(0) => {
                        Type::Str(self.config.max_strlen as u32)
                    }
                    Some(field) => field.kind.clone(),
                    None => {
                        let near = nearest(name, fields.iter().map(|field| &*field.name))
                            .map(str::to_owned);
                        let message = format!(
                            "Struct/union of type 'struct _tracepoint_{}_{}' does not contain a field named '{name}'",
                            target.group, target.item
                        );
                        match near {
                            Some(near) => {
                                self.error_hint(span, message, format!("did you mean {near}?"))
                            }
                            None => self.error(span, message),
                        }
                    }
                },
            },
            Fentry | Fexit | RawTracepoint | Kprobe | Kretprobe => {
                let signature = match target.kind {
                    RawTracepoint => self.facts.raw_tracepoint(&target.item),
                    _ => self.facts.function(&target.item),
                };
                let Some(signature) = signature else {
                    return self.error(
                        span,
                        format!(
                            "The arguments of {} are not known to the kernel's BTF",
                            target.name
                        ),
                    );
                };
                match signature.params.iter().find(|(known, _)| **known == *name) {
                    Some((_, kind)) => kind.clone(),
                    None => {
                        let known: Vec<&str> =
                            signature.params.iter().map(|(name, _)| &**name).collect();
                        self.error_hint(
                            span,
                            format!("Can't find function parameter {name}"),
                            format!("it has: {}", known.join(", ")),
                        )
                    }
                }
            }
            Uprobe | Uretprobe => self.error(
                span,
                "Cannot read the arguments of a user function by name: use arg0, arg1…",
            ),
            _ => self.not_here(span, "args", "tracepoint, fentry and rawtracepoint"),
        }
    }

    fn element(&mut self, span: Span, kind: &Type, index: u32) -> Type {
        match kind {
            Type::Tuple(elements) => match elements.get(index as usize) {
                Some(kind) => kind.clone(),
                None => self.error(
                    span,
                    format!(
                        "Invalid tuple index: {index}. Found {} elements in tuple.",
                        elements.len()
                    ),
                ),
            },
            Type::Unknown => Type::Unknown,
            _ => self.error(
                span,
                format!("Can not access index '{index}' on expression of type '{kind}'"),
            ),
        }
    }

    fn index(&mut self, expr: &Expr, operand: &Expr, index: &Expr) -> Type {
        let kind = self.expr(operand);
        let index_kind = self.expr(index);
        if !index_kind.is_integer() && index_kind != Type::Unknown {
            return self.error(
                index.span,
                format!(
                    "The array index operator [] only accepts integer indices, got {index_kind}"
                ),
            );
        }
        let constant = self.constant(index.id);
        match &kind {
            Type::Array(element, count) => {
                if let Some(value) = constant
                    && *count > 0
                    && (value < 0 || value >= i64::from(*count))
                {
                    return self.error(
                        expr.span,
                        format!("the index {value} is out of bounds for array of size {count}"),
                    );
                }
                (**element).clone()
            }
            Type::Tuple(_) => match constant {
                Some(value) => self.element(expr.span, &kind, value as u32),
                None => self.error(index.span, "the index of a tuple must be a literal"),
            },
            Type::Ptr(to, space) => led_to((**to).clone(), *space),
            Type::Str(_) | Type::Buf(_) => Type::int(1, matches!(kind, Type::Str(_))),
            Type::Unknown => Type::Unknown,
            _ => self.error(
                expr.span,
                format!("The array index operator [] can only be used on arrays and pointers, found {kind}."),
            ),
        }
    }

    fn offsetof(&mut self, expr: &Expr, of: &TypeOrExpr, path: &[String]) -> Type {
        let mut kind = self.type_or_expr(of);
        let mut offset = 0;
        for name in path {
            let key = match &kind {
                Type::Struct(key) => key.clone(),
                Type::Ptr(to, _) => match &**to {
                    Type::Struct(key) => key.clone(),
                    _ => return self.error(expr.span, format!("'{kind}' is not a struct")),
                },
                Type::Unknown => return Type::Unknown,
                _ => {
                    return self.error(
                        expr.span,
                        format!("'{kind}' is not a record: offsetof needs a struct or union"),
                    );
                }
            };
            let structure = self.env.structure(&key, self.facts);
            let field = structure.and_then(|one| self.env.field(&one, name, self.facts));
            let Some(field) = field else {
                return self.error(expr.span, format!("'{key}' has no field named '{name}'"));
            };
            offset += field.offset;
            kind = field.kind;
        }
        self.set_constant(expr.id, i64::from(offset));
        UINT
    }
}

/// What lies in the memory of a process points there, too.
fn led_to(kind: Type, space: Space) -> Type {
    match (kind, space) {
        (Type::Ptr(to, _), Space::User) => Type::Ptr(to, Space::User),
        (other, _) => other,
    }
}

fn names(structure: &Struct) -> impl Iterator<Item = &str> {
    structure.fields.iter().map(|field| &*field.name)
}

/// The smallest signed type that holds a number, or the unsigned one of 64 bits.
fn literal_type(value: u64) -> Type {
    match value {
        0..=0x7f => Type::int(1, true),
        0x80..=0x7fff => Type::int(2, true),
        0x8000..=0x7fff_ffff => Type::int(4, true),
        0x8000_0000..=0x7fff_ffff_ffff_ffff => INT,
        _ => UINT,
    }
}

/// A parameter that is a number.
pub(super) fn parse_number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value = crate::literal::integer(digits).ok()? as i64;
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// Cuts a number to a type.
pub(crate) fn truncate(value: i64, kind: &Type, sizes: &dyn crate::types::Sizes) -> i64 {
    if *kind == Type::Bool {
        return i64::from(value != 0);
    }
    let size = kind.c_size(sizes);
    if size == 0 || size >= 8 {
        return value;
    }
    let shift = 64 - size * 8;
    if kind.is_signed() {
        value << shift >> shift
    } else {
        ((value as u64) << shift >> shift) as i64
    }
}

/// Calculates with constants.
pub(crate) fn fold(operator: BinaryOp, a: i64, b: i64, signed: bool) -> Option<i64> {
    use BinaryOp::*;
    let (ua, ub) = (a as u64, b as u64);
    let truth = |value: bool| Some(i64::from(value));
    match operator {
        Add => Some(a.wrapping_add(b)),
        Sub => Some(a.wrapping_sub(b)),
        Mul => Some(a.wrapping_mul(b)),
        Div if b == 0 => None,
        Mod if b == 0 => None,
        Div if signed => Some(a.wrapping_div(b)),
        Mod if signed => Some(a.wrapping_rem(b)),
        Div => Some((ua / ub) as i64),
        Mod => Some((ua % ub) as i64),
        Shl => Some(ua.checked_shl(u32::try_from(b).ok()?)? as i64),
        Shr => Some(ua.checked_shr(u32::try_from(b).ok()?)? as i64),
        BitOr => Some(a | b),
        BitAnd => Some(a & b),
        BitXor => Some(a ^ b),
        Or => truth(a != 0 || b != 0),
        And => truth(a != 0 && b != 0),
        Eq => truth(a == b),
        Ne => truth(a != b),
        Lt => truth(if signed { a < b } else { ua < ub }),
        Gt => truth(if signed { a > b } else { ua > ub }),
        Le => truth(if signed { a <= b } else { ua <= ub }),
        Ge => truth(if signed { a >= b } else { ua >= ub }),
    }
}
