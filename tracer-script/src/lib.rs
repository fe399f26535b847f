//! The compiler of the script language: source text and facts of the kernel in, BPF programs and
//! diagnostics out. It reads no file, makes no system call and holds no global state.
//!
//! The passes, each a function from its inputs to its output, are listed in [`compile`].

pub mod ast;
pub mod buckets;
mod builtins;
pub mod check;
mod collect;
pub mod compile;
pub mod config;
pub mod diagnostic;
pub mod emit;
pub mod errno;
pub mod facts;
pub mod fixed;
pub mod format;
mod headers;
pub mod ir;
mod key_names;
mod lexer;
mod limits;
mod literal;
mod lower;
pub mod macros;
pub mod marker;
pub mod parse;
mod plan;
mod preprocess;
pub mod pretty;
pub mod probe;
pub mod probe_filter;
pub mod program;
mod read;
mod registers;
mod signal;
pub mod source;
mod subprograms;
pub mod types;
mod unstable;
pub mod unwind;
mod uses;

pub use compile::{Compiled, Input, Stage, compile, compile_showing};
pub use diagnostic::{Diagnostic, Diagnostics, Level, Span};
pub use source::Sources;
