//! Names and types: each expression's type is found and kept in a table beside the tree.
//!
//! A map or a variable may be used before the place that tells its type. So the whole script is gone
//! through again until nothing new is learned; only what is wrong in the last round is told. Where then a map
//! still has no type, as it is only ever given what is made of itself (`@sum = @sum + 1`), it is taken for a
//! number where it stands beside one.

mod assign;
mod call;
mod constant;
mod define;
mod env;
mod evaluate;
mod expr;
mod member;
mod operator;
mod stmt;
mod subprogram;
mod value;

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use crate::{
    ast::{Expr, ExprId, ExprKind, Probe, Script, visit},
    config::Config,
    diagnostic::{Diagnostics, Span},
    facts::Facts,
    probe::Target,
    subprograms,
    types::Type,
};

pub(crate) use call::CPU_OFFSETS;
pub(crate) use constant::{fold, truncate};
pub use env::Env;

/// A probe's block, to be compiled for these places.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Which probe of the script.
    pub probe: usize,
    /// The places.
    pub targets: Vec<Target>,
}

/// What is known of a map.
#[derive(Clone, Debug)]
pub struct MapInfo {
    /// Type of keys; [`Type::Void`] for one value without key.
    pub key: Type,
    /// Type of values.
    pub value: Type,
    /// Where it was first used.
    pub span: Span,
    /// The kind that the script declares, and the entries.
    pub declared: Option<(String, u64)>,
    /// Its type so far comes from literals only, whose sign says nothing.
    from_literal: bool,
    /// It is given a value somewhere.
    pub assigned: bool,
    /// Whether `print` uses it: then it is kept though nothing assigns it.
    used: bool,
}

/// A variable.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Type,
    from_literal: bool,
    /// Declared with this type.
    declared: bool,
    /// Made by `let`, which says where it belongs.
    by_let: bool,
    /// How many loops over maps are around it: each is a function of its own.
    pub depth: u32,
    /// Used in a deeper function than it was made in, or by its address: it lies in memory.
    pub in_memory: bool,
}

/// What a subprogram takes and returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prototype {
    /// Types of its parameters.
    pub params: Vec<Type>,
    /// The type of its value; [`Type::Void`] for none.
    pub returns: Type,
}

/// What was found out about one unit.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Types by expression.
    pub types: Vec<Type>,
    /// Values of expressions that are constant.
    pub constants: HashMap<ExprId, i64>,
    /// Which variable an expression or a declaration means.
    pub bindings: HashMap<ExprId, usize>,
    /// The variables.
    pub variables: Vec<Variable>,
    /// The subprograms that it calls, by name.
    pub functions: HashMap<String, Prototype>,
    /// Variables that are made in a block and used behind it: they belong to the whole probe, and are zero at
    /// first. So it was before bpftrace 0.22.
    pub hoisted: Vec<String>,
}

/// What was found out about a script.
pub struct Analysis {
    /// Maps by name.
    pub maps: BTreeMap<String, MapInfo>,
    /// By unit.
    pub units: Vec<Checked>,
}

/// What a script is run for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// To trace.
    #[default]
    Trace,
    /// For its `test` probes.
    Test,
    /// For its `bench` probes.
    Bench,
}

/// What the script is given from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// What the script is run for.
    pub mode: Mode,
    /// `$1`…
    pub positional: Vec<String>,
    /// `--name=value`
    pub named: Vec<(String, Option<String>)>,
    /// What changes the system is allowed.
    pub allow_unsafe: bool,
    /// The process of `-c`.
    pub child: Option<u32>,
    /// The process of `-p`.
    pub pid: Option<u32>,
    /// The tracer's own process, where what that does is left out.
    pub own_pid: Option<u32>,
    /// When the tracer started, in nanoseconds since boot.
    pub start_ns: u64,
    /// International atomic time less the time since boot, in nanoseconds.
    pub tai_offset_ns: u64,
    /// The time of day since the Unix epoch less the time since boot, in nanoseconds.
    pub epoch_offset_ns: u64,
    /// Failures of the kernel's helpers are told.
    pub report_errors: bool,
}

/// Finds all types.
pub fn check(
    script: &Script,
    units: &[Unit],
    config: &Config,
    params: &Params,
    facts: &dyn Facts,
    diagnostics: &mut Diagnostics,
) -> (Analysis, Env) {
    const ROUNDS: usize = 24;
    let mut env = Env::new(script, facts, diagnostics);
    let mut maps = BTreeMap::new();
    let mut checked = vec![Checked::default(); units.len()];
    let mut told = Diagnostics::default();
    let mut guess = false;
    for _ in 0..ROUNDS {
        told.clear();
        let before = snapshot(&maps, &checked);
        let mut restarts = false;
        declare_maps(script, params, (&env, facts), &mut maps, &mut told);
        for (unit, result) in units.iter().zip(&mut checked) {
            let mut checker = Checker {
                script,
                config,
                params,
                facts,
                env: &mut env,
                maps: &mut maps,
                unit,
                result: &mut *result,
                diagnostics: &mut told,
                scopes: Vec::new(),
                next_variable: 0,
                depth: 0,
                loops: 0,
                returns: None,
                restart: false,
                guess,
            };
            checker.unit();
            if checker.restart {
                // All variables get other numbers.
                restarts = true;
                result.variables.clear();
                result.bindings.clear();
            }
        }
        if !restarts && snapshot(&maps, &checked) == before {
            if guess || maps.values().all(|map| map.value != Type::Unknown) {
                break;
            }
            guess = true;
        }
    }
    for (name, info) in &maps {
        if info.used && !info.assigned && info.value == Type::Unknown {
            told.error(info.span, format!("Undefined map: {name}"));
        }
        if info.assigned && info.value == Type::Unknown && !told.has_errors() {
            let message = format!("The type of {name} cannot be told: its value is made of itself");
            told.error(info.span, message);
        }
    }
    for (unit, result) in units.iter().zip(&checked) {
        if told.has_errors() {
            break;
        }
        if let Some((name, span)) = untyped(script, &script.probes[unit.probe], result) {
            told.error(span, format!("Undefined or undeclared variable: {name}"));
        }
    }
    diagnostics.extend(told);
    (
        Analysis {
            maps,
            units: checked,
        },
        env,
    )
}

/// A variable that is used, and never given anything that has a type.
fn untyped(script: &Script, probe: &Probe, checked: &Checked) -> Option<(String, Span)> {
    let unknown = |variable: &Variable| variable.kind == Type::Unknown;
    if !checked.variables.iter().any(unknown) {
        return None;
    }
    let mut found = None;
    let functions = subprograms::reached(script, probe).into_iter();
    let bodies = functions.flat_map(|function| function.body.clone());
    let mut body: Vec<_> = probe.body.iter().cloned().chain(bodies).collect();
    visit::stmts(&mut body, &mut |expr| {
        let variable = checked.bindings.get(&expr.id);
        if let ExprKind::Var(name) = &expr.kind
            && variable.is_some_and(|&index| unknown(&checked.variables[index]))
        {
            found.get_or_insert((name.clone(), expr.span));
        }
        true
    });
    found
}

/// Of each map its types and whether it is set; of each variable of each unit its type and whether it lies in
/// memory.
type Snapshot = (Vec<(Type, Type, bool)>, Vec<Vec<(Type, bool)>>);

/// What the next round could build upon.
fn snapshot(maps: &BTreeMap<String, MapInfo>, units: &[Checked]) -> Snapshot {
    let maps = maps
        .values()
        .map(|map| (map.key.clone(), map.value.clone(), map.assigned))
        .collect();
    let variables = |unit: &Checked| {
        unit.variables
            .iter()
            .map(|variable| (variable.kind.clone(), variable.in_memory))
            .collect()
    };
    (maps, units.iter().map(variables).collect())
}

fn declare_maps(
    script: &Script,
    params: &Params,
    (env, facts): (&Env, &dyn Facts),
    maps: &mut BTreeMap<String, MapInfo>,
    diagnostics: &mut Diagnostics,
) {
    const KINDS: [&str; 5] = [
        "hash",
        "lruhash",
        "percpuhash",
        "percpulruhash",
        "percpuarray",
    ];
    for declaration in &script.maps {
        if !KINDS.contains(&declaration.kind.as_str()) {
            diagnostics.error_hint(
                declaration.span,
                format!("Invalid bpf map type: {}", declaration.kind),
                format!("Valid map types: {}", KINDS[..4].join(", ")),
            );
            continue;
        }
        let entries = match declaration.args.as_slice() {
            [one] => match entries(one, params, env, facts) {
                Some(value @ 1..=67_108_864) => value as u64,
                _ => {
                    diagnostics.error(
                        one.span,
                        "the number of entries of a map is a constant from 1 to 67108864",
                    );
                    continue;
                }
            },
            _ => {
                diagnostics.error(
                    declaration.span,
                    format!(
                        "{} takes one argument: the number of entries",
                        declaration.kind
                    ),
                );
                continue;
            }
        };
        let info = maps
            .entry(declaration.name.clone())
            .or_insert_with(|| MapInfo::new(declaration.span));
        info.declared = Some((declaration.kind.clone(), entries));
    }
}

/// A number that is known beforehand.
fn entries(expr: &Expr, params: &Params, env: &Env, facts: &dyn Facts) -> Option<i64> {
    match &expr.kind {
        ExprKind::Positional(index) => {
            let given = params.positional.get(*index as usize - 1)?;
            constant::parse_number(given)
        }
        _ => env.evaluate(expr, facts),
    }
}

impl MapInfo {
    fn new(span: Span) -> Self {
        Self {
            key: Type::Unknown,
            value: Type::Unknown,
            span,
            declared: None,
            from_literal: false,
            assigned: false,
            used: false,
        }
    }
}

/// Goes through one unit.
pub(crate) struct Checker<'a> {
    script: &'a Script,
    config: &'a Config,
    params: &'a Params,
    facts: &'a dyn Facts,
    env: &'a mut Env,
    maps: &'a mut BTreeMap<String, MapInfo>,
    unit: &'a Unit,
    result: &'a mut Checked,
    diagnostics: &'a mut Diagnostics,
    /// Variables by name, the innermost block last.
    scopes: Vec<HashMap<String, usize>>,
    next_variable: usize,
    /// Loops over maps around.
    depth: u32,
    /// Loops of any kind around.
    loops: u32,
    /// What the subprogram returns that is gone through.
    returns: Option<Type>,
    /// Something was found that the whole unit must be gone through again for.
    restart: bool,
    /// Nothing more is learned: what has no type, and stands beside a number in a calculation, is one, too.
    guess: bool,
}

impl Checker<'_> {
    fn unit(&mut self) {
        let probe = &self.script.probes[self.unit.probe];
        self.result
            .types
            .resize(self.script.exprs as usize, Type::Unknown);
        let functions = subprograms::reached(self.script, probe);
        for function in &functions {
            self.prototype(function);
        }
        self.scopes.push(HashMap::new());
        for name in self.result.hoisted.clone() {
            self.declare(&name, Type::Unknown);
        }
        if let Some(predicate) = &probe.predicate {
            let kind = self.expr(predicate);
            self.condition(&kind, predicate.span, "predicate");
        }
        self.stmts(&probe.body);
        self.scopes.pop();
        for function in functions {
            self.subprogram(function);
        }
    }

    fn target(&self) -> &Target {
        &self.unit.targets[0]
    }

    fn error(&mut self, span: Span, message: impl Into<String>) -> Type {
        self.diagnostics.error(span, message);
        Type::Unknown
    }

    fn error_hint(
        &mut self,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Type {
        self.diagnostics.error_hint(span, message, hint);
        Type::Unknown
    }

    /// What stands in a condition must be a number, a pointer or a truth value.
    fn condition(&mut self, kind: &Type, span: Span, what: &str) {
        let fits = kind.is_scalar()
            || *kind == Type::Unknown
            || matches!(kind, Type::Str(_))
            || matches!(kind, Type::Aggregate(aggregate) if aggregate.is_number());
        if !fits {
            self.error(
                span,
                format!("Invalid condition in {what}: expected a number, got {kind}"),
            );
        }
    }

    /// The variable that is meant; where it was made in a block that is over, it is from the next round on the
    /// whole probe's.
    fn used_variable(&mut self, name: &str, span: Span) -> Option<usize> {
        let found = self.find_variable(name);
        if self.returns.is_some() {
            return found;
        }
        let was_made = self
            .result
            .variables
            .iter()
            .any(|variable| variable.name == name && !variable.by_let);
        if found.is_none() && was_made && !self.result.hoisted.iter().any(|known| known == name) {
            self.result.hoisted.push(name.to_owned());
            self.restart = true;
        }
        if self.result.hoisted.iter().any(|known| known == name) {
            self.diagnostics.warn_hint(
                span,
                format!("{name} is used outside of the block that it is made in: it may be zero"),
                format!("Declare it before with: let {name};"),
            );
        }
        found
    }

    fn find_variable(&self, name: &str) -> Option<usize> {
        self.scopes
            .iter()
            .rev()
            .find_map(|scope| scope.get(name))
            .copied()
    }

    /// Makes a variable in the innermost block. Its number is the same in every round.
    fn declare(&mut self, name: &str, kind: Type) -> usize {
        let index = self.next_variable;
        self.next_variable += 1;
        if self.result.variables.len() <= index {
            self.result.variables.push(Variable {
                name: name.to_owned(),
                kind,
                from_literal: false,
                declared: false,
                by_let: false,
                depth: self.depth,
                in_memory: false,
            });
        }
        self.scopes
            .last_mut()
            .expect("a block is open")
            .insert(name.to_owned(), index);
        index
    }

    /// Notes that an expression means this variable.
    fn bind(&mut self, id: ExprId, index: usize) -> Type {
        self.result.bindings.insert(id, index);
        let depth = self.depth;
        let variable = &mut self.result.variables[index];
        variable.in_memory |= depth > variable.depth;
        variable.kind.clone()
    }

    fn map(&mut self, name: &str, span: Span) -> &mut MapInfo {
        self.maps
            .entry(name.to_owned())
            .or_insert_with(|| MapInfo::new(span))
    }

    fn constant(&self, id: ExprId) -> Option<i64> {
        self.result.constants.get(&id).copied()
    }
}

/// What an aggregated value is as a number.
pub(crate) fn number_of(kind: &Type) -> Type {
    Checker::number_of(kind)
}

/// The name of a structure without its keyword.
pub fn bare(name: &Rc<str>) -> &str {
    name.split_once(' ').map_or(name, |(_, name)| name)
}
