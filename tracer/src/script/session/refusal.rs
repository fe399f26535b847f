//! Where in the source the verifier stopped, and what it said.

use tracer_script::{Span, program::Program};

use super::ScriptError;
use crate::kernel::{object::rights_hint, sys::SysError};

/// Lines of the verifier's log that are shown.
const LINES_SHOWN: usize = 20;

/// The error that tells a user why a program was refused.
pub fn explain(program: &Program, refused: &SysError, log: &[u8]) -> ScriptError {
    let text = log.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().filter(|line| !is_statistics(line)).collect();
    let span = last_instruction(&lines)
        .and_then(|instruction| span_of(program, instruction))
        .unwrap_or(program.span);
    let reason = match lines.last() {
        Some(last) => last.trim().to_owned(),
        None => format!("{refused}{}", rights_hint(refused)),
    };
    ScriptError {
        span: Some(span),
        message: format!("the kernel refused the program: {reason}"),
        log: lines[lines.len().saturating_sub(LINES_SHOWN)..]
            .iter()
            .map(|line| (*line).to_owned())
            .collect(),
    }
}

/// The verifier closes its log with what it cost.
fn is_statistics(line: &str) -> bool {
    line.is_empty()
        || line.starts_with("processed ")
        || line.starts_with("verification time ")
        || line.starts_with("stack depth ")
}

/// The number at the beginning of the last line that shows an instruction, as in `12: (85) call …`, or that
/// tells of registers, as in `12: R0=…`. Lines such as `from 5 to 7: …` tell where it goes on, not where it is.
fn last_instruction(lines: &[&str]) -> Option<usize> {
    let number = |line: &&str| {
        let (number, rest) = line.split_once(": ")?;
        rest.starts_with(['(', 'R']).then(|| number.parse().ok())?
    };
    lines.iter().rev().find_map(number)
}

/// The place in the source that an instruction comes from.
fn span_of(program: &Program, instruction: usize) -> Option<Span> {
    let spans = program.code.spans.iter();
    let before = spans.filter(|(from, _)| *from <= instruction);
    before.max_by_key(|(from, _)| *from).map(|&(_, span)| span)
}
