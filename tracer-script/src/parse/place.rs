//! Gives all parts of a tree their places in the sources: the parser knows those in the text that came of
//! preprocessing.

use crate::{
    ast::{
        CItem, CStruct, CType, Expr, ExprKind, Script, Stmt, StmtKind, TypeBase, TypeName,
        TypeOrExpr, TypeSuffix,
    },
    diagnostic::Span,
    preprocess::Text,
};

/// Places a whole script.
pub(super) fn script(script: &mut Script, text: &Text) {
    if text.is_the_script() {
        return;
    }
    let placer = Placer { text };
    for definition in &mut script.c.items {
        placer.span(&mut definition.span);
        placer.c_item(&mut definition.item);
    }
    for (.., span) in &mut script.config {
        placer.span(span);
    }
    for (_, span) in &mut script.imports {
        placer.span(span);
    }
    for map in &mut script.maps {
        placer.span(&mut map.span);
        map.args.iter_mut().for_each(|arg| placer.expr(arg));
    }
    for one in &mut script.macros {
        placer.span(&mut one.span);
        placer.expr(&mut one.body);
    }
    for function in &mut script.functions {
        placer.span(&mut function.span);
        let params = function.params.iter_mut();
        params.for_each(|param| placer.type_name(&mut param.kind));
        function
            .returns
            .iter_mut()
            .for_each(|kind| placer.type_name(kind));
        placer.stmts(&mut function.body);
    }
    for probe in &mut script.probes {
        placer.span(&mut probe.span);
        for point in &mut probe.points {
            placer.span(&mut point.span);
        }
        probe.predicate.iter_mut().for_each(|one| placer.expr(one));
        placer.stmts(&mut probe.body);
    }
}

struct Placer<'a> {
    text: &'a Text,
}

impl Placer<'_> {
    fn span(&self, span: &mut Span) {
        *span = self.text.place(*span);
    }

    fn c_item(&self, item: &mut CItem) {
        match item {
            CItem::Struct(structure) => self.structure(structure),
            CItem::Enum(one) => {
                let values = one
                    .values
                    .iter_mut()
                    .filter_map(|(_, value)| value.as_mut());
                values.for_each(|value| self.expr(value));
            }
            CItem::Typedef(_, kind) => self.c_type(kind),
            CItem::Constant(_, kind, value) => {
                self.c_type(kind);
                self.expr(value);
            }
        }
    }

    fn structure(&self, structure: &mut CStruct) {
        self.span(&mut structure.span);
        structure
            .align
            .iter_mut()
            .for_each(|align| self.expr(align));
        for field in &mut structure.fields {
            self.c_type(&mut field.kind);
            let numbers = field.bits.iter_mut().chain(&mut field.align);
            numbers.for_each(|number| self.expr(number));
        }
    }

    fn c_type(&self, kind: &mut CType) {
        match kind {
            CType::Plain(name) => self.type_name(name),
            CType::Inline(structure, suffixes) => {
                self.structure(structure);
                self.suffixes(suffixes);
            }
        }
    }

    fn type_name(&self, name: &mut TypeName) {
        self.span(&mut name.span);
        self.suffixes(&mut name.suffixes);
        match &mut name.base {
            TypeBase::Typeof(of) => self.type_or_expr(of),
            TypeBase::Tuple(parts) => parts.iter_mut().for_each(|part| self.type_name(part)),
            TypeBase::Named(_) | TypeBase::Struct(_) | TypeBase::Enum(_) | TypeBase::Function => {}
        }
    }

    fn suffixes(&self, suffixes: &mut [TypeSuffix]) {
        for suffix in suffixes {
            if let TypeSuffix::Array(Some(length)) = suffix {
                self.expr(length);
            }
        }
    }

    fn type_or_expr(&self, of: &mut TypeOrExpr) {
        match of {
            TypeOrExpr::Type(name) => self.type_name(name),
            TypeOrExpr::Expr(inner) => self.expr(inner),
        }
    }

    fn expr(&self, expr: &mut Expr) {
        self.span(&mut expr.span);
        match &mut expr.kind {
            ExprKind::Int(_)
            | ExprKind::Str(_)
            | ExprKind::Bool(_)
            | ExprKind::Positional(_)
            | ExprKind::PositionalCount
            | ExprKind::Ident(_)
            | ExprKind::Var(_) => {}
            ExprKind::Map(_, key) => key.iter_mut().for_each(|key| self.expr(key)),
            ExprKind::Unary(_, one)
            | ExprKind::Field(one, _)
            | ExprKind::TupleIndex(one, _)
            | ExprKind::IncDec { target: one, .. } => self.expr(one),
            ExprKind::Cast(kind, one) => {
                self.type_name(kind);
                self.expr(one);
            }
            ExprKind::Binary(_, left, right) | ExprKind::Index(left, right) => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Ternary(condition, then, other) => {
                self.expr(condition);
                then.iter_mut().for_each(|then| self.expr(then));
                self.expr(other);
            }
            ExprKind::If(condition, then, other) => {
                self.expr(condition);
                self.expr(then);
                other.iter_mut().for_each(|other| self.expr(other));
            }
            ExprKind::Call(call) => {
                self.span(&mut call.name_span);
                call.args.iter_mut().for_each(|arg| self.expr(arg));
            }
            ExprKind::Tuple(parts) => parts.iter_mut().for_each(|part| self.expr(part)),
            ExprKind::Record(fields) => fields.iter_mut().for_each(|(_, part)| self.expr(part)),
            ExprKind::Sizeof(of) | ExprKind::Offsetof(of, _) => self.type_or_expr(of),
            ExprKind::Type(kind) => self.type_name(kind),
            ExprKind::Block(statements, value) => {
                self.stmts(statements);
                value.iter_mut().for_each(|value| self.expr(value));
            }
        }
    }

    fn stmts(&self, list: &mut [Stmt]) {
        for statement in list {
            self.span(&mut statement.span);
            self.stmt(&mut statement.kind);
        }
    }

    fn stmt(&self, statement: &mut StmtKind) {
        match statement {
            StmtKind::Expr(one) | StmtKind::Discard(one) => self.expr(one),
            StmtKind::Assign(target, _, value) => {
                self.expr(target);
                self.expr(value);
            }
            StmtKind::Let(_, kind, value, _) => {
                kind.iter_mut().for_each(|kind| self.type_name(kind));
                value.iter_mut().for_each(|value| self.expr(value));
            }
            StmtKind::If(condition, then, other) => {
                self.expr(condition);
                self.stmts(then);
                self.stmts(other);
            }
            StmtKind::While(one, body) | StmtKind::Unroll(one, body) => {
                self.expr(one);
                self.stmts(body);
            }
            StmtKind::ForMap(variable, _, span, body) => {
                self.span(&mut variable.span);
                self.span(span);
                self.stmts(body);
            }
            StmtKind::ForRange(variable, start, end, body) => {
                self.span(&mut variable.span);
                self.expr(start);
                self.expr(end);
                self.stmts(body);
            }
            StmtKind::Return(value) => value.iter_mut().for_each(|value| self.expr(value)),
            StmtKind::Block(body) => self.stmts(body),
            StmtKind::Break | StmtKind::Continue => {}
        }
    }
}
