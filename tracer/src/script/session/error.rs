//! What goes wrong with a script once it is compiled, and where in its source.

use std::fmt;

use tracer_script::{Diagnostic, Level, Sources, Span};

/// Something that could not be done for a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// The place in the source, where it concerns one.
    pub span: Option<Span>,
    /// What, and why.
    pub message: String,
    /// What the verifier said last, one line each.
    pub log: Vec<String>,
}

impl ScriptError {
    /// An error that concerns no place.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            span: None,
            message: message.into(),
            log: Vec::new(),
        }
    }

    /// An error that concerns a place.
    pub fn at(span: Span, message: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            ..Self::new(message)
        }
    }

    /// For people: with the line of the source, where it concerns one.
    pub fn render(&self, sources: &Sources) -> String {
        let Self { span, message, log } = self;
        let mut out = match span {
            Some(span) => Diagnostic {
                level: Level::Error,
                span: *span,
                message: message.clone(),
                hint: None,
            }
            .render(sources),
            None => format!("ERROR: {message}\n"),
        };
        for line in log {
            out.push_str("    ");
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ScriptError {}
