//! The compiler under scripts that no one would write. `PROPTEST_CASES=10000 cargo test -p tracer-script --test
//! fuzz` looks further.

mod checker;
mod corpus;
mod limits;
mod programs;
mod support;
mod texts;
