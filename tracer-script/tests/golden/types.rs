//! The types of maps and variables.

use expect_test::{Expect, expect};
use tracer_script::Stage;

use crate::support::stage;

fn check(source: &str, expect: Expect) {
    expect.assert_eq(&stage(source, (6, 12), Stage::Types));
}

#[test]
fn small_numbers_are_kept_wide() {
    check(
        "BEGIN { @a = 1; @b = (uint8)1; $c = 5; $d = (int16)3; @e[1, -1] = nsecs; }",
        expect![[r#"
        @a: int64
        @b: uint64
        @e[(int64,int64)]: uint64
        program 0: $c: int64
        program 0: $d: int64
    "#]],
    );
}

#[test]
fn signs_of_literals_do_not_count() {
    check(
        "BEGIN { @a = pid; @a = 5; @b = 5; @b = pid; @c = pid; @c = -1; }",
        expect![[r#"
        @a: uint64
        @b: uint64
        @c: int64
    "#]],
    );
}

#[test]
fn what_is_added_up_has_a_type_of_its_own() {
    check(
        "BEGIN { @a = count(); @b = sum(-1); @c[pid] = hist(5, 2); @d = lhist(1, 0, 10, 5); @e = stats(pid); $f = @a; }",
        expect![[r#"
            @a: count_t
            @b: sum_t
            @c[uint64]: hist_t
            @d: lhist_t
            @e: stats_t
            program 0: $f: unknown
            script.bt:1:106-108: ERROR: Value 'count_t' cannot be assigned to a scratch variable
            BEGIN { @a = count(); @b = sum(-1); @c[pid] = hist(5, 2); @d = lhist(1, 0, 10, 5); @e = stats(pid); $f = @a; }
                                                                                                                     ~~
        "#]],
    );
}

#[test]
fn strings_grow_to_the_longest() {
    check(
        "BEGIN { @a = \"x\"; @a = comm; @b[\"abc\"] = 1; @b[comm] = 2; $c = \"a\"; $c = \"abcd\"; }",
        expect![[r#"
        @a: string[16]
        @b[string[16]]: int64
        program 0: $c: string[5]
    "#]],
    );
}

#[test]
fn a_later_line_tells_the_type_of_an_earlier() {
    check(
        "kprobe:vfs_read { $x = @a; print($x); } kprobe:vfs_write { @a = comm; }",
        expect![[r#"
        @a: string[16]
        program 0: $x: string[16]
    "#]],
    );
}

#[test]
fn members_have_the_types_of_the_kernel() {
    check(
        "fentry:vfs_open { $f = args.file; $i = $f->f_inode; @n = $f->f_inode->i_ino; @name = args.path->dentry->d_iname; $q = args.path->dentry->d_name; }",
        expect![[r#"
            @n: uint64
            @name: string[32]
            program 0: $f: struct file *
            program 0: $i: struct inode *
            program 0: $q: struct qstr
        "#]],
    );
}

#[test]
fn tuples_and_records() {
    check(
        "BEGIN { $t = (1, \"a\", (pid, comm)); @r = (a=1, b=$t.2); @k[$t.1, 2] = @r.b.1; }",
        expect![[r#"
        @k[(string[2],int64)]: string[16]
        @r: record {.a = int64, .b = (uint64,string[16])}
        program 0: $t: (int64,string[2],(uint64,string[16]))
    "#]],
    );
}

#[test]
fn values_with_a_face_of_their_own() {
    check(
        "BEGIN { @a[kstack(3)] = 1; @b = ksym(5); @c = ntop(1); @d = username; @e = strftime(\"%F\", nsecs); @f = buf(\"ab\", 2); @g = curtask->pid_kind; }",
        expect![[r#"
            @a[kstack]: int64
            @b: ksym_t
            @c: inet
            @d: username_t
            @e: timestamp
            @f: buffer[2]
            @g: enum pid_type
        "#]],
    );
}

#[test]
fn variables_belong_to_their_block() {
    check(
        "BEGIN { if (pid) { let $x = 1; } else { let $x = comm; } for ($i : 0..3) { $y = $i; } }",
        expect![[r#"
        program 0: $x: int64
        program 0: $x: string[16]
        program 0: $i: int64
        program 0: $y: int64
    "#]],
    );
}
