//! Scripts: what the compiler asks of the running kernel, and what becomes of its programs.

pub mod facts;
