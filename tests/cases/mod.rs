//! The tests, by what they test.

mod bad_input;
mod block;
mod clean;
pub mod documents;
mod exec;
mod export;
mod filters;
mod function;
mod loss;
mod machine;
mod open;
mod output;
pub mod scripts;
mod syscount;

use crate::harness::{Need, Test};

/// All of them.
pub fn all() -> Vec<Test> {
    [
        syscount::tests(),
        filters::tests(),
        block::tests(),
        open::tests(),
        exec::tests(),
        function::tests(),
        loss::tests(),
        machine::tests(),
        clean::tests(),
        bad_input::tests(),
        output::tests(),
        export::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// One test.
fn test(name: &'static str, needs: &[Need], run: fn()) -> Test {
    Test {
        name,
        needs: needs.to_vec(),
        run,
    }
}
