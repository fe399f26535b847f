//! The lines that begin with `#`: includes, definitions and conditions. They are blanked out, so that every
//! other byte keeps its place.

use crate::diagnostic::{Diagnostics, Span};

/// What the lines said.
#[derive(Clone, Debug, Default)]
pub struct Preprocessed {
    /// The source without them.
    pub source: String,
    /// `#define NAME value`.
    pub defines: Vec<(String, String)>,
    /// `#include`, with what they name.
    pub includes: Vec<(String, Span)>,
}

/// Names that are defined from the start: scripts ask for them to leave out what BTF answers.
const DEFINED: [&str; 2] = ["BPFTRACE_HAVE_BTF", "TRACER"];

/// Conditions within conditions, at most.
const DEPTH: usize = 64;

/// Takes them out.
pub fn preprocess(source: &str, diagnostics: &mut Diagnostics) -> Preprocessed {
    let mut out = Preprocessed::default();
    let mut kept = String::with_capacity(source.len());
    // For each condition that is open, whether its lines are taken.
    let mut open: Vec<bool> = Vec::new();
    let mut at = 0;
    let mut in_comment = false;
    let mut continued = false;
    for line in source.split_inclusive('\n') {
        let text = line.trim();
        let span = Span::new(at, at + line.trim_end().len());
        at += line.len();
        let is_directive = !in_comment && !continued && text.starts_with('#');
        if is_directive {
            directive(text, span, &mut open, &mut out, diagnostics);
        } else if continued && let Some((_, value)) = out.defines.last_mut() {
            value.push(' ');
            value.push_str(text.trim_end_matches('\\'));
        }
        if is_directive || continued || open.contains(&false) {
            continued = (is_directive || continued) && text.ends_with('\\');
            blank(line, &mut kept);
            continue;
        }
        in_comment = ends_in_comment(line, in_comment);
        kept.push_str(line);
    }
    if !open.is_empty() {
        diagnostics.error(
            Span::new(source.len().saturating_sub(1), source.len()),
            "a condition (#if) is not ended by #endif",
        );
    }
    out.source = kept;
    out
}

fn blank(line: &str, kept: &mut String) {
    let blank = |byte| if byte == b'\n' { '\n' } else { ' ' };
    kept.extend(line.bytes().map(blank));
}

fn ends_in_comment(line: &str, mut inside: bool) -> bool {
    let bytes = line.as_bytes();
    let mut in_string = false;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if inside {
            if rest.starts_with(b"*/") {
                inside = false;
                at += 1;
            }
        } else if in_string {
            match rest[0] {
                b'\\' => at += 1,
                b'"' => in_string = false,
                _ => {}
            }
        } else if rest.starts_with(b"//") {
            return false;
        } else if rest.starts_with(b"/*") {
            inside = true;
            at += 1;
        } else if rest[0] == b'"' {
            in_string = true;
        }
        at += 1;
    }
    inside
}

fn directive(
    text: &str,
    span: Span,
    open: &mut Vec<bool>,
    out: &mut Preprocessed,
    diagnostics: &mut Diagnostics,
) {
    if text.starts_with("#!") {
        return;
    }
    let body = text[1..].trim_start();
    let end = body
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(body.len());
    let (word, rest) = body.split_at(end);
    let rest = rest.trim();
    let taken = !open.contains(&false);
    if open.len() >= DEPTH && matches!(word, "if" | "ifdef" | "ifndef") {
        diagnostics.error(span, format!("conditions (#if) nest deeper than {DEPTH}"));
        return;
    }
    let defined = |name: &str, out: &Preprocessed| {
        DEFINED.contains(&name) || out.defines.iter().any(|(known, _)| known == name)
    };
    match word {
        "ifdef" => open.push(defined(rest, out)),
        "ifndef" => open.push(!defined(rest, out)),
        "if" => open.push(condition(rest, |name| defined(name, out))),
        "elif" => {
            if let Some(last) = open.last_mut() {
                *last = !*last && condition(rest, |name| defined(name, out));
            }
        }
        "else" => match open.last_mut() {
            Some(last) => *last = !*last,
            None => diagnostics.error(span, "#else without #if"),
        },
        "endif" => {
            if open.pop().is_none() {
                diagnostics.error(span, "#endif without #if");
            }
        }
        _ if !taken => {}
        "include" => {
            let name = rest.trim_matches(['<', '>', '"']);
            out.includes.push((name.to_owned(), span));
        }
        "define" => {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let (name, value) = rest.split_at(end);
            let value = value.split("//").next().unwrap_or_default().trim();
            out.defines
                .push((name.to_owned(), value.trim_end_matches('\\').to_owned()));
        }
        "undef" => out.defines.retain(|(name, _)| name != rest),
        "pragma" => {}
        _ => diagnostics.error(span, format!("unknown directive #{word}")),
    }
}

/// `defined(X)`, `!defined(X)`, `0`, `1`, and versions of Linux, which scripts compare to leave out what
/// newer kernels have: those are taken to be new.
fn condition(text: &str, defined: impl Fn(&str) -> bool) -> bool {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('!') {
        return !condition(rest, defined);
    }
    if let Some(rest) = text.strip_prefix("defined") {
        return defined(rest.trim().trim_matches(['(', ')']).trim());
    }
    if text.contains("LINUX_VERSION_CODE") {
        return text.contains('>');
    }
    text.parse::<i64>().is_ok_and(|value| value != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_definitions() {
        let mut diagnostics = Diagnostics::default();
        let source = "#!/usr/bin/x\n#ifndef BPFTRACE_HAVE_BTF\n#include <a.h>\n#else\n#define A 2 // two\n#endif\nBEGIN\n";
        let out = preprocess(source, &mut diagnostics);
        assert!(diagnostics.is_empty());
        assert_eq!(out.defines, [("A".to_owned(), "2".to_owned())]);
        assert!(out.includes.is_empty());
        assert_eq!(out.source.len(), source.len());
        assert_eq!(out.source.trim(), "BEGIN");
    }
}
