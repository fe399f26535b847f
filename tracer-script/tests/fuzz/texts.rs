//! Texts that are no scripts, or nearly.

use std::ops::Range;

use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{
    corpus::SCRIPTS,
    support::{INCLUDE, cases, compile_for},
};

/// Words and signs of the language.
const VOCABULARY: &[&str] = &[
    "BEGIN",
    "END",
    "kprobe:vfs_read",
    "kretprobe:vfs_read",
    "tracepoint:sched:sched_switch",
    "tracepoint:syscalls:sys_enter_*",
    "rawtracepoint:sched_switch",
    "fentry:vfs_read",
    "fexit:vfs_read",
    "uprobe:/bin/sh:main",
    "interval:s:1",
    "profile:hz:99",
    "software:faults:1",
    "iter:task",
    "self:signal:SIGUSR1",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    ":",
    "?",
    ".",
    "..",
    "->",
    "=",
    "+=",
    "-=",
    "*=",
    "/=",
    "<<=",
    "|=",
    "++",
    "--",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "|",
    "^",
    "!",
    "~",
    "<<",
    ">>",
    "<",
    ">",
    "<=",
    ">=",
    "==",
    "!=",
    "&&",
    "||",
    "if",
    "else",
    "while",
    "for",
    "unroll",
    "return",
    "break",
    "continue",
    "let",
    "macro",
    "config",
    "struct",
    "union",
    "enum",
    "sizeof",
    "offsetof",
    "typeof",
    "import",
    "fn",
    "comptime",
    "true",
    "false",
    "@",
    "@a",
    "@b",
    "@m",
    "$x",
    "$y",
    "$kv",
    "$1",
    "$2",
    "$9",
    "$#",
    "0",
    "1",
    "2",
    "-1",
    "0x7f",
    "255",
    "18446744073709551615",
    "9223372036854775808",
    "1s",
    "1e9",
    "\"\"",
    "\"text\"",
    "\"%d %s\\n\"",
    "\"%r\"",
    "\"\\x41\"",
    "pid",
    "tid",
    "comm",
    "nsecs",
    "args",
    "args.prev",
    "arg0",
    "retval",
    "curtask",
    "ctx",
    "probe",
    "kstack",
    "ustack",
    "cpu",
    "rand",
    "elapsed",
    "count()",
    "sum(",
    "hist(",
    "lhist(",
    "min(",
    "stats(",
    "printf(",
    "print(",
    "str(",
    "buf(",
    "clear(",
    "delete(",
    "exit()",
    "ntop(",
    "ksym(",
    "reg(",
    "join(",
    "strncmp(",
    "find(",
    "has_key(",
    "len(",
    "tseries(",
    "(uint8)",
    "(int64)",
    "(struct task_struct *)",
    "(int8[8])",
    "(string)",
    "struct task_struct",
    "->comm",
    ".pid",
    "[1]",
    "uint64",
    "string[16]",
    "int32*",
    "hash(5)",
    "_",
    "_ =",
    "#define A 1",
    "\n#define F(x, y) ((x) + F(y, x) ## x) #y\n",
    "\n#if defined(A) && A > 1\n",
    "\n#else\n",
    "\n#endif\n",
    "\n#include <linux/fs.h>\n",
    "A",
    "F(1, 2)",
    "typedef",
    "static const int",
    "__attribute__((packed))",
    "return",
    "\n",
    "//",
    "/*",
    "*/",
];

/// Words and signs of C's headers.
const OF_HEADERS: &[&str] = &[
    "struct a",
    "struct b",
    "union u",
    "enum e",
    "typedef",
    "static",
    "const",
    "extern",
    "inline",
    "extern C {",
    "int",
    "unsigned long",
    "char",
    "u8",
    "nosuch_t",
    "a",
    "b",
    "x",
    "f",
    "*",
    "(",
    ")",
    "(*f)(int)",
    "[",
    "]",
    "[3]",
    "[A]",
    "{",
    "}",
    "{ int x; }",
    "{ return 1; }",
    ";",
    ",",
    ":",
    ": 3",
    "=",
    "= 1",
    "= sizeof(struct a)",
    "__attribute__((packed))",
    "__attribute__((aligned(8)))",
    "__attribute__(",
    "asm volatile",
    "|#define A 2|",
    "|#define F(x) x F|",
    "|#ifdef A|",
    "|#else|",
    "|#endif|",
    "|#pragma once|",
    "|",
    "/*",
    "*/",
    "//",
    "'",
];

fn header() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(OF_HEADERS.to_vec());
    vec(word, 0..60).prop_map(|words| words.join(" "))
}

fn body() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(VOCABULARY.to_vec());
    vec(word, 0..40).prop_map(|words| words.join(" "))
}

/// Words, strings and signs of a script, blanks with what stands before them.
fn tokens(script: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_string = false;
    let mut before = ' ';
    for c in script.chars() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let joins =
            in_string || c == ' ' || is_word(c) && (is_word(before) || "$@".contains(before));
        match tokens.last_mut() {
            Some(last) if joins => last.push(c),
            _ => tokens.push(c.to_string()),
        }
        if c == '"' && before != '\\' {
            in_string = !in_string;
        }
        before = c;
    }
    tokens
}

#[derive(Clone, Debug)]
enum Change {
    Delete(Index),
    Double(Index),
    Swap(Index, Index),
    Replace(Index, &'static str),
    /// Part of another script, here.
    Graft(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        index().prop_map(Change::Delete),
        index().prop_map(Change::Double),
        (index(), index()).prop_map(|(one, other)| Change::Swap(one, other)),
        (index(), proptest::sample::select(VOCABULARY.to_vec()))
            .prop_map(|(at, word)| Change::Replace(at, word)),
        (index(), index(), index()).prop_map(|(at, of, from)| Change::Graft(at, of, from)),
    ]
}

fn changed(script: &str, changes: &[Change]) -> String {
    const GRAFTED: usize = 8;
    let mut tokens = tokens(script);
    for change in changes {
        if tokens.is_empty() {
            break;
        }
        let count = tokens.len();
        match change {
            Change::Delete(at) => drop(tokens.remove(at.index(count))),
            Change::Double(at) => tokens.insert(at.index(count), tokens[at.index(count)].clone()),
            Change::Swap(one, other) => tokens.swap(one.index(count), other.index(count)),
            Change::Replace(at, word) => tokens[at.index(count)] = format!("{word} "),
            Change::Graft(at, of, from) => {
                let other = self::tokens(SCRIPTS[of.index(SCRIPTS.len())]);
                let start = from.index(other.len());
                let range: Range<usize> = start..other.len().min(start + GRAFTED);
                let at = at.index(count);
                tokens.splice(at..at, other[range].iter().cloned());
            }
        }
    }
    tokens.concat()
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn any_text(text in ".{0,200}") {
        let _ = compile_for(&text, (6, 12));
    }

    #[test]
    fn any_text_in_a_probe(text in "[ -~\n\té€]{0,80}") {
        let _ = compile_for(&format!("BEGIN {{ {text} }}"), (6, 12));
    }

    /// Whatever a header has, what it does not say is left out.
    #[test]
    fn any_header(text in header()) {
        let script = format!("{INCLUDE}{text}\"\nBEGIN {{ print(sizeof(struct task_struct)); }}");
        let outcome = compile_for(&script, (6, 12));
        let accounted = ["#if", "#e", "directive", "#define", "macro"];
        if let Err(said) = outcome {
            prop_assert!(accounted.iter().any(|word| said.contains(word)), "{said}");
        }
    }

    #[test]
    fn any_words(text in body()) {
        let _ = compile_for(&text, (6, 12));
    }

    #[test]
    fn any_words_in_a_probe(text in body(), head in proptest::sample::select(VOCABULARY[..15].to_vec())) {
        let _ = compile_for(&format!("{head} {{ {text} }}"), (6, 12));
    }

    #[test]
    fn changed_scripts(
        script in proptest::sample::select(SCRIPTS.to_vec()),
        changes in vec(change(), 1..5),
    ) {
        let script = changed(script, &changes);
        let _ = compile_for(&script, (6, 12));
        let _ = compile_for(&script, (5, 10));
    }
}

#[test]
fn tokens_make_up_their_script() {
    for script in SCRIPTS {
        assert_eq!(tokens(script).concat(), script);
    }
    assert_eq!(tokens("$ab+=\"x y\";"), ["$ab", "+", "=", "\"x y\"", ";"]);
}
