//! Functions that print, and that stop a script which is wrong.

use crate::{
    ast::{Call, Expr, ExprKind},
    check::Checker,
    format,
    types::Type,
};

impl Checker<'_> {
    pub(crate) fn exit(&mut self, _: &Expr, call: &Call) -> Type {
        if let Some(arg) = call.args.first() {
            self.integer(arg, "exit");
        }
        Type::Void
    }

    pub(crate) fn time(&mut self, _: &Expr, call: &Call) -> Type {
        if let Some(arg) = call.args.first() {
            self.literal_string(arg, "time");
        }
        Type::Void
    }

    pub(crate) fn join(&mut self, _: &Expr, call: &Call) -> Type {
        self.pointer_or_integer(&call.args[0], "join");
        if let Some(separator) = call.args.get(1) {
            self.literal_string(separator, "join");
        }
        Type::Void
    }

    pub(crate) fn fail(&mut self, expr: &Expr, call: &Call) -> Type {
        let text = text_or(call.args.first(), "fail");
        self.error(expr.span, text)
    }

    pub(crate) fn static_assert(&mut self, expr: &Expr, call: &Call) -> Type {
        let condition = &call.args[0];
        self.expr(condition);
        match self.constant(condition.id) {
            Some(0) => self.error(expr.span, text_or(call.args.get(1), "assertion failed")),
            Some(_) => Type::Void,
            None => self.error(condition.span, "static_assert needs a literal condition"),
        }
    }

    pub(crate) fn assert(&mut self, _: &Expr, call: &Call) -> Type {
        let kind = self.expr(&call.args[0]);
        self.condition(&kind, call.args[0].span, "assert");
        self.literal_string(&call.args[1], "assert");
        Type::Void
    }

    pub(crate) fn assert_str(&mut self, _: &Expr, call: &Call) -> Type {
        self.string(&call.args[0], "assert_str");
        Type::Void
    }

    /// A format with its arguments.
    pub(crate) fn formatted(&mut self, _: &Expr, call: &Call) -> Type {
        let kinds: Vec<Type> = call.args.iter().map(|arg| self.expr(arg)).collect();
        let Some(text) = self.known_string(&call.args[0]) else {
            self.error(
                call.args[0].span,
                format!(
                    "{}() expects a format string as its first argument",
                    call.name
                ),
            );
            return Type::Void;
        };
        let text = match &call.args[0].kind {
            ExprKind::Str(bytes) => bytes.clone(),
            _ => text.into_bytes(),
        };
        let format = match format::parse(&text) {
            Ok(format) => format,
            Err(message) => {
                self.error(call.args[0].span, format!("{}: {message}", call.name));
                return Type::Void;
            }
        };
        let given = call.args.len() - 1;
        if format.arguments() != given {
            let word = if given < format.arguments() {
                "Not enough"
            } else {
                "Too many"
            };
            self.error(
                call.name_span
                    .to(call.args.last().expect("one at least").span),
                format!(
                    "{}: {word} arguments for format string ({} expected, {given} supplied)",
                    call.name,
                    format.arguments()
                ),
            );
            return Type::Void;
        }
        let mut next = 1;
        for conversion in format.conversions() {
            next +=
                usize::from(conversion.width_argument) + usize::from(conversion.precision_argument);
            let (arg, kind) = (&call.args[next], &kinds[next]);
            next += 1;
            if !fits_conversion(conversion.kind, kind) {
                self.error(
                    arg.span,
                    format!(
                        "{}: {} specifier expects a different type ({kind} supplied)",
                        call.name, conversion.text
                    ),
                );
            }
        }
        Type::Void
    }

    pub(crate) fn print(&mut self, _: &Expr, call: &Call) -> Type {
        let first = &call.args[0];
        if let ExprKind::Map(name, None) = &first.kind {
            let info = self.map(name, first.span);
            info.used = true;
            let (value, kind) = (info.value.clone(), info.key.clone());
            self.set_type(first.id, value);
            for arg in &call.args[1..] {
                self.expr(arg);
                match self.constant(arg.id) {
                    Some(number) if number >= 0 => {}
                    Some(_) => {
                        self.error(arg.span, "print() expects a positive number");
                    }
                    None => {
                        self.error(arg.span, "print() only supports literals for top and div");
                    }
                }
            }
            if call.args.len() > 1 && kind == Type::Void {
                self.diagnostics.warn(
                    first.span,
                    "The top and div arguments are ignored when used on a map without keys",
                );
            }
            return Type::Void;
        }
        let kind = self.expr(first);
        if call.args.len() > 1 {
            return self.error(
                first.span,
                format!(
                    "Non-map print() only takes 1 argument, {} found",
                    call.args.len()
                ),
            );
        }
        match kind {
            Type::Void | Type::Args | Type::StackModeName(_) => {
                self.error(first.span, format!("{kind} type cannot be printed"))
            }
            Type::Aggregate(aggregate) if aggregate.is_histogram() => match &first.kind {
                ExprKind::Map(..) => Type::Void,
                _ => self.error(first.span, format!("{kind} type cannot be printed")),
            },
            _ => Type::Void,
        }
    }
}

fn text_or(arg: Option<&Expr>, default: &str) -> String {
    match arg.map(|arg| &arg.kind) {
        Some(ExprKind::Str(text)) => String::from_utf8_lossy(text).into_owned(),
        _ => default.to_owned(),
    }
}

/// Whether a value can be shown by a conversion.
fn fits_conversion(conversion: char, kind: &Type) -> bool {
    match (conversion, kind) {
        (_, Type::Unknown) => true,
        ('r', Type::Buf(_) | Type::Str(_)) => true,
        ('r', _) => false,
        ('s', Type::Int { .. } | Type::Bool | Type::Ptr(..)) => matches!(kind, Type::Bool),
        ('s', kind) => !matches!(kind, Type::Void | Type::Args | Type::Aggregate(_)),
        ('d' | 'i' | 'u' | 'o' | 'x' | 'X' | 'c' | 'p', Type::Aggregate(aggregate)) => {
            aggregate.is_number()
        }
        ('d' | 'i' | 'u' | 'o' | 'x' | 'X' | 'c' | 'p', kind) => {
            kind.is_scalar() || matches!(kind, Type::USym)
        }
        ('g', kind) => kind.is_integer(),
        _ => false,
    }
}
