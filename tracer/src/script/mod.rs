//! Scripts: programs that users write, compiled by `tracer-script`, loaded and run here.

mod elf;
pub mod facts;
pub mod files;
pub mod machine;
pub mod output;
pub mod run;
pub mod session;
