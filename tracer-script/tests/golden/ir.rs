//! The intermediate form.

use expect_test::{Expect, expect};
use tracer_script::Stage;

use crate::support::stage;

fn check(source: &str, expect: Expect) {
    check_for(source, (6, 12), expect);
}

fn check_for(source: &str, release: (u32, u32), expect: Expect) {
    expect.assert_eq(&stage(source, release, Stage::Ir));
}

#[test]
fn a_count_without_a_key_adds_in_an_array() {
    check(
        "kprobe:vfs_read { @ = count(); }",
        expect![[r#"
            ; kprobe:vfs_read
            function main (1 parameters)
            b0:
                jump b3
            b1:
                return 0
            b2:
                return 0
            b3:
                jump b4
            b4:
                store 4 [slot1+0], 0
                %2 = MapLookupElem(map0, &slot1+0)
                %1 = %2
                if Ne %1, 0 then b8 else b6
            b5:
                jump b1
            b6:
                store 4 [slot2+0], 7
                %3 = MapLookupElem(map2, &slot2+0)
                if Ne %3, 0 then b9 else b10
            b7:
                return 0
            b8:
                %4 = load 8 [%1+8]
                %5 = Add %4, 1
                store 8 [%1+8], %5
                store 8 [%1+0], 1
                jump b5
            b9:
                Add [%3+0], 1
                jump b10
            b10:
                jump b5
        "#]],
    );
}

#[test]
fn a_count_with_a_key_looks_it_up() {
    check(
        "kprobe:vfs_read { @[tid] = count(); }",
        expect![[r#"
            ; kprobe:vfs_read
            function main (1 parameters)
            b0:
                jump b3
            b1:
                return 0
            b2:
                return 0
            b3:
                jump b4
            b4:
                %1 = GetCurrentTaskBtf()
                %2 = load 4 [%1+48]
                store 8 [slot1+0], %2
                %4 = MapLookupElem(map0, &slot1+0)
                %3 = %4
                if Ne %3, 0 then b8 else b6
            b5:
                jump b1
            b6:
                %5 = MapUpdateElem(map0, &slot1+0, &map4+0, 1)
                %5 = sign extend %5 from 4
                %6 = MapLookupElem(map0, &slot1+0)
                %3 = %6
                if Ne %3, 0 then b8 else b7
            b7:
                store 4 [slot2+0], 7
                %7 = MapLookupElem(map2, &slot2+0)
                if Ne %7, 0 then b9 else b10
            b8:
                %8 = load 8 [%3+0]
                %9 = Add %8, 1
                store 8 [%3+0], %9
                jump b5
            b9:
                Add [%7+0], 1
                jump b10
            b10:
                jump b5
        "#]],
    );
}

#[test]
fn start_times_are_put_and_deleted() {
    check(
        "kprobe:vfs_read { @s[tid] = nsecs; } kretprobe:vfs_read { delete(@s, tid); }",
        expect![[r#"
            ; kprobe:vfs_read
            function main (1 parameters)
            b0:
                jump b3
            b1:
                return 0
            b2:
                return 0
            b3:
                jump b4
            b4:
                %1 = KtimeGetBootNs()
                %2 = %1
                %3 = GetCurrentTaskBtf()
                %4 = load 4 [%3+48]
                store 8 [slot1+0], %4
                store 8 [slot2+0], %2
                %5 = MapUpdateElem(map0, &slot1+0, &slot2+0, 0)
                %5 = sign extend %5 from 4
                if Ne %5, 0 then b6 else b7
            b5:
                jump b1
            b6:
                store 4 [slot3+0], 7
                %6 = MapLookupElem(map2, &slot3+0)
                if Ne %6, 0 then b8 else b9
            b7:
                jump b5
            b8:
                Add [%6+0], 1
                jump b9
            b9:
                jump b7
            ; kretprobe:vfs_read
            function main (1 parameters)
            b0:
                jump b3
            b1:
                return 0
            b2:
                return 0
            b3:
                jump b4
            b4:
                %1 = GetCurrentTaskBtf()
                %2 = load 4 [%1+48]
                store 8 [slot1+0], %2
                %3 = MapDeleteElem(map0, &slot1+0)
                %3 = sign extend %3 from 4
                jump b1
        "#]],
    );
}

#[test]
fn a_member_of_a_member_is_read_in_one_go() {
    check(
        "fentry:vfs_open { @ = args.path->dentry->d_name.len; }",
        expect![[r#"
            ; fentry:vmlinux:vfs_open
            function main (1 parameters)
            b0:
                jump b3
            b1:
                return 0
            b2:
                return 0
            b3:
                jump b4
            b4:
                %1 = ProbeReadKernel(&slot1+0, 8, %0)
                %2 = load 8 [slot1+0]
                %3 = Add %2, 8
                %4 = ProbeReadKernel(&slot1+0, 8, %3)
                %5 = load 8 [slot1+0]
                %6 = Add %5, 36
                %7 = ProbeReadKernel(&slot1+0, 4, %6)
                %8 = load 4 [slot1+0]
                %9 = %8
                store 4 [slot1+0], 0
                %11 = &map0+0
                %10 = %11
                store 8 [%10+8], %9
                store 8 [%10+0], 1
                jump b5
            b5:
                jump b1
        "#]],
    );
}

#[test]
fn a_bit_field_is_cut_out() {
    check(
        "BEGIN { $x = curtask->sched_class; @ = $x; }",
        expect![[r#"
            ; begin
            function main (1 parameters)
            b0:
                jump b3
            b1:
                return 0
            b2:
                return 0
            b3:
                jump b4
            b4:
                %2 = GetCurrentTask()
                %3 = Add %2, 40
                %4 = ProbeReadKernel(&slot1+0, 1, %3)
                %5 = load 1 [slot1+0]
                %6 = Lsh %5, 57
                %6 = Rsh %6, 59
                %1 = %6
                %7 = %1
                store 4 [slot1+0], 0
                %9 = &map0+0
                %8 = %9
                store 8 [%8+8], %7
                store 8 [%8+0], 1
                jump b5
            b5:
                jump b1
        "#]],
    );
}

#[test]
fn a_range_is_a_callback() {
    check(
        "BEGIN { for ($i : 0..5) { if ($i == 2) { return; } @ = $i; } }",
        expect![[r#"
            ; begin
            function main (1 parameters)
            b0:
                jump b3
            b1:
                return 0
            b2:
                return 0
            b3:
                %7 = GetSmpProcessorId()
                %8 = Mul %7, 1
                %8 = Add %8, 0
                %9 = Add %8, 0
                store 4 [slot1+0], %9
                %3 = MapLookupElem(map3, &slot1+0)
                if Ne %3, 0 then b9 else b10
            b4:
                %1 = 0
                %2 = 5
                store 8 [%3+32], %1
                %4 = 0
                if SLt %1, %2 then b5 else b6
            b5:
                %4 = Sub %2, %1
                jump b6
            b6:
                store 8 [%3+8], 0
                %5 = Loop(%4, fn1, &slot0+0, 0)
                %6 = load 8 [%3+8]
                if Ne %6, 0 then b7 else b8
            b7:
                jump b1
            b8:
                jump b1
            b9:
                store 8 [slot0+0], %3
                store 8 [slot0+8], %0
                jump b4
            b10:
                return 0

            function loop1 (2 parameters)
            b0:
                %2 = load 8 [%1+0]
                jump b1
            b1:
                %3 = load 8 [%2+32]
                %4 = Add %3, %0
                %5 = %4
                if Eq %5, 2 then b2 else b3
            b2:
                store 8 [%2+8], 1
                return 1
            b3:
                jump b4
            b4:
                %6 = %5
                store 4 [slot0+0], 0
                %8 = &map0+0
                %7 = %8
                store 8 [%7+8], %6
                store 8 [%7+0], 1
                jump b5
            b5:
                return 0
        "#]],
    );
}

#[test]
fn a_range_is_jumps_before_5_17() {
    check_for(
        "BEGIN { for ($i : 0..5) { if ($i == 2) { return; } @ = $i; } }",
        (5, 10),
        expect![[r#"
            ; begin
            function main (1 parameters)
            b0:
                jump b3
            b1:
                return 0
            b2:
                return 0
            b3:
                jump b4
            b4:
                %1 = 0
                %2 = 5
                jump b5
            b5:
                if SLt %1, %2 then b6 else b8
            b6:
                %3 = %1
                if Eq %3, 2 then b9 else b10
            b7:
                %1 = Add %1, 1
                jump b5
            b8:
                jump b1
            b9:
                jump b1
            b10:
                jump b11
            b11:
                %4 = %3
                store 4 [slot1+0], 0
                %6 = &map0+0
                %5 = %6
                store 8 [%5+8], %4
                store 8 [%5+0], 1
                jump b12
            b12:
                jump b7
        "#]],
    );
}

#[test]
fn both_sides_of_a_choice() {
    check(
        "BEGIN { @ = pid > 5 && tid ? 1 : 2; }",
        expect![[r#"
            ; begin
            function main (1 parameters)
            b0:
                jump b3
            b1:
                return 0
            b2:
                return 0
            b3:
                jump b4
            b4:
                %2 = GetCurrentTaskBtf()
                %3 = load 4 [%2+52]
                if Gt %3, 5 then b8 else b6
            b5:
                %1 = 1
                jump b7
            b6:
                %1 = 2
                jump b7
            b7:
                %5 = %1
                store 4 [slot1+0], 0
                %7 = &map0+0
                %6 = %7
                store 8 [%6+8], %5
                store 8 [%6+0], 1
                jump b9
            b8:
                %4 = load 4 [%2+48]
                if Ne %4, 0 then b5 else b6
            b9:
                jump b1
        "#]],
    );
}

#[test]
fn strings_are_compared_by_their_bytes() {
    check(
        "kprobe:vfs_read /comm == \"sh\"/ { @ = 1; }",
        expect![[r#"
            ; kprobe:vfs_read
            function main (1 parameters)
            b0:
                jump b3
            b1:
                return 0
            b2:
                return 0
            b3:
                jump b4
            b4:
                store 8 [slot1+0], 0
                store 8 [slot1+8], 0
                GetCurrentComm(&slot1+0, 16)
                %1 = 1
                %2 = load 2 [slot1+0]
                if Eq %2, 26739 then b7 else b6
            b5:
                store 4 [slot2+0], 0
                %6 = &map0+0
                %5 = %6
                store 8 [%5+8], 1
                store 8 [%5+0], 1
                jump b12
            b6:
                if Eq %1, 0 then b9 else b11
            b7:
                %3 = load 1 [slot1+2]
                if Eq %3, 0 then b8 else b6
            b8:
                %1 = 0
                jump b6
            b9:
                %4 = 1
                jump b10
            b10:
                if Ne %4, 0 then b5 else b1
            b11:
                %4 = 0
                jump b10
            b12:
                jump b1
        "#]],
    );
}
