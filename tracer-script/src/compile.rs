//! The passes, in their order.

use std::{collections::HashSet, fmt::Write as _, rc::Rc};

use crate::{
    ast::Script,
    check::{self, Analysis, Env, Params, Unit},
    collect::{collect_enums, collect_structs},
    config::{self, Config},
    diagnostic::{Diagnostics, nearest},
    emit,
    facts::{Facts, Files},
    ir::Function,
    key_names::key_names,
    limits,
    lower::{self, Given, Shared},
    macros,
    plan::{self, Plan, Planned},
    program::{Enumeration, Image, Map, MapRole, Program},
    read,
    source::Sources,
    subprograms,
    types::Type,
    unstable,
};

/// What is compiled, and for whom.
pub struct Input<'a> {
    /// The script's text.
    pub source: &'a str,
    /// What it is called in messages; files that it names are looked for beside it.
    pub file: &'a str,
    /// Headers that come before it.
    pub headers: &'a [String],
    /// Parameters and what is allowed.
    pub params: &'a Params,
    /// The environment, of which `BPFTRACE_*` is looked at.
    pub environment: &'a [(String, String)],
    /// The kernel.
    pub facts: &'a dyn Facts,
    /// The files that the script names.
    pub files: &'a dyn Files,
}

/// What came of it.
#[derive(Debug)]
pub struct Compiled {
    /// The image; without one, the diagnostics have an error.
    pub image: Option<Image>,
    /// What is to be said.
    pub diagnostics: Diagnostics,
    /// The texts that all places are in.
    pub sources: Rc<Sources>,
}

/// What can be looked at on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The parameters with names that the script asks for, where `--help` is among those that are given.
    Parameters,
    /// The tree, macros put in.
    Tree,
    /// The types of maps and variables.
    Types,
    /// The intermediate form.
    Ir,
    /// The instructions.
    Code,
}

/// Compiles a script.
pub fn compile(input: &Input<'_>) -> Compiled {
    compile_showing(input, &mut |_, _| {})
}

/// The same; `show` is handed what each stage made, and asks for it as text where it wants to see it.
pub fn compile_showing(
    input: &Input<'_>,
    show: &mut dyn FnMut(Stage, &dyn Fn() -> String),
) -> Compiled {
    let mut diagnostics = Diagnostics::default();
    let mut sources = Sources::new(input.file, input.source);
    let script = read::script(input, &mut sources, &mut diagnostics);
    let sources = Rc::new(sources);
    let image = passes(input, script, &sources, &mut diagnostics, show);
    let image = image.filter(|_| !diagnostics.has_errors());
    Compiled {
        image,
        diagnostics,
        sources,
    }
}

/// Ends where a pass has found errors.
fn passes(
    input: &Input<'_>,
    mut script: Script,
    sources: &Rc<Sources>,
    diagnostics: &mut Diagnostics,
    show: &mut dyn FnMut(Stage, &dyn Fn() -> String),
) -> Option<Image> {
    let mut config = config::read(&script.config, input.environment, input.facts, diagnostics);
    macros::expand(&mut script, diagnostics);
    subprograms::check(&script, diagnostics);
    unstable::check(&mut script, &config, diagnostics);
    show(Stage::Tree, &|| format!("{script:#?}"));
    if diagnostics.has_errors() {
        return None;
    }
    if asks_for_help(&script, input.params) {
        show(Stage::Parameters, &|| {
            plan::describe_options(&script, input.file)
        });
        return None;
    }
    let said = diagnostics.clone();
    let mut understood = understand(input, &script, &config, diagnostics);
    while let Some(Understood { maps, .. }) = &understood
        && limits::has_long_keys(maps, input.facts)
        && let Some(length) = config.shorter_strings()
    {
        config.max_strlen = length;
        *diagnostics = said.clone();
        understood = understand(input, &script, &config, diagnostics);
    }
    let Understood {
        script,
        plan,
        analysis,
        env,
        deleted,
        maps,
    } = understood?;
    show(Stage::Types, &|| describe_types(&analysis));
    if diagnostics.has_errors() {
        return None;
    }
    let passes = Passes {
        input,
        sources,
        script: &script,
        config: &config,
        plan: &plan,
        analysis: &analysis,
        env: &env,
        deleted: &deleted,
    };
    passes.generate(maps, diagnostics, show)
}

/// What the passes that look at all of the script have found.
struct Understood {
    /// With the values of its configuration in their places.
    script: Script,
    plan: Plan,
    analysis: Analysis,
    env: Env,
    /// The maps that elements are taken out of.
    deleted: HashSet<String>,
    maps: Vec<Map>,
}

/// Finds the places and the types; [`None`] where there is nothing to find types for.
fn understand(
    input: &Input<'_>,
    script: &Script,
    config: &Config,
    diagnostics: &mut Diagnostics,
) -> Option<Understood> {
    let mut script = script.clone();
    config::put_in(&mut script, config);
    let plan = plan::plan(&script, config, input.params, input.facts, diagnostics);
    if diagnostics.has_errors() {
        return None;
    }
    if plan.programs.is_empty() {
        tell_of_no_probes(&script, input.params, diagnostics);
        return None;
    }
    refuse_unknown_params(&script, input.params, diagnostics);
    let units: Vec<Unit> = plan.programs.iter().map(|one| one.unit.clone()).collect();
    let (analysis, env) = check::check(
        &script,
        &units,
        config,
        input.params,
        input.facts,
        diagnostics,
    );
    let deleted = plan::deleted_maps(&script);
    let maps = lower::maps(
        &analysis.maps,
        &|name| deleted.contains(name),
        &env.sizes(input.facts),
        config.max_map_keys.min(u32::MAX.into()) as u32,
    );
    Some(Understood {
        script,
        plan,
        analysis,
        env,
        deleted,
        maps,
    })
}

fn tell_of_no_probes(script: &Script, params: &Params, diagnostics: &mut Diagnostics) {
    let message = "No probes to attach";
    let hint = match &params.probe_filter {
        _ if script.probes.is_empty() => None,
        Some(filter) => Some(format!("--probe-filter {filter} finds none of their names")),
        None => Some("tests are run by --test, benchmarks by --bench".to_owned()),
    };
    match hint {
        None => diagnostics.error(crate::Span::default(), message),
        Some(hint) => diagnostics.error_hint(crate::Span::default(), message, hint),
    }
}

/// Whether `--help` is given, and means nothing to the script itself.
fn asks_for_help(script: &Script, params: &Params) -> bool {
    const HELP: &str = "help";
    let given = |(name, value): &(String, Option<String>)| name == HELP && value.is_none();
    params.named.iter().any(given) && !plan::option_names(script).contains(HELP)
}

/// Parameters by names that the script asks for nowhere.
fn refuse_unknown_params(script: &Script, params: &Params, diagnostics: &mut Diagnostics) {
    if params.named.is_empty() {
        return;
    }
    let known = plan::option_names(script);
    for (name, _) in &params.named {
        if known.contains(name) {
            continue;
        }
        let message = format!("unknown named parameter: --{name}");
        match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => {
                let hint = format!("did you mean --{near}?");
                diagnostics.error_hint(crate::Span::default(), message, hint);
            }
            None => diagnostics.error(crate::Span::default(), message),
        }
    }
}

struct Passes<'a> {
    input: &'a Input<'a>,
    sources: &'a Rc<Sources>,
    script: &'a Script,
    config: &'a Config,
    plan: &'a Plan,
    analysis: &'a Analysis,
    env: &'a Env,
    deleted: &'a HashSet<String>,
}

impl Passes<'_> {
    fn generate(
        &self,
        maps: Vec<Map>,
        diagnostics: &mut Diagnostics,
        show: &mut dyn FnMut(Stage, &dyn Fn() -> String),
    ) -> Option<Image> {
        let facts = self.input.facts;
        let mut shared = Shared::new(maps, self.stack_frames());
        shared.writers = plan::writers(self.script, self.plan);
        let mut programs = Vec::new();
        let mut scratch = 0;
        for (planned, checked) in self.plan.programs.iter().zip(&self.analysis.units) {
            let given = Given {
                script: self.script,
                unit: &planned.unit,
                checked,
                env: self.env,
                facts,
                config: self.config,
                params: self.input.params,
                start: &planned.start,
                deleted: self.deleted,
            };
            let Some(lowered) = lower::lower(&given, &mut shared, diagnostics) else {
                continue;
            };
            scratch = scratch.max(lowered.scratch);
            let functions = lowered.functions;
            show(Stage::Ir, &|| describe_functions(planned, &functions));
            if let Some(program) = self.program(planned, functions, programs.len(), diagnostics) {
                show(Stage::Code, &|| {
                    format!("{}\n{}", program.name, emit::list(&program.code))
                });
                programs.push(program);
            }
        }
        let image = self.image(shared, programs, scratch);
        let sizes = self.env.sizes(facts);
        limits::check(&image, self.analysis, &sizes, facts, diagnostics);
        Some(image)
    }

    /// The most frames of any stack that the script takes.
    fn stack_frames(&self) -> u32 {
        let types = self.analysis.units.iter().flat_map(|unit| &unit.types);
        let limits = types.filter_map(|kind| match kind {
            Type::Stack { limit, .. } => Some((*limit).max(1)),
            _ => None,
        });
        limits.max().unwrap_or(0)
    }

    fn program(
        &self,
        planned: &Planned,
        functions: Vec<Function>,
        index: usize,
        diagnostics: &mut Diagnostics,
    ) -> Option<Program> {
        let span = self.script.probes[planned.unit.probe].span;
        let code = match emit::emit(functions, self.sources) {
            Ok(code) => code,
            Err(reason) => {
                diagnostics.error(span, format!("The probe cannot be compiled: {reason}"));
                return None;
            }
        };
        let targets = match &planned.attached {
            Some(target) => vec![target.clone()],
            None => planned.unit.targets.clone(),
        };
        let first = planned.unit.targets.first()?;
        let cookies = (planned.start.number == lower::Number::Cookie).then(|| {
            let names = &self.plan.probe_names;
            let number = |target: &crate::probe::Target| {
                let found = names.iter().position(|name| *name == target.name);
                found.unwrap_or(0) as u64
            };
            targets.iter().map(number).collect()
        });
        Some(Program {
            name: program_name(first.kind.name(), &first.item, index),
            kind: planned.kind,
            probe: first.kind,
            targets,
            cookies,
            code,
            span,
        })
    }

    fn image(&self, mut shared: Shared, mut programs: Vec<Program>, scratch: u32) -> Image {
        let facts = self.input.facts;
        let frames = shared.stack_frames;
        let areas = self.plan.areas;
        let ring = lower::ring_bytes(shared.many_records, self.config.perf_rb_pages);
        let rodata = std::mem::take(&mut shared.rodata);
        for map in &mut shared.maps {
            match map.role {
                MapRole::Events => map.entries = ring,
                MapRole::Scratch => {
                    map.value_size = crate::types::align(scratch);
                    map.entries = areas;
                }
                MapRole::Packets => map.entries = facts.cpus(),
                MapRole::Rodata => map.value_size = rodata.len() as u32,
                MapRole::Stacks => {
                    map.value_size = 8 + frames * 8;
                    map.entries = lower::stack_entries(frames);
                }
                MapRole::Script
                | MapRole::Loss
                | MapRole::Seen
                | MapRole::UnwindProcesses
                | MapRole::UnwindRegions
                | MapRole::UnwindRows => {}
            }
        }
        leave_out_unused(&mut shared.maps, &mut programs);
        for map in &shared.maps {
            for kind in [&map.key, &map.value] {
                collect_structs(kind, self.env, facts, &mut shared.structs, 0);
            }
        }
        let mut kinds: Vec<Type> = Vec::new();
        let maps = shared.maps.iter();
        kinds.extend(maps.flat_map(|map| [map.key.clone(), map.value.clone()]));
        let actions = shared.actions.iter();
        kinds.extend(actions.flat_map(|action| action.args.iter().cloned()));
        let structs = shared.structs.iter();
        kinds.extend(structs.flat_map(|one| one.fields.iter().map(|field| field.kind.clone())));
        let mut enums: Vec<Enumeration> = Vec::new();
        for kind in &kinds {
            collect_enums(kind, self.env, facts, &mut enums);
        }
        Image {
            config: self.config.clone(),
            sources: Rc::clone(self.sources),
            maps: shared.maps,
            rodata,
            programs,
            actions: shared.actions,
            probe_names: self.plan.probe_names.clone(),
            attached: self.plan.probe_names.len(),
            structs: shared.structs,
            enums,
            key_names: key_names(self.script),
            deleted_maps: self.deleted.iter().cloned().collect(),
            stack_frames: frames,
        }
    }
}

/// Of the maps that are not the script's own, only those are kept that a program refers to. They come last: the
/// numbers of the script's stay as they are.
fn leave_out_unused(maps: &mut Vec<Map>, programs: &mut [Program]) {
    let mut used: Vec<bool> = maps.iter().map(|map| map.role == MapRole::Script).collect();
    for program in programs.iter() {
        for (_, reference) in &program.code.references {
            used[reference.map()] = true;
        }
    }
    let mut next = 0;
    let numbers: Vec<usize> = used
        .iter()
        .map(|&used| {
            next += usize::from(used);
            next.saturating_sub(1)
        })
        .collect();
    for program in programs {
        for (_, reference) in &mut program.code.references {
            *reference = reference.renumbered(&numbers);
        }
    }
    let mut used = used.into_iter();
    maps.retain(|_| used.next().unwrap_or(false));
}

/// Letters, digits and `_`, and a number that tells programs apart.
fn program_name(kind: &str, item: &str, index: usize) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let text = if item.is_empty() { kind } else { item };
    let name: String = text.chars().take(11).map(clean).collect();
    format!("{name}_{index}")
}

fn describe_types(analysis: &Analysis) -> String {
    let mut out = String::new();
    for (name, map) in &analysis.maps {
        let _ = match map.key {
            Type::Void => writeln!(out, "{name}: {}", map.value),
            _ => writeln!(out, "{name}[{}]: {}", map.key, map.value),
        };
    }
    for (index, unit) in analysis.units.iter().enumerate() {
        for variable in &unit.variables {
            let _ = writeln!(out, "program {index}: {}: {}", variable.name, variable.kind);
        }
    }
    out
}

fn describe_functions(planned: &Planned, functions: &[Function]) -> String {
    let mut out = String::new();
    for target in planned.unit.targets.iter().take(4) {
        let _ = writeln!(out, "; {}", target.name);
    }
    for function in functions {
        let _ = writeln!(out, "{function}");
    }
    out
}
