//! Functions whose result is known before the script runs.

use crate::{
    ast::{Call, Expr, ExprKind},
    check::Checker,
    types::{INT, Type, UINT},
};

impl Checker<'_> {
    pub(crate) fn cgroupid(&mut self, expr: &Expr, call: &Call) -> Type {
        let Some(path) = self.literal_string(&call.args[0], "cgroupid") else {
            return UINT;
        };
        match self.facts.cgroup_id(&path) {
            Some(id) => {
                self.set_constant(expr.id, id as i64);
                UINT
            }
            None => self.error(call.args[0].span, format!("there is no cgroup at {path}")),
        }
    }

    pub(crate) fn kfunc(&mut self, expr: &Expr, call: &Call) -> Type {
        if let Some(name) = self.literal_string(&call.args[0], &call.name) {
            let found = self.facts.kfunc(&name).is_some();
            self.set_constant(expr.id, i64::from(found));
        }
        Type::Bool
    }

    pub(crate) fn introspection(&mut self, expr: &Expr, call: &Call) -> Type {
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

    /// `typeinfo(x)`: a number that is of no use here, what kind of type it is, and the type.
    pub(crate) fn typeinfo(&mut self, _: &Expr, call: &Call) -> Type {
        let kind = self.type_argument(&call.args[0]);
        if kind == Type::Unknown {
            return kind;
        }
        let text = |text: &str| Type::Str(text.len() as u32 + 1);
        Type::Tuple([INT, text(kind.family()), text(&kind.to_string())].into())
    }

    /// `getopt("name", default)`: a named parameter.
    pub(crate) fn getopt(&mut self, expr: &Expr, call: &Call) -> Type {
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
                    Some(text) => {
                        match text
                            .as_deref()
                            .and_then(crate::check::constant::parse_number)
                        {
                            Some(number) => Some(number),
                            None => {
                                return self.error(expr.span, format!("--{name} needs a number"));
                            }
                        }
                    }
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
}
