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
mod scope;
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
    probe_filter::ProbeFilter,
    subprograms,
    types::{INT, Type},
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
    /// Of the places that the probes mean, those that this takes; all where there is none.
    pub probe_filter: Option<ProbeFilter>,
    /// The process of `-c`.
    pub child: Option<u32>,
    /// The process of `-p`.
    pub pid: Option<u32>,
    /// The process of `--dwarf-pid`.
    pub dwarf_pid: Option<u32>,
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

impl Params {
    /// The processes whose stacks `dw_ustack` follows; what these start is followed, too.
    pub fn unwound(&self) -> impl Iterator<Item = u32> {
        [self.pid, self.child, self.dwarf_pid].into_iter().flatten()
    }

    /// Parameter `number` without its first `skip` bytes, empty where it was not given; `None` where it has fewer.
    pub(crate) fn text(&self, number: u32, skip: u64) -> Option<&str> {
        let text = self.positional.get(number as usize - 1);
        text.map_or("", String::as_str).get(skip as usize..)
    }
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
            if !guess && maps.values().any(|map| map.value == Type::Unknown) {
                guess = true;
            } else if !number_what_is_left_out(script, units, &mut maps)
                && !number_what_is_only_declared(&mut checked)
            {
                break;
            }
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

/// What `let $x;` declares and nothing is put into is the number zero. True where there is such a variable.
fn number_what_is_only_declared(checked: &mut [Checked]) -> bool {
    let variables = checked.iter_mut().flat_map(|unit| &mut unit.variables);
    let mut found = false;
    for variable in variables.filter(|one| one.by_let && one.kind == Type::Unknown) {
        variable.kind = INT;
        found = true;
    }
    found
}

/// A map that only probes would fill which are left out, as this kernel has no such place, is one of numbers without
/// entries. True where there is such a map.
fn number_what_is_left_out(
    script: &Script,
    units: &[Unit],
    maps: &mut BTreeMap<String, MapInfo>,
) -> bool {
    let is_left_out =
        |(number, _): &(usize, &Probe)| units.iter().all(|unit| unit.probe != *number);
    let left_out = script.probes.iter().enumerate().filter(is_left_out);
    let mut bodies: Vec<_> = left_out.flat_map(|(_, probe)| probe.body.clone()).collect();
    let mut found = false;
    visit::stmts(&mut bodies, &mut |expr| {
        if let ExprKind::Map(name, key) = &expr.kind
            && let Some(info) = maps.get_mut(name)
            && info.value == Type::Unknown
        {
            if info.key == Type::Unknown {
                info.key = if key.is_some() { INT } else { Type::Void };
            }
            info.value = INT;
            found = true;
        }
        true
    });
    found
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
