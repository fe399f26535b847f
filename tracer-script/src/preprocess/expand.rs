//! Macros of C: a name, or a name with arguments, and the text that stands for it.

use std::collections::HashMap;

/// Bytes that all macros together may make of a script, at most.
const BYTES_MAX: usize = 256 << 10;

/// Macros within macros, at most.
const DEPTH: usize = 64;

/// A macro.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Define {
    /// Its parameters, for one that is called.
    pub(super) params: Option<Vec<String>>,
    /// What is put in.
    pub(super) body: String,
}

/// The macros that are defined.
#[derive(Clone, Debug, Default)]
pub(super) struct Defines {
    known: HashMap<String, Define>,
    /// Bytes that were put in so far.
    made: usize,
}

/// What cannot be expanded, and why.
pub(super) type Expanded<T> = Result<T, String>;

impl Defines {
    pub(super) fn insert(&mut self, name: &str, define: Define) {
        self.known.insert(name.to_owned(), define);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.known.remove(name);
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// What stands for the macro that `text` has from `at` on, and how long its name and arguments are; [`None`]
    /// where there is no macro, or its arguments are missing.
    pub(super) fn at(&mut self, text: &str, at: usize) -> Expanded<Option<(String, usize)>> {
        let found = self.expand_at(text, at, &mut Vec::new())?;
        if let Some((made, _)) = &found {
            self.made += made.len();
            if self.made > BYTES_MAX {
                return Err(too_much());
            }
        }
        Ok(found)
    }

    /// All macros of a text put in.
    pub(super) fn all(&self, text: &str) -> Expanded<String> {
        self.expand(text, &mut Vec::new())
    }

    /// `hidden` are macros that are being put in: they are not put in again within themselves.
    fn expand(&self, text: &str, hidden: &mut Vec<String>) -> Expanded<String> {
        let mut out = String::new();
        let mut at = 0;
        while at < text.len() {
            let length = unit(text, at);
            match self.expand_at(text, at, hidden)? {
                Some((made, length)) => {
                    push_apart(&mut out, &made);
                    at += length;
                }
                None => {
                    push_apart(&mut out, &text[at..at + length]);
                    at += length;
                }
            }
            if out.len() > BYTES_MAX {
                return Err(too_much());
            }
        }
        Ok(out)
    }

    fn expand_at(
        &self,
        text: &str,
        at: usize,
        hidden: &mut Vec<String>,
    ) -> Expanded<Option<(String, usize)>> {
        let name = word(&text[at..]);
        let Some(define) = self.known.get(name) else {
            return Ok(None);
        };
        if hidden.iter().any(|one| one == name) {
            return Ok(None);
        }
        if hidden.len() >= DEPTH {
            return Err("macros refer to each other too deeply".to_owned());
        }
        let (body, length) = match &define.params {
            None => (define.body.clone(), name.len()),
            Some(params) => {
                let Some((args, length)) = arguments(text, at + name.len()) else {
                    return Ok(None);
                };
                let args = fitting(name, params, args)?;
                (self.substitute(define, params, &args, hidden)?, length - at)
            }
        };
        hidden.push(name.to_owned());
        let made = self.expand(&body, hidden);
        hidden.pop();
        Ok(Some((made?.trim().to_owned(), length)))
    }

    /// The body with the arguments in the places of the parameters. `#` makes a string of an argument, `##` joins
    /// two words.
    fn substitute(
        &self,
        define: &Define,
        params: &[String],
        args: &[String],
        hidden: &mut Vec<String>,
    ) -> Expanded<String> {
        let body = define.body.as_str();
        let argument = |name: &str| {
            let named = |param: &String| {
                param.trim_end_matches("...") == name || param == "..." && name == "__VA_ARGS__"
            };
            params
                .iter()
                .position(named)
                .map(|index| args[index].as_str())
        };
        let mut out = String::new();
        let mut at = 0;
        while at < body.len() {
            if out.len() > BYTES_MAX {
                return Err(too_much());
            }
            let rest = &body[at..];
            if let Some(behind) = rest.strip_prefix("##") {
                out.truncate(out.trim_end().len());
                let next = behind.trim_start();
                at = body.len() - next.len();
                let name = word(next);
                out.push_str(argument(name).unwrap_or(name));
                at += name.len();
                continue;
            }
            if let Some(behind) = rest.strip_prefix('#')
                && let Some(arg) = argument(word(behind.trim_start()))
            {
                out.push_str(&quoted(arg));
                at = body.len() - behind.trim_start().len() + word(behind.trim_start()).len();
                continue;
            }
            let length = unit(body, at);
            let one = &rest[..length];
            match argument(one) {
                Some(arg) if rest[length..].trim_start().starts_with("##") => out.push_str(arg),
                Some(arg) => push_apart(&mut out, &self.expand(arg, hidden)?),
                None => push_apart(&mut out, one),
            }
            at += length;
        }
        Ok(out)
    }
}

fn too_much() -> String {
    format!("macros make more than {BYTES_MAX} bytes of the script")
}

fn quoted(text: &str) -> String {
    let escaped = text.trim().replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// Adds a part, parted by a blank where it would run together with what is there.
pub(super) fn push_apart(out: &mut String, part: &str) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_sign = |c: char| "+-*/%&|^<>=!.:?#".contains(c);
    if let (Some(last), Some(first)) = (out.chars().next_back(), part.chars().next())
        && (is_word(last) && is_word(first) || is_sign(last) && last == first && part.len() > 1)
    {
        out.push(' ');
    }
    out.push_str(part);
}

/// The word that a text begins with; empty where it begins with none.
pub(super) fn word(text: &str) -> &str {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return "";
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// How long what begins at `at` is: a word, a variable, a number, a string, a remark, or one character.
pub(super) fn unit(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let first = rest.chars().next().unwrap_or(' ');
    let behind = |start: usize| {
        let end = rest[start..].find(|c: char| !is_word(c));
        end.map_or(rest.len(), |end| start + end)
    };
    match first {
        '$' | '@' => behind(1),
        '"' => string(rest),
        '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
        '/' if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |end| end + 4),
        c if is_word(c) => behind(0),
        c => c.len_utf8(),
    }
}

/// How long the string is that a text begins with.
fn string(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// The arguments in parentheses from `at` on, and where they end.
fn arguments(text: &str, at: usize) -> Option<(Vec<String>, usize)> {
    let open = at + text[at..].len() - text[at..].trim_start().len();
    if !text[open..].starts_with('(') {
        return None;
    }
    let mut args = vec![String::new()];
    let mut depth = 0;
    let mut at = open + 1;
    while at < text.len() {
        let length = unit(text, at);
        let one = &text[at..at + length];
        match one {
            ")" if depth == 0 => {
                let args = args.iter().map(|arg| arg.trim().to_owned());
                return Some((args.collect(), at + 1));
            }
            "," if depth == 0 => args.push(String::new()),
            _ => {
                depth += i32::from(matches!(one, "(" | "[" | "{"));
                depth -= i32::from(matches!(one, ")" | "]" | "}"));
                let is_remark = one.starts_with("//") || one.starts_with("/*");
                let part = if is_remark { " " } else { one };
                args.last_mut().expect("one at least").push_str(part);
            }
        }
        at += length;
    }
    None
}

/// As many arguments as there are parameters: the last of `...` takes all that are left.
fn fitting(name: &str, params: &[String], mut args: Vec<String>) -> Expanded<Vec<String>> {
    if params.is_empty() && args.len() == 1 && args[0].is_empty() {
        return Ok(Vec::new());
    }
    let takes_rest = params.last().is_some_and(|param| param.ends_with("..."));
    if takes_rest && args.len() >= params.len() {
        let rest = args.split_off(params.len() - 1).join(", ");
        args.push(rest);
    } else if takes_rest && args.len() + 1 == params.len() {
        args.push(String::new());
    }
    if args.len() == params.len() {
        return Ok(args);
    }
    let (given, wanted) = (args.len(), params.len());
    Err(format!(
        "the macro {name} takes {wanted} arguments, and got {given}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defines(list: &[(&str, &[&str], &str)]) -> Defines {
        let mut defines = Defines::default();
        for (name, params, body) in list {
            let owned = params.iter().map(|&param| param.to_owned()).collect();
            let params = (!params.is_empty()).then_some(owned);
            let body = (*body).to_owned();
            defines.insert(name, Define { params, body });
        }
        defines
    }

    #[test]
    fn names_and_calls_are_put_in() {
        let defines = defines(&[
            ("A", &[], "-1"),
            ("B", &[], "A + C"),
            ("MAX", &["a", "b"], "((a) > (b) ? (a) : (b))"),
            ("STR", &["x"], "#x"),
            ("JOIN", &["x", "y"], "x ## y"),
            ("REST", &["f", "..."], "f(__VA_ARGS__)"),
            ("SELF", &[], "SELF + 1"),
        ]);
        for (text, wanted) in [
            ("A", "-1"),
            ("-A", "- -1"),
            ("$A @A \"A\" A1", "$A @A \"A\" A1"),
            ("B", "-1 + C"),
            ("MAX(1, A)", "((1) > (-1) ? (1) : (-1))"),
            (
                "MAX (f(1, 2), MAX(3,4))",
                "((f(1, 2)) > (((3) > (4) ? (3) : (4))) ? (f(1, 2)) : (((3) > (4) ? (3) : (4))))",
            ),
            ("MAX", "MAX"),
            ("STR(a \"b\")", "\"a \\\"b\\\"\""),
            ("JOIN(a, A)", "aA"),
            ("REST(g, 1, A)", "g(1, -1)"),
            ("SELF", "SELF + 1"),
        ] {
            assert_eq!(defines.all(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_has_no_end_is_refused() {
        let mut defines = defines(&[("A0", &[], "1"), ("M", &["a"], "a")]);
        for number in 0..40 {
            let params = None;
            let body = format!("A{number} + A{number}");
            defines.insert(&format!("A{}", number + 1), Define { params, body });
        }
        assert!(defines.all("A40").unwrap_err().contains("bytes"));
        assert!(defines.all("M(1, 2)").unwrap_err().contains("takes 1"));
        for number in 0..100 {
            let params = None;
            let body = format!("C{number}");
            defines.insert(&format!("C{}", number + 1), Define { params, body });
        }
        assert!(defines.all("C100").unwrap_err().contains("too deeply"));
    }
}
