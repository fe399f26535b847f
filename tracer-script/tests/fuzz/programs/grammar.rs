//! The grammar: numbers of 64 bits with sign, held in `$v0` to `$v3`, and maps of them.

use proptest::{collection::vec, prelude::*, sample::select};

use super::ARGS;

/// Bodies within bodies, at most.
const DEPTH: usize = 3;

/// A number.
#[derive(Clone, Debug)]
pub enum Expr {
    Literal(i64),
    Var(usize),
    /// The number of the round of a loop around, from within.
    Round(usize),
    /// `@m[k & 7]`
    Get(Box<Expr>),
    /// `@t[tid]`
    GetOwn,
    Neg(Box<Expr>),
    /// The operator; as numbers without sign.
    Binary(&'static str, bool, Box<Expr>, Box<Expr>),
    Cast(&'static str, Box<Expr>),
    Choice(Box<Cond>, Box<Expr>, Box<Expr>),
    /// `$v++` and its kin.
    Step(usize, bool, bool),
}

/// A condition.
#[derive(Clone, Debug)]
pub enum Cond {
    /// The operator; as numbers without sign.
    Compare(&'static str, bool, Box<Expr>, Box<Expr>),
    And(Box<Cond>, Box<Cond>),
    Or(Box<Cond>, Box<Cond>),
    Not(Box<Cond>),
    Truth(Box<Expr>),
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Stmt {
    Set(usize, Expr),
    Change(usize, &'static str, Expr),
    /// `@m[k & 7] = v`
    Put(Expr, Expr),
    /// `@m[k & 7] += v`
    Add(Expr, Expr),
    /// `@c[k & 7] = count()`
    Count(Expr),
    /// `@s[k & 7] = sum(v)`
    Sum(Expr, Expr),
    Delete(Expr),
    /// `@t[tid] = v`
    PutOwn(Expr),
    /// `@t[tid] += v`
    AddOwn(Expr),
    DeleteOwn,
    If(Cond, Vec<Stmt>, Vec<Stmt>),
    Range(i64, i64, Vec<Stmt>),
    While(i64, Vec<Stmt>),
    Unroll(i64, Vec<Stmt>),
    /// Adds up keys and values of `@m`.
    ForMap,
    Break,
    Continue,
    Return,
}

pub fn args() -> impl Strategy<Value = [i64; ARGS]> {
    [number(), number(), number(), number()]
}

fn number() -> BoxedStrategy<i64> {
    let borders = select(vec![
        0,
        1,
        -1,
        2,
        7,
        8,
        255,
        256,
        -128,
        65_535,
        1 << 31,
        -(1 << 31),
        u32::MAX as i64,
        1 << 32,
        i64::MAX,
        i64::MIN,
    ]);
    prop_oneof![borders, any::<i64>(), -20i64..20].boxed()
}

/// An expression within so many loops.
pub fn expr(loops: usize) -> BoxedStrategy<Expr> {
    let round = 0..loops.max(1);
    let leaf = prop_oneof![
        2 => number().prop_map(Expr::Literal),
        4 => (0..ARGS).prop_map(Expr::Var),
        1 => Just(Expr::GetOwn),
        2 => round.prop_map(move |round| match loops {
            0 => Expr::Literal(3),
            _ => Expr::Round(round),
        }),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let operator = select(vec!["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]);
        let kind = select(vec!["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]);
        prop_oneof![
            1 => boxed().prop_map(Expr::Get),
            1 => boxed().prop_map(Expr::Neg),
            6 => (operator, any::<bool>(), boxed(), boxed())
                .prop_map(|(operator, unsigned, left, right)| Expr::Binary(operator, unsigned, left, right)),
            2 => (kind, boxed()).prop_map(|(kind, inner)| Expr::Cast(kind, inner)),
            2 => (cond(inner.clone()), boxed(), boxed())
                .prop_map(|(cond, then, other)| Expr::Choice(Box::new(cond), then, other)),
            1 => (0..ARGS, any::<bool>(), any::<bool>()).prop_map(|(var, more, after)| Expr::Step(var, more, after)),
        ]
    })
    .boxed()
}

fn cond(expr: impl Strategy<Value = Expr> + Clone + 'static) -> BoxedStrategy<Cond> {
    let boxed = || expr.clone().prop_map(Box::new);
    let operator = select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        4 => (operator, any::<bool>(), boxed(), boxed())
            .prop_map(|(operator, unsigned, left, right)| Cond::Compare(operator, unsigned, left, right)),
        1 => boxed().prop_map(Cond::Truth),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            (boxed(), boxed()).prop_map(|(left, right)| Cond::And(left, right)),
            (boxed(), boxed()).prop_map(|(left, right)| Cond::Or(left, right)),
            boxed().prop_map(Cond::Not),
        ]
    })
    .boxed()
}

pub fn body() -> BoxedStrategy<Vec<Stmt>> {
    stmts(0, DEPTH)
}

fn stmts(loops: usize, depth: usize) -> BoxedStrategy<Vec<Stmt>> {
    vec(stmt(loops, depth), 0..4).boxed()
}

fn stmt(loops: usize, depth: usize) -> BoxedStrategy<Stmt> {
    let expr = || expr(loops);
    let operator = select(vec!["+", "-", "*", "/", "%", "&", "|", "^"]);
    let simple = prop_oneof![
        4 => (0..ARGS, expr()).prop_map(|(var, value)| Stmt::Set(var, value)),
        2 => (0..ARGS, operator, expr()).prop_map(|(var, operator, value)| Stmt::Change(var, operator, value)),
        2 => (expr(), expr()).prop_map(|(key, value)| Stmt::Put(key, value)),
        1 => (expr(), expr()).prop_map(|(key, value)| Stmt::Add(key, value)),
        1 => expr().prop_map(Stmt::Count),
        1 => (expr(), expr()).prop_map(|(key, value)| Stmt::Sum(key, value)),
        1 => expr().prop_map(Stmt::Delete),
        1 => expr().prop_map(Stmt::PutOwn),
        1 => expr().prop_map(Stmt::AddOwn),
        1 => Just(Stmt::DeleteOwn),
    ];
    if depth == 0 {
        return simple.boxed();
    }
    let inner = stmts(loops, depth - 1);
    let in_loop = || stmts(loops + 1, depth - 1);
    let leaving = match loops {
        0 => Just(Stmt::Return).boxed(),
        _ => select(vec![Stmt::Break, Stmt::Continue, Stmt::Return]).boxed(),
    };
    let leaving =
        (cond(expr()), leaving).prop_map(|(cond, leave)| Stmt::If(cond, vec![leave], vec![]));
    prop_oneof![
        6 => simple,
        2 => (cond(expr()), inner.clone(), inner).prop_map(|(cond, then, other)| Stmt::If(cond, then, other)),
        1 => (-2i64..3, 0i64..5, in_loop()).prop_map(|(start, end, body)| Stmt::Range(start, end, body)),
        1 => (0i64..5, in_loop()).prop_map(|(count, body)| Stmt::While(count, body)),
        1 => (1i64..4, in_loop()).prop_map(|(count, body)| Stmt::Unroll(count, body)),
        1 => leaving,
    ]
    .boxed()
}

/// The parameters of subprograms: one more than calls have registers for.
const PARAMS: &str = "$v0: int64, $v1: int64, $v2: int64, $v3: int64, $word: string[8]";

/// The script that a body stands for, as a subprogram.
pub fn script_with_subprogram(body: &[Stmt]) -> String {
    let mut out = format!("fn body({PARAMS}): int64 {{\n");
    write_inside(body, &mut out);
    out.push_str("return (int64)$v3;\n}\n");
    // Whatever comes back, it is of no account.
    out.push_str("kprobe:vfs_read { _ = body(arg0, arg1, arg2, arg3, \"word\"); }\n");
    out.replace("return;", "return 5;")
}

/// A script whose `@m[1]` is an expression that a subprogram gives, `@m[2]` another that a second one gives.
pub fn script_of_values(first: &Expr, second: &Expr) -> String {
    let (first, second) = (first.text(), second.text());
    format!(
        "fn first({PARAMS}): int64 {{ return {first}; }}
        fn second({PARAMS}): int64 {{ let $unused = first(1, 2, 3, 4, $word); return {second}; }}
        kprobe:vfs_read {{
            @m[0] = (int64)arg0;
            @m[1] = first(arg0, arg1, arg2, arg3, \"a\");
            @m[2] = second(arg0, arg1, arg2, arg3, \"b\");
        }}"
    )
}

/// The script that a body stands for.
pub fn script(body: &[Stmt]) -> String {
    let mut out = "kprobe:vfs_read {\n".to_owned();
    for var in 0..ARGS {
        out.push_str(&format!("$v{var} = (int64)arg{var};\n"));
    }
    write_inside(body, &mut out);
    out.push_str("}\n");
    out
}

/// The body, and what is seen of it.
fn write_inside(body: &[Stmt], out: &mut String) {
    for round in 0..DEPTH {
        out.push_str(&format!("$i{round} = (int64)0;\n"));
    }
    out.push_str("@m[0] = (int64)arg0;\n@t[tid] = (int64)arg1;\n");
    write_body(body, 0, out);
    for var in 0..ARGS {
        out.push_str(&format!("@o[{var}] = $v{var};\n"));
    }
}

fn write_body(body: &[Stmt], loops: usize, out: &mut String) {
    for stmt in body {
        write_stmt(stmt, loops, out);
    }
}

fn write_stmt(stmt: &Stmt, loops: usize, out: &mut String) {
    let line = match stmt {
        Stmt::Set(var, value) => format!("$v{var} = {}", value.text()),
        Stmt::Change(var, operator, value) => format!("$v{var} {operator}= {}", value.text()),
        Stmt::Put(key, value) => format!("@m[{} & 7] = {}", key.text(), value.text()),
        Stmt::Add(key, value) => format!("@m[{} & 7] += {}", key.text(), value.text()),
        Stmt::Count(key) => format!("@c[{} & 7] = count()", key.text()),
        Stmt::Sum(key, value) => format!("@s[{} & 7] = sum({})", key.text(), value.text()),
        Stmt::Delete(key) => format!("delete(@m, {} & 7)", key.text()),
        Stmt::PutOwn(value) => format!("@t[tid] = {}", value.text()),
        Stmt::AddOwn(value) => format!("@t[tid] += {}", value.text()),
        Stmt::DeleteOwn => "delete(@t, tid)".to_owned(),
        Stmt::If(cond, then, other) => {
            out.push_str(&format!("if ({}) {{\n", cond.text()));
            write_body(then, loops, out);
            out.push_str("} else {\n");
            write_body(other, loops, out);
            "}".to_owned()
        }
        Stmt::Range(start, end, body) => {
            out.push_str(&format!("for ($r{loops} : ({start})..({end})) {{\n"));
            out.push_str(&format!("$i{loops} = $r{loops};\n"));
            write_body(body, loops + 1, out);
            "}".to_owned()
        }
        Stmt::While(count, body) => {
            out.push_str(&format!(
                "$i{loops} = (int64)-1; while ($i{loops} < {}) {{\n",
                count - 1
            ));
            out.push_str(&format!("$i{loops} = $i{loops} + 1;\n"));
            write_body(body, loops + 1, out);
            "}".to_owned()
        }
        Stmt::Unroll(count, body) => {
            out.push_str(&format!("$i{loops} = (int64)-1;\n"));
            out.push_str(&format!("unroll({count}) {{ $i{loops} = $i{loops} + 1;\n"));
            write_body(body, loops + 1, out);
            "}".to_owned()
        }
        Stmt::ForMap => {
            "for ($kv : @m) { $v0 += $kv.1 * ($kv.0 + 3); $v1 = $v1 ^ $kv.1; }".to_owned()
        }
        Stmt::Break => "break".to_owned(),
        Stmt::Continue => "continue".to_owned(),
        Stmt::Return => "return".to_owned(),
    };
    out.push_str(&line);
    out.push_str(if line.ends_with('}') { "\n" } else { ";\n" });
}

impl Expr {
    /// Whether it asks for an entry of the map.
    pub fn reads_maps(&self) -> bool {
        self.text().contains('@')
    }

    fn text(&self) -> String {
        match self {
            Self::Literal(value) => format!("((int64){value})"),
            Self::Var(var) => format!("$v{var}"),
            Self::Round(round) => format!("$i{round}"),
            Self::Get(key) => format!("@m[{} & 7]", key.text()),
            Self::GetOwn => "@t[tid]".to_owned(),
            Self::Neg(inner) => format!("(-{})", inner.text()),
            Self::Binary(operator @ ("<<" | ">>"), unsigned, left, right) => {
                let kind = if *unsigned { "uint64" } else { "int64" };
                format!(
                    "((int64)((({kind}){}) {operator} ({} & 63)))",
                    left.text(),
                    right.text()
                )
            }
            Self::Binary(operator, false, left, right) => {
                format!("({} {operator} {})", left.text(), right.text())
            }
            Self::Binary(operator, true, left, right) => {
                format!(
                    "((int64)((uint64){} {operator} (uint64){}))",
                    left.text(),
                    right.text()
                )
            }
            Self::Cast(kind, inner) => format!("((int64)({kind}){})", inner.text()),
            Self::Choice(cond, then, other) => {
                format!("({} ? {} : {})", cond.text(), then.text(), other.text())
            }
            Self::Step(var, more, after) => {
                let sign = if *more { "++" } else { "--" };
                match after {
                    true => format!("($v{var}{sign})"),
                    false => format!("({sign}$v{var})"),
                }
            }
        }
    }

    /// The same with arguments' values in their places, as far as they are not changed on the way.
    pub fn with_literals(&self, args: &[i64; ARGS]) -> Self {
        let inner = |one: &Self| Box::new(one.with_literals(args));
        match self {
            Self::Var(var) => Self::Literal(args[*var]),
            Self::Get(key) => Self::Get(inner(key)),
            Self::Neg(one) => Self::Neg(inner(one)),
            Self::Binary(operator, unsigned, left, right) => {
                Self::Binary(operator, *unsigned, inner(left), inner(right))
            }
            Self::Cast(kind, one) => Self::Cast(kind, inner(one)),
            Self::Choice(cond, then, other) => Self::Choice(
                Box::new(cond.with_literals(args)),
                inner(then),
                inner(other),
            ),
            Self::Literal(_) | Self::Round(_) | Self::Step(..) | Self::GetOwn => self.clone(),
        }
    }
}

impl Cond {
    fn text(&self) -> String {
        match self {
            Self::Compare(operator, false, left, right) => {
                format!("({} {operator} {})", left.text(), right.text())
            }
            Self::Compare(operator, true, left, right) => {
                format!(
                    "((uint64){} {operator} (uint64){})",
                    left.text(),
                    right.text()
                )
            }
            Self::And(left, right) => format!("({} && {})", left.text(), right.text()),
            Self::Or(left, right) => format!("({} || {})", left.text(), right.text()),
            Self::Not(inner) => format!("!({})", inner.text()),
            Self::Truth(inner) => inner.text(),
        }
    }

    fn with_literals(&self, args: &[i64; ARGS]) -> Self {
        let inner = |one: &Self| Box::new(one.with_literals(args));
        match self {
            Self::Compare(operator, unsigned, left, right) => Self::Compare(
                operator,
                *unsigned,
                Box::new(left.with_literals(args)),
                Box::new(right.with_literals(args)),
            ),
            Self::And(left, right) => Self::And(inner(left), inner(right)),
            Self::Or(left, right) => Self::Or(inner(left), inner(right)),
            Self::Not(one) => Self::Not(inner(one)),
            Self::Truth(one) => Self::Truth(Box::new(one.with_literals(args))),
        }
    }
}
