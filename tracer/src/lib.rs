//! tracer: an eBPF tracing toolkit. The program is a thin `main` over this library.
//!
//! Data flows one way: words typed → [`cli`] → a plan ([`kernel::plan`]) → a session
//! ([`kernel::session`]) → records and maps → [`report`] → text, JSON.

pub mod cli;
pub mod engine;
pub mod export;
pub mod glob;
pub mod kernel;
pub mod names;
pub mod probe;
pub mod report;
pub mod script;
pub mod tools;

/// The kernel objects, one for each tool, as `cargo xtask build` makes them.
pub mod objects {
    include!(concat!(env!("OUT_DIR"), "/objects.rs"));
}
