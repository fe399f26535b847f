//! From a kernel object (ELF) to maps and programs in the kernel.
//!
//! aya-obj parses and relocates; making the maps and loading the programs is done here. Only the
//! programs that a plan attaches are loaded, so that an object may hold variants that an older
//! kernel's verifier would refuse.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use aya_obj::{
    EbpfSectionKind, Function, Object, Program, ProgramSection,
    generated::{bpf_attach_type, bpf_map_type, bpf_prog_type},
};

use super::{
    local_storage,
    map::Map,
    plan::{Attachment, Plan},
    sys::{self, LogLevel, SysError},
};
use crate::probe::Hook;

/// Why a kernel object could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The object in the binary is broken: a fault of the build.
    #[error("the kernel object is damaged: {0}")]
    Object(String),
    /// A map could not be made.
    #[error("cannot make the map {name} ({entries} entries, {bytes} bytes each): {answer}{hint}")]
    Map {
        /// Which.
        name: String,
        /// How many entries it should have held.
        entries: u32,
        /// The size of a key and a value together.
        bytes: u32,
        /// What the kernel answered.
        answer: SysError,
        /// What to do about it.
        hint: &'static str,
    },
    /// The verifier refused a program, or it could not be loaded for want of rights.
    #[error("the kernel refused the program {name}: {answer}{hint}{log}")]
    Program {
        /// Which.
        name: String,
        /// What the kernel answered.
        answer: SysError,
        /// What to do about it.
        hint: &'static str,
        /// The end of what the verifier said, on lines of its own.
        log: String,
    },
}

pub(crate) fn rights_hint(source: &SysError) -> &'static str {
    match source.errno() {
        libc::EPERM | libc::EACCES => {
            "; loading needs root, or CAP_BPF and CAP_PERFMON: see `tracer doctor`"
        }
        libc::ENOMEM => "; not enough memory for it",
        libc::E2BIG => "; the kernel takes no map or program of that size",
        _ => "",
    }
}

/// The maps and programs of one object, in the kernel until this is dropped.
pub struct Loaded {
    /// By their names in the object.
    pub maps: BTreeMap<String, Map>,
    /// By their names in the object.
    pub programs: BTreeMap<String, OwnedFd>,
}

/// Maps that several objects share: looked up by name before one is made.
pub type Shared<'a> = BTreeMap<&'a str, &'a Map>;

/// Loads what `plan` names.
pub fn load(plan: &Plan, shared: &Shared<'_>) -> Result<Loaded, LoadError> {
    let damaged = |error: &dyn std::fmt::Display| LoadError::Object(error.to_string());
    let mut object = Object::parse(plan.object).map_err(|e| damaged(&e))?;
    keep_planned_programs(&mut object, plan)?;
    set_globals(&mut object, plan)?;
    let maps = create_maps(&object, plan, shared)?;
    relocate(&mut object, &maps, shared)?;
    let mut programs = BTreeMap::new();
    for (name, program) in &object.programs {
        let function = &object.functions[&program.function_key()];
        let attach = plan
            .attachments
            .iter()
            .find(|attachment| attachment.program == name);
        programs.insert(name.clone(), load_program(program, function, attach)?);
    }
    Ok(Loaded { maps, programs })
}

fn keep_planned_programs(object: &mut Object, plan: &Plan) -> Result<(), LoadError> {
    for attachment in &plan.attachments {
        if !object.programs.contains_key(attachment.program) {
            return Err(LoadError::Object(format!(
                "it has no program {}",
                attachment.program
            )));
        }
    }
    object
        .programs
        .retain(|name, _| plan.attachments.iter().any(|a| a.program == name));
    Ok(())
}

fn set_globals(object: &mut Object, plan: &Plan) -> Result<(), LoadError> {
    let facts = plan.facts.iter().map(|global| (global, false));
    let globals = plan.globals.iter().map(|global| (global, true));
    let globals: HashMap<&str, (&[u8], bool)> = facts
        .chain(globals)
        .map(|(global, must_exist)| (global.name, (global.bytes.as_slice(), must_exist)))
        .collect();
    object
        .patch_map_data(globals)
        .map_err(|error| LoadError::Object(error.to_string()))
}

fn create_maps(
    object: &Object,
    plan: &Plan,
    shared: &Shared<'_>,
) -> Result<BTreeMap<String, Map>, LoadError> {
    for (name, _) in &plan.map_sizes {
        if !object.maps.contains_key(*name) {
            return Err(LoadError::Object(format!("it has no map {name}")));
        }
    }
    let mut maps = BTreeMap::new();
    for (name, definition) in &object.maps {
        if shared.contains_key(name.as_str()) {
            continue;
        }
        let planned = plan.map_sizes.iter().find(|(planned, _)| planned == name);
        let entries = planned.map_or(definition.max_entries(), |&(_, entries)| entries);
        maps.insert(name.clone(), create_map(name, definition, entries)?);
    }
    Ok(maps)
}

fn create_map(name: &str, definition: &aya_obj::Map, entries: u32) -> Result<Map, LoadError> {
    let failed = |answer: SysError| LoadError::Map {
        name: name.to_owned(),
        entries,
        bytes: definition.key_size() + definition.value_size(),
        hint: rights_hint(&answer),
        answer,
    };
    let spec = sys::MapSpec {
        kind: definition.map_type(),
        name: name.rsplit('.').next().unwrap_or(name),
        key_size: definition.key_size(),
        value_size: definition.value_size(),
        max_entries: entries,
        flags: definition.map_flags(),
        btf: None,
        inner: None,
    };
    if spec.kind == bpf_map_type::BPF_MAP_TYPE_TASK_STORAGE as u32 {
        return local_storage::create_or_stand_in(&spec).map_err(failed);
    }
    let map = Map::create(&spec).map_err(failed)?;
    match definition.section_kind() {
        EbpfSectionKind::Rodata => {
            map.set(&0u32.to_ne_bytes(), definition.data())
                .and_then(|()| map.freeze())
                .map_err(failed)?;
        }
        EbpfSectionKind::Data => map
            .set(&0u32.to_ne_bytes(), definition.data())
            .map_err(failed)?,
        _ => {}
    }
    Ok(map)
}

fn relocate(
    object: &mut Object,
    maps: &BTreeMap<String, Map>,
    shared: &Shared<'_>,
) -> Result<(), LoadError> {
    let text_sections: HashSet<usize> = object
        .functions
        .keys()
        .map(|&(section, _)| section)
        .collect();
    let definitions = object.maps.clone();
    let fds = definitions.iter().map(|(name, definition)| {
        let map = maps.get(name).unwrap_or_else(|| shared[name.as_str()]);
        (name.as_str(), map.as_fd().as_raw_fd(), definition)
    });
    object
        .relocate_maps(fds, &text_sections)
        .map_err(|error| LoadError::Object(error.to_string()))?;
    object
        .relocate_calls(&text_sections)
        .map_err(|error| LoadError::Object(error.to_string()))
}

/// The verifier's log begins empty; a program that was refused is offered again with this much room.
const LOG_BYTES: usize = 1 << 20;

fn load_program(
    program: &Program,
    function: &Function,
    attachment: Option<&Attachment>,
) -> Result<OwnedFd, LoadError> {
    let spec = sys::ProgramSpec {
        kind: program_type(&program.section)?,
        attach: attachment.and_then(expected_attach_type),
        name: &function.name,
        instructions: &function.instructions,
        license: &program.license,
        info: None,
        target: None,
    };
    let refused = match sys::prog_load(&spec, LogLevel::Refusal, &mut []) {
        Ok(fd) => return Ok(fd),
        Err(refused) => refused,
    };
    let mut log = vec![0; LOG_BYTES];
    match sys::prog_load(&spec, LogLevel::Refusal, &mut log) {
        Ok(fd) => Ok(fd),
        Err(_) => Err(LoadError::Program {
            name: function.name.clone(),
            hint: rights_hint(&refused),
            answer: refused,
            log: log_tail(&log),
        }),
    }
}

/// The last lines of the verifier's log, where the reason stands.
fn log_tail(log: &[u8]) -> String {
    let text = sys::log_text(log);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..]
        .iter()
        .map(|line| format!("\n    {line}"))
        .collect()
}

fn program_type(section: &ProgramSection) -> Result<bpf_prog_type, LoadError> {
    match section {
        ProgramSection::KProbe
        | ProgramSection::KRetProbe
        | ProgramSection::UProbe { .. }
        | ProgramSection::URetProbe { .. } => Ok(bpf_prog_type::BPF_PROG_TYPE_KPROBE),
        ProgramSection::TracePoint => Ok(bpf_prog_type::BPF_PROG_TYPE_TRACEPOINT),
        ProgramSection::RawTracePoint => Ok(bpf_prog_type::BPF_PROG_TYPE_RAW_TRACEPOINT),
        other => Err(LoadError::Object(format!(
            "programs of the section {other:?} are not known"
        ))),
    }
}

/// A program for many functions at once must say so when it is loaded.
fn expected_attach_type(attachment: &Attachment) -> Option<bpf_attach_type> {
    match &attachment.hook {
        Hook::KprobeMulti(_) => Some(bpf_attach_type::BPF_TRACE_KPROBE_MULTI),
        Hook::UprobeMulti(_) => Some(bpf_attach_type::BPF_TRACE_UPROBE_MULTI),
        _ => None,
    }
}
