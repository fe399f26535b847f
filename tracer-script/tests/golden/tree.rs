//! The tree, in parentheses: what belongs to what.

use expect_test::{Expect, expect};
use tracer_script::{
    Diagnostics, Sources,
    ast::{Expr, ExprKind, Script, Stmt, StmtKind, TypeName, TypeOrExpr, TypeSuffix},
    parse::parse,
};

fn check(source: &str, expect: Expect) {
    let mut diagnostics = Diagnostics::default();
    let script = parse(source, &[], &mut diagnostics);
    let mut out = tree(&script);
    for one in diagnostics.iter() {
        out.push_str(&one.render(&Sources::new("script.bt", source)));
    }
    expect.assert_eq(&out);
}

fn tree(script: &Script) -> String {
    let mut out = String::new();
    for map in &script.maps {
        out.push_str(&format!(
            "map {} {}{}\n",
            map.name,
            map.kind,
            list(&map.args)
        ));
    }
    for one in &script.macros {
        out.push_str(&format!(
            "macro {} {:?} {}\n",
            one.name,
            one.params,
            expr(&one.body)
        ));
    }
    for probe in &script.probes {
        let points: Vec<&str> = probe
            .points
            .iter()
            .map(|point| point.text.as_str())
            .collect();
        out.push_str(&format!("probe {}\n", points.join(" + ")));
        if let Some(predicate) = &probe.predicate {
            out.push_str(&format!("  where {}\n", expr(predicate)));
        }
        body(&probe.body, 1, &mut out);
    }
    out
}

fn body(statements: &[Stmt], depth: usize, out: &mut String) {
    for one in statements {
        let (head, bodies) = statement(one);
        out.push_str(&format!("{}{head}\n", "  ".repeat(depth)));
        for (index, inner) in bodies.iter().enumerate() {
            if index > 0 && !inner.is_empty() {
                out.push_str(&format!("{}else\n", "  ".repeat(depth)));
            }
            body(inner, depth + 1, out);
        }
    }
}

fn statement(one: &Stmt) -> (String, Vec<&[Stmt]>) {
    let value = |value: &Option<Expr>| value.as_ref().map(expr).unwrap_or_default();
    match &one.kind {
        StmtKind::Expr(value) => (expr(value), vec![]),
        StmtKind::Assign(to, operator, value) => {
            let operator = operator.map_or("", |operator| operator.text());
            (format!("{} {operator}= {}", expr(to), expr(value)), vec![])
        }
        StmtKind::Let(name, kind, given, _) => {
            let kind = kind.as_ref().map(type_name).unwrap_or_default();
            (format!("let {name} {kind} {}", value(given)), vec![])
        }
        StmtKind::Discard(value) => (format!("discard {}", expr(value)), vec![]),
        StmtKind::If(condition, then, other) => {
            (format!("if {}", expr(condition)), vec![then, other])
        }
        StmtKind::While(condition, inner) => (format!("while {}", expr(condition)), vec![inner]),
        StmtKind::Unroll(count, inner) => (format!("unroll {}", expr(count)), vec![inner]),
        StmtKind::ForMap(variable, map, _, inner) => {
            (format!("for {} in {map}", variable.name), vec![inner])
        }
        StmtKind::ForRange(variable, start, end, inner) => {
            let head = format!(
                "for {} from {} to {}",
                variable.name,
                expr(start),
                expr(end)
            );
            (head, vec![inner])
        }
        StmtKind::Break => ("break".to_owned(), vec![]),
        StmtKind::Continue => ("continue".to_owned(), vec![]),
        StmtKind::Return(given) => (format!("return {}", value(given)), vec![]),
        StmtKind::Block(inner) => ("block".to_owned(), vec![inner]),
    }
}

fn list(all: &[Expr]) -> String {
    let parts: Vec<String> = all.iter().map(expr).collect();
    format!("({})", parts.join(", "))
}

fn expr(one: &Expr) -> String {
    match &one.kind {
        ExprKind::Int(value) => value.to_string(),
        ExprKind::Str(text) => format!("{:?}", String::from_utf8_lossy(text)),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Positional(number) => format!("${number}"),
        ExprKind::PositionalCount => "$#".to_owned(),
        ExprKind::Ident(name) | ExprKind::Var(name) | ExprKind::Map(name, None) => name.clone(),
        ExprKind::Map(name, Some(key)) => format!("{name}[{}]", expr(key)),
        ExprKind::Unary(operator, inner) => format!("({operator:?} {})", expr(inner)),
        ExprKind::Binary(operator, left, right) => {
            format!("({} {} {})", expr(left), operator.text(), expr(right))
        }
        ExprKind::IncDec {
            target,
            increment,
            postfix,
        } => {
            let sign = if *increment { "++" } else { "--" };
            match postfix {
                true => format!("({}{sign})", expr(target)),
                false => format!("({sign}{})", expr(target)),
            }
        }
        ExprKind::Ternary(condition, then, other) => {
            let then = then.as_deref().map(expr).unwrap_or_default();
            format!("({} ? {then} : {})", expr(condition), expr(other))
        }
        ExprKind::If(condition, then, other) => {
            let other = other.as_deref().map(expr).unwrap_or_default();
            format!("(if {} then {} else {other})", expr(condition), expr(then))
        }
        ExprKind::Call(call) => format!("{}{}", call.name, list(&call.args)),
        ExprKind::Cast(kind, inner) => format!("(cast {} {})", type_name(kind), expr(inner)),
        ExprKind::Field(inner, name) => format!("{}.{name}", expr(inner)),
        ExprKind::TupleIndex(inner, index) => format!("{}.{index}", expr(inner)),
        ExprKind::Index(inner, index) => format!("{}[{}]", expr(inner), expr(index)),
        ExprKind::Tuple(parts) => format!("tuple{}", list(parts)),
        ExprKind::Record(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name}={}", expr(value)))
                .collect();
            format!("record({})", fields.join(", "))
        }
        ExprKind::Sizeof(of) => format!("sizeof({})", type_or_expr(of)),
        ExprKind::Offsetof(of, path) => {
            format!("offsetof({}, {})", type_or_expr(of), path.join("."))
        }
        ExprKind::Type(kind) => format!("type {}", type_name(kind)),
        ExprKind::Block(statements, value) => {
            let mut inner = String::new();
            body(statements, 0, &mut inner);
            let value = value.as_deref().map(expr).unwrap_or_default();
            format!("{{{} {value}}}", inner.replace('\n', ";"))
        }
    }
}

fn type_or_expr(of: &TypeOrExpr) -> String {
    match of {
        TypeOrExpr::Type(kind) => format!("type {}", type_name(kind)),
        TypeOrExpr::Expr(inner) => expr(inner),
    }
}

fn type_name(kind: &TypeName) -> String {
    use tracer_script::ast::TypeBase::*;
    let mut text = match &kind.base {
        Named(name) | Struct(name) => name.clone(),
        Enum(name) => format!("enum {name}"),
        Typeof(of) => format!("typeof({})", type_or_expr(of)),
        Function => "function".to_owned(),
        Tuple(parts) => {
            let parts: Vec<String> = parts.iter().map(type_name).collect();
            format!("({})", parts.join(", "))
        }
    };
    for suffix in &kind.suffixes {
        match suffix {
            TypeSuffix::Pointer => text.push('*'),
            TypeSuffix::Array(Some(length)) => text.push_str(&format!("[{}]", expr(length))),
            TypeSuffix::Array(None) => text.push_str("[]"),
        }
    }
    text
}

#[test]
fn operators_bind_as_in_c() {
    check(
        "BEGIN { $x = 1 + 2 * 3 << 4 & 5 == 6 ^ 7 | 8 && 9 || !10 ? -a : ~b; $y = 8 / 4 / 2 - 1 - 1; }",
        expect![[r#"
            probe BEGIN
              $x = ((((((((1 + (2 * 3)) << 4) & (5 == 6)) ^ 7) | 8) && 9) || (Not 10)) ? (Neg a) : (BitNot b))
              $y = ((((8 / 4) / 2) - 1) - 1)
        "#]],
    );
}

#[test]
fn what_stands_behind_binds_closest() {
    check(
        "BEGIN { $x = -$p->a.b[1].2++; $y = *$p.c; $z = (uint8)$p->d + 1; --@m[1, \"k\"]; &$x; }",
        expect![[r#"
            probe BEGIN
              $y = (Deref $p.c)
              $z = ((cast uint8 $p.d) + 1)
              (--@m[tuple(1, "k")])
              (AddressOf $x)
            script.bt:1:15-27: ERROR: the ++ and -- operators must be applied to a map or variable
            BEGIN { $x = -$p->a.b[1].2++; $y = *$p.c; $z = (uint8)$p->d + 1; --@m[1, "k"]; &$x; }
                          ~~~~~~~~~~~~
        "#]],
    );
}

#[test]
fn conditionals_group_to_the_right() {
    check(
        "BEGIN { $x = a ? b : c ? d : e; $y = a ?: b; if a { f() } else if (b) { g() } else { h() } }",
        expect![[r#"
            probe BEGIN
              $x = (a ? b : (c ? d : e))
              $y = (a ?  : b)
              if a
                f()
              else
                if b
                  g()
                else
                  h()
        "#]],
    );
}

#[test]
fn a_slash_ends_a_predicate_or_divides() {
    check(
        "kprobe:a,\nkprobe:b /pid == 4 / 2 && (8 / 2 > 1)/ { @ = 6 / 3; }",
        expect![[r#"
            probe kprobe:a + kprobe:b
              where ((pid == (4 / 2)) && ((8 / 2) > 1))
              @ = (6 / 3)
        "#]],
    );
}

#[test]
fn loops() {
    check(
        "BEGIN { for ($kv : @m) { break; } for $i : 0..$n { continue; } while (1) { return; } unroll(3) { @++; } }",
        expect![[r#"
            probe BEGIN
              for $kv in @m
                break
              for $i from 0 to $n
                continue
              while 1
                return 
              unroll 3
                (@++)
        "#]],
    );
}

#[test]
fn declarations_and_types() {
    check(
        "let @m = lruhash(5); macro m($v, @w, e) { $v = e; e } BEGIN { let $x: uint8[4]; let $y: struct a* = (struct a *)0; _ = (typeof($x))1; }",
        expect![[r#"
            map @m lruhash(5)
            macro m [Var("$v"), Map("@w"), Expr("e")] {$v = e; e}
            probe BEGIN
              let $x uint8[4] 
              let $y struct a* (cast struct a* 0)
              discard (cast typeof($x) 1)
        "#]],
    );
}

#[test]
fn tuples_records_and_blocks() {
    check(
        "BEGIN { $a = (1, (2,), ()); $b = (x=1, y=\"z\"); $c = { let $d = 1; $d + 1 }; $e = if (1) { 2 } else { 3 }; }",
        expect![[r#"
            probe BEGIN
              $a = tuple(1, tuple(2), tuple())
              $b = record(x=1, y="z")
              $c = {let $d  1; ($d + 1)}
              $e = (if 1 then { 2} else { 3})
        "#]],
    );
}

#[test]
fn literals() {
    check(
        "BEGIN { f(0x1f, 010, 1e3, 1_000, 5us, 7ull, \"a\\n\\x41\\101\", true, $1, $#); }",
        expect![[r#"
            probe BEGIN
              f(31, 8, 1000, 1000, 5000, 7, "a\nAA", true, $1, $#)
        "#]],
    );
}
