//! The instructions that find arguments of static markers.

use expect_test::{Expect, expect};
use tracer_script::Stage;

use crate::support::stage;

fn check(source: &str, expect: Expect) {
    expect.assert_eq(&stage(source, (6, 12), Stage::Code));
}

#[test]
fn arguments_of_a_marker_lie_where_its_note_says() {
    check(
        "usdt:/app:app:start { @ = arg0 + arg1 + arg2; }",
        expect![[r#"
            start_0
                0: r2 = *(u64 *)(r1 +112)
                1: r6 = r2
                2: r6 <<= 32
                3: r6 s>>= 32
                4: r1 = *(u64 *)(r1 +32)
                5: r1 += -16
                6: r3 = r1
                7: r1 = r10
                8: r1 += -32
                9: r2 = 8
               10: call 112
               11: r1 = r0
               12: r1 = *(u64 *)(r10 -32)
               13: r0 = r6
               14: r0 += r1
               15: r1 = r0
               16: r2 = 7
               17: r2 &= 65535
               18: r1 += r2
               19: *(u32 *)(r10 -32) = 0
               20: r2 = value of map 0 + 0
               22: *(u64 *)(r2 +8) = r1
               23: *(u64 *)(r2 +0) = 1
               24: r0 = 0
               25: exit
        "#]],
    );
}

#[test]
fn places_of_a_marker_share_a_program_where_arguments_do_not_matter() {
    check(
        "usdt:/app:app:step { @ = 1; }",
        expect![[r#"
            step_0
                0: *(u32 *)(r10 -32) = 0
                1: r1 = value of map 0 + 0
                3: *(u64 *)(r1 +8) = 1
                4: *(u64 *)(r1 +0) = 1
                5: r0 = 0
                6: exit
        "#]],
    );
    check(
        "usdt:/app:app:step { @ = arg0; }",
        expect![[r#"
            step_0
                0: r2 = *(u64 *)(r1 +80)
                1: r1 = *(u64 *)(r1 +88)
                2: r1 *= 8
                3: r0 = r2
                4: r0 += r1
                5: r1 = r0
                6: r3 = r1
                7: r1 = r10
                8: r1 += -32
                9: r2 = 4
               10: call 112
               11: r1 = r0
               12: r1 = *(u32 *)(r10 -32)
               13: w1 = r1
               14: *(u32 *)(r10 -32) = 0
               15: r2 = value of map 0 + 0
               17: *(u64 *)(r2 +8) = r1
               18: *(u64 *)(r2 +0) = 1
               19: r0 = 0
               20: exit
            step_1
                0: r1 = *(u64 *)(r1 +104)
                1: *(u32 *)(r10 -32) = 0
                2: r2 = value of map 0 + 0
                4: *(u64 *)(r2 +8) = r1
                5: *(u64 *)(r2 +0) = 1
                6: r0 = 0
                7: exit
        "#]],
    );
}
