//! tracer: an eBPF tracing toolkit. The program is a thin `main` over this library.
//!
//! Data flows one way: words typed → `cli` → a Plan → `kernel` → a Session → events and snapshots →
//! [`report`] → text, JSON.

pub mod kernel;
pub mod report;
