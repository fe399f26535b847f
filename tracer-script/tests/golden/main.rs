//! What each pass makes of small scripts. `UPDATE_EXPECT=1 cargo test -p tracer-script --test golden` writes what it
//! makes today; look at the difference before it is kept.

mod code;
mod code_of_loops;
mod code_of_markers;
mod errors;
mod ir;
mod laying_out;
mod support;
mod tree;
mod types;
