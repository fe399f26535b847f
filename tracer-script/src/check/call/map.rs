//! Functions of maps.

use crate::{
    ast::{Call, Expr, ExprKind},
    check::Checker,
    types::{INT, Type},
};

impl Checker<'_> {
    pub(crate) fn clear_or_zero(&mut self, _: &Expr, call: &Call) -> Type {
        self.whole_map(&call.args[0], &call.name);
        Type::Void
    }

    pub(crate) fn has_key(&mut self, _: &Expr, call: &Call) -> Type {
        self.key_of(&call.args[0], &call.args[1], "has_key");
        Type::Bool
    }

    pub(crate) fn len(&mut self, expr: &Expr, call: &Call) -> Type {
        let arg = &call.args[0];
        if let ExprKind::Map(name, None) = &arg.kind {
            return self.map_len(name, arg);
        }
        match self.expr(arg) {
            Type::Stack { .. } | Type::Unknown | Type::Str(_) => INT,
            Type::Array(_, count) => {
                self.set_constant(expr.id, i64::from(count));
                INT
            }
            kind => self.error(
                arg.span,
                format!("len() expects a map or a stack, got {kind}"),
            ),
        }
    }

    fn map_len(&mut self, name: &str, arg: &Expr) -> Type {
        let info = self.map(name, arg.span);
        info.used = true;
        if info.key == Type::Void {
            let message = format!("{name} has no key: len() takes a map with keys, or a stack");
            return self.error(arg.span, message);
        }
        INT
    }

    pub(crate) fn delete(&mut self, _: &Expr, call: &Call) -> Type {
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

    pub(crate) fn find(&mut self, _: &Expr, call: &Call) -> Type {
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

    pub(crate) fn whole_map(&mut self, arg: &Expr, function: &str) {
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
}
