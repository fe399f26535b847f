//! The one seam to bpf(2) and perf_event_open(2). Every call that loads, reads or attaches something
//! in the kernel goes through here, and every `unsafe` that such a call needs stands here.
//!
//! Sources: `man 2 bpf`, `include/uapi/linux/bpf.h`, `man 2 perf_event_open`.

pub mod iterator;
pub mod programs;

use std::{
    ffi::{CStr, c_char, c_long},
    fs::File,
    io, mem,
    ops::Deref,
    os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    path::Path,
    ptr, slice,
    time::Duration,
};

use aya_obj::generated::{
    BPF_F_KPROBE_MULTI_RETURN, BPF_F_UPROBE_MULTI_RETURN, bpf_attach_type, bpf_attr, bpf_btf_info,
    bpf_cmd, bpf_insn, bpf_prog_info, bpf_prog_type, bpf_stats_type, perf_event_attr,
};

use aya::maps::{MapData, RingBuf};
use tokio::io::{Interest, unix::AsyncFd};

/// A system call that failed: which, and with what error.
///
/// Its text holds the kernel's answer: there is no source to go on to.
#[derive(Debug)]
pub struct SysError {
    /// The command, as its manual page names it: `BPF_MAP_CREATE`.
    pub call: &'static str,
    /// What the kernel answered.
    pub source: io::Error,
}

impl std::fmt::Display for SysError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { call, source } = self;
        write!(f, "{call}: {source}")
    }
}

impl std::error::Error for SysError {}

impl SysError {
    /// The error number, 0 where there is none.
    pub fn errno(&self) -> i32 {
        self.source.raw_os_error().unwrap_or(0)
    }
}

/// The outcome of a system call.
pub type Result<T> = std::result::Result<T, SysError>;

fn zeroed_attr() -> bpf_attr {
    // SAFETY: bpf_attr is a union of plain integers and arrays, for which zero is a valid value; the
    // kernel demands that bytes a command does not use are zero.
    unsafe { mem::zeroed() }
}

fn bpf(command: bpf_cmd, call: &'static str, attr: &mut bpf_attr) -> Result<c_long> {
    // SAFETY: attr is a valid bpf_attr of the size given, and lives through the call; the buffers that it
    // points to are borrowed by the callers in this file for the same time.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_int,
            std::ptr::from_mut(attr),
            size_of::<bpf_attr>(),
        )
    };
    if result < 0 {
        Err(SysError {
            call,
            source: io::Error::last_os_error(),
        })
    } else {
        Ok(result)
    }
}

fn bpf_fd(command: bpf_cmd, call: &'static str, attr: &mut bpf_attr) -> Result<OwnedFd> {
    let fd = bpf(command, call, attr)?;
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it. bpf(2) opens
    // every descriptor with O_CLOEXEC.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Writes a name the way the kernel takes it: at most 15 of `[A-Za-z0-9_.]`, NUL behind.
fn object_name(name: &str) -> [c_char; 16] {
    let mut out = [0; 16];
    for (slot, byte) in out[..15].iter_mut().zip(name.bytes()) {
        let known = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
        *slot = if known {
            byte as c_char
        } else {
            b'_' as c_char
        };
    }
    out
}

/// What a map shall be: the arguments of `BPF_MAP_CREATE`.
#[derive(Clone, Copy, Debug)]
pub struct MapSpec<'a> {
    /// `BPF_MAP_TYPE_*`.
    pub kind: u32,
    /// Cut to 15 characters.
    pub name: &'a str,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value, of one CPU where the map is per CPU.
    pub value_size: u32,
    /// Entries, or bytes for a ring buffer.
    pub max_entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
    /// A BTF object and its type ids for key and value, where the kind demands them.
    pub btf: Option<(BorrowedFd<'a>, u32, u32)>,
}

/// Makes a map.
pub fn map_create(spec: &MapSpec<'_>) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let create = unsafe { &mut attr.__bindgen_anon_1 };
    create.map_type = spec.kind;
    create.key_size = spec.key_size;
    create.value_size = spec.value_size;
    create.max_entries = spec.max_entries;
    create.map_flags = spec.flags;
    create.map_name = object_name(spec.name);
    if let Some((btf, key, value)) = spec.btf {
        create.btf_fd = btf.as_raw_fd() as u32;
        create.btf_key_type_id = key;
        create.btf_value_type_id = value;
    }
    bpf_fd(bpf_cmd::BPF_MAP_CREATE, "BPF_MAP_CREATE", &mut attr)
}

/// Closes a map to writes from user space: its contents are constants to the verifier from here on.
pub fn map_freeze(map: BorrowedFd<'_>) -> Result<()> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_2.map_fd = map.as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_MAP_FREEZE, "BPF_MAP_FREEZE", &mut attr).map(drop)
}

/// Reads the value of `key`: false where there is none. The caller gives the sizes that the kernel
/// knows the map by; `value` holds one value for each possible CPU where the map is per CPU.
pub fn map_lookup(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> Result<bool> {
    let mut attr = element(map, key, value.as_mut_ptr() as u64, 0);
    match bpf(
        bpf_cmd::BPF_MAP_LOOKUP_ELEM,
        "BPF_MAP_LOOKUP_ELEM",
        &mut attr,
    ) {
        Ok(_) => Ok(true),
        Err(error) if error.errno() == libc::ENOENT => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sets the value of `key`.
pub fn map_update(map: BorrowedFd<'_>, key: &[u8], value: &[u8], flags: u64) -> Result<()> {
    let mut attr = element(map, key, value.as_ptr() as u64, flags);
    bpf(
        bpf_cmd::BPF_MAP_UPDATE_ELEM,
        "BPF_MAP_UPDATE_ELEM",
        &mut attr,
    )
    .map(drop)
}

/// Removes `key`: false where it was not there.
pub fn map_delete(map: BorrowedFd<'_>, key: &[u8]) -> Result<bool> {
    let mut attr = element(map, key, 0, 0);
    match bpf(
        bpf_cmd::BPF_MAP_DELETE_ELEM,
        "BPF_MAP_DELETE_ELEM",
        &mut attr,
    ) {
        Ok(_) => Ok(true),
        Err(error) if error.errno() == libc::ENOENT => Ok(false),
        Err(error) => Err(error),
    }
}

/// The key after `key` (the first for `None`): false at the end.
pub fn map_next_key(map: BorrowedFd<'_>, key: Option<&[u8]>, next: &mut [u8]) -> Result<bool> {
    let mut attr = element(map, key.unwrap_or(&[]), next.as_mut_ptr() as u64, 0);
    match bpf(
        bpf_cmd::BPF_MAP_GET_NEXT_KEY,
        "BPF_MAP_GET_NEXT_KEY",
        &mut attr,
    ) {
        Ok(_) => Ok(true),
        Err(error) if error.errno() == libc::ENOENT => Ok(false),
        Err(error) => Err(error),
    }
}

fn element(map: BorrowedFd<'_>, key: &[u8], value: u64, flags: u64) -> bpf_attr {
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let element = unsafe { &mut attr.__bindgen_anon_2 };
    element.map_fd = map.as_raw_fd() as u32;
    // Queues and the first step of an iteration have no key: a null pointer says so.
    element.key = if key.is_empty() {
        0
    } else {
        key.as_ptr() as u64
    };
    element.__bindgen_anon_1.value = value;
    element.flags = flags;
    attr
}

/// One step of reading a map in batches: where to go on, what was read, whether that was the end.
pub struct Batch<'a> {
    /// Room for as many keys as [`Batch::count`].
    pub keys: &'a mut [u8],
    /// Room for as many values, all CPUs' where the map is per CPU.
    pub values: &'a mut [u8],
    /// How many there is room for; afterwards how many were read.
    pub count: u32,
    /// Where to begin, [`None`] at the start; afterwards where to go on.
    pub position: Option<[u8; 64]>,
}

/// Reads the next entries: true when these were the last ones. `ENOSPC` says that one hash bucket
/// has more entries than there is room for.
pub fn map_lookup_batch(map: BorrowedFd<'_>, batch: &mut Batch<'_>) -> Result<bool> {
    let mut next = [0u8; 64];
    let mut attr = zeroed_attr();
    attr.batch.map_fd = map.as_raw_fd() as u32;
    attr.batch.in_batch = batch
        .position
        .as_ref()
        .map_or(0, |position| position.as_ptr() as u64);
    attr.batch.out_batch = next.as_mut_ptr() as u64;
    attr.batch.keys = batch.keys.as_mut_ptr() as u64;
    attr.batch.values = batch.values.as_mut_ptr() as u64;
    attr.batch.count = batch.count;
    let result = bpf(
        bpf_cmd::BPF_MAP_LOOKUP_BATCH,
        "BPF_MAP_LOOKUP_BATCH",
        &mut attr,
    );
    // SAFETY: the kernel has written the count of entries to this member.
    batch.count = unsafe { attr.batch.count };
    batch.position = Some(next);
    match result {
        Ok(_) => Ok(false),
        Err(error) if error.errno() == libc::ENOENT => Ok(true),
        Err(error) => Err(error),
    }
}

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

/// Loads a program. Where the verifier refuses it, `log` holds what it said.
pub fn prog_load(spec: &ProgramSpec<'_>, log: &mut Vec<u8>) -> Result<OwnedFd> {
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
        load.log_level = 1;
        load.log_buf = log.as_mut_ptr() as u64;
        load.log_size = log.len() as u32;
    }
    bpf_fd(bpf_cmd::BPF_PROG_LOAD, "BPF_PROG_LOAD", &mut attr)
}

/// Loads BTF type information, which some map kinds demand.
pub fn btf_load(btf: &[u8]) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_7.btf = btf.as_ptr() as u64;
    attr.__bindgen_anon_7.btf_size = btf.len() as u32;
    bpf_fd(bpf_cmd::BPF_BTF_LOAD, "BPF_BTF_LOAD", &mut attr)
}

/// The BTF object of a module of the kernel; [`None`] where there is none of this name. Programs that are
/// attached to a module's functions name it. Linux 5.11.
///
/// Goes through all BTF objects that are loaded: there is no call that finds one by its name.
pub fn btf_of_module(name: &str) -> Result<Option<OwnedFd>> {
    let mut id = 0;
    while let Some(next) = btf_next_id(id)? {
        id = next;
        let object = match btf_by_id(id) {
            // It has gone meanwhile.
            Err(error) if error.errno() == libc::ENOENT => continue,
            object => object?,
        };
        if btf_module_name(object.as_fd())?.as_deref() == Some(name.as_bytes()) {
            return Ok(Some(object));
        }
    }
    Ok(None)
}

fn btf_next_id(id: u32) -> Result<Option<u32>> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.start_id = id;
    match bpf(
        bpf_cmd::BPF_BTF_GET_NEXT_ID,
        "BPF_BTF_GET_NEXT_ID",
        &mut attr,
    ) {
        // SAFETY: the kernel has written the id to this member.
        Ok(_) => Ok(Some(unsafe { attr.__bindgen_anon_6.next_id })),
        Err(error) if error.errno() == libc::ENOENT => Ok(None),
        Err(error) => Err(error),
    }
}

fn btf_by_id(id: u32) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.btf_id = id;
    bpf_fd(
        bpf_cmd::BPF_BTF_GET_FD_BY_ID,
        "BPF_BTF_GET_FD_BY_ID",
        &mut attr,
    )
}

/// The name of the kernel's part that a BTF object describes; [`None`] for a program's.
fn btf_module_name(object: BorrowedFd<'_>) -> Result<Option<Vec<u8>>> {
    // `MODULE_NAME_LEN` of include/linux/module.h is 64 minus a word.
    let mut name = [0u8; 64];
    // SAFETY: bpf_btf_info is plain integers, for which zero is a valid value.
    let mut info: bpf_btf_info = unsafe { mem::zeroed() };
    info.name = name.as_mut_ptr() as u64;
    info.name_len = name.len() as u32;
    let mut attr = zeroed_attr();
    attr.info.bpf_fd = object.as_raw_fd() as u32;
    attr.info.info_len = size_of::<bpf_btf_info>() as u32;
    attr.info.info = std::ptr::from_mut(&mut info) as u64;
    bpf(
        bpf_cmd::BPF_OBJ_GET_INFO_BY_FD,
        "BPF_OBJ_GET_INFO_BY_FD",
        &mut attr,
    )?;
    let length = name.iter().position(|&byte| byte == 0);
    let name = name[..length.unwrap_or(name.len())].to_vec();
    Ok((info.kernel_btf != 0).then_some(name))
}

/// What the kernel tells of a loaded program: run time and count (where `kernel.bpf_stats_enabled`
/// is on), and how often it was left out because it was running on that CPU already.
pub fn prog_info(program: BorrowedFd<'_>) -> Result<bpf_prog_info> {
    // SAFETY: bpf_prog_info is plain integers and arrays, for which zero is a valid value.
    let mut info: bpf_prog_info = unsafe { mem::zeroed() };
    let mut attr = zeroed_attr();
    attr.info.bpf_fd = program.as_raw_fd() as u32;
    attr.info.info_len = size_of::<bpf_prog_info>() as u32;
    attr.info.info = std::ptr::from_mut(&mut info) as u64;
    bpf(
        bpf_cmd::BPF_OBJ_GET_INFO_BY_FD,
        "BPF_OBJ_GET_INFO_BY_FD",
        &mut attr,
    )?;
    Ok(info)
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

/// Attaches to a tracepoint's raw arguments; without a name, a program of `BPF_PROG_TYPE_TRACING` to what it
/// was loaded for. A cookie other than 0 for a tracepoint needs Linux 6.10. Detached when the descriptor is
/// closed.
pub fn raw_tracepoint_open(
    program: BorrowedFd<'_>,
    name: Option<&CStr>,
    cookie: u64,
) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.raw_tracepoint.name = name.map_or(0, |name| name.as_ptr() as u64);
    attr.raw_tracepoint.prog_fd = program.as_raw_fd() as u32;
    attr.raw_tracepoint.cookie = cookie;
    bpf_fd(
        bpf_cmd::BPF_RAW_TRACEPOINT_OPEN,
        "BPF_RAW_TRACEPOINT_OPEN",
        &mut attr,
    )
}

/// Attaches a program of `BPF_PROG_TYPE_TRACING` to what it was loaded for, with a cookie. Linux 6.0. `attach`
/// is what it was loaded with.
pub fn link_tracing(
    program: BorrowedFd<'_>,
    attach: bpf_attach_type,
    cookie: u64,
) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let link = unsafe { &mut attr.link_create };
    link.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    link.attach_type = attach as u32;
    link.__bindgen_anon_3.tracing.cookie = cookie;
    bpf_fd(
        bpf_cmd::BPF_LINK_CREATE,
        "BPF_LINK_CREATE (tracing)",
        &mut attr,
    )
}

/// Attaches to many kernel functions at once, each with a cookie. Linux 5.18 with `CONFIG_FPROBE`.
pub fn link_kprobe_multi(
    program: BorrowedFd<'_>,
    functions: &[*const c_char],
    cookies: &[u64],
    on_return: bool,
) -> Result<OwnedFd> {
    debug_assert_eq!(functions.len(), cookies.len());
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let link = unsafe { &mut attr.link_create };
    link.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    link.attach_type = bpf_attach_type::BPF_TRACE_KPROBE_MULTI as u32;
    // SAFETY: as above.
    let multi = unsafe { &mut link.__bindgen_anon_3.kprobe_multi };
    multi.flags = if on_return {
        BPF_F_KPROBE_MULTI_RETURN
    } else {
        0
    };
    multi.cnt = functions.len() as u32;
    multi.syms = functions.as_ptr() as u64;
    multi.cookies = cookies.as_ptr() as u64;
    bpf_fd(
        bpf_cmd::BPF_LINK_CREATE,
        "BPF_LINK_CREATE (kprobe.multi)",
        &mut attr,
    )
}

/// Where in a file to attach, for [`link_uprobe_multi`].
pub struct UprobeTargets<'a> {
    /// The binary or library.
    pub path: &'a CStr,
    /// File offsets of the instructions.
    pub offsets: &'a [u64],
    /// A cookie for each.
    pub cookies: &'a [u64],
    /// Where in the file the count lies that says whether each is attached to, 0 for none; empty for none at all.
    pub semaphores: &'a [u64],
    /// Only this process; 0 for all.
    pub pid: u32,
    /// At the function's return.
    pub on_return: bool,
}

/// Attaches to many places of a user binary at once, each with a cookie. Linux 6.6.
pub fn link_uprobe_multi(program: BorrowedFd<'_>, targets: &UprobeTargets<'_>) -> Result<OwnedFd> {
    debug_assert_eq!(targets.offsets.len(), targets.cookies.len());
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let link = unsafe { &mut attr.link_create };
    link.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    link.attach_type = bpf_attach_type::BPF_TRACE_UPROBE_MULTI as u32;
    // SAFETY: as above.
    let multi = unsafe { &mut link.__bindgen_anon_3.uprobe_multi };
    multi.path = targets.path.as_ptr() as u64;
    multi.offsets = targets.offsets.as_ptr() as u64;
    multi.cookies = targets.cookies.as_ptr() as u64;
    if !targets.semaphores.is_empty() {
        debug_assert_eq!(targets.offsets.len(), targets.semaphores.len());
        multi.ref_ctr_offsets = targets.semaphores.as_ptr() as u64;
    }
    multi.cnt = targets.offsets.len() as u32;
    multi.flags = if targets.on_return {
        BPF_F_UPROBE_MULTI_RETURN
    } else {
        0
    };
    multi.pid = targets.pid;
    bpf_fd(
        bpf_cmd::BPF_LINK_CREATE,
        "BPF_LINK_CREATE (uprobe.multi)",
        &mut attr,
    )
}

/// Attaches to a perf event with a cookie. Linux 5.15. Detached when the descriptor is closed.
pub fn link_perf_event(
    program: BorrowedFd<'_>,
    event: BorrowedFd<'_>,
    cookie: u64,
) -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    // SAFETY: all fields are plain integers of one member of a union that is zero as a whole.
    let link = unsafe { &mut attr.link_create };
    link.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    link.__bindgen_anon_2.target_fd = event.as_raw_fd() as u32;
    link.attach_type = bpf_attach_type::BPF_PERF_EVENT as u32;
    link.__bindgen_anon_3.perf_event.bpf_cookie = cookie;
    bpf_fd(
        bpf_cmd::BPF_LINK_CREATE,
        "BPF_LINK_CREATE (perf event)",
        &mut attr,
    )
}

/// A perf event to attach a program to. `config`, `config1` and `config2` mean what the PMU says.
#[derive(Clone, Copy, Default)]
pub struct PerfEvent {
    /// `PERF_TYPE_*`, or the number in `/sys/bus/event_source/devices/<pmu>/type`.
    pub kind: u32,
    /// The event: for tracepoints their id.
    pub config: u64,
    /// For kprobe and uprobe PMUs: address of the function's name or the file's path. For breakpoints: the address.
    pub config1: u64,
    /// For kprobe and uprobe PMUs: the offset. For breakpoints: how many bytes.
    pub config2: u64,
    /// How often the program runs.
    pub rate: Rate,
    /// For breakpoints: `HW_BREAKPOINT_*` of `include/uapi/linux/hw_breakpoint.h`.
    pub breakpoint: u32,
    /// Threads that the observed one makes from here on are observed, too.
    pub follow_threads: bool,
}

/// How often a perf event has its program run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Each time that so much was counted: events, or nanoseconds of a clock.
    Every(u64),
    /// So many times a second.
    Hertz(u64),
}

impl Default for Rate {
    fn default() -> Self {
        Self::Every(1)
    }
}

/// Opens a perf event on `cpu` for `pid` (-1 for all processes). It counts nothing until a program is
/// attached and it is enabled.
pub fn perf_event_open(event: &PerfEvent, pid: i32, cpu: i32) -> Result<OwnedFd> {
    // SAFETY: perf_event_attr is plain integers and bit fields, for which zero is a valid value.
    let mut attr: perf_event_attr = unsafe { mem::zeroed() };
    attr.size = size_of::<perf_event_attr>() as u32;
    attr.type_ = event.kind;
    attr.config = event.config;
    match event.rate {
        Rate::Every(period) => attr.__bindgen_anon_1.sample_period = period,
        Rate::Hertz(hertz) => {
            attr.__bindgen_anon_1.sample_freq = hertz;
            attr.set_freq(1);
        }
    }
    if event.follow_threads {
        attr.set_inherit(1);
        attr.set_inherit_thread(1);
    }
    attr.__bindgen_anon_2.wakeup_events = 1;
    attr.bp_type = event.breakpoint;
    attr.__bindgen_anon_3.config1 = event.config1;
    attr.__bindgen_anon_4.config2 = event.config2;
    const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
    // SAFETY: attr is valid and lives through the call; what config1 points to is borrowed by the caller.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            std::ptr::from_ref(&attr),
            pid,
            cpu,
            -1 as libc::c_int,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(SysError {
            call: "perf_event_open",
            source: io::Error::last_os_error(),
        });
    }
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Attaches a program to a perf event the way that works before Linux 5.15, without a cookie. Detached
/// when the event's descriptor is closed.
pub fn perf_event_set_bpf(event: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;
    perf_event_ioctl(
        event,
        PERF_EVENT_IOC_SET_BPF,
        program.as_raw_fd(),
        "PERF_EVENT_IOC_SET_BPF",
    )
}

/// Starts a perf event.
pub fn perf_event_enable(event: BorrowedFd<'_>) -> Result<()> {
    const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
    perf_event_ioctl(event, PERF_EVENT_IOC_ENABLE, 0, "PERF_EVENT_IOC_ENABLE")
}

fn perf_event_ioctl(
    event: BorrowedFd<'_>,
    request: libc::c_ulong,
    argument: libc::c_int,
    call: &'static str,
) -> Result<()> {
    // SAFETY: both requests take an integer argument and touch no memory of ours.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), request as _, argument) };
    if result < 0 {
        Err(SysError {
            call,
            source: io::Error::last_os_error(),
        })
    } else {
        Ok(())
    }
}

/// Takes away the limit on locked memory, which kernels before 5.11 charge maps to.
pub fn raise_memlock() -> Result<()> {
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: limit is a valid rlimit and lives through the call.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) };
    if result < 0 {
        return Err(SysError {
            call: "setrlimit(RLIMIT_MEMLOCK)",
            source: io::Error::last_os_error(),
        });
    }
    Ok(())
}

/// Allows as many open files as may be allowed: each place that is attached to may take one.
pub fn raise_open_files() -> Result<()> {
    let failed = |call| SysError {
        call,
        source: io::Error::last_os_error(),
    };
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call fills in the limit, which lives through it.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } < 0 {
        return Err(failed("getrlimit(RLIMIT_NOFILE)"));
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: limit is a valid rlimit and lives through the call.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } < 0 {
        return Err(failed("setrlimit(RLIMIT_NOFILE)"));
    }
    Ok(())
}

/// Has the kernel count how often programs run and how long that takes, until this is closed: `BPF_ENABLE_STATS`,
/// Linux 5.8; takes CAP_SYS_ADMIN.
pub fn enable_stats() -> Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.enable_stats.type_ = bpf_stats_type::BPF_STATS_RUN_TIME as u32;
    bpf_fd(bpf_cmd::BPF_ENABLE_STATS, "BPF_ENABLE_STATS", &mut attr)
}

/// A descriptor that becomes readable when the process ends: `man 2 pidfd_open`. A thread other than a
/// process's first is refused with `EINVAL`.
pub fn pidfd_open(pid: u32) -> Result<OwnedFd> {
    // SAFETY: the call takes two integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(SysError {
            call: "pidfd_open",
            source: io::Error::last_os_error(),
        });
    }
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sends a signal to the process of a descriptor by [`pidfd_open`]. One that has ended is no error.
pub fn pidfd_signal(process: BorrowedFd<'_>, signal: i32) -> Result<()> {
    // SAFETY: the call takes integers; without a siginfo the kernel makes one.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    let error = io::Error::last_os_error();
    if result < 0 && error.raw_os_error() != Some(libc::ESRCH) {
        return Err(SysError {
            call: "pidfd_send_signal",
            source: error,
        });
    }
    Ok(())
}

/// A timer that becomes readable every `period`, the first time one period from its making; reading gives how
/// often it has expired since (`u64`): `man 2 timerfd_create`. A period of 0 is refused.
pub fn timer(period: Duration) -> Result<OwnedFd> {
    let failed = |call| SysError {
        call,
        source: io::Error::last_os_error(),
    };
    if period.is_zero() {
        return Err(SysError {
            call: "timerfd_settime",
            source: io::ErrorKind::InvalidInput.into(),
        });
    }
    // SAFETY: the call takes two integers.
    let fd = unsafe {
        libc::timerfd_create(
            libc::CLOCK_MONOTONIC,
            libc::TFD_CLOEXEC | libc::TFD_NONBLOCK,
        )
    };
    if fd < 0 {
        return Err(failed("timerfd_create"));
    }
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let period = libc::timespec {
        tv_sec: period.as_secs() as libc::time_t,
        tv_nsec: period.subsec_nanos().into(),
    };
    let setting = libc::itimerspec {
        it_interval: period,
        it_value: period,
    };
    // SAFETY: the setting lives through the call; the old one is not asked for.
    let result = unsafe { libc::timerfd_settime(fd.as_raw_fd(), 0, &setting, ptr::null_mut()) };
    if result < 0 {
        return Err(failed("timerfd_settime"));
    }
    Ok(fd)
}

/// A file mapped for reading.
pub struct Mapping {
    start: *const u8,
    bytes: usize,
}

impl Mapping {
    /// Maps the whole of a file that does not change.
    pub fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len() as usize;
        // SAFETY: a fresh mapping of our own, for reading only.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            start: start.cast(),
            bytes,
        })
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping is as long as that, and stays until it is dropped.
        unsafe { slice::from_raw_parts(self.start, self.bytes) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nothing borrows from it any more.
        unsafe { libc::munmap(self.start.cast_mut().cast(), self.bytes) };
    }
}

/// While this lives, the calling thread yields its processor to real-time tasks only.
///
/// Reading a map keeps programs on events from running on that processor (`bpf_disable_instrumentation` of
/// `include/linux/bpf.h`). Were the thread preempted in it, events of other tasks would be left out until it
/// runs again: counted as such, but left out.
pub struct Undisturbed {
    /// What the thread was scheduled by before.
    policy: i32,
    parameter: libc::sched_param,
}

impl Undisturbed {
    /// Begins. Without the right to do so nothing changes.
    pub fn begin() -> Self {
        let mut parameter = libc::sched_param { sched_priority: 0 };
        // SAFETY: the parameter lives through the calls; 0 is the calling thread.
        let policy = unsafe {
            libc::sched_getparam(0, &mut parameter);
            libc::sched_getscheduler(0)
        };
        if policy == libc::SCHED_OTHER {
            set_scheduler(libc::SCHED_FIFO, libc::sched_param { sched_priority: 1 });
        }
        Self { policy, parameter }
    }
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        // Who started this with another policy knows why: it is left as it is.
        if self.policy == libc::SCHED_OTHER {
            set_scheduler(self.policy, self.parameter);
        }
    }
}

fn set_scheduler(policy: i32, parameter: libc::sched_param) {
    // SAFETY: the parameter lives through the call; 0 is the calling thread.
    unsafe { libc::sched_setscheduler(0, policy, &parameter) };
}

/// Lines and columns of the terminal that standard output is; 24 and 80 where that cannot be told.
pub fn terminal_size() -> (usize, usize) {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the request fills in a winsize, which lives through the call.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &mut size) };
    if result < 0 || size.ws_row == 0 || size.ws_col == 0 {
        return (24, 80);
    }
    (usize::from(size.ws_row), usize::from(size.ws_col))
}

/// What a clock shows, in nanoseconds: `man 2 clock_gettime`. The clock must be one that every kernel has.
pub fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: time is a valid timespec, which the call fills in.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    debug_assert_eq!(result, 0, "clock {clock}");
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// A time in seconds since the Unix epoch, in the host's time zone, by a format of `man 3 strftime`. [`None`]
/// where it needs more than `max` bytes, or the year is beyond what libc can tell.
pub fn format_time(format: &CStr, seconds: i64, max: usize) -> Option<Vec<u8>> {
    // SAFETY: struct tm is plain integers and a pointer, for which zero is a valid value.
    let mut parts: libc::tm = unsafe { mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types. The call may read the environment (TZ),
    // which nothing in this program changes.
    let known = unsafe { !libc::localtime_r(&raw const seconds, &raw mut parts).is_null() };
    if !known {
        return None;
    }
    let mut text = vec![0u8; max.max(1)];
    // SAFETY: the call writes no more than the length given, of a buffer that lives through it; the format and
    // the parts are valid for as long.
    let length = unsafe {
        libc::strftime(
            text.as_mut_ptr().cast(),
            text.len(),
            format.as_ptr(),
            &raw const parts,
        )
    };
    text.truncate(length);
    (length > 0 || format.is_empty()).then_some(text)
}

/// Has the runtime tell when `source` becomes readable.
pub fn readable<T: ReadableSource>(source: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: a source owns its descriptor, and neither closes nor replaces it before it is dropped.
    unsafe { AsyncFd::register_with_interest(source, Interest::READABLE) }.map_err(io::Error::from)
}

/// What owns one descriptor from its making to its end.
pub trait ReadableSource: AsRawFd {}

impl ReadableSource for OwnedFd {}
impl ReadableSource for File {}
impl ReadableSource for RingBuf<MapData> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_cleaned() {
        let name = object_name("a-rather.long_map_name");
        let text: Vec<u8> = name.iter().map(|&c| c as u8).collect();
        assert_eq!(text, b"a_rather.long_m\0");
    }

    #[test]
    fn the_kernels_own_types_are_found_by_name() {
        match btf_of_module("vmlinux") {
            Ok(found) => assert!(found.is_some()),
            Err(error) if error.errno() == libc::EPERM => {
                return eprintln!("SKIPPED: needs CAP_SYS_ADMIN: {error}");
            }
            Err(error) => panic!("{error}"),
        }
        let none = btf_of_module("no_such_module").expect("as before");
        assert!(none.is_none());
    }
}
