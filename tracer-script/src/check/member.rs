//! Parts of values: fields, elements, and where they lie.

use std::rc::Rc;

use super::Checker;
use crate::{
    ast::{Expr, TypeOrExpr},
    diagnostic::{Span, nearest},
    facts::Struct,
    probe::AttachKind,
    types::{Space, Type, UINT},
};

impl Checker<'_> {
    pub(super) fn field(&mut self, expr: &Expr, operand: &Expr, name: &str) -> Type {
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
            Uretprobe => self.error(
                span,
                "The arguments of a function are not known at its return: keep them at the entry",
            ),
            Fentry | Fexit | RawTracepoint | Kprobe | Kretprobe | Uprobe => {
                let Some(signature) = self.facts.signature(&target) else {
                    let from = match target.kind {
                        Uprobe => {
                            "to the program's debug information, if it has any: use arg0, arg1…"
                        }
                        _ => "to the kernel's BTF",
                    };
                    return self.error(
                        span,
                        format!("The arguments of {} are not known {from}", target.name),
                    );
                };
                match signature.params.iter().find(|(known, _)| **known == *name) {
                    Some((_, kind)) => kind.clone(),
                    None => {
                        let mut unreadable = signature.unreadable.iter();
                        if let Some((_, why)) = unreadable.find(|(known, _)| **known == *name) {
                            return self.error(span, format!("{name} cannot be read: {why}"));
                        }
                        let known: Vec<&str> = signature
                            .params
                            .iter()
                            .map(|(name, _)| &**name)
                            .filter(|name| !name.is_empty())
                            .collect();
                        let known = match known.as_slice() {
                            [] => "it has none that can be read".to_owned(),
                            known => format!("it has: {}", known.join(", ")),
                        };
                        self.error_hint(
                            span,
                            format!("Can't find function parameter {name}"),
                            known,
                        )
                    }
                }
            }
            _ => self.not_here(span, "args", "tracepoint, fentry and rawtracepoint"),
        }
    }

    pub(super) fn element(&mut self, span: Span, kind: &Type, index: u32) -> Type {
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

    pub(super) fn index(&mut self, expr: &Expr, operand: &Expr, index: &Expr) -> Type {
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

    pub(super) fn offsetof(&mut self, expr: &Expr, of: &TypeOrExpr, path: &[String]) -> Type {
        let kind = self.type_or_expr(of);
        if kind == Type::Unknown {
            return Type::Unknown;
        }
        let offset = match self.env.offset(&kind, path, self.facts) {
            Ok(offset) => offset,
            Err(reason) => return self.error(expr.span, reason),
        };
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
