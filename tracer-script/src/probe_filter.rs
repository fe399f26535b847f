//! `--probe-filter`: which of the places that a script's probes mean are taken.

use std::{fmt, str::FromStr};

use regex_lite::Regex;

use crate::probe::{AttachKind, Target};

/// A regular expression for the names of places: those are taken in which it finds something.
#[derive(Clone, Debug)]
pub struct ProbeFilter(Regex);

impl ProbeFilter {
    /// Whether a place is taken. `BEGIN`, `END` and `self` probes always are: they belong to the script as a whole.
    pub(crate) fn takes(&self, target: &Target) -> bool {
        use AttachKind::{Begin, End, SelfSignal};
        matches!(target.kind, Begin | End | SelfSignal) || self.0.is_match(&target.name)
    }
}

impl FromStr for ProbeFilter {
    type Err = String;

    /// The error says what is wrong with the expression.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |error| format!("{text:?} is no regular expression: {error}");
        Regex::new(text).map(Self).map_err(wrong)
    }
}

impl fmt::Display for ProbeFilter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.as_str())
    }
}

impl PartialEq for ProbeFilter {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for ProbeFilter {}
