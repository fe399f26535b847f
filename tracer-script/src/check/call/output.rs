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

    /// Ends compiling where it may be reached; its arguments are known beforehand.
    pub(crate) fn fail(&mut self, expr: &Expr, call: &Call) -> Type {
        let Some(format) = self.format_of(call) else {
            return Type::Void;
        };
        let mut args = call.args[1..].iter();
        let mut text = String::new();
        for part in &format.parts {
            match part {
                format::Part::Text(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
                format::Part::Conversion(conversion) => {
                    let skipped = usize::from(conversion.width_argument)
                        + usize::from(conversion.precision_argument);
                    let Some(arg) = args.nth(skipped) else {
                        return Type::Void;
                    };
                    match self.known_text(conversion.kind, arg) {
                        Some(known) => text.push_str(&known),
                        None => {
                            return self
                                .error(arg.span, "fail() takes literals only: it ends compiling");
                        }
                    }
                }
            }
        }
        self.error(expr.span, text)
    }

    /// What is known before the script runs, as text.
    fn known_text(&self, conversion: char, arg: &Expr) -> Option<String> {
        if conversion == 's' {
            let truth = |value| if value != 0 { "true" } else { "false" };
            return self.known_string(arg).or_else(|| {
                let of_kind = self.constant(arg.id).map(truth);
                of_kind.map(str::to_owned)
            });
        }
        let value = self.constant(arg.id)?;
        Some(match conversion {
            'd' | 'i' => value.to_string(),
            'x' | 'X' | 'p' => format!("{value:x}"),
            'o' => format!("{value:o}"),
            'c' => char::from(value as u8).to_string(),
            _ => (value as u64).to_string(),
        })
    }

    /// What the kernel's own `printf` takes: numbers, addresses and strings, three at the most
    /// (`bpf_trace_printk()` of `kernel/trace/bpf_trace.c`).
    pub(crate) fn debugf(&mut self, _: &Expr, call: &Call) -> Type {
        let Some(format) = self.format_of(call) else {
            return Type::Void;
        };
        let odd = format.conversions().find(|one| {
            !"diuxps".contains(one.kind)
                || one.width_argument
                || one.precision_argument
                || one.variant.is_some()
        });
        match odd {
            Some(odd) => self.error(
                call.args[0].span,
                format!(
                    "debugf: {} cannot be printed by the kernel: only %d, %i, %u, %x, %p and %s",
                    odd.text
                ),
            ),
            None => Type::Void,
        }
    }

    /// What the kernel prints itself where an iterator is a file (`bpf_seq_printf()` of `kernel/trace/bpf_trace.c`).
    fn fits_kernel(&mut self, call: &Call, format: &format::Format) {
        const ARGUMENTS_MAX: usize = 12;
        const STRINGS_MAX: usize = 6;
        let odd = format.conversions().find(|one| {
            !"diuxXpcs".contains(one.kind)
                || one.width_argument
                || one.precision_argument
                || one.precision.is_some()
                || one.alternate
                || one.kind == 'p' && one.width.is_some()
        });
        if let Some(odd) = odd {
            self.error(
                call.args[0].span,
                format!("printf: {} cannot be printed by the kernel, which does it where an iterator is pinned", odd.text),
            );
            return;
        }
        for (conversion, arg) in format.conversions().zip(&call.args[1..]) {
            if conversion.kind == 's' && !matches!(self.expr(arg), Type::Str(_) | Type::Unknown) {
                self.error(
                    arg.span,
                    "printf: the kernel, which prints where an iterator is pinned, takes strings for %s",
                );
            }
        }
        let is_text = |one: &&format::Conversion| matches!(one.kind, 's' | 'c');
        if format.arguments() > ARGUMENTS_MAX
            || format.conversions().filter(is_text).count() > STRINGS_MAX
        {
            self.error(
                call.args[0].span,
                format!("printf: where an iterator is pinned, the kernel prints {ARGUMENTS_MAX} values at most, {STRINGS_MAX} of them strings"),
            );
        }
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
        if let Some(format) = self.format_of(call)
            && call.name == "printf"
            && self.target().is_pinned()
        {
            self.fits_kernel(call, &format);
        }
        Type::Void
    }

    /// The format of a call, where it is right and its arguments fit.
    fn format_of(&mut self, call: &Call) -> Option<format::Format> {
        let kinds: Vec<Type> = call.args.iter().map(|arg| self.expr(arg)).collect();
        let Some(text) = self.known_string(&call.args[0]) else {
            self.error(
                call.args[0].span,
                format!(
                    "{}() expects a format string as its first argument",
                    call.name
                ),
            );
            return None;
        };
        let text = match &call.args[0].kind {
            ExprKind::Str(bytes) => bytes.clone(),
            _ => text.into_bytes(),
        };
        let format = format::parse(&text);
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
            return None;
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
        Some(format)
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
        let kind = match self.expr(first) {
            Type::Args => self.all_args(first),
            kind => kind,
        };
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
        ('s', Type::Ptr(..)) => kind.is_function_pointer(),
        ('s', Type::Int { .. }) => false,
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
