//! Calls.

use super::{Checker, env};
use crate::{
    ast::{Call, Expr, ExprKind},
    builtins::{self, Function, Place},
    diagnostic::{Span, nearest},
    format::{self, Format},
    probe::AttachKind,
    types::{Aggregate, INT, Named, SeriesKind, Space, StackMode, Type, UINT},
};

impl Checker<'_> {
    pub(super) fn call(&mut self, expr: &Expr, call: &Call) -> Type {
        if call.args.is_empty() && builtins::is_value(&call.name) {
            return self.value(expr, &call.name);
        }
        let Some(function) = builtins::find(&call.name) else {
            call.args.iter().for_each(|arg| {
                self.expr(arg);
            });
            return self.unknown_function(call);
        };
        if !self.has_right_count(expr, call, function) {
            return Type::Unknown;
        }
        if function.is_unsafe && !self.params.allow_unsafe {
            return self.error_hint(
                expr.span,
                format!(
                    "{}() is an unsafe function being used in safe mode",
                    call.name
                ),
                "allow it with --unsafe",
            );
        }
        if function.place == Place::Map {
            return self.error(
                expr.span,
                format!("{}() should be assigned to a map", call.name),
            );
        }
        self.builtin(expr, call)
    }

    fn unknown_function(&mut self, call: &Call) -> Type {
        if self
            .script
            .functions
            .iter()
            .any(|function| function.name == call.name)
        {
            return self.error(
                call.name_span,
                format!("Calls of subprograms are not supported: '{}'", call.name),
            );
        }
        let near = nearest(
            &call.name,
            builtins::FUNCTIONS.iter().map(|function| function.name),
        );
        let message = format!("Unknown function: '{}'", call.name);
        match near {
            Some(near) => self.error_hint(call.name_span, message, format!("did you mean {near}?")),
            None => self.error(call.name_span, message),
        }
    }

    fn has_right_count(&mut self, expr: &Expr, call: &Call, function: &Function) -> bool {
        let given = call.args.len();
        let Function { min, max, .. } = *function;
        if (min..=max).contains(&given) {
            return true;
        }
        let name = &call.name;
        let message = if min == max {
            let s = if min == 1 { "" } else { "s" };
            match min {
                0 => format!("{name}() requires no arguments ({given} provided)"),
                _ => format!("{name}() requires {min} argument{s} ({given} provided)"),
            }
        } else if given < min {
            let s = if min == 1 { "" } else { "s" };
            format!("{name}() requires at least {min} argument{s} ({given} provided)")
        } else {
            let s = if max == 1 { "" } else { "s" };
            format!("{name}() takes up to {max} argument{s} ({given} provided)")
        };
        self.error(expr.span, message);
        false
    }

    /// What is added up, where a value is one of the map's functions.
    pub(super) fn aggregate_of(&mut self, value: &Expr) -> Option<Type> {
        let ExprKind::Call(call) = &value.kind else {
            return None;
        };
        let function = builtins::find(&call.name)?;
        if function.place != Place::Map {
            return None;
        }
        if !self.has_right_count(value, call, function) {
            return Some(Type::Unknown);
        }
        let kind = self.aggregate_type(value, call);
        self.set_type(value.id, kind.clone());
        Some(kind)
    }

    fn aggregate_type(&mut self, value: &Expr, call: &Call) -> Type {
        let mut signed = false;
        if let Some(first) = call.args.first() {
            let kind = Self::number_of(&self.expr(first));
            if !kind.is_integer() && kind != Type::Unknown && !matches!(kind, Type::Ptr(..)) {
                return self.error(
                    first.span,
                    format!(
                        "{}() only supports integer arguments ({kind} provided)",
                        call.name
                    ),
                );
            }
            signed = kind.is_signed() && !self.is_literal(first);
        }
        let aggregate = match call.name.as_str() {
            "count" => Aggregate::Count,
            "sum" => Aggregate::Sum(signed),
            "avg" => Aggregate::Avg(signed),
            "min" => Aggregate::Min(signed),
            "max" => Aggregate::Max(signed),
            "stats" => Aggregate::Stats(signed),
            "hist" => {
                let bits = match call.args.get(1) {
                    None => 0,
                    Some(arg) => match env::literal(arg) {
                        Some(bits @ 0..=5) => bits as u8,
                        _ => {
                            return self
                                .error(arg.span, "hist: bits must be a literal from 0 to 5");
                        }
                    },
                };
                Aggregate::Hist(bits)
            }
            "lhist" => return self.lhist(value.span, call),
            _ => return self.tseries(value.span, call, signed),
        };
        Type::Aggregate(aggregate)
    }

    fn lhist(&mut self, span: Span, call: &Call) -> Type {
        let mut bounds = [0; 3];
        for (bound, arg) in bounds.iter_mut().zip(&call.args[1..]) {
            self.expr(arg);
            match self.constant(arg.id) {
                Some(value) => *bound = value,
                None => return self.error(arg.span, "lhist: min, max and step must be literals"),
            }
        }
        let [min, max, step] = bounds;
        if step <= 0 {
            return self.error(call.args[3].span, "lhist() step must be >= 1");
        }
        if max <= min {
            return self.error(
                span,
                format!("lhist() min must be less than max (provided min {min} and max {max})"),
            );
        }
        let width = crate::buckets::width(min, max);
        let buckets = width / step as u64;
        if buckets > 1000 {
            return self.error(
                span,
                format!("lhist() too many buckets, must be <= 1000 (would need {buckets})"),
            );
        }
        if step as u64 > width {
            return self.error(span, format!("lhist() step is too large: {step}"));
        }
        Type::Aggregate(Aggregate::LHist { min, max, step })
    }

    fn tseries(&mut self, span: Span, call: &Call, signed: bool) -> Type {
        let mut numbers = [0; 2];
        for (number, arg) in numbers.iter_mut().zip(&call.args[1..]) {
            self.expr(arg);
            match self.constant(arg.id) {
                Some(value) if value > 0 => *number = value,
                _ => {
                    return self.error(
                        arg.span,
                        "tseries: interval and number of intervals must be positive literals",
                    );
                }
            }
        }
        let how = match call.args.get(3).map(|arg| &arg.kind) {
            None => SeriesKind::Last,
            Some(ExprKind::Str(text)) => match text.as_slice() {
                b"avg" => SeriesKind::Avg,
                b"max" => SeriesKind::Max,
                b"min" => SeriesKind::Min,
                b"sum" => SeriesKind::Sum,
                _ => {
                    return self.error(
                        call.args[3].span,
                        "tseries() expects one of the following aggregation functions: avg, max, min, sum",
                    );
                }
            },
            Some(_) => return self.error(call.args[3].span, "tseries: the function is a literal"),
        };
        if numbers[1] > 1_000_000 {
            return self.error(span, "tseries() num_intervals must be <= 1000000");
        }
        Type::Aggregate(Aggregate::TSeries {
            interval: numbers[0] as u64,
            buckets: numbers[1] as u32,
            how,
            signed,
        })
    }

    fn builtin(&mut self, expr: &Expr, call: &Call) -> Type {
        let args = call.args.as_slice();
        match call.name.as_str() {
            "printf" | "errorf" | "warnf" | "debugf" | "cat" | "system" => {
                self.formatted(call);
                Type::Void
            }
            "print" => self.print(call),
            "clear" | "zero" => {
                self.whole_map(&args[0], &call.name);
                Type::Void
            }
            "exit" => {
                if let Some(arg) = args.first() {
                    self.integer(arg, "exit");
                }
                Type::Void
            }
            "time" => {
                if let Some(arg) = args.first() {
                    self.literal_string(arg, "time");
                }
                Type::Void
            }
            "join" => {
                self.pointer_or_integer(&args[0], "join");
                if let Some(separator) = args.get(1) {
                    self.literal_string(separator, "join");
                }
                Type::Void
            }
            "fail" => {
                let text = match &args[0].kind {
                    ExprKind::Str(text) => String::from_utf8_lossy(text).into_owned(),
                    _ => "fail".to_owned(),
                };
                self.error(expr.span, text)
            }
            "static_assert" => {
                self.expr(&args[0]);
                let text = match args.get(1).map(|arg| &arg.kind) {
                    Some(ExprKind::Str(text)) => String::from_utf8_lossy(text).into_owned(),
                    _ => "assertion failed".to_owned(),
                };
                match self.constant(args[0].id) {
                    Some(0) => self.error(expr.span, text),
                    Some(_) => Type::Void,
                    None => self.error(args[0].span, "static_assert needs a literal condition"),
                }
            }
            "assert" => {
                let kind = self.expr(&args[0]);
                self.condition(&kind, args[0].span, "assert");
                self.literal_string(&args[1], "assert");
                Type::Void
            }
            "assert_str" => {
                self.string(&args[0], "assert_str");
                Type::Void
            }
            "signal" | "signal_thread" => self.signal(expr.span, call),
            "override" => {
                self.integer(&args[0], "override");
                match self.target().kind {
                    AttachKind::Kprobe => Type::Void,
                    _ => self.error(expr.span, "override() can only be used with kprobes"),
                }
            }
            "write_user" => {
                self.pointer_or_integer(&args[0], "write_user");
                self.expr(&args[1]);
                self.integer(&args[2], "write_user");
                Type::Void
            }
            "unwatch" => {
                self.integer(&args[0], "unwatch");
                Type::Void
            }
            "delete" => self.delete(call),
            "has_key" => {
                self.key_of(&args[0], &args[1], "has_key");
                Type::Bool
            }
            "find" => self.find(call),
            "len" => {
                let kind = match &args[0].kind {
                    ExprKind::Map(name, None) => {
                        let info = self.map(name, args[0].span);
                        info.used = true;
                        if info.key == Type::Void {
                            let message = format!(
                                "{name} has no key: len() takes a map with keys, or a stack"
                            );
                            return self.error(args[0].span, message);
                        }
                        return INT;
                    }
                    _ => self.expr(&args[0]),
                };
                match kind {
                    Type::Stack { .. } | Type::Unknown => INT,
                    Type::Str(_) => INT,
                    Type::Array(_, count) => {
                        self.set_constant(expr.id, i64::from(count));
                        INT
                    }
                    _ => self.error(
                        args[0].span,
                        format!("len() expects a map or a stack, got {kind}"),
                    ),
                }
            }
            "strlen" => {
                self.string(&args[0], "strlen");
                INT
            }
            "strcap" => {
                if let Type::Str(size) = self.string(&args[0], "strcap") {
                    self.set_constant(expr.id, i64::from(size));
                }
                INT
            }
            "str" => self.str(call),
            "buf" => self.buf(call),
            "path" => {
                self.expr(&args[0]);
                let size = self.size_argument(args.get(1), "path");
                use AttachKind::*;
                match self.target().kind {
                    Fentry | Fexit | Iter => Type::Str(size),
                    _ => self.error(
                        expr.span,
                        "path() can only be used with fentry, fexit and iter probes",
                    ),
                }
            }
            "strncmp" => {
                self.string(&args[0], "strncmp");
                self.string(&args[1], "strncmp");
                self.expr(&args[2]);
                match self.constant(args[2].id) {
                    Some(size) if size >= 0 => INT,
                    Some(_) => self.error(args[2].span, "strncmp: the size cannot be negative"),
                    None => self.error(args[2].span, "strncmp: the size must be a literal"),
                }
            }
            "strcmp" => {
                self.string(&args[0], "strcmp");
                self.string(&args[1], "strcmp");
                INT
            }
            "strstr" | "strcontains" => {
                self.string(&args[0], &call.name);
                self.string(&args[1], &call.name);
                if call.name == "strstr" {
                    INT
                } else {
                    Type::Bool
                }
            }
            "str_concat" => {
                let sizes = [&args[0], &args[1]].map(|arg| match self.string(arg, "str_concat") {
                    Type::Str(size) => size,
                    _ => 1,
                });
                Type::Str((sizes[0] + sizes[1]).saturating_sub(1).max(1))
            }
            "memcmp" => {
                self.expr(&args[0]);
                self.expr(&args[1]);
                self.expr(&args[2]);
                match self.constant(args[2].id) {
                    Some(1..=4096) => INT,
                    _ => self.error(args[2].span, "memcmp: the size is a literal from 1 to 4096"),
                }
            }
            "strerror" => self.named(&args[0], Named::Errno),
            "signal_name" => self.named(&args[0], Named::Signal),
            "syscall_name" => self.named(&args[0], Named::Syscall),
            "strftime" => {
                let format = self
                    .literal_string(&args[0], "strftime")
                    .unwrap_or_default();
                self.integer(&args[1], "strftime");
                Type::Timestamp(format.into())
            }
            "bswap" => {
                let kind = self.expr(&args[0]);
                match kind {
                    Type::Int { size, .. } => Type::int(size, false),
                    Type::Unknown => Type::Unknown,
                    _ => self.error(
                        args[0].span,
                        format!("bswap() only supports integer arguments ({kind} provided)"),
                    ),
                }
            }
            "ntop" => self.ntop(call),
            "pton" => self.pton(expr, &args[0]),
            "macaddr" => {
                let kind = self.expr(&args[0]);
                match kind {
                    Type::Str(6..) | Type::Array(..) | Type::Ptr(..) | Type::Unknown => Type::Mac,
                    _ => self.error(
                        args[0].span,
                        format!(
                            "macaddr() only supports array or pointer arguments ({kind} provided)"
                        ),
                    ),
                }
            }
            "ksym" => {
                self.pointer_or_integer(&args[0], "ksym");
                Type::KSym
            }
            "usym" => {
                self.pointer_or_integer(&args[0], "usym");
                Type::USym
            }
            "kaddr" => {
                let Some(name) = self.literal_string(&args[0], "kaddr") else {
                    return UINT;
                };
                match self.facts.kernel_symbol(&name) {
                    Some(address) => {
                        self.set_constant(expr.id, address as i64);
                        UINT
                    }
                    None => self.error(
                        args[0].span,
                        format!("Failed to resolve kernel symbol: {name}"),
                    ),
                }
            }
            "uaddr" => self.uaddr(expr, &args[0]),
            "reg" => self.reg(&args[0]),
            "kptr" | "uptr" => {
                let kind = self.pointer_or_integer(&args[0], &call.name);
                let space = if call.name == "kptr" {
                    Space::Kernel
                } else {
                    Space::User
                };
                match kind {
                    Type::Ptr(to, _) => Type::Ptr(to, space),
                    _ => Type::pointer(Type::Void, space),
                }
            }
            "cgroupid" => {
                let Some(path) = self.literal_string(&args[0], "cgroupid") else {
                    return UINT;
                };
                match self.facts.cgroup_id(&path) {
                    Some(id) => {
                        self.set_constant(expr.id, id as i64);
                        UINT
                    }
                    None => self.error(args[0].span, format!("there is no cgroup at {path}")),
                }
            }
            "cgroup_path" => {
                self.integer(&args[0], "cgroup_path");
                let filter = match args.get(1) {
                    Some(arg) => self.literal_string(arg, "cgroup_path").unwrap_or_default(),
                    None => String::new(),
                };
                Type::CgroupPath(filter.into())
            }
            "is_err" => {
                self.pointer_or_integer(&args[0], "is_err");
                Type::Bool
            }
            "is_array"
            | "is_integer"
            | "is_unsigned_integer"
            | "is_ptr"
            | "is_str"
            | "is_literal" => self.introspection(expr, call),
            "kfunc_exist" | "kfunc_allowed" => {
                if let Some(name) = self.literal_string(&args[0], &call.name) {
                    let found = self.facts.kfunc(&name).is_some();
                    self.set_constant(expr.id, i64::from(found));
                }
                Type::Bool
            }
            "getopt" => self.getopt(expr, call),
            "nsecs" => match self.word(&args[0]) {
                Some("monotonic" | "boot" | "tai" | "sw_tai") => UINT,
                _ => self.error_hint(
                    args[0].span,
                    "Invalid timestamp mode",
                    "Valid modes: monotonic, boot, tai, sw_tai",
                ),
            },
            "kstack" | "ustack" => self.stack(call),
            "comm" => {
                self.integer(&args[0], "comm");
                self.error(expr.span, "comm() of another process is not supported")
            }
            "pid" | "tid" => match self.word(&args[0]) {
                Some("curr_ns" | "init") => Type::int(4, false),
                _ => self.error_hint(
                    args[0].span,
                    format!("Invalid PID namespace mode for {}()", call.name),
                    "Valid modes: curr_ns, init",
                ),
            },
            "ppid" | "leader_tid" => {
                self.expr(&args[0]);
                Type::int(4, false)
            }
            "pcomm" | "leader_comm" => {
                self.expr(&args[0]);
                Type::Str(16)
            }
            "socket_cookie" => {
                self.expr(&args[0]);
                match self.target().kind {
                    AttachKind::Fentry | AttachKind::Fexit => UINT,
                    _ => self.error(
                        expr.span,
                        "socket_cookie() can only be used with fentry and fexit probes",
                    ),
                }
            }
            "is_compat" => Type::Bool,
            "container_of" => self.container_of(expr, call),
            name => self.error(expr.span, format!("{name}() is not supported")),
        }
    }

    /// A word that stands for itself: `monotonic`.
    fn word<'e>(&mut self, arg: &'e Expr) -> Option<&'e str> {
        match &arg.kind {
            ExprKind::Ident(word) => Some(word),
            _ => None,
        }
    }

    fn integer(&mut self, arg: &Expr, function: &str) -> Type {
        let kind = Self::number_of(&self.expr(arg));
        if !kind.is_integer() && kind != Type::Unknown {
            return self.error(
                arg.span,
                format!("{function}() only supports integer arguments ({kind} provided)"),
            );
        }
        kind
    }

    fn pointer_or_integer(&mut self, arg: &Expr, function: &str) -> Type {
        let kind = self.expr(arg);
        let fits = kind.is_scalar()
            || matches!(
                kind,
                Type::Unknown | Type::Array(..) | Type::Str(_) | Type::Struct(_)
            );
        if !fits {
            return self.error(
                arg.span,
                format!(
                    "{function}() only supports integer or pointer arguments ({kind} provided)"
                ),
            );
        }
        kind
    }

    fn string(&mut self, arg: &Expr, function: &str) -> Type {
        let kind = self.expr(arg);
        match kind {
            Type::Str(_) | Type::Unknown => kind,
            _ => self.error(
                arg.span,
                format!("{function}() only supports string arguments ({kind} provided)"),
            ),
        }
    }

    /// A string that is known now.
    fn literal_string(&mut self, arg: &Expr, function: &str) -> Option<String> {
        self.expr(arg);
        let text = self.known_string(arg);
        if text.is_none() {
            self.error(arg.span, format!("{function}() expects a string literal"));
        }
        text
    }

    /// The text of a literal or of a parameter.
    pub(super) fn known_string(&self, arg: &Expr) -> Option<String> {
        match &arg.kind {
            ExprKind::Str(text) => Some(String::from_utf8_lossy(text).into_owned()),
            ExprKind::Positional(index) => Some(
                self.params
                    .positional
                    .get(*index as usize - 1)
                    .cloned()
                    .unwrap_or_default(),
            ),
            ExprKind::Call(call) if call.name == "str" => self.known_string(&call.args[0]),
            _ => None,
        }
    }

    fn named(&mut self, arg: &Expr, named: Named) -> Type {
        self.integer(arg, "this function");
        Type::Named(named)
    }

    /// A format with its arguments.
    fn formatted(&mut self, call: &Call) -> Option<Format> {
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
        let format = match format::parse(&text) {
            Ok(format) => format,
            Err(message) => {
                self.error(call.args[0].span, format!("{}: {message}", call.name));
                return None;
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

    fn print(&mut self, call: &Call) -> Type {
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

    fn whole_map(&mut self, arg: &Expr, function: &str) {
        match &arg.kind {
            ExprKind::Map(name, None) => {
                let info = self.map(name, arg.span);
                info.used = true;
                let kind = info.value.clone();
                self.set_type(arg.id, kind);
            }
            ExprKind::Map(name, Some(_)) => {
                self.error(arg.span, format!("{function}() takes a whole map: {name}"));
            }
            _ => {
                self.error(arg.span, format!("{function}() expects a map"));
            }
        }
    }

    fn key_of(&mut self, map: &Expr, key: &Expr, function: &str) {
        let ExprKind::Map(name, None) = &map.kind else {
            self.error(
                map.span,
                format!("{function}() expects a map as its first argument"),
            );
            return;
        };
        self.map(name, map.span).used = true;
        if self.map(name, map.span).key == Type::Void {
            self.error(
                map.span,
                format!("call to {function}() expects a map with explicit keys (non-scalar map)"),
            );
            return;
        }
        self.map_key(name, Some(key), map.span);
    }

    fn delete(&mut self, call: &Call) -> Type {
        match call.args.as_slice() {
            [map, key] => self.key_of(map, key, "delete"),
            [map] => match &map.kind {
                ExprKind::Map(name, key) => {
                    self.map(name, map.span).used = true;
                    self.map_key(name, key.as_deref(), map.span);
                }
                _ => {
                    self.error(map.span, "delete() expects a map");
                }
            },
            _ => {}
        }
        Type::Bool
    }

    fn find(&mut self, call: &Call) -> Type {
        let [map, key, variable] = call.args.as_slice() else {
            return Type::Bool;
        };
        self.key_of(map, key, "find");
        let ExprKind::Map(name, _) = &map.kind else {
            return Type::Bool;
        };
        let value = Self::number_of(&self.map(name, map.span).value.clone());
        let ExprKind::Var(variable_name) = &variable.kind else {
            return self.error(
                variable.span,
                "find() expects a variable as its third argument",
            );
        };
        let Some(index) = self.find_variable(variable_name) else {
            return self.error(
                variable.span,
                format!("Undefined or undeclared variable: {variable_name}"),
            );
        };
        self.bind(variable.id, index);
        if value != Type::Unknown {
            self.give_variable(index, &value, variable.span, false, None);
        }
        let kind = self.result.variables[index].kind.clone();
        self.set_type(variable.id, kind);
        Type::Bool
    }

    /// How many bytes a string or a buffer may have.
    fn size_argument(&mut self, arg: Option<&Expr>, function: &str) -> u32 {
        let max = self.config.max_strlen as u32;
        let Some(arg) = arg else {
            return max;
        };
        self.integer(arg, function);
        match self.constant(arg.id) {
            Some(size) if size < 0 => {
                self.error(
                    arg.span,
                    format!("{function}: the length cannot be negative"),
                );
                max
            }
            Some(size) => {
                let size = u32::try_from(size).unwrap_or(u32::MAX);
                if size > max {
                    self.diagnostics.warn_hint(
                        arg.span,
                        format!(
                            "length param ({size}) is too long and will be shortened to {max} bytes"
                        ),
                        "raise it with max_strlen",
                    );
                }
                size.clamp(1, max)
            }
            None => max,
        }
    }

    fn str(&mut self, call: &Call) -> Type {
        let first = &call.args[0];
        let kind = self.expr(first);
        let size = self.size_argument(call.args.get(1), "str");
        if let ExprKind::Positional(_) = first.kind {
            let text = self.known_string(first).unwrap_or_default();
            let room = text.len() as u32 + 1;
            return Type::Str(match call.args.get(1) {
                Some(_) => room.min(size),
                None => room,
            });
        }
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

    fn buf(&mut self, call: &Call) -> Type {
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

    fn signal(&mut self, span: Span, call: &Call) -> Type {
        use AttachKind::*;
        let arg = &call.args[0];
        if let ExprKind::Str(text) = &arg.kind {
            let text = String::from_utf8_lossy(text).into_owned();
            self.expr(arg);
            match crate::compile::signal_number(&text) {
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
                span,
                format!(
                    "{}() can not be used with '{}' probes",
                    call.name,
                    self.target().kind.name()
                ),
            ),
            _ => Type::Void,
        }
    }

    fn ntop(&mut self, call: &Call) -> Type {
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

    fn pton(&mut self, expr: &Expr, arg: &Expr) -> Type {
        let Some(text) = self.literal_string(arg, "pton") else {
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

    fn uaddr(&mut self, expr: &Expr, arg: &Expr) -> Type {
        let Some(name) = self.literal_string(arg, "uaddr") else {
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
            Some(address) => {
                self.set_constant(expr.id, address as i64);
                Type::pointer(UINT, Space::User)
            }
            None => self.error(
                arg.span,
                format!("Could not resolve symbol: {}:{name}", target.group),
            ),
        }
    }

    fn reg(&mut self, arg: &Expr) -> Type {
        let Some(name) = self.literal_string(arg, "reg") else {
            return UINT;
        };
        if !self.target().kind.has_registers() {
            return self.error(
                arg.span,
                "reg() can only be used with kprobe, uprobe and usdt probes",
            );
        }
        if crate::compile::register_member(&name).is_none() {
            return self.error(
                arg.span,
                format!("'{name}' is not a valid register on this architecture"),
            );
        }
        UINT
    }

    fn introspection(&mut self, expr: &Expr, call: &Call) -> Type {
        let kind = self.type_argument(&call.args[0]);
        if kind == Type::Unknown {
            return Type::Bool;
        }
        let is_it = match call.name.as_str() {
            "is_array" => matches!(kind, Type::Array(..)),
            "is_integer" => matches!(kind, Type::Int { .. }),
            "is_unsigned_integer" => matches!(kind, Type::Int { signed: false, .. }),
            "is_ptr" => matches!(kind, Type::Ptr(..)),
            "is_str" => matches!(kind, Type::Str(_)),
            _ => matches!(
                call.args[0].kind,
                ExprKind::Int(_) | ExprKind::Str(_) | ExprKind::Bool(_)
            ),
        };
        self.set_constant(expr.id, i64::from(is_it));
        Type::Bool
    }

    /// `getopt("name", default)`: a named parameter.
    fn getopt(&mut self, expr: &Expr, call: &Call) -> Type {
        let Some(name) = self.literal_string(&call.args[0], "getopt") else {
            return Type::Unknown;
        };
        let given = self
            .params
            .named
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.clone());
        let default = call.args.get(1);
        let kind = default.map(|default| self.expr(default));
        match (kind, given) {
            (None | Some(Type::Bool), None) => {
                let value = default.and_then(|default| self.constant(default.id));
                self.set_constant(expr.id, value.unwrap_or(0));
                Type::Bool
            }
            (None | Some(Type::Bool), Some(value)) => {
                let value = match value.as_deref() {
                    None | Some("true" | "1") => 1,
                    Some("false" | "0") => 0,
                    Some(other) => {
                        return self
                            .error(expr.span, format!("--{name} is true or false, not {other}"));
                    }
                };
                self.set_constant(expr.id, value);
                Type::Bool
            }
            (Some(Type::Int { .. }), given) => {
                let value = match given {
                    None => default.and_then(|default| self.constant(default.id)),
                    Some(text) => match text.as_deref().and_then(super::expr::parse_number) {
                        Some(number) => Some(number),
                        None => {
                            return self.error(expr.span, format!("--{name} needs a number"));
                        }
                    },
                };
                self.set_constant(expr.id, value.unwrap_or(0));
                INT
            }
            (Some(Type::Str(size)), given) => match given.flatten() {
                None => Type::Str(size),
                Some(text) => Type::Str(text.len() as u32 + 1),
            },
            (Some(other), _) => self.error(
                expr.span,
                format!("getopt() cannot have a default of type '{other}'"),
            ),
        }
    }

    fn stack(&mut self, call: &Call) -> Type {
        let user = call.name == "ustack";
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

    fn container_of(&mut self, expr: &Expr, call: &Call) -> Type {
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
