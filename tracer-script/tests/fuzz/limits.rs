//! Scripts that ask too much: they are refused with a reason, in bounded time and memory.

use crate::support::{compile_for, compile_for_all, memory_peak};

/// KiB that all of these tests together may take, generated text included.
const MEMORY_MAX: u64 = 1 << 20;

fn refused(source: &str, why: &str) {
    for release in [(5, 10), (6, 12)] {
        match compile_for(source, release) {
            Err(said) => assert!(
                said.contains(why),
                "{why}: {}",
                &said[..said.len().min(2000)]
            ),
            Ok(_) => panic!("{why}: {}", &source[..source.len().min(2000)]),
        }
    }
    assert!(memory_peak() < MEMORY_MAX, "{why}: {} KiB", memory_peak());
}

fn accepted(source: &str) {
    if let Err(said) = compile_for_all(source) {
        panic!("{}", &said[..said.len().min(2000)]);
    }
    assert!(memory_peak() < MEMORY_MAX, "{} KiB", memory_peak());
}

fn in_begin(body: &str) -> String {
    format!("BEGIN {{ {body} }}")
}

fn numbered(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).map(text).collect()
}

#[test]
fn nesting() {
    const DEEP: usize = 20_000;
    let around = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(DEEP), close.repeat(DEEP))
    };
    for value in [
        around("(", "1", ")"),
        around("(uint8)", "2", ""),
        around("-", "2", ""),
        around("{", "5", "}"),
        around("(1,", "5", ")"),
        around("pid ? 1 : ", "2", ""),
        around("f(", "2", ")"),
        around("@[", "2", "]"),
        format!(
            "if (pid) {{ 1 }} {} else {{ 3 }}",
            "else if (pid) { 2 }".repeat(DEEP)
        ),
    ] {
        refused(&in_begin(&format!("$x = {value};")), "levels deep");
    }
    for body in [
        around("{", "@ = 1;", "}"),
        around("if (pid) {", "@ = 1;", "}"),
        format!("if (pid) {{ }} {}", "else if (pid) { }".repeat(DEEP)),
    ] {
        refused(&in_begin(&body), "levels deep");
    }
    refused(
        &format!("kprobe:vfs_read /{}1/ {{ }}", "(".repeat(DEEP)),
        "levels deep",
    );
    refused(
        &format!("{} BEGIN {{ print(1); }}", "#if 1\n".repeat(DEEP)),
        "nest deeper than 64",
    );
    let structs = format!(
        "struct a {{ {} int x; {} }};",
        "struct {".repeat(DEEP),
        "};".repeat(DEEP)
    );
    refused(&format!("{structs} BEGIN {{ print(1); }}"), "levels deep");
}

#[test]
fn nested_as_deep_as_can_be() {
    accepted(&in_begin(&format!(
        "{}@ = count();{}",
        "{".repeat(60),
        "}".repeat(60)
    )));
    let loops = |count| {
        let heads = numbered(count, |number| format!("for ($i{number} : 0..10) {{"));
        in_begin(&format!("{heads} @ = count(); {}", "}".repeat(count)))
    };
    accepted(&loops(7));
    let said = compile_for(&loops(8), (6, 12)).expect_err("the kernel has 8 frames");
    assert!(said.contains("are 9 within each other"), "{said}");
}

#[test]
fn chains() {
    const LONG: usize = 20_000;
    for value in [
        vec!["pid"; LONG].join("+"),
        vec!["pid"; LONG].join("&&"),
        format!("curtask{}", ".real_parent".repeat(LONG)),
        format!("curtask{}", "[0]".repeat(LONG)),
    ] {
        refused(&in_begin(&format!("$x = {value};")), "too many operators");
    }
    for kind in ["*", "[9]"] {
        let script = in_begin(&format!("$x = (int32{})2;", kind.repeat(LONG)));
        refused(&script, "more than 16 stars and lengths");
        let script = format!(
            "struct a {{ int {}b; }}; BEGIN {{ print(1); }}",
            "*".repeat(LONG)
        );
        refused(&script, "more than 16 stars and lengths");
    }
}

#[test]
fn literals() {
    refused(
        &in_begin(&format!("$x = {};", "9".repeat(100_000))),
        "invalid number",
    );
    refused(
        &in_begin(&format!("print(\"{}\");", "a".repeat(1 << 20))),
        "ring buffer",
    );
    accepted(&in_begin(&format!("printf(\"{}\");", "a".repeat(1 << 20))));
    accepted(&in_begin(&format!(
        "if (comm == \"{}\") {{ print(1); }}",
        "a".repeat(60_000)
    )));
}

#[test]
fn many_lines() {
    accepted(&format!(
        "{} BEGIN {{ print(1); }}",
        "// line\n".repeat(100_000)
    ));
    accepted(&in_begin(&"printf(\"%d\\n\", pid);\n".repeat(1500)));
    accepted(&in_begin(&"if (pid == 5) { @ = 1; }\n".repeat(3000)));
    accepted(&in_begin(&"@[pid] = count();\n".repeat(1000)));
    refused(&in_begin(&"@ = pid;\n".repeat(60_000)), "too long");
    refused(
        &"kprobe:vfs_read { @ = count(); }\n".repeat(2000),
        "limit of 1024",
    );
    let variables = numbered(2000, |number| format!("$x{number} = pid;"));
    let uses = numbered(2000, |number| format!("@ = $x{number};"));
    refused(&in_begin(&(variables + &uses)), "cannot be compiled");
    let maps = numbered(1000, |number| format!("@x{number} = pid;"));
    refused(&in_begin(&maps), "the kernel lets it use 64");
}

#[test]
fn macros_and_definitions() {
    let doubling = |body: &dyn Fn(usize) -> String| {
        let macros = numbered(29, |number| {
            format!("macro m{}(x) {{ {} }}\n", number + 1, body(number))
        });
        format!("macro m0(x) {{ x + x }}\n{macros} BEGIN {{ $x = m29(pid); }}")
    };
    refused(
        &doubling(&|number| format!("m{number}(x) + m{number}(x)")),
        "too deeply",
    );
    refused(
        &doubling(&|number| format!("m{number}(x + x)")),
        "too deeply",
    );
    refused(
        "macro a(x) { a(a(x)) } BEGIN { $x = a(pid); }",
        "too deeply",
    );
    refused(
        "#define A B\n#define B A\nBEGIN { $x = A; }",
        "Unknown identifier: 'A'",
    );
    let defines = numbered(40, |number| {
        format!("#define A{} A{number} + A{number}\n", number + 1)
    });
    refused(
        &format!("#define A0 1\n{defines} BEGIN {{ $x = A40; }}"),
        "macros make more than",
    );
}

#[test]
fn unrolled() {
    accepted("BEGIN { unroll(100) { unroll(20) { @ = count(); } } }");
    refused(
        "BEGIN { unroll(100) { unroll(100) { unroll(100) { @ = pid; } } } }",
        "too long",
    );
    refused("BEGIN { unroll(101) { @ = 1; } }", "maximum value is 100");
    refused(
        "BEGIN { unroll(18446744073709551615) { @ = 1; } }",
        "unroll",
    );
}

#[test]
fn values() {
    let tuple = |count: usize| format!("({})", numbered(count, |number| format!("{number}, ")));
    accepted(&in_begin(&format!("$x = {}; print($x.999);", tuple(1000))));
    refused(
        &in_begin(&format!("@[{}] = 1;", tuple(20_000))),
        "a key of @ has",
    );
    let doubled = numbered(40, |number| {
        format!("$a{} = ($a{number}, $a{number});", number + 1)
    });
    refused(
        &in_begin(&format!("$a0 = (1, 2); {doubled}")),
        "and can have 524288",
    );
    accepted(
        "config = { max_strlen = 65536 } BEGIN { $x = str(curtask); print(strlen($x)); print($x); if ($x == str(5)) { print(1); } }",
    );
    refused(
        "config = { max_strlen = 65536 } BEGIN { @[str(1), str(2)] = 1; }",
        "a key of @ has",
    );
    refused(
        "config = { max_strlen = 65537 } BEGIN { print(1); }",
        "max_strlen",
    );
    let script = "config = { max_strlen = 600 } BEGIN { @[str(1)] = 1; }";
    assert!(compile_for(script, (5, 11)).is_ok());
    let said = compile_for(script, (5, 10)).expect_err("Linux 5.10 takes keys of 512 bytes");
    assert!(said.contains("before Linux 5.11"), "{said}");
}

#[test]
fn structures() {
    for (definition, wanted) in [
        ("struct a { struct a b; };", "itself as a part"),
        (
            "struct path { struct file a; }; struct file { struct path b; };",
            "itself as a part",
        ),
        (
            "struct a { struct b b[2]; }; struct b { struct a a; };",
            "the size of struct b is not known",
        ),
        (
            "union a { struct { union a b; } c; };",
            "the size of union a is not known",
        ),
    ] {
        refused(&format!("{definition} BEGIN {{ print(1); }}"), wanted);
    }
    let nested = numbered(30, |number| {
        format!("struct s{} {{ struct s{number} a[10]; }};\n", number + 1)
    });
    let script =
        format!("struct s0 {{ int x; }};\n{nested} BEGIN {{ print(sizeof(struct s30)); }}");
    refused(&script, "is larger than");
    refused(
        "struct a { int b[4294967295]; }; BEGIN { print(1); }",
        "is larger than",
    );
    refused(
        "struct a { int b[99999999999]; int c[99999999999]; }; BEGIN { print(1); }",
        "is larger than",
    );
    refused(
        "struct a { int b:33; }; BEGIN { print(1); }",
        "wider than its type",
    );
    refused(
        "struct a { long b:4294967297; }; BEGIN { print(1); }",
        "wider than its type",
    );
    refused("BEGIN { $x = (int64[99999999])1; }", "is larger than");
    refused(
        "struct a { char b[1000000]; }; BEGIN { print(*(struct a *)5); }",
        "ring buffer",
    );
}

#[test]
fn histograms() {
    let lhist = |min: &str, max: &str, step: &str| {
        format!("BEGIN {{ @ = lhist(pid, {min}, {max}, {step}); }}")
    };
    const MIN: &str = "-9223372036854775807 - 1";
    const MAX: &str = "9223372036854775807";
    refused(&lhist(MIN, MAX, "1"), "too many buckets");
    refused(&lhist("0", MAX, "1000000"), "too many buckets");
    accepted(&lhist(MIN, MAX, MAX));
    accepted(&lhist(MIN, MAX, "0x4000000000000000"));
    refused(&lhist(MAX, MIN, "1"), "min must be less than max");
    refused(&lhist("0", "10", "0"), "step must be");
    refused(&lhist("0", "10", MIN), "step must be");
    refused(&lhist("0", "10", "11"), "step is too large");
    refused("BEGIN { @ = hist(pid, 6); }", "bits must be");
    refused("BEGIN { @ = hist(pid, -1); }", "bits must be");
    refused(
        "BEGIN { @ = tseries(pid, 18446744073709551615, 5); }",
        "positive literals",
    );
    refused("BEGIN { @ = tseries(pid, 5, 1000001); }", "num_intervals");
}

#[test]
fn arguments() {
    refused("BEGIN { @[1] = 1; print(@, -1); }", "positive number");
    refused(
        "BEGIN { @[kstack(128)] = count(); }",
        "shouldn't exceed 127",
    );
    refused(
        "BEGIN { @[kstack(18446744073709551615)] = count(); }",
        "shouldn't exceed 127",
    );
    refused("BEGIN { print(str(1, -1)); }", "cannot be negative");
    refused(
        "let @a = hash(0); BEGIN { @a[1] = 1; }",
        "from 1 to 67108864",
    );
    refused(
        "let @a = hash(99999999999); BEGIN { @a[1] = 1; }",
        "from 1 to 67108864",
    );
    refused(
        "config = { max_map_keys = 0 } BEGIN { @a[1] = 1; }",
        "max_map_keys",
    );
    refused(
        "config = { perf_rb_pages = 18446744073709551615 } BEGIN { print(1); }",
        "perf_rb_pages",
    );
    let many = format!("printf(\"{}\"{});", "%d".repeat(100), ", pid".repeat(100));
    refused(&in_begin(&many), "up to 64 arguments");
    refused("BEGIN { print(curtask->numbers[4]); }", "out of bounds");
    refused(
        "BEGIN { print(curtask->numbers[18446744073709551615]); }",
        "out of bounds",
    );
    accepted(
        "BEGIN { print(str(1, 1000000000)); print(buf(1, 1000000000)); printf(\"%9999999999d\", 1); }",
    );
}

#[test]
fn arithmetic_at_its_borders() {
    for value in ["1 / 0", "1 % 0", "5 - 3 / 0"] {
        refused(&in_begin(&format!("$x = {value};")), "division by zero");
    }
    let values = [
        "(-9223372036854775807 - 1) / -1",
        "(-9223372036854775807 - 1) % -1",
        "-(-9223372036854775807 - 1)",
        "9223372036854775807 * 9223372036854775807",
        "9223372036854775807 + 1",
        "1 << 64",
        "1 << -1",
        "1 >> 100",
        "pid << 64",
        "pid >> -5",
        "~18446744073709551615",
        "(int64)pid / -1",
        "(int64)pid % 9223372036854775807",
        "pid * 9223372036854775808",
    ];
    for value in values {
        accepted(&in_begin(&format!("$x = {value}; print($x); @ = $x;")));
    }
    for operator in ["/=", "%=", "<<=", ">>=", "*="] {
        let script = in_begin(&format!(
            "@a = 1; @a {operator} 18446744073709551615; @a {operator} -1; print(@a);"
        ));
        accepted(&script);
    }
    accepted(
        "BEGIN { for ($i : -9223372036854775807..9223372036854775807) { @ = $i; } for ($i : 10..0) { @ = $i; } }",
    );
}

#[test]
fn casts_of_everything_to_everything() {
    let kinds = [
        "uint8",
        "int8",
        "int16",
        "uint32",
        "int64",
        "uint64",
        "bool",
        "int8[4]",
        "int8[8]",
        "uint16[4]",
        "string",
        "string[16]",
        "buffer[4]",
        "inet",
        "struct task_struct *",
        "struct task_struct",
        "enum pid_type",
        "void *",
        "char *",
        "uint8 **",
        "count_t",
        "kstack_t",
        "(int8, int8)",
        "typeof(comm)",
        "nothing",
        "void",
    ];
    let values = [
        "1",
        "-1",
        "18446744073709551615",
        "true",
        "\"abc\"",
        "comm",
        "pid",
        "curtask",
        "*curtask",
        "kstack",
        "ustack",
        "(1, 2)",
        "(a=1)",
        "ntop(1)",
        "buf(\"ab\", 2)",
        "ksym(1)",
        "usym(1)",
        "username",
        "strftime(\"%F\", 1)",
        "nsecs",
        "curtask->pid_kind",
        "curtask->numbers",
        "curtask->sched_class",
        "PIDTYPE_SID",
        "@c",
        "@h",
        "@m",
        "@s[1]",
        "macaddr(curtask->cpus_mask)",
        "pton(\"1.2.3.4\")",
        "args",
        "func",
        "{ let $z = 1; $z }",
        "strerror(1)",
    ];
    let maps = "@c = count(); @h = hist(1); @m = 5; @s[1] = \"x\";";
    let mut compiled = 0;
    for kind in kinds {
        for value in values {
            let script = format!(
                "fentry:vfs_read {{ {maps} $x = ({kind}){value}; print($x); @o[$x] = $x; }}"
            );
            compiled += usize::from(compile_for(&script, (6, 12)).is_ok());
        }
    }
    assert!(compiled > 100, "{compiled}");
}

#[test]
fn cut_off_anywhere() {
    let script = "#define A 1\nconfig = { max_strlen = 9 } struct a { int b:3; }; macro m($v, e) { $v = e } let @m = hash(5); kprobe:vfs_read /pid / 2 == 1/ { $x = (struct a *)arg0; @[$x->b, \"a\\x41\"] = hist(0x1f, 2); for ($i : 0..5) { @m[$i]++; } /* c */ }";
    for end in 0..script.len() {
        let _ = compile_for(&script[..end], (6, 12));
        let _ = compile_for(&script[end..], (6, 12));
    }
    accepted(script);
}
