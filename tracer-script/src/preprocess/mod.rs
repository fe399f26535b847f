//! The lines that begin with `#`: includes, macros and conditions, as C has them. What comes of it is one text,
//! the texts of headers in the places of their `#include`, which knows where each of its bytes is from.

mod condition;
mod expand;
mod text;

use std::collections::HashSet;

use crate::{
    diagnostic::{Diagnostics, Span},
    facts::{Facts, Files, SourceFile},
    source::Sources,
};

use expand::{Define, Defines};

pub use text::Text;

/// Conditions within conditions, at most.
const DEPTH: usize = 64;

/// Headers within headers, at most.
const HEADERS: usize = 32;

/// Bytes of all headers together, at most.
const BYTES_MAX: usize = 8 << 20;

/// Folders that the kernel's headers lie in: what they declare, BTF knows.
const KERNEL_FOLDERS: [&str; 18] = [
    "asm",
    "asm-generic",
    "bpf",
    "crypto",
    "drm",
    "generated",
    "kvm",
    "linux",
    "math-emu",
    "media",
    "net",
    "rdma",
    "scsi",
    "sound",
    "trace",
    "uapi",
    "video",
    "xen",
];

/// What preprocessing asks of the outside.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// The kernel, of which the version counts.
    pub facts: &'a dyn Facts,
    /// The files that are named.
    pub files: &'a dyn Files,
}

/// Preprocesses the text of `sources` that begins at `start`: a script, or with `is_header` what only declares.
/// `first` are headers that come before it. Headers are added to the sources.
pub fn preprocess(
    sources: &mut Sources,
    start: u32,
    is_header: bool,
    first: &[String],
    outside: Outside<'_>,
    diagnostics: &mut Diagnostics,
) -> Text {
    let text = sources.text_at(start).to_owned();
    if first.is_empty() && !is_header && !has_directives(&text) {
        return Text::verbatim(&text, start);
    }
    let name = sources.place(Span { start, end: start }).file.to_owned();
    let mut preprocessor = Preprocessor {
        sources,
        outside,
        defines: predefined(outside.facts),
        out: Text::default(),
        once: HashSet::new(),
        headers: 0,
        bytes: 0,
        diagnostics,
    };
    for header in first {
        preprocessor.include(header, true, Span { start, end: start }, "");
    }
    let from = preprocessor.out.source.len();
    preprocessor.file(&text, start, &name);
    if is_header {
        let until = preprocessor.out.source.len();
        preprocessor.out.headers.push(from..until);
    }
    preprocessor.out
}

fn has_directives(text: &str) -> bool {
    let mut lines = text.lines();
    lines.any(|line| line.trim_start().starts_with('#'))
}

/// Macros that are there from the start: scripts ask for them to leave out what BTF answers, or what newer kernels
/// have.
fn predefined(facts: &dyn Facts) -> Defines {
    let mut defines = Defines::default();
    let mut add = |name: &str, params: &[&str], body: String| {
        let params: Vec<String> = params.iter().map(|&param| param.to_owned()).collect();
        let params = (!params.is_empty()).then_some(params);
        defines.insert(name, Define { params, body });
    };
    for name in ["BPFTRACE_HAVE_BTF", "TRACER", "__linux__", "__LP64__"] {
        add(name, &[], "1".to_owned());
    }
    if cfg!(target_arch = "x86_64") {
        add("__x86_64__", &[], "1".to_owned());
    } else if cfg!(target_arch = "aarch64") {
        add("__aarch64__", &[], "1".to_owned());
    }
    let (major, minor) = release(facts);
    add(
        "LINUX_VERSION_CODE",
        &[],
        (major << 16 | minor << 8).to_string(),
    );
    // `include/generated/uapi/linux/version.h`
    let version = "(((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))";
    add("KERNEL_VERSION", &["a", "b", "c"], version.to_owned());
    defines
}

/// The kernel's version: its first two numbers.
fn release(facts: &dyn Facts) -> (u32, u32) {
    let last = |known: &dyn Fn(u32) -> bool| (1..=255).take_while(|&number| known(number)).last();
    let major = last(&|major| facts.since(major, 0)).unwrap_or(0);
    let minor = last(&|minor| facts.since(major, minor)).unwrap_or(0);
    (major, minor)
}

struct Preprocessor<'a> {
    sources: &'a mut Sources,
    outside: Outside<'a>,
    defines: Defines,
    out: Text,
    /// Headers that say `#pragma once`.
    once: HashSet<String>,
    /// Headers around.
    headers: usize,
    /// Bytes of headers so far.
    bytes: usize,
    diagnostics: &'a mut Diagnostics,
}

/// A condition that is open.
#[derive(Clone, Copy)]
struct Open {
    /// Its lines are taken.
    taken: bool,
    /// One of its branches was taken.
    done: bool,
}

/// What is known of a file while it is gone through.
struct Reading<'a> {
    name: &'a str,
    /// The number of its first byte.
    start: u32,
    open: Vec<Open>,
}

impl Reading<'_> {
    fn is_taken(&self) -> bool {
        self.open.iter().all(|one| one.taken)
    }
}

impl Preprocessor<'_> {
    /// Goes through a file, line by line.
    fn file(&mut self, text: &str, start: u32, name: &str) {
        let mut reading = Reading {
            name,
            start,
            open: Vec::new(),
        };
        // What is neither a directive nor left out, and not yet put out.
        let mut kept = 0..0;
        let mut at = 0;
        let mut in_remark = false;
        while at < text.len() {
            let rest = &text[at..];
            let line = rest.split_inclusive('\n').next().unwrap_or(rest);
            if !in_remark && line.trim_start().starts_with('#') {
                self.lines(&text[kept], start_of(&reading, at));
                let length = directive_length(rest);
                let (words, open_remark) = without_remarks(&rest[..length]);
                let place = Span {
                    start: start + at as u32,
                    end: start + (at + rest[..length].trim_end().len()) as u32,
                };
                self.directive(&words, place, &mut reading);
                // The next line goes on with the remark.
                self.out
                    .put_in(if open_remark { "/*\n" } else { "\n" }, place);
                in_remark = open_remark;
                at += length;
                kept = at..at;
                continue;
            }
            in_remark = ends_in_remark(line, in_remark);
            at += line.len();
            if reading.is_taken() {
                kept.end = at;
            } else {
                kept = at..at;
            }
        }
        self.lines(&text[kept], start_of(&reading, at));
        if !reading.open.is_empty() {
            let end = start as usize + text.len();
            let last = Span::new(end.saturating_sub(1).max(start as usize), end);
            self.diagnostics
                .error(last, "a condition (#if) is not ended by #endif");
        }
    }

    /// Puts lines out that end at `end`, macros put in.
    fn lines(&mut self, text: &str, end: u32) {
        let start = end - text.len() as u32;
        let mut verbatim = 0;
        let mut at = 0;
        // Names of members are no macros.
        let mut after_dot = false;
        while at < text.len() {
            let length = expand::unit(text, at);
            let one = &text[at..at + length];
            let expanded = match after_dot {
                true => Ok(None),
                false => self.defines.at(text, at),
            };
            let (made, length) = match expanded {
                Ok(Some(found)) => found,
                Ok(None) => {
                    if !one.trim().is_empty() {
                        after_dot = one == "." || one == ">" && text[..at].ends_with('-');
                    }
                    at += length;
                    continue;
                }
                Err(reason) => {
                    let place = Span::new(start as usize + at, start as usize + at + length);
                    self.diagnostics.error(place, reason);
                    return;
                }
            };
            self.out.push(&text[verbatim..at], start + verbatim as u32);
            let place = Span::new(start as usize + at, start as usize + at + length);
            let mut apart = self
                .out
                .source
                .chars()
                .next_back()
                .map(String::from)
                .unwrap_or_default();
            let before = apart.len();
            expand::push_apart(&mut apart, &made);
            self.out.put_in(&apart[before..], place);
            at += length;
            verbatim = at;
        }
        self.out.push(&text[verbatim..], start + verbatim as u32);
    }

    fn directive(&mut self, words: &str, place: Span, reading: &mut Reading<'_>) {
        let body = words.trim_start()[1..].trim_start();
        let word = expand::word(body);
        let rest = body[word.len()..].trim();
        if reading.open.len() >= DEPTH && matches!(word, "if" | "ifdef" | "ifndef") {
            let message = format!("conditions (#if) nest deeper than {DEPTH}");
            return self.diagnostics.error(place, message);
        }
        match word {
            "ifdef" => self.open(self.defines.contains(expand::word(rest)), reading),
            "ifndef" => self.open(!self.defines.contains(expand::word(rest)), reading),
            "if" => {
                let holds = reading.is_taken() && self.holds(rest, place);
                self.open(holds, reading);
            }
            "elif" | "else" | "endif" => self.go_on(word, rest, place, reading),
            _ if !reading.is_taken() => {}
            "include" => self.include_directive(rest, place, reading.name),
            "define" => self.define(rest, place),
            "undef" => self.defines.remove(rest),
            "error" => self.diagnostics.error(place, format!("#error: {rest}")),
            "warning" => self.diagnostics.warn(place, format!("#warning: {rest}")),
            "pragma" if rest == "once" => {
                self.once.insert(reading.name.to_owned());
            }
            "pragma" | "line" | "ident" | "" => {}
            _ if body.starts_with('!') && place.start == reading.start => {}
            _ => self
                .diagnostics
                .error(place, format!("unknown directive #{word}")),
        }
    }

    fn open(&self, holds: bool, reading: &mut Reading<'_>) {
        reading.open.push(Open {
            taken: holds,
            done: holds,
        });
    }

    fn go_on(&mut self, word: &str, rest: &str, place: Span, reading: &mut Reading<'_>) {
        let Some(last) = reading.open.pop() else {
            return self
                .diagnostics
                .error(place, format!("#{word} without #if"));
        };
        if word == "endif" {
            return;
        }
        let asked = !last.done && reading.is_taken();
        let taken = !last.done && (word == "else" || asked && self.holds(rest, place));
        reading.open.push(Open {
            taken,
            done: last.done || taken,
        });
    }

    fn holds(&mut self, text: &str, place: Span) -> bool {
        condition::holds(text, &self.defines).unwrap_or_else(|reason| {
            self.diagnostics.error(place, format!("#if: {reason}"));
            false
        })
    }

    fn define(&mut self, rest: &str, place: Span) {
        let name = expand::word(rest);
        if name.is_empty() {
            return self.diagnostics.error(place, "#define needs a name");
        }
        let behind = &rest[name.len()..];
        let (params, body) = match behind.strip_prefix('(') {
            None => (None, behind),
            Some(list) => match list.split_once(')') {
                Some((list, body)) => {
                    let params = list.split(',').map(|param| param.trim().to_owned());
                    (
                        Some(params.filter(|param| !param.is_empty()).collect()),
                        body,
                    )
                }
                None => return self.diagnostics.error(place, "#define: expected )"),
            },
        };
        let body = body.trim().to_owned();
        self.defines.insert(name, Define { params, body });
    }

    fn include_directive(&mut self, rest: &str, place: Span, from: &str) {
        let named = rest
            .strip_prefix('<')
            .and_then(|rest| Some((rest.split_once('>')?.0, false)))
            .or_else(|| Some((rest.strip_prefix('"')?.split_once('"')?.0, true)));
        match named {
            Some((name, quoted)) => self.include(name, quoted, place, from),
            None => self
                .diagnostics
                .error(place, "#include needs \"FILE\" or <FILE>"),
        }
    }

    fn include(&mut self, name: &str, quoted: bool, place: Span, from: &str) {
        match self.outside.files.header(name, quoted, from) {
            Some(Ok(file)) => self.header(file, place),
            Some(Err(reason)) => self.diagnostics.error(place, reason),
            None => {
                let folder = name.split_once('/').map_or("", |(folder, _)| folder);
                if quoted && !KERNEL_FOLDERS.contains(&folder) {
                    let hint = "it is looked for beside the file that includes it, and in the folders of -I";
                    return self.diagnostics.error_hint(
                        place,
                        format!("file not found: {name}"),
                        hint,
                    );
                }
                let message = format!("{name} is not read: types come from the running kernel");
                self.diagnostics.note(place, message);
            }
        }
    }

    fn header(&mut self, file: SourceFile, place: Span) {
        if self.once.contains(&file.name) {
            return;
        }
        self.bytes += file.text.len();
        if self.headers >= HEADERS || self.bytes > BYTES_MAX {
            let message = format!(
                "headers include each other too deeply, or are larger than {BYTES_MAX} bytes: {}",
                file.name
            );
            return self.diagnostics.error(place, message);
        }
        let SourceFile { name, text } = file;
        let Some(start) = self.sources.add(name.as_str(), text.as_str()) else {
            return self
                .diagnostics
                .error(place, format!("the script is too large with {name}"));
        };
        let from = self.out.source.len();
        self.headers += 1;
        self.file(&text, start, &name);
        self.headers -= 1;
        // A header within a header is a part of it.
        if self.headers == 0 {
            self.out.put_in("\n", place);
            let until = self.out.source.len();
            self.out.headers.push(from..until);
        }
    }
}

fn start_of(reading: &Reading<'_>, at: usize) -> u32 {
    reading.start + at as u32
}

/// How long the directive is that a text begins with: to the end of the line, or of those that `\` adds.
fn directive_length(text: &str) -> usize {
    let mut length = 0;
    for line in text.split_inclusive('\n') {
        length += line.len();
        if !line.trim_end().ends_with('\\') {
            break;
        }
    }
    length
}

/// A directive on one line and without remarks; and whether one goes on behind it.
fn without_remarks(text: &str) -> (String, bool) {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let mut out = String::new();
    let mut at = 0;
    while at < joined.len() {
        let length = expand::unit(&joined, at);
        let one = &joined[at..at + length];
        if one.starts_with("/*") && (one.len() < 4 || !one.ends_with("*/")) {
            return (out, true);
        }
        let is_remark = one.starts_with("/*") || one.starts_with("//");
        out.push_str(if is_remark { " " } else { one });
        at += length;
    }
    (out, false)
}

fn ends_in_remark(line: &str, mut inside: bool) -> bool {
    let mut at = 0;
    while at < line.len() {
        if inside {
            match line[at..].find("*/") {
                Some(end) => at += end + 2,
                None => return true,
            }
            inside = false;
            continue;
        }
        let length = expand::unit(line, at);
        let one = &line[at..at + length];
        inside = one.starts_with("/*") && (one.len() < 4 || !one.ends_with("*/"));
        at += length;
    }
    inside
}

#[cfg(test)]
mod tests;
