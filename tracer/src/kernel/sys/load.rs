//! Programs: loading and running them, and what the kernel tells of them.

use std::{
    borrow::Cow,
    ffi::CStr,
    mem,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use aya_obj::generated::{
    bpf_attach_type, bpf_cmd, bpf_insn, bpf_prog_info, bpf_prog_type, bpf_stats_type,
};

use super::{Result, bpf, bpf_fd, object_info, object_name, zeroed_attr};

/// What a program shall be: the arguments of `BPF_PROG_LOAD`.
#[derive(Clone, Copy)]
pub struct ProgramSpec<'a> {
    /// Its type.
    pub kind: bpf_prog_type,
    /// How it will be attached, where that must be known at load.
    pub attach: Option<bpf_attach_type>,
    /// Cut to 15 characters.
    pub name: &'a str,
    /// The instructions.
    pub instructions: &'a [bpf_insn],
    /// What the kernel judges the helpers by.
    pub license: &'a CStr,
    /// Types of the functions and lines of the source, which the verifier then names in its log.
    pub info: Option<ProgramInfo<'a>>,
    /// For `BPF_PROG_TYPE_TRACING`: the function, by its id in the kernel's BTF, in that of a module, or of a program.
    pub target: Option<(u32, Option<BorrowedFd<'a>>)>,
}

/// What the kernel is told about the source of a program.
#[derive(Clone, Copy)]
pub struct ProgramInfo<'a> {
    /// The type information that the others refer to.
    pub btf: BorrowedFd<'a>,
    /// For each function `struct bpf_func_info`.
    pub functions: &'a [[u32; 2]],
    /// `struct bpf_line_info`
    pub lines: &'a [[u32; 4]],
}

/// How much the verifier tells: `include/linux/bpf_verifier.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// How it came to refuse a program (`BPF_LOG_LEVEL1`).
    Refusal = 1,
    /// Every instruction that it looked at, and what it knew there (`BPF_LOG_LEVEL2`).
    All = 2,
}

/// Loads a program. What the verifier says goes into `log`, as far as there is room in it.
///
/// The error is `ENOSPC` where there was too little; an empty log asks for nothing to be said.
pub fn prog_load(spec: &ProgramSpec<'_>, level: LogLevel, log: &mut [u8]) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = spec.kind as u32;
    load.expected_attach_type = spec.attach.map_or(0, |attach| attach as u32);
    load.insns = spec.instructions.as_ptr() as u64;
    load.insn_cnt = spec.instructions.len() as u32;
    load.license = spec.license.as_ptr() as u64;
    load.prog_name = object_name(spec.name);
    if let Some(info) = &spec.info {
        load.prog_btf_fd = info.btf.as_raw_fd() as u32;
        load.func_info = info.functions.as_ptr() as u64;
        load.func_info_cnt = info.functions.len() as u32;
        load.func_info_rec_size = size_of::<[u32; 2]>() as u32;
        load.line_info = info.lines.as_ptr() as u64;
        load.line_info_cnt = info.lines.len() as u32;
        load.line_info_rec_size = size_of::<[u32; 4]>() as u32;
    }
    if let Some((id, holder)) = &spec.target {
        load.attach_btf_id = *id;
        // A program's descriptor goes where that of BTF does.
        load.__bindgen_anon_1.attach_btf_obj_fd =
            holder.map_or(0, |holder| holder.as_raw_fd() as u32);
    }
    if !log.is_empty() {
        load.log_level = level as u32;
        load.log_buf = log.as_mut_ptr() as u64;
        load.log_size = log.len() as u32;
    }
    bpf_fd(bpf_cmd::BPF_PROG_LOAD, "BPF_PROG_LOAD", &mut attr)
}

/// What the verifier wrote into the room that it was given.
pub fn log_text(log: &[u8]) -> Cow<'_, str> {
    let text = log.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text)
}

/// What the kernel tells of a loaded program: run time and count (where `kernel.bpf_stats_enabled`
/// is on), and how often it was left out because it was running on that CPU already.
pub fn prog_info(program: BorrowedFd<'_>) -> Result<bpf_prog_info> {
    // SAFETY: bpf_prog_info is plain integers and arrays, for which zero is a valid value.
    let mut info: bpf_prog_info = unsafe { mem::zeroed() };
    object_info(program, &mut info)?;
    Ok(info)
}

/// Has the kernel count how often programs run and how long that takes, until this is closed: [`prog_info`] tells.
/// `BPF_ENABLE_STATS`, Linux 5.8; takes CAP_SYS_ADMIN.
pub fn measure_programs() -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.enable_stats.type_ = bpf_stats_type::BPF_STATS_RUN_TIME as u32;
    bpf_fd(bpf_cmd::BPF_ENABLE_STATS, "BPF_ENABLE_STATS", &mut attr)
}

/// Runs a program of `BPF_PROG_TYPE_RAW_TRACEPOINT` once, here and now, on zeros for arguments, and gives back
/// what it returns. Linux 5.10.
pub fn prog_run(program: BorrowedFd<'_>) -> Result<u32> {
    /// `MAX_BPF_FUNC_ARGS` of `include/linux/bpf.h`: the most arguments that a raw tracepoint has.
    const ARGUMENTS: usize = 12;
    let context = [0u64; ARGUMENTS];
    let mut attr = zeroed_attr();
    attr.test.prog_fd = program.as_raw_fd() as u32;
    attr.test.ctx_in = context.as_ptr() as u64;
    attr.test.ctx_size_in = size_of_val(&context) as u32;
    bpf(bpf_cmd::BPF_PROG_TEST_RUN, "BPF_PROG_TEST_RUN", &mut attr)?;
    // SAFETY: the kernel has written this member.
    Ok(unsafe { attr.test.retval })
}
