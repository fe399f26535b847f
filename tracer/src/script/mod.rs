//! Scripts: programs that users write, compiled by `tracer-script`, loaded and run here.

pub mod output;
