//! What maps add up.

use crate::{
    ast::{Call, Expr, ExprKind},
    builtins::{self, Place},
    check::{Checker, env},
    diagnostic::Span,
    types::{Aggregate, SeriesKind, Type},
};

impl Checker<'_> {
    /// What is added up, where a value is one of the map's functions.
    pub(in crate::check) fn aggregate_of(&mut self, value: &Expr) -> Option<Type> {
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
        let kind = (function.check)(self, value, call);
        self.set_type(value.id, kind.clone());
        Some(kind)
    }

    pub(crate) fn aggregate(&mut self, value: &Expr, call: &Call) -> Type {
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
}
