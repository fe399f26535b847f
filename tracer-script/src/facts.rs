//! What the compiler asks of the kernel. In tests a fixed set of answers stands in.

use std::rc::Rc;

use crate::{
    config::SymbolSource,
    probe::{AttachKind, Target},
    types::{Space, Type},
};

/// A member of a structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name; empty for an anonymous structure, whose members belong to the outer one.
    pub name: Rc<str>,
    /// Its type.
    pub kind: Type,
    /// Bytes from the start.
    pub offset: u32,
    /// For a bit field: the first bit from the start of the structure, and how many.
    pub bits: Option<(u32, u32)>,
}

/// A structure or union.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struct {
    /// What it is known by: `struct x`.
    pub name: Rc<str>,
    /// Bytes.
    pub size: u32,
    /// Its members.
    pub fields: Vec<Field>,
}

/// A function's prototype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Parameters with their names, each at the number of the argument that it is, or begins with.
    pub params: Vec<(Rc<str>, Type)>,
    /// Of parameters that are structures handed over by value: where their parts are.
    pub parts: Vec<(Rc<str>, Vec<Part>)>,
    /// Parameters that cannot be read by their names, with the reason: `it is a number with a fraction`.
    pub unreadable: Vec<(Rc<str>, String)>,
    /// What it returns.
    pub returns: Type,
}

/// Bytes of a structure that are handed over as one of the arguments that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of the argument.
    pub argument: u32,
    /// Where they begin in the structure.
    pub offset: u32,
    /// 8 at most.
    pub bytes: u32,
}

impl Part {
    /// A structure of so many bytes, by words, in arguments that follow each other.
    pub fn words(first: u32, bytes: u32) -> Vec<Self> {
        const WORD: u32 = 8;
        let words = 0..bytes.div_ceil(WORD);
        let part = |word: u32| Self {
            argument: first + word,
            offset: word * WORD,
            bytes: (bytes - word * WORD).min(WORD),
        };
        words.map(part).collect()
    }
}

/// A function or variable of a user binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserSymbol {
    /// Its address in the binary's own numbering, as `nm` shows it.
    pub address: u64,
    /// Its size in bytes, 0 where the binary does not tell.
    pub size: u64,
}

/// A field of a tracepoint's event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventField {
    /// Its name.
    pub name: Rc<str>,
    /// Its type.
    pub kind: Type,
    /// Bytes from the start of the event.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
    /// Its contents lie elsewhere in the event: the field holds where and how many.
    pub data_loc: bool,
}

/// What the compiler asks. [`None`] means that there is no such thing.
pub trait Facts {
    /// A structure or union: `struct x`, `union x`, or a key that an answer contained.
    fn structure(&self, key: &str) -> Option<Rc<Struct>>;
    /// What another name of a type stands for.
    fn typedef(&self, name: &str) -> Option<Type>;
    /// An enumeration with its enumerators.
    fn enumeration(&self, name: &str) -> Option<(Type, Vec<(String, i64)>)>;
    /// The value of an enumerator, and its enumeration.
    fn enumerator(&self, name: &str) -> Option<(i64, Type)>;
    /// A function of the kernel.
    fn function(&self, name: &str) -> Option<Rc<Signature>>;
    /// The arguments of a raw tracepoint.
    fn raw_tracepoint(&self, name: &str) -> Option<Rc<Signature>>;
    /// The prototype of the function or the raw tracepoint that a target is at.
    fn signature(&self, target: &Target) -> Option<Rc<Signature>> {
        match target.kind {
            AttachKind::RawTracepoint => self.raw_tracepoint(&target.item),
            _ => self.function(&target.item),
        }
    }
    /// The fields of a tracepoint's event.
    fn tracepoint(&self, category: &str, name: &str) -> Result<Rc<Vec<EventField>>, String>;
    /// The type of a variable of the kernel.
    fn kernel_variable(&self, name: &str) -> Option<Type>;
    /// The address of a symbol of the kernel; of a variable that each CPU has of its own, what the CPU's own offset
    /// is added to.
    fn kernel_symbol(&self, name: &str) -> Option<u64>;
    /// A function or variable of a user binary.
    fn user_symbol(&self, path: &str, name: &str) -> Option<UserSymbol>;
    /// The address of a place in the file of a user binary, in the binary's own numbering.
    fn user_address(&self, path: &str, offset: u64) -> Option<u64>;
    /// The number of a cgroup by its path.
    fn cgroup_id(&self, path: &str) -> Option<u64>;
    /// The places that an attach point means.
    fn expand(&self, parts: &[String], options: &ExpandOptions) -> Result<Vec<Target>, String>;
    /// The number of a system call of this machine's own ABI.
    fn syscall_number(&self, name: &str) -> Option<u32>;
    /// Whether many functions can be attached to by one link: `kprobe.multi` and `uprobe.multi`.
    fn has_multi(&self, kind: AttachKind) -> bool;
    /// True from Linux `major.minor` on.
    fn since(&self, major: u32, minor: u32) -> bool;
    /// The BTF id of a function of the kernel that programs may call.
    fn kfunc(&self, name: &str) -> Option<u32>;
    /// Whether attached programs can be told apart by a number given at attachment.
    fn has_cookie(&self, kind: AttachKind) -> bool;
    /// How many CPUs there may be.
    fn cpus(&self) -> u32;
    /// The inode and device of the pid namespace that the tracer runs in, where it is not the first one.
    fn pid_namespace(&self) -> Option<(u64, u64)>;
}

/// What bears on how attach points are expanded.
#[derive(Clone, Debug, Default)]
pub struct ExpandOptions {
    /// Only this process.
    pub pid: Option<u32>,
    /// The process of a command that is run with the script.
    pub child: Option<u32>,
    /// Attach points that cannot be had are left out rather than refused.
    pub allow_unsafe: bool,
    /// Where functions of user programs are looked for.
    pub symbol_source: SymbolSource,
}

/// Bytes, as most strings of C are.
pub fn char_pointer(space: Space) -> Type {
    Type::pointer(Type::int(1, true), space)
}

/// A file that a script includes or imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, which tells it from all others.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// The files that scripts name.
pub trait Files {
    /// What `#include "name"` means, or `#include <name>` where it is not `quoted`, in the file `from`. [`None`]
    /// means that there is no such file; the error says that it cannot be read.
    fn header(&self, name: &str, quoted: bool, from: &str) -> Option<Result<SourceFile, String>>;
    /// What `import "name"` means in the file `from`: the file, or all those of a folder. The error says why it cannot
    /// be had.
    fn import(&self, name: &str, from: &str) -> Result<Vec<SourceFile>, String>;
}

/// No files at all.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn header(
        &self,
        _name: &str,
        _quoted: bool,
        _from: &str,
    ) -> Option<Result<SourceFile, String>> {
        None
    }

    fn import(&self, name: &str, _from: &str) -> Result<Vec<SourceFile>, String> {
        Err(format!("file not found: {name}"))
    }
}
