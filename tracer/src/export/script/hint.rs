//! What a script's author says of its maps: in comments, or in the exporter's configuration. Both have the same
//! words:
//!
//! ```text
//! // export @reads: name = "file_reads", help = "Reads by program", labels = ["program"]
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use super::unit::Unit;

/// What is said of a map. What is not said is taken from the script.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    /// Its metric's name, without prefix, unit and `_total`.
    pub name: Option<String>,
    /// What it means, in a sentence.
    pub help: Option<String>,
    /// What its numbers are in: `ns`, `us`, `ms`, `s`, `bytes`, `KB`, `MB`, `pages`, `sectors`, `none`.
    pub unit: Option<String>,
    /// The labels' names, one for each part of its key.
    pub labels: Option<Vec<String>>,
    /// `counter` or `gauge`, for plain numbers and signed sums.
    pub kind: Option<Kind>,
    /// It is no metric.
    #[serde(default)]
    pub hidden: bool,
}

/// How plain numbers are to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// They only grow.
    Counter,
    /// They go up and down.
    Gauge,
}

impl Hint {
    /// Fails where it says what cannot be.
    pub fn check(&self) -> Result<(), String> {
        match &self.unit {
            Some(unit) if Unit::by_name(unit).is_none() => Err(format!(
                "unknown unit {unit:?}: ns, us, ms, s, bytes, KB, MB, pages, sectors or none"
            )),
            _ => Ok(()),
        }
    }

    /// What this says, and where it says nothing, the other.
    pub fn or(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            help: self.help.or(other.help),
            unit: self.unit.or(other.unit),
            labels: self.labels.or(other.labels),
            kind: self.kind.or(other.kind),
            hidden: self.hidden || other.hidden,
        }
    }
}

/// Hints by their maps' names, with the `@`.
pub type Hints = BTreeMap<String, Hint>;

/// A comment that looks like a hint, and is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {reason}")]
pub struct Wrong {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// The hints in a script's comments.
pub fn in_comments(source: &str) -> Result<Hints, Wrong> {
    let mut hints = Hints::new();
    for (index, line) in source.lines().enumerate() {
        let comment = line.trim_start().strip_prefix("//").map(str::trim_start);
        let Some(text) = comment.and_then(|comment| comment.strip_prefix("export @")) else {
            continue;
        };
        let wrong = |reason: String| Wrong {
            line: index + 1,
            reason,
        };
        let (map, text) = text
            .split_once(':')
            .ok_or_else(|| wrong("a colon is missing behind the map's name".to_owned()))?;
        let hint = parse(text).map_err(wrong)?;
        hint.check().map_err(wrong)?;
        if hints.insert(format!("@{}", map.trim()), hint).is_some() {
            return Err(wrong(format!("@{} has a hint already", map.trim())));
        }
    }
    Ok(hints)
}

/// The words of an inline table of TOML.
fn parse(text: &str) -> Result<Hint, String> {
    #[derive(Deserialize)]
    struct Line {
        hint: Hint,
    }
    match toml::from_str::<Line>(&format!("hint = {{ {} }}", text.trim())) {
        Ok(line) => Ok(line.hint),
        Err(error) => Err(error.message().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_say_what_maps_are() {
        let source = "// export @a: name = \"x\", labels = [\"p\", \"q\"]\n/* */\nBEGIN { }\n  \
                      //export @b: unit = \"us\", kind = \"gauge\"\n// exported @c: no\n";
        let hints = in_comments(source).expect("they are right");
        assert_eq!(hints.keys().collect::<Vec<_>>(), ["@a", "@b"]);
        assert_eq!(
            hints["@a"].labels.as_deref(),
            Some(&["p".to_owned(), "q".to_owned()][..])
        );
        assert_eq!(hints["@b"].kind, Some(Kind::Gauge));
    }

    #[test]
    fn wrong_comments_are_told_with_their_line() {
        for (source, reason) in [
            (
                "\n// export @a help",
                "2: a colon is missing behind the map's name",
            ),
            ("// export @a: hlp = \"x\"", "1: unknown field `hlp`"),
            (
                "// export @a: unit = \"miles\"",
                "1: unknown unit \"miles\"",
            ),
            (
                "// export @a: hidden = true\n// export @a: hidden = true",
                "2: @a has a hint already",
            ),
        ] {
            let error = in_comments(source).expect_err("it is wrong").to_string();
            assert!(error.starts_with(reason), "{error}");
        }
    }
}
