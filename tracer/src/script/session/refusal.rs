//! Where in the source the verifier stopped, and what it said.

use tracer_script::{Span, program::Program};

use super::ScriptError;
use crate::kernel::{
    object::rights_hint,
    sys::{SysError, log_text},
};

/// Lines of the verifier's log that are shown.
const LINES_SHOWN: usize = 20;

/// The error that tells a user why a program was refused. A log that was cut lacks its end before Linux 6.4, which is where
/// the reason and the place are: neither is looked for.
pub fn explain(program: &Program, refused: &SysError, log: &[u8], is_cut: bool) -> ScriptError {
    let text = log_text(log);
    let lines: Vec<&str> = text.lines().filter(|line| !is_statistics(line)).collect();
    let said = match is_cut {
        true => &[],
        false => lines.as_slice(),
    };
    let span = last_instruction(said)
        .and_then(|instruction| span_of(program, instruction))
        .unwrap_or(program.span);
    let reason = match said_reason(said) {
        Some(said) => format!("{said}{}", missing_option(said)),
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

/// Why the verifier stopped: what stands below "Reason:" in the reports of Linux 7.3, the last line before.
fn said_reason<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let mut report = lines.iter().skip_while(|line| line.trim() != "Reason:");
    let reason = report.nth(1).or(lines.last())?;
    Some(reason.trim())
}

/// What the kernel would have to be built with, where it says that it has no such helper.
fn missing_option(said: &str) -> &'static str {
    match said.contains("bpf_override_return") {
        true => ": override() needs a kernel that is built with CONFIG_BPF_KPROBE_OVERRIDE",
        false => "",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_found_in_logs_and_reports() {
        let log = ["7: (85) call bpf_override_return#58", "unknown func"];
        assert_eq!(said_reason(&log), Some("unknown func"));
        let report = [
            "Verification failed: Policy: Operation is not allowed",
            "Reason:",
            "  The helper is not allowed.",
            "At:",
            "  main @ stdin:1:1",
            "Suggestion:",
            "  Use another.",
        ];
        assert_eq!(said_reason(&report), Some("The helper is not allowed."));
        assert_eq!(said_reason(&[]), None);
    }
}
