//! The programs of a script, from the compiler's code to the kernel.

use std::{
    ffi::CString,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    rc::Rc,
};

use aya_obj::generated::{bpf_attach_type, bpf_insn, bpf_prog_type};
use tracer_script::{
    emit::{Code, Insn, Reference},
    probe::Target,
    program::{Image, Program, ProgramKind},
};

use super::{FindFunction, FunctionType, Loaded, ScriptError, refusal};
use crate::kernel::{
    map::Map,
    object::rights_hint,
    sys::{self, LogLevel, ProgramInfo, ProgramSpec},
};

/// Is told what the verifier says of each program that it takes.
pub type Listener<'a> = &'a dyn Fn(&Program, &str);

/// Loads all programs, in the image's order.
pub fn load(
    image: &Image,
    maps: &[Rc<Map>],
    find_function: FindFunction<'_>,
    listener: Option<Listener<'_>>,
) -> Result<Vec<Loaded>, ScriptError> {
    let license = CString::new(image.config.license.as_str())
        .map_err(|_| ScriptError::new("the license cannot hold a NUL byte"))?;
    let loader = Loader {
        find_function,
        maps,
        license,
        log_bytes: image.config.log_bytes() as usize,
        log_may_grow: image.config.log_size.is_none(),
        listener,
    };
    let load = |program: &Program| loader.load(program);
    image.programs.iter().map(load).collect()
}

/// What programs are loaded with.
struct Loader<'a> {
    find_function: FindFunction<'a>,
    maps: &'a [Rc<Map>],
    license: CString,
    log_bytes: usize,
    /// Unless the script has set it.
    log_may_grow: bool,
    listener: Option<Listener<'a>>,
}

impl Loader<'_> {
    fn load(&self, program: &Program) -> Result<Loaded, ScriptError> {
        let (kind, attach) = program_type(program)?;
        let instructions = link(&program.code, self.maps);
        let btf = match program.code.btf.as_slice() {
            [] => None,
            btf => Some(sys::btf_load(btf).map_err(|error| {
                let hint = rights_hint(&error);
                ScriptError::at(
                    program.span,
                    format!("the kernel refused the types of the program: {error}{hint}"),
                )
            })?),
        };
        let spec = ProgramSpec {
            kind,
            attach,
            name: &program.name,
            instructions: &instructions,
            license: &self.license,
            info: btf.as_ref().map(|btf| ProgramInfo {
                btf: btf.as_fd(),
                functions: &program.code.functions,
                lines: &program.code.lines,
            }),
            target: None,
        };
        let programs = match program.kind {
            ProgramKind::Fentry { .. } | ProgramKind::Iter => self.load_for_each(program, &spec)?,
            _ => vec![(self.load_one(program, &spec)?, None)],
        };
        Ok(Loaded { programs })
    }

    /// A program on a trampoline is made for one function, one on an iterator for that.
    fn load_for_each(
        &self,
        program: &Program,
        spec: &ProgramSpec<'_>,
    ) -> Result<Vec<(OwnedFd, Option<usize>)>, ScriptError> {
        let load = |(index, target): (usize, &Target)| {
            let function = self.function(program, target)?;
            let holder = function.holder.as_ref().map(|holder| holder.as_fd());
            let spec = ProgramSpec {
                target: Some((function.id, holder)),
                ..*spec
            };
            Ok((self.load_one(program, &spec)?, Some(index)))
        };
        program.targets.iter().enumerate().map(load).collect()
    }

    fn function(&self, program: &Program, target: &Target) -> Result<FunctionType, ScriptError> {
        let (holder, name) = match program.kind {
            ProgramKind::Iter => ("", format!("bpf_iter_{}", target.item)),
            _ => (target.group.as_str(), target.item.clone()),
        };
        (self.find_function)(holder, &name).map_err(|error| {
            let name = &target.name;
            ScriptError::at(program.span, format!("cannot attach to {name}: {error:#}"))
        })
    }

    fn load_one(&self, program: &Program, spec: &ProgramSpec<'_>) -> Result<OwnedFd, ScriptError> {
        // To say nothing is quicker.
        let (level, refused) = match self.listener {
            Some(_) => (LogLevel::All, None),
            None => match sys::prog_load(spec, LogLevel::Refusal, &mut []) {
                Ok(fd) => return Ok(fd),
                Err(refused) => (LogLevel::Refusal, Some(refused)),
            },
        };
        /// As long as the kernel takes: `UINT_MAX >> 2` of `kernel/bpf/log.c`.
        const LOG_BYTES_MAX: usize = 1 << 29;
        let mut bytes = self.log_bytes;
        loop {
            let mut log = vec![0; bytes];
            let answer = match sys::prog_load(spec, level, &mut log) {
                Ok(fd) => {
                    if let Some(listener) = self.listener {
                        listener(program, &sys::log_text(&log));
                    }
                    return Ok(fd);
                }
                Err(answer) => answer,
            };
            let is_cut = answer.errno() == libc::ENOSPC;
            if is_cut && self.log_may_grow && bytes < LOG_BYTES_MAX {
                bytes = (bytes * 4).min(LOG_BYTES_MAX);
                continue;
            }
            let mut told =
                refusal::explain(program, refused.as_ref().unwrap_or(&answer), &log, is_cut);
            if is_cut {
                told.log.push(format!(
                    "(the verifier said more than log_size, {bytes} bytes: a larger one shows all of it)"
                ));
            }
            return Err(told);
        }
    }
}

/// The program's type, and what it must know when it is loaded of how it will be attached.
fn program_type(
    program: &Program,
) -> Result<(bpf_prog_type, Option<bpf_attach_type>), ScriptError> {
    use bpf_attach_type::*;
    use bpf_prog_type::*;
    Ok(match program.kind {
        ProgramKind::OnRequest | ProgramKind::RawTracepoint => (BPF_PROG_TYPE_RAW_TRACEPOINT, None),
        ProgramKind::Tracepoint => (BPF_PROG_TYPE_TRACEPOINT, None),
        ProgramKind::Kprobe { .. } | ProgramKind::Uprobe { .. } => (BPF_PROG_TYPE_KPROBE, None),
        ProgramKind::KprobeMulti { .. } => (BPF_PROG_TYPE_KPROBE, Some(BPF_TRACE_KPROBE_MULTI)),
        ProgramKind::UprobeMulti { .. } => (BPF_PROG_TYPE_KPROBE, Some(BPF_TRACE_UPROBE_MULTI)),
        ProgramKind::Fentry { on_return } => (BPF_PROG_TYPE_TRACING, Some(tracing_type(on_return))),
        ProgramKind::PerfEvent => (BPF_PROG_TYPE_PERF_EVENT, None),
        ProgramKind::Iter => (BPF_PROG_TYPE_TRACING, Some(BPF_TRACE_ITER)),
    })
}

/// At a function's start or its return.
pub fn tracing_type(on_return: bool) -> bpf_attach_type {
    match on_return {
        true => bpf_attach_type::BPF_TRACE_FEXIT,
        false => bpf_attach_type::BPF_TRACE_FENTRY,
    }
}

/// Puts the maps into the code.
fn link(code: &Code, maps: &[Rc<Map>]) -> Vec<bpf_insn> {
    /// What the constant of an `ld_imm64` is, in place of its source register: `include/uapi/linux/bpf.h`.
    const PSEUDO_MAP_FD: u8 = 1;
    const PSEUDO_MAP_VALUE: u8 = 2;
    let mut linked = code.instructions.clone();
    for &(at, reference) in &code.references {
        let (map, kind) = match reference {
            Reference::Map(map) => (map, PSEUDO_MAP_FD),
            Reference::MapValue(map) => (map, PSEUDO_MAP_VALUE),
        };
        let instruction = &mut linked[at];
        instruction.registers = instruction.registers & 0x0f | kind << 4;
        instruction.imm = maps[map].as_fd().as_raw_fd();
    }
    linked.into_iter().map(instruction).collect()
}

fn instruction(insn: Insn) -> bpf_insn {
    bpf_insn {
        code: insn.code,
        _bitfield_align_1: [],
        _bitfield_1: bpf_insn::new_bitfield_1(insn.registers & 0x0f, insn.registers >> 4),
        off: insn.offset,
        imm: insn.imm,
    }
}
