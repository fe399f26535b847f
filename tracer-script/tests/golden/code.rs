//! The instructions.

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
fn a_count_is_a_handful_of_instructions() {
    check(
        "tracepoint:sched:sched_switch { @ = count(); }",
        expect![[r#"
            sched_switc_0
                0: *(u32 *)(r10 -32) = 0
                1: r1 = map 0
                3: r2 = r10
                4: r2 += -32
                5: call 1
                6: r1 = r0
                7: if r1 == 0 goto +5
                8: r2 = *(u64 *)(r1 +8)
                9: r2 += 1
               10: *(u64 *)(r1 +8) = r2
               11: *(u64 *)(r1 +0) = 1
               12: goto +10
               13: *(u32 *)(r10 -40) = 7
               14: r1 = map 2
               16: r2 = r10
               17: r2 += -40
               18: call 1
               19: r1 = r0
               20: if r1 == 0 goto +2
               21: r0 = 1
               22: lock *(u64 *)(r1 +0) op 0x0 r0
               23: r0 = 0
               24: exit
        "#]],
    );
}

#[test]
fn a_histogram() {
    check(
        "kretprobe:vfs_read { @ = hist(retval); }",
        expect![[r#"
            vfs_read_0
                0: r1 = *(u64 *)(r1 +80)
                1: r6 = r1
                2: r1 = 0
                3: if r6 s< 0 goto +31
                4: if r6 >= 1 goto +3
                5: r1 = r6
                6: r1 += 1
                7: goto +27
                8: r2 = r6
                9: r3 = 0
               10: r5 = (0) 0x0 ll
               12: if r2 < r5 goto +2
               13: r2 >>= 32
               14: r3 += 32
               15: if r2 < 65536 goto +2
               16: r2 >>= 16
               17: r3 += 16
               18: if r2 < 256 goto +2
               19: r2 >>= 8
               20: r3 += 8
               21: if r2 < 16 goto +2
               22: r2 >>= 4
               23: r3 += 4
               24: if r2 < 4 goto +2
               25: r2 >>= 2
               26: r3 += 2
               27: if r2 < 2 goto +1
               28: r3 += 1
               29: r2 = r3
               30: r2 -= 0
               31: r1 = r2
               32: r1 += 1
               33: r1 <<= 0
               34: r1 += 1
               35: *(u32 *)(r10 -32) = r1
               36: r1 = map 0
               38: r2 = r10
               39: r2 += -32
               40: call 1
               41: r1 = r0
               42: if r1 == 0 goto +7
               43: r2 = *(u64 *)(r1 +0)
               44: r2 += r6
               45: *(u64 *)(r1 +0) = r2
               46: r2 = *(u64 *)(r1 +8)
               47: r2 += 1
               48: *(u64 *)(r1 +8) = r2
               49: goto +10
               50: *(u32 *)(r10 -40) = 7
               51: r1 = map 2
               53: r2 = r10
               54: r2 += -40
               55: call 1
               56: r1 = r0
               57: if r1 == 0 goto +2
               58: r0 = 1
               59: lock *(u64 *)(r1 +0) op 0x0 r0
               60: r0 = 0
               61: exit
        "#]],
    );
}

#[test]
fn system_calls_share_one_raw_tracepoint() {
    check(
        "tracepoint:syscalls:sys_enter_* { @[probe] = count(); }",
        expect![[r#"
            sys_enter_o_0
                0: r1 = *(u64 *)(r1 +8)
                1: if r1 >= 512 goto +56
                2: r1 &= 511
                3: r1 <<= 2
                4: r2 = value of map 4 + 0
                6: r2 += r1
                7: r1 = *(u32 *)(r2 +0)
                8: if r1 == 0 goto +49
                9: r6 = r1
               10: r6 -= 1
               11: call 158
               12: r1 = r0
               13: r1 = *(u32 *)(r1 +16)
               14: r1 &= 2
               15: if r1 != 0 goto +42
               16: *(u64 *)(r10 -32) = r6
               17: r1 = map 0
               19: r2 = r10
               20: r2 += -32
               21: call 1
               22: r1 = r0
               23: r6 = r1
               24: if r6 != 0 goto +17
               25: r1 = map 0
               27: r2 = r10
               28: r2 += -32
               29: r3 = value of map 4 + 2048
               31: r4 = 1
               32: call 2
               33: r1 = r0
               34: r1 = map 0
               36: r2 = r10
               37: r2 += -32
               38: call 1
               39: r1 = r0
               40: r6 = r1
               41: if r6 == 0 goto +4
               42: r1 = *(u64 *)(r6 +0)
               43: r1 += 1
               44: *(u64 *)(r6 +0) = r1
               45: goto +10
               46: *(u32 *)(r10 -40) = 7
               47: r1 = map 2
               49: r2 = r10
               50: r2 += -40
               51: call 1
               52: r1 = r0
               53: if r1 == 0 goto +2
               54: r0 = 1
               55: lock *(u64 *)(r1 +0) op 0x0 r0
               56: r0 = 0
               57: exit
               58: r0 = 0
               59: exit
        "#]],
    );
}

#[test]
fn what_all_system_calls_have_takes_one_program() {
    check(
        "tracepoint:syscalls:sys_exit_* /args.ret < 0/ { @ = sum(args.ret); }",
        expect![[r#"
            sys_exit_op_0
                0: r6 = r1
                1: call 158
                2: r7 = r0
                3: r1 = r7
                4: call 175
                5: r1 = r0
                6: r1 = *(u64 *)(r1 +120)
                7: if r1 >= 512 goto +39
                8: r1 &= 511
                9: r1 <<= 2
               10: r2 = value of map 4 + 0
               12: r2 += r1
               13: r1 = *(u32 *)(r2 +0)
               14: if r1 == 0 goto +32
               15: r1 = *(u32 *)(r7 +16)
               16: r1 &= 2
               17: if r1 != 0 goto +29
               18: r1 = *(u64 *)(r6 +8)
               19: if r1 s>= 0 goto +25
               20: r1 = *(u64 *)(r6 +8)
               21: r6 = r1
               22: *(u32 *)(r10 -32) = 0
               23: r1 = map 0
               25: r2 = r10
               26: r2 += -32
               27: call 1
               28: r1 = r0
               29: if r1 == 0 goto +5
               30: r2 = *(u64 *)(r1 +8)
               31: r2 += r6
               32: *(u64 *)(r1 +8) = r2
               33: *(u64 *)(r1 +0) = 1
               34: goto +10
               35: *(u32 *)(r10 -40) = 7
               36: r1 = map 2
               38: r2 = r10
               39: r2 += -40
               40: call 1
               41: r1 = r0
               42: if r1 == 0 goto +2
               43: r0 = 1
               44: lock *(u64 *)(r1 +0) op 0x0 r0
               45: r0 = 0
               46: exit
               47: r0 = 0
               48: exit
        "#]],
    );
}

#[test]
fn a_system_call_with_its_arguments() {
    check(
        "tracepoint:syscalls:sys_enter_read /args.fd == 3/ { @ = sum(args.count); }",
        expect![[r#"
            sys_enter_r_0
                0: r1 = *(u64 *)(r1 +8)
                1: if r1 != 0 goto +41
                2: call 158
                3: r6 = r0
                4: r1 = *(u32 *)(r6 +16)
                5: r1 &= 2
                6: if r1 != 0 goto +36
                7: r1 = r6
                8: call 175
                9: r1 = r0
               10: r1 = *(u64 *)(r1 +112)
               11: w1 = r1
               12: if r1 != 3 goto +28
               13: r1 = r6
               14: call 175
               15: r1 = r0
               16: r1 = *(u64 *)(r1 +96)
               17: r6 = r1
               18: *(u32 *)(r10 -32) = 0
               19: r1 = map 0
               21: r2 = r10
               22: r2 += -32
               23: call 1
               24: r1 = r0
               25: if r1 == 0 goto +5
               26: r2 = *(u64 *)(r1 +8)
               27: r2 += r6
               28: *(u64 *)(r1 +8) = r2
               29: *(u64 *)(r1 +0) = 1
               30: goto +10
               31: *(u32 *)(r10 -40) = 7
               32: r1 = map 2
               34: r2 = r10
               35: r2 += -40
               36: call 1
               37: r1 = r0
               38: if r1 == 0 goto +2
               39: r0 = 1
               40: lock *(u64 *)(r1 +0) op 0x0 r0
               41: r0 = 0
               42: exit
               43: r0 = 0
               44: exit
        "#]],
    );
}

#[test]
fn a_string_on_its_way_to_printf() {
    check(
        "tracepoint:syscalls:sys_enter_openat { printf(\"%s\", str(args.filename, 16)); }",
        expect![[r#"
            sys_enter_o_0
                0: r1 = *(u64 *)(r1 +8)
                1: if r1 != 257 goto +39
                2: call 158
                3: r1 = r0
                4: r2 = *(u32 *)(r1 +16)
                5: r2 &= 2
                6: if r2 != 0 goto +34
                7: call 175
                8: r1 = r0
                9: r6 = *(u64 *)(r1 +104)
               10: r1 = map 0
               12: r2 = 24
               13: r3 = 0
               14: call 131
               15: r7 = r0
               16: if r7 == 0 goto +12
               17: *(u64 *)(r7 +0) = 0
               18: *(u8 *)(r7 +8) = 0
               19: r1 = r7
               20: r1 += 8
               21: r3 = r6
               22: r2 = 16
               23: call 114
               24: r1 = r0
               25: r1 = r7
               26: r2 = 0
               27: call 132
               28: goto +10
               29: *(u32 *)(r10 -32) = 0
               30: r1 = map 1
               32: r2 = r10
               33: r2 += -32
               34: call 1
               35: r1 = r0
               36: if r1 == 0 goto +2
               37: r0 = 1
               38: lock *(u64 *)(r1 +0) op 0x0 r0
               39: r0 = 0
               40: exit
               41: r0 = 0
               42: exit
        "#]],
    );
}

#[test]
fn a_tuple_as_key() {
    check(
        "kprobe:vfs_read { @[pid, comm] = 1; }",
        expect![[r#"
            vfs_read_0
                0: call 158
                1: r1 = r0
                2: r1 = *(u32 *)(r1 +52)
                3: *(u64 *)(r10 -48) = r1
                4: *(u64 *)(r10 -40) = 0
                5: *(u64 *)(r10 -32) = 0
                6: r1 = r10
                7: r1 += -40
                8: r2 = 16
                9: call 16
               10: r1 = map 0
               12: r2 = r10
               13: r2 += -48
               14: call 1
               15: r1 = r0
               16: r6 = r1
               17: if r6 != 0 goto +17
               18: r1 = map 0
               20: r2 = r10
               21: r2 += -48
               22: r3 = value of map 4 + 0
               24: r4 = 1
               25: call 2
               26: r1 = r0
               27: r1 = map 0
               29: r2 = r10
               30: r2 += -48
               31: call 1
               32: r1 = r0
               33: r6 = r1
               34: if r6 == 0 goto +2
               35: *(u64 *)(r6 +0) = 1
               36: goto +10
               37: *(u32 *)(r10 -56) = 7
               38: r1 = map 2
               40: r2 = r10
               41: r2 += -56
               42: call 1
               43: r1 = r0
               44: if r1 == 0 goto +2
               45: r0 = 1
               46: lock *(u64 *)(r1 +0) op 0x0 r0
               47: r0 = 0
               48: exit
        "#]],
    );
}

#[test]
fn arithmetic_with_signs() {
    check(
        "BEGIN { $a = (int64)pid; @ = ($a / 7 + $a % 7) >> 2; @b = pid / 8; @c = (int8)$a; }",
        expect![[r#"
            begin_0
                0: call 158
                1: r1 = r0
                2: r2 = *(u32 *)(r1 +52)
                3: r3 = r2
                4: r4 = 7
                5: r6 = r3
                6: r6 ^= r4
                7: r7 = r3
                8: if r3 s>= 0 goto +2
                9: r7 = 0
               10: r7 -= r3
               11: r3 = r4
               12: if r4 s>= 0 goto +2
               13: r3 = 0
               14: r3 -= r4
               15: r0 = r7
               16: r0 /= r3
               17: r3 = r0
               18: if r6 s>= 0 goto +3
               19: r0 = 0
               20: r0 -= r3
               21: r3 = r0
               22: r4 = r2
               23: r6 = 7
               24: r7 = r4
               25: r8 = r4
               26: if r4 s>= 0 goto +2
               27: r8 = 0
               28: r8 -= r4
               29: r4 = r6
               30: if r6 s>= 0 goto +2
               31: r4 = 0
               32: r4 -= r6
               33: r0 = r8
               34: r0 %= r4
               35: r4 = r0
               36: if r7 s>= 0 goto +3
               37: r0 = 0
               38: r0 -= r4
               39: r4 = r0
               40: r3 += r4
               41: r3 >>= 2
               42: *(u32 *)(r10 -32) = 0
               43: r4 = value of map 0 + 0
               45: *(u64 *)(r4 +8) = r3
               46: *(u64 *)(r4 +0) = 1
               47: r1 = *(u32 *)(r1 +52)
               48: r1 /= 8
               49: *(u32 *)(r10 -32) = 0
               50: r3 = value of map 1 + 0
               52: *(u64 *)(r3 +8) = r1
               53: *(u64 *)(r3 +0) = 1
               54: r1 = r2
               55: r1 <<= 56
               56: r1 s>>= 56
               57: *(u32 *)(r10 -32) = 0
               58: r2 = value of map 2 + 0
               60: *(u64 *)(r2 +8) = r1
               61: *(u64 *)(r2 +0) = 1
               62: r0 = 0
               63: exit
        "#]],
    );
}

#[test]
fn constants_are_folded() {
    check(
        "BEGIN { @ = 2 * 3 + sizeof(struct path) - (1 << 4); }",
        expect![[r#"
            begin_0
                0: *(u32 *)(r10 -32) = 0
                1: r1 = value of map 0 + 0
                3: *(u64 *)(r1 +8) = 6
                4: *(u64 *)(r1 +0) = 1
                5: r0 = 0
                6: exit
        "#]],
    );
}

#[test]
fn a_system_call_shares_the_event_of_all_from_6_19() {
    check_for(
        "tracepoint:syscalls:sys_exit_openat { @ = sum(args.ret); }",
        (7, 3),
        expect![[r#"
            sys_exit_op_0
                0: r6 = r1
                1: r1 = *(u64 *)(r6 +8)
                2: if r1 != 257 goto +32
                3: call 158
                4: r1 = r0
                5: r1 = *(u32 *)(r1 +16)
                6: r1 &= 2
                7: if r1 != 0 goto +27
                8: r1 = *(u64 *)(r6 +16)
                9: r6 = r1
               10: *(u32 *)(r10 -32) = 0
               11: r1 = map 0
               13: r2 = r10
               14: r2 += -32
               15: call 1
               16: r1 = r0
               17: if r1 == 0 goto +5
               18: r2 = *(u64 *)(r1 +8)
               19: r2 += r6
               20: *(u64 *)(r1 +8) = r2
               21: *(u64 *)(r1 +0) = 1
               22: goto +10
               23: *(u32 *)(r10 -40) = 7
               24: r1 = map 2
               26: r2 = r10
               27: r2 += -40
               28: call 1
               29: r1 = r0
               30: if r1 == 0 goto +2
               31: r0 = 1
               32: lock *(u64 *)(r1 +0) op 0x0 r0
               33: r0 = 0
               34: exit
               35: r0 = 0
               36: exit
        "#]],
    );
}

#[test]
fn a_stack_is_without_the_frames_of_the_program() {
    check(
        "rawtracepoint:sys_enter { @[kstack(2)] = 1; }",
        expect![[r#"
            sys_enter_0
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
               13: if r7 == 0 goto +106
               14: r8 = 0
               15: r1 = r7
               16: r1 += 40
               17: r2 = r1
               18: r1 = r6
               19: r3 = 16
               20: r4 = 2
               21: call 67
               22: r1 = r0
               23: r1 s>>= 3
               24: if r1 s<= 0 goto +54
               25: *(u64 *)(r7 +32) = r1
               26: r2 = r7
               27: r2 += 40
               28: r8 = r1
               29: r3 = 0
               30: if r3 >= 2 goto +16
               31: if r3 >= r1 goto +15
               32: r4 = r3
               33: r4 <<= 3
               34: r0 = r2
               35: r0 += r4
               36: r4 = r0
               37: r4 = *(u64 *)(r4 +0)
               38: r8 ^= r4
               39: r5 = (0) 0x7f4a7c15 ll
               41: r8 *= r5
               42: r4 = r8
               43: r4 >>= 29
               44: r8 ^= r4
               45: r3 += 1
               46: goto -17
               47: *(u64 *)(r10 -32) = r8
               48: r1 = map 7
               50: r2 = r10
               51: r2 += -32
               52: call 1
               53: r1 = r0
               54: if r1 != 0 goto +24
               55: r1 = r7
               56: r1 += 32
               57: r3 = r1
               58: r1 = map 7
               60: r2 = r10
               61: r2 += -32
               62: r4 = 1
               63: call 2
               64: r1 = r0
               65: r1 <<= 32
               66: r1 s>>= 32
               67: if r1 == 0 goto +11
               68: if r1 == -17 goto +10
               69: *(u32 *)(r10 -40) = 2
               70: r1 = map 2
               72: r2 = r10
               73: r2 += -40
               74: call 1
               75: r1 = r0
               76: if r1 == 0 goto +2
               77: r0 = 1
               78: lock *(u64 *)(r1 +0) op 0x0 r0
               79: *(u64 *)(r10 -56) = r8
               80: *(u64 *)(r10 -48) = 0
               81: r1 = map 0
               83: r2 = r10
               84: r2 += -56
               85: call 1
               86: r1 = r0
               87: r6 = r1
               88: if r6 != 0 goto +17
               89: r1 = map 0
               91: r2 = r10
               92: r2 += -56
               93: r3 = value of map 4 + 0
               95: r4 = 1
               96: call 2
               97: r1 = r0
               98: r1 = map 0
              100: r2 = r10
              101: r2 += -56
              102: call 1
              103: r1 = r0
              104: r6 = r1
              105: if r6 == 0 goto +2
              106: *(u64 *)(r6 +0) = 1
              107: goto +10
              108: *(u32 *)(r10 -40) = 7
              109: r1 = map 2
              111: r2 = r10
              112: r2 += -40
              113: call 1
              114: r1 = r0
              115: if r1 == 0 goto +2
              116: r0 = 1
              117: lock *(u64 *)(r1 +0) op 0x0 r0
              118: r0 = 0
              119: exit
              120: r0 = 0
              121: exit
        "#]],
    );
}
