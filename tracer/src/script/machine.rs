//! What scripts are compiled for, loaded into and shown by: this machine.

use std::io;

use anyhow::Context as _;

use super::{
    facts::KernelFacts,
    output,
    run::{Failure, Machine, Scene},
    session::FunctionType,
};
use crate::kernel::{Kernel, sys};

/// Hands what a kernel is to `then`, for as long as that takes.
pub fn on<T>(
    kernel: &Kernel,
    then: impl FnOnce(Machine<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let facts = KernelFacts::new(kernel).map_err(failed)?;
    let find_function = |module: &str, function: &str| find_function(&facts, module, function);
    then(Machine {
        kernel,
        facts: &facts,
        find_function: &find_function,
    })
}

/// An error that no place of the script is to blame for.
pub fn failed(error: anyhow::Error) -> Failure {
    Failure::Run(format!("ERROR: {error:#}\n"))
}

/// What output needs to know of a script; messages go to standard error.
pub fn context(scene: Scene, quiet: bool) -> output::Context {
    let Scene { image, stacks } = scene;
    output::Context {
        image,
        quiet,
        stacks: Box::new(move |hash| stacks.frames(hash)),
        errors: Box::new(io::stderr()),
    }
}

fn find_function(
    facts: &KernelFacts<'_>,
    module: &str,
    function: &str,
) -> anyhow::Result<FunctionType> {
    if let Some((program, id)) = facts.program_target(module, function)? {
        return Ok(FunctionType {
            id,
            holder: Some(program),
        });
    }
    let (module, id) = facts.fentry_target(module, function)?;
    let holder = match module {
        Some(name) => {
            let found = sys::btf_of_module(&name)
                .with_context(|| format!("cannot open the type information of {name}"))?;
            Some(found.with_context(|| format!("the module {name} is gone"))?)
        }
        None => None,
    };
    Ok(FunctionType { id, holder })
}
