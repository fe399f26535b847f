//! Places of programs behind the start of a function: only where an instruction begins, as a breakpoint within one would
//! have the program do something else.

use std::{fs::File, os::unix::fs::FileExt as _, path::Path};

use super::Point;
use crate::kernel::{
    instructions,
    symbols::{self, UserFunction},
};

/// The longest instruction, in bytes.
const INSTRUCTION_MAX: usize = 16;

/// What is wrong with a place so many bytes behind the start of a function.
pub(super) fn check(
    point: &Point<'_>,
    path: &Path,
    function: &UserFunction,
    behind: u64,
) -> Result<(), String> {
    if behind == 0 {
        return Ok(());
    }
    let UserFunction { name, size, .. } = function;
    if *size > 0 && behind >= *size {
        return Err(format!(
            "{name} has {size} bytes, {behind:#x} is behind its end"
        ));
    }
    if point.options.allow_unsafe {
        return Ok(());
    }
    match begins_at(path, function, behind).map_err(|error| error.to_string())? {
        Some(true) => Ok(()),
        Some(false) => Err(format!(
            "no instruction begins at {name}+{behind:#x}: the program would do something else there (`objdump -d` shows \
             where they begin; --unsafe allows it)"
        )),
        None => Err(format!(
            "it cannot be told whether an instruction begins at {name}+{behind:#x}: if it does, --unsafe allows it"
        )),
    }
}

/// The same for a place of the file.
pub(super) fn check_place(point: &Point<'_>, path: &Path, offset: u64) -> Result<(), String> {
    if point.options.allow_unsafe {
        return Ok(());
    }
    let around = symbols::function_around(path, offset).map_err(|error| format!("{error:#}"))?;
    match around {
        Some(function) => check(point, path, &function, offset - function.offset),
        None => Err(
            "no function is known there, so it cannot be told whether an instruction begins there: if it does, \
             --unsafe allows it"
                .to_owned(),
        ),
    }
}

fn begins_at(path: &Path, function: &UserFunction, behind: u64) -> anyhow::Result<Option<bool>> {
    let behind = usize::try_from(behind)?;
    let mut code = vec![0; behind + INSTRUCTION_MAX];
    let read = File::open(path)?.read_at(&mut code, function.offset)?;
    code.truncate(read);
    let machine = symbols::machine(path)?;
    Ok(instructions::begins_at(machine, &code, behind))
}
