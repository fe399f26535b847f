//! The instructions of loops.

use expect_test::{Expect, expect};
use tracer_script::Stage;

use crate::support::stage;

fn check(source: &str, expect: Expect) {
    check_for(source, (6, 12), expect);
}

fn check_for(source: &str, release: (u32, u32), expect: Expect) {
    expect.assert_eq(&stage(source, release, Stage::Code));
}

#[test]
fn a_map_is_gone_through_by_a_callback() {
    check(
        "BEGIN { @a[1] = 2; for ($kv : @a) { @sum += $kv.1; } }",
        expect![[r#"
            begin_0
                0: *(u64 *)(r10 -16) = r1
                1: *(u64 *)(r10 -32) = 1
                2: r1 = map 0
                4: r2 = r10
                5: r2 += -32
                6: call 1
                7: r1 = r0
                8: r6 = r1
                9: if r6 != 0 goto +17
               10: r1 = map 0
               12: r2 = r10
               13: r2 += -32
               14: r3 = value of map 5 + 0
               16: r4 = 1
               17: call 2
               18: r1 = r0
               19: r1 = map 0
               21: r2 = r10
               22: r2 += -32
               23: call 1
               24: r1 = r0
               25: r6 = r1
               26: if r6 == 0 goto +2
               27: *(u64 *)(r6 +0) = 2
               28: goto +10
               29: *(u32 *)(r10 -40) = 7
               30: r1 = map 3
               32: r2 = r10
               33: r2 += -40
               34: call 1
               35: r1 = r0
               36: if r1 == 0 goto +2
               37: r0 = 1
               38: lock *(u64 *)(r1 +0) op 0x0 r0
               39: r1 = map 0
               41: r2 = (4) 0x7 ll
               43: r3 = r10
               44: r3 += -24
               45: r4 = 0
               46: call 164
               47: r0 = 0
               48: exit

               49: r1 = r3
               50: r1 = *(u64 *)(r1 +0)
               51: *(u32 *)(r10 -8) = 0
               52: r2 = value of map 1 + 0
               54: lock *(u64 *)(r2 +8) op 0x0 r1
               55: *(u64 *)(r2 +0) = 1
               56: r0 = 0
               57: exit
        "#]],
    );
}

#[test]
fn a_while_loop_by_callback_and_by_jumps() {
    let source = "BEGIN { $i = 0; while ($i < 10) { $i++; } @ = $i; }";
    check(
        source,
        expect![[r#"
            begin_0
                0: r6 = r1
                1: call 8
                2: r1 = r0
                3: r1 *= 1
                4: r1 += 0
                5: r1 += 0
                6: *(u32 *)(r10 -32) = r1
                7: r1 = map 3
                9: r2 = r10
               10: r2 += -32
               11: call 1
               12: r7 = r0
               13: if r7 == 0 goto +19
               14: *(u64 *)(r10 -24) = r7
               15: *(u64 *)(r10 -16) = r6
               16: *(u64 *)(r7 +32) = 0
               17: r1 = 8388608
               18: r2 = (4) 0x10 ll
               20: r3 = r10
               21: r3 += -24
               22: r4 = 0
               23: call 181
               24: r1 = r0
               25: r1 = *(u64 *)(r7 +32)
               26: *(u32 *)(r10 -32) = 0
               27: r2 = value of map 0 + 0
               29: *(u64 *)(r2 +8) = r1
               30: *(u64 *)(r2 +0) = 1
               31: r0 = 0
               32: exit
               33: r0 = 0
               34: exit

               35: r1 = r2
               36: r1 = *(u64 *)(r1 +0)
               37: r2 = *(u64 *)(r1 +32)
               38: if r2 s>= 10 goto +5
               39: r2 = *(u64 *)(r1 +32)
               40: r2 += 1
               41: *(u64 *)(r1 +32) = r2
               42: r0 = 0
               43: exit
               44: r0 = 1
               45: exit
            script.bt:1:17-42: WARNING: while loops are deprecated
            BEGIN { $i = 0; while ($i < 10) { $i++; } @ = $i; }
                            ~~~~~~~~~~~~~~~~~~~~~~~~~
            HINT: use a for loop over a range: for ($i : 0..10) { … }
        "#]],
    );
    check_for(
        source,
        (5, 10),
        expect![[r#"
            begin_0
                0: r1 = 0
                1: if r1 s>= 10 goto +4
                2: r2 = r1
                3: r2 += 1
                4: r1 = r2
                5: goto -5
                6: *(u32 *)(r10 -32) = 0
                7: r2 = value of map 0 + 0
                9: *(u64 *)(r2 +8) = r1
               10: *(u64 *)(r2 +0) = 1
               11: r0 = 0
               12: exit
            script.bt:1:17-42: WARNING: while loops are deprecated
            BEGIN { $i = 0; while ($i < 10) { $i++; } @ = $i; }
                            ~~~~~~~~~~~~~~~~~~~~~~~~~
            HINT: use a for loop over a range: for ($i : 0..10) { … }
        "#]],
    );
}

#[test]
fn unrolled() {
    check(
        "BEGIN { $x = (int64)pid; unroll(3) { $x = $x * 3; } @ = $x; }",
        expect![[r#"
            begin_0
                0: call 158
                1: r1 = r0
                2: r1 = *(u32 *)(r1 +52)
                3: r2 = r1
                4: r2 *= 3
                5: r1 = r2
                6: r2 = r1
                7: r2 *= 3
                8: r1 = r2
                9: r2 = r1
               10: r2 *= 3
               11: r1 = r2
               12: *(u32 *)(r10 -32) = 0
               13: r2 = value of map 0 + 0
               15: *(u64 *)(r2 +8) = r1
               16: *(u64 *)(r2 +0) = 1
               17: r0 = 0
               18: exit
        "#]],
    );
}
