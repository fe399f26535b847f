//! What is said of scripts that are wrong, and where.

use expect_test::{Expect, expect};

use crate::support::said;

fn check(source: &str, expect: Expect) {
    check_for(source, (6, 12), expect);
}

fn check_for(source: &str, release: (u32, u32), expect: Expect) {
    expect.assert_eq(&said(source, release));
}

#[test]
fn syntax() {
    check(
        "BEGIN { $x = ; }",
        expect![[r#"
        script.bt:1:14-15: ERROR: syntax error, unexpected ;, expected an expression
        BEGIN { $x = ; }
                     ~
    "#]],
    );
    check(
        "BEGIN { $x = 1.5; }",
        expect![[r#"
        script.bt:1:14-17: ERROR: there are no numbers with a fraction
        BEGIN { $x = 1.5; }
                     ~~~
        HINT: reckon in smaller units: 1500 ms for 1.5 s
    "#]],
    );
    check(
        "BEGIN { printf(\"a }",
        expect![[r#"
        script.bt:1:16-20: ERROR: unterminated string
        BEGIN { printf("a }
                       ~~~~
    "#]],
    );
    check(
        "BEGIN { @a[1 = 2; }",
        expect![[r#"
        script.bt:1:14-15: ERROR: syntax error, unexpected =, expected ]
        BEGIN { @a[1 = 2; }
                     ~
    "#]],
    );
    check(
        "BEGIN {\n\t$x = 1\n\t$y = 2;\n}",
        expect![[r#"
        script.bt:3:2-4: ERROR: syntax error, unexpected $y, expected ; or }
        	$y = 2;
        	~~
    "#]],
    );
    check(
        "kprobe:vfs_read { print(1); ",
        expect![[r#"
        script.bt:1:29-30: ERROR: syntax error, unexpected end of file, expected }
        kprobe:vfs_read { print(1); 
                                    ~
    "#]],
    );
    check(
        "BEGIN { $x = 0b101; }",
        expect![[r#"
        script.bt:1:14-19: ERROR: invalid integer suffix 'b101' in number: 0b101
        BEGIN { $x = 0b101; }
                     ~~~~~
    "#]],
    );
}

#[test]
fn names() {
    check(
        "BEGIN { print(@nomap); }",
        expect![[r#"
        script.bt:1:15-21: ERROR: Undefined map: @nomap
        BEGIN { print(@nomap); }
                      ~~~~~~
    "#]],
    );
    check(
        "BEGIN { print($x); }",
        expect![[r#"
        script.bt:1:15-17: ERROR: Undefined or undeclared variable: $x
        BEGIN { print($x); }
                      ~~
    "#]],
    );
    check(
        "BEGIN { $x = $x * 2; }",
        expect![[r#"
        script.bt:1:14-16: WARNING: $x is used outside of the block that it is made in: it may be zero
        BEGIN { $x = $x * 2; }
                     ~~
        HINT: Declare it before with: let $x;
        script.bt:1:9-11: ERROR: Undefined or undeclared variable: $x
        BEGIN { $x = $x * 2; }
                ~~
    "#]],
    );
    check(
        "BEGIN { prinft(\"a\"); }",
        expect![[r#"
        script.bt:1:9-15: ERROR: Unknown function: 'prinft'
        BEGIN { prinft("a"); }
                ~~~~~~
        HINT: did you mean print?
    "#]],
    );
    check(
        "BEGIN { $c = curtask; print($c->nothing); }",
        expect![[r#"
        script.bt:1:29-40: ERROR: Struct/union of type 'struct task_struct' does not contain a field named 'nothing'
        BEGIN { $c = curtask; print($c->nothing); }
                                    ~~~~~~~~~~~
    "#]],
    );
    check(
        "BEGIN { $x = (struct nothing *)1; print($x->a); }",
        expect![[r#"
        script.bt:1:41-46: ERROR: Unknown struct/union: 'struct nothing'
        BEGIN { $x = (struct nothing *)1; print($x->a); }
                                                ~~~~~
    "#]],
    );
    check(
        "kprobe:no_such_function { }",
        expect![[r#"
        script.bt:1:1-24: ERROR: nothing matches kprobe:no_such_function
        kprobe:no_such_function { }
        ~~~~~~~~~~~~~~~~~~~~~~~
    "#]],
    );
    check(
        "kprob:vfs_read { }",
        expect![[r#"
        script.bt:1:1-15: ERROR: Unrecognized probe type: kprob
        kprob:vfs_read { }
        ~~~~~~~~~~~~~~
    "#]],
    );
}

#[test]
fn types() {
    check(
        "BEGIN { @a = 1; @a = \"x\"; }",
        expect![[r#"
        script.bt:1:22-25: ERROR: Type mismatch for @a: trying to assign value of type 'string[2]' when map already has a type 'int64'
        BEGIN { @a = 1; @a = "x"; }
                             ~~~
    "#]],
    );
    check(
        "BEGIN { @a[1] = 1; @a[\"x\"] = 2; }",
        expect![[r#"
        script.bt:1:23-26: ERROR: Argument mismatch for @a: trying to access with arguments: 'string[2]' when map expects arguments: 'int64'
        BEGIN { @a[1] = 1; @a["x"] = 2; }
                              ~~~
    "#]],
    );
    check(
        "BEGIN { @a = count(); @a = 5; }",
        expect![[r#"
        script.bt:1:28-29: ERROR: Type mismatch for @a: trying to assign value of type 'int64' when map already has a type 'count_t'
        BEGIN { @a = count(); @a = 5; }
                                   ~
    "#]],
    );
    check(
        "BEGIN { $x = 1 + \"a\"; }",
        expect![[r#"
        script.bt:1:14-21: ERROR: The + operator can not be used on expressions of types 'int8', 'string[2]'
        BEGIN { $x = 1 + "a"; }
                     ~~~~~~~
    "#]],
    );
    check(
        "BEGIN { struct task_struct }",
        expect![[r#"
        script.bt:1:9-27: ERROR: a type stands where a value is needed
        BEGIN { struct task_struct }
                ~~~~~~~~~~~~~~~~~~
    "#]],
    );
    check(
        "BEGIN { $x = pid ? 1 : \"a\"; }",
        expect![[r#"
        script.bt:1:14-27: ERROR: Branches must return the same type: have 'int8' and 'string[2]'
        BEGIN { $x = pid ? 1 : "a"; }
                     ~~~~~~~~~~~~~
    "#]],
    );
    check(
        "BEGIN { print((1, 2).5); }",
        expect![[r#"
        script.bt:1:15-23: ERROR: Invalid tuple index: 5. Found 2 elements in tuple.
        BEGIN { print((1, 2).5); }
                      ~~~~~~~~
    "#]],
    );
    check(
        "kprobe:vfs_read { print(retval); }",
        expect![[r#"
        script.bt:1:25-31: ERROR: The retval builtin can only be used with kretprobe, uretprobe and fexit probes, not with 'kprobe'
        kprobe:vfs_read { print(retval); }
                                ~~~~~~
    "#]],
    );
}

#[test]
fn calls() {
    check(
        "BEGIN { printf(\"%d %s\", 1); }",
        expect![[r#"
        script.bt:1:9-26: ERROR: printf: Not enough arguments for format string (2 expected, 1 supplied)
        BEGIN { printf("%d %s", 1); }
                ~~~~~~~~~~~~~~~~~
    "#]],
    );
    check(
        "BEGIN { @ = hist(); }",
        expect![[r#"
        script.bt:1:13-19: ERROR: hist() requires at least 1 argument (0 provided)
        BEGIN { @ = hist(); }
                    ~~~~~~
    "#]],
    );
    check(
        "BEGIN { @ = lhist(1, 10, 0, 1); }",
        expect![[r#"
        script.bt:1:13-31: ERROR: lhist() min must be less than max (provided min 10 and max 0)
        BEGIN { @ = lhist(1, 10, 0, 1); }
                    ~~~~~~~~~~~~~~~~~~
    "#]],
    );
    check(
        "BEGIN { system(\"ls\"); }",
        expect![[r#"
        script.bt:1:9-21: ERROR: system() is an unsafe function being used in safe mode
        BEGIN { system("ls"); }
                ~~~~~~~~~~~~
        HINT: allow it with --unsafe
    "#]],
    );
    check(
        "BEGIN { print(@, -1); }",
        expect![[r#"
        script.bt:1:18-20: ERROR: print() expects a positive number
        BEGIN { print(@, -1); }
                         ~~
        script.bt:1:15-16: ERROR: Undefined map: @
        BEGIN { print(@, -1); }
                      ~
    "#]],
    );
    check(
        "BEGIN { unroll(101) { @ = 1; } }",
        expect![[r#"
        script.bt:1:16-19: ERROR: unroll maximum value is 100
        BEGIN { unroll(101) { @ = 1; } }
                       ~~~
    "#]],
    );
}

#[test]
fn sizes() {
    check(
        "struct a { struct a b; }; BEGIN { print(1); }",
        expect![[r#"
            script.bt:1:12-20: ERROR: struct a would have itself as a part
            struct a { struct a b; }; BEGIN { print(1); }
                       ~~~~~~~~
        "#]],
    );
    check(
        "struct a { int b:40; }; BEGIN { print(1); }",
        expect![[r#"
            script.bt:1:18-20: ERROR: a bit field is wider than its type
            struct a { int b:40; }; BEGIN { print(1); }
                             ~~
        "#]],
    );
    check(
        "config = { max_strlen = 65536 } BEGIN { @[str(1), str(2)] = 1; }",
        expect![[r#"
            script.bt:1:42-58: ERROR: a key of @ has 131072 bytes, and can have 65536
            config = { max_strlen = 65536 } BEGIN { @[str(1), str(2)] = 1; }
                                                     ~~~~~~~~~~~~~~~~
            HINT: make strings shorter by the config variable max_strlen
        "#]],
    );
    check(
        "BEGIN { @ = 1 / 0; }",
        expect![[r#"
        script.bt:1:13-18: ERROR: division by zero
        BEGIN { @ = 1 / 0; }
                    ~~~~~
    "#]],
    );
}

#[test]
fn kernels() {
    check_for(
        "BEGIN { @a[1] = 1; for ($kv : @a) { print($kv); } }",
        (5, 10),
        expect![[r#"
            script.bt:1:20-50: ERROR: a loop over a map needs Linux 5.13
            BEGIN { @a[1] = 1; for ($kv : @a) { print($kv); } }
                               ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
        "#]],
    );
    check_for(
        "config = { max_strlen = 240 } kprobe:vfs_read { @[str(arg1), str(arg2), str(arg3)] = count(); }",
        (5, 10),
        expect![[r#"
            script.bt:1:50-83: ERROR: a key of @ has 720 bytes, and before Linux 5.11 could have 512
            config = { max_strlen = 240 } kprobe:vfs_read { @[str(arg1), str(arg2), str(arg3)] = count(); }
                                                             ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
            HINT: make strings shorter by the config variable max_strlen
        "#]],
    );
    check_for(
        "BEGIN { @ = nsecs(tai); }",
        (5, 10),
        expect![[r#"
            script.bt:1:13-23: ERROR: nsecs(tai) needs Linux 6.1; nsecs(sw_tai) is the same without its help
            BEGIN { @ = nsecs(tai); }
                        ~~~~~~~~~~
        "#]],
    );
}

#[test]
fn config() {
    check(
        "config = { max_strlenn = 5 } BEGIN { print(1); }",
        expect![[r#"
        script.bt:1:12-27: ERROR: max_strlenn: not a known configuration option
        config = { max_strlenn = 5 } BEGIN { print(1); }
                   ~~~~~~~~~~~~~~~
        HINT: did you mean max_strlen?
    "#]],
    );
    check(
        "config = { max_strlen = 0 } BEGIN { print(1); }",
        expect![[r#"
        script.bt:1:12-26: ERROR: max_strlen: 0 is out of range: it is from 1 to 65536
        config = { max_strlen = 0 } BEGIN { print(1); }
                   ~~~~~~~~~~~~~~
    "#]],
    );
    check(
        "config = { stack_mode = foo } BEGIN { print(1); }",
        expect![[r#"
        script.bt:1:12-28: ERROR: stack_mode: Invalid value for stack_mode: valid values are bpftrace, perf, raw, and build_id.
        config = { stack_mode = foo } BEGIN { print(1); }
                   ~~~~~~~~~~~~~~~~
    "#]],
    );
}

#[test]
fn macros() {
    check(
        "macro a(x) { a(x) } BEGIN { $y = a(1); }",
        expect![[r#"
        script.bt:1:14-18: ERROR: macros call each other too deeply: a
        macro a(x) { a(x) } BEGIN { $y = a(1); }
                     ~~~~
    "#]],
    );
    check(
        "macro a($x) { $x } BEGIN { $y = a(1); }",
        expect![[r#"
        script.bt:1:33-37: ERROR: Call to macro a has arguments of the wrong kind: it takes a variable for $x, a map for @x
        macro a($x) { $x } BEGIN { $y = a(1); }
                                        ~~~~
    "#]],
    );
    check(
        "macro a(x) { x } BEGIN { $y = a(1, 2); }",
        expect![[r#"
        script.bt:1:31-38: ERROR: Call to macro a has wrong number of arguments: it takes 1, and got 2
        macro a(x) { x } BEGIN { $y = a(1, 2); }
                                      ~~~~~~~
    "#]],
    );
}

/// The verifier follows all frames one after the other there.
#[test]
fn many_frames_on_an_old_kernel() {
    check_for(
        "BEGIN { print(dw_ustack(60)); print(dw_ustack(64)); print(dw_ustack(5)); }",
        (5, 16),
        expect![[r#"
            script.bt:1:37-50: ERROR: dw_ustack can take 127 frames in all in a probe before Linux 5.17, and this takes 128
            BEGIN { print(dw_ustack(60)); print(dw_ustack(64)); print(dw_ustack(5)); }
                                                ~~~~~~~~~~~~~
            HINT: give each a limit: dw_ustack(20)
            script.bt:1:59-71: ERROR: dw_ustack can take 127 frames in all in a probe before Linux 5.17, and this takes 192
            BEGIN { print(dw_ustack(60)); print(dw_ustack(64)); print(dw_ustack(5)); }
                                                                      ~~~~~~~~~~~~
            HINT: give each a limit: dw_ustack(20)
        "#]],
    );
}
