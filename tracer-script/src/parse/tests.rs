use super::*;

fn parse_text(source: &str) -> (Script, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let script = parse(source, &[], &mut diagnostics);
    (script, diagnostics)
}

fn accepted(source: &str) -> Script {
    let (script, diagnostics) = parse_text(source);
    let told: Vec<_> = diagnostics.iter().collect();
    assert!(told.is_empty(), "{source}: {told:?}");
    script
}

#[test]
fn whole_scripts() {
    for source in [
        "BEGIN { printf(\"hi\\n\"); exit() }",
        "kprobe:vfs_read,kprobe:vfs_write /pid == 1 && 4/2 == 2/ { @[comm, pid] = count(); }",
        "uprobe:/bin/bash:readline /pid/ { @ = hist(arg0, 3); }",
        "config = { max_map_keys = 10; stack_mode = perf } i:s:1 { if (1) { @a++ } else if 2 { --@b } }",
        "let @a = lruhash(10); begin { for ($kv : @a) { print($kv.0); break; } for $i : 0..10 { continue; } }",
        "struct a { int b[4]; struct { u8 c:3; } d; void (*f)(int); }; BEGIN { $x = (struct a *)1; print($x->b[2]); }",
        "macro m($a, b) { $a + b } BEGIN { let $x : uint64 = 5; _ = m($x, 1); $y = { let $z = 1; $z }; }",
        "BEGIN { $a = (1, \"x\", (2,)); $b = (a=1, b=2); $c = $b.a ? 1 : 2; $d = ~-$c ?: 3; unroll(3) { @x += 1; } }",
        "BEGIN { @[kstack(3)] = sum((uint32)1); print(sizeof(struct task_struct)); return; }",
        "t:sched:sched_switch { @ = offsetof(struct task_struct, a.b); } END { clear(@); }",
    ] {
        accepted(source);
    }
}

#[test]
fn precedence() {
    let script = accepted("BEGIN { $x = 1 + 2 * 3 == 7 && 1 | 2; }");
    let text = format!("{:?}", script.probes[0].body);
    let order: Vec<usize> = ["And", "Eq", "Add", "Mul", "BitOr"]
        .iter()
        .map(|name| text.find(name).unwrap())
        .collect();
    assert!(order.is_sorted(), "{text}");
}

#[test]
fn wrong_scripts_get_a_place() {
    for source in [
        "BEGIN { $x = ; }",
        "BEGIN { printf(\"a }",
        "BEGIN { 1 + }",
        "BEGIN",
        "BEGIN { ",
        "{ }",
        "BEGIN { $0 }",
        "BEGIN { 0b101; }",
        "/* BEGIN",
        "BEGIN { f(1 } END { }",
        "macro x(1) { }",
        "let @a = hash(1)",
        "struct a { int",
    ] {
        let (_, diagnostics) = parse_text(source);
        assert!(diagnostics.has_errors(), "{source}");
    }
}

#[test]
fn several_errors_at_once() {
    let (script, diagnostics) = parse_text("BEGIN { $a = ; $b = 1; $c = ); } END { $d = }; }");
    assert!(diagnostics.iter().count() >= 3);
    assert_eq!(script.probes.len(), 2);
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!(
        "BEGIN {{ $x = {}1{}; }}",
        "(".repeat(10_000),
        ")".repeat(10_000)
    );
    assert!(parse_text(&deep).1.has_errors());
    let deep = format!("BEGIN {{ {} }}", "if (1) { ".repeat(10_000));
    assert!(parse_text(&deep).1.has_errors());
    let deep = format!("BEGIN {{ $x = {}1; }}", "-".repeat(10_000));
    assert!(parse_text(&deep).1.has_errors());
}
