use super::*;
use crate::{facts::NoFiles, fixed::Fixed};

/// Two headers, one of which includes the other.
struct TwoHeaders;

impl Files for TwoHeaders {
    fn header(&self, name: &str, _quoted: bool, from: &str) -> Option<Result<SourceFile, String>> {
        let text = match name {
            "a.h" => "#pragma once\n#include \"b.h\"\nstruct a { int x; };\n",
            "b.h" => "#ifndef B\n#define B 7\nstruct b { int y; };\n#endif\n",
            "endless.h" => "#include \"endless.h\"\n",
            "secret.h" => return Some(Err(format!("cannot read secret.h for {from}"))),
            _ => return None,
        };
        Some(Ok(SourceFile {
            name: name.to_owned(),
            text: text.to_owned(),
        }))
    }

    fn import(&self, name: &str, _from: &str) -> Result<Vec<SourceFile>, String> {
        Err(format!("there is no {name}"))
    }
}

fn run(text: &str, files: &dyn Files) -> (Text, Sources, Vec<String>) {
    let mut sources = Sources::new("s.bt", text);
    let mut diagnostics = Diagnostics::default();
    let facts = Fixed::default();
    let outside = Outside {
        facts: &facts,
        files,
    };
    let out = preprocess(&mut sources, 0, false, &[], outside, &mut diagnostics);
    let told = diagnostics.iter().map(|one| one.render(&sources)).collect();
    (out, sources, told)
}

/// What is left, without empty lines.
fn left(text: &str) -> String {
    let (out, _, told) = run(text, &NoFiles);
    assert!(told.is_empty(), "{text}: {told:?}");
    let lines = out
        .source
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("|")
}

#[test]
fn conditions_choose_lines() {
    for (text, wanted) in [
        ("#!/usr/bin/x\nBEGIN\n", "BEGIN"),
        ("#ifndef BPFTRACE_HAVE_BTF\na\n#else\nb\n#endif\nc", "b|c"),
        ("#ifdef A\na\n#elif 1\nb\n#elif 1\nc\n#else\nd\n#endif", "b"),
        ("#if 0\n#if 1\na\n#else\nb\n#endif\n#else\nc\n#endif", "c"),
        (
            "#define A\n#ifdef A\na\n#endif\n#undef A\n#ifdef A\nb\n#endif",
            "a",
        ),
        (
            "#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)\na\n#endif",
            "a",
        ),
        (
            "#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)\na\n#endif",
            "",
        ),
        ("/*\n#if 0\n*/ a", "/*|#if 0|*/ a"),
        ("#define A 1 /* on\ntwo lines */\nA", "/*|two lines */|1"),
    ] {
        assert_eq!(left(text), wanted, "{text}");
    }
}

#[test]
fn macros_are_put_in_where_they_are_named() {
    for (text, wanted) in [
        (
            "#define A 2 // two\nx = A; $A @A \"A\" y.A z->A AA",
            "x = 2; $A @A \"A\" y.A z->A AA",
        ),
        ("#define A(x) ((x) + \\\n  1)\nA(2) A", "((2) +    1) A"),
        ("#define ONE 1\n#define TWO (ONE + ONE)\nTWO", "(1 + 1)"),
        ("#define N -1\n1 -N", "1 - -1"),
    ] {
        assert_eq!(left(text), wanted, "{text}");
    }
}

#[test]
fn headers_are_put_in_once() {
    let text = "#include \"a.h\"\n#include \"a.h\"\nBEGIN { B }";
    let (out, sources, told) = run(text, &TwoHeaders);
    assert!(told.is_empty(), "{told:?}");
    let words: Vec<&str> = out.source.split_whitespace().collect();
    assert_eq!(
        words.join(" "),
        "struct b { int y; }; struct a { int x; }; BEGIN { 7 }"
    );
    assert_eq!(out.headers.len(), 1);
    assert_eq!(
        out.source[out.headers[0].clone()].matches("struct").count(),
        2
    );
    for (word, wanted) in [
        ("y", "b.h:3:16-17"),
        ("x", "a.h:3:16-17"),
        ("7", "s.bt:3:9-10"),
    ] {
        let at = out.source.find(word).expect(word);
        let place = out.place(Span::new(at, at + 1));
        assert_eq!(sources.place(place).to_string(), wanted, "{word}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, wanted) in [
        ("#if 1\n", "not ended"),
        ("#endif\n", "#endif without #if"),
        ("#else\n", "#else without #if"),
        ("#if 1 +\n#endif", "ends too early"),
        ("#nonsense\n", "unknown directive #nonsense"),
        ("#error not here\n", "#error: not here"),
        ("#define\n", "needs a name"),
        ("#define A(x) x\nA(1, 2)", "takes 1 arguments, and got 2"),
        ("#include <linux/fs.h>\n", "NOTE: linux/fs.h is not read"),
        ("#include \"none.h\"\n", "file not found: none.h"),
        ("#include \"secret.h\"\n", "cannot read secret.h for s.bt"),
        ("#include none\n", "#include needs"),
        ("#include \"endless.h\"\n", "too deeply"),
    ] {
        let (.., told) = run(text, &TwoHeaders);
        assert_eq!(told.len(), 1, "{text}: {told:?}");
        assert!(told[0].contains(wanted), "{text}: {told:?}");
    }
}
