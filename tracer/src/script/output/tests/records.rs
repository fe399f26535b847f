//! Records: `printf`, `print` of values and the rest.

use expect_test::{Expect, expect};
use tracer_script::{
    facts::{Field, Struct},
    types::{Named, Space},
};

use super::*;

/// What `printf` writes as text.
fn printed(format: &str, args: Vec<Type>, bytes: Bytes) -> String {
    let mut faces = Faces::new(Image::default());
    let action = printf(format, args);
    faces.text.record(&action, &bytes.0).expect("written");
    faces.text.flush().expect("written");
    faces.text_page.take()
}

fn number(format: &str, kind: Type, number: i64) -> String {
    printed(format, vec![kind], Bytes::default().number(number))
}

fn word(format: &str, text: &str) -> String {
    printed(
        format,
        vec![Type::Str(16)],
        Bytes::default().string(text, 16),
    )
}

#[test]
fn numbers_by_their_conversions() {
    let int = |format: &str, value: i64| number(format, int(8), value);
    assert_eq!(int("%d|", 1 << 40), "1099511627776|");
    assert_eq!(int("%d", i64::MIN), "-9223372036854775808");
    assert_eq!(int("%5d|", -3), "   -3|");
    assert_eq!(int("%-5d|", -3), "-3   |");
    assert_eq!(int("%05d|", -3), "-0003|");
    assert_eq!(int("%-05d|", -3), "-3   |");
    assert_eq!(int("%+d % d", 5), "+5 ");
    assert_eq!(int("%.3d", 5), "005");
    assert_eq!(int("%08.3d|", 5), "     005|");
    assert_eq!(int("%.0d|", 0), "|");
    assert_eq!(int("%hhd", 200), "-56");
    assert_eq!(int("%hu", 65_537), "1");
    assert_eq!(int("%x", 255), "ff");
    assert_eq!(int("%X", 255), "FF");
    assert_eq!(int("%#x %%", 255), "0xff %");
    assert_eq!(int("%#x", 0), "0");
    assert_eq!(int("%#o", 8), "010");
    assert_eq!(int("%#010x", 255), "0x000000ff");
    assert_eq!(int("%llx", -1), "ffffffffffffffff");
    assert_eq!(int("%p", 255), "0xff");
    assert_eq!(int("%8p|", 0), "   (nil)|");
    assert_eq!(int("%c%c", 65), "A");
    assert_eq!(int("[%c]", 0), "[]");
    assert_eq!(int("%3c|", 65), "  A|");
    assert_eq!(int("%gr", 0xcc0), "GFP_KERNEL");
}

#[test]
fn negative_numbers_of_32_bits_without_a_sign() {
    assert_eq!(number("%x", int(4), -1), "ffffffff");
    assert_eq!(number("%u", int(1), -1), "4294967295");
    assert_eq!(number("%llx", int(4), -1), "ffffffffffffffff");
    assert_eq!(number("%u", int(8), -1), "18446744073709551615");
    assert_eq!(number("%d", uint(8), -1), "-1");
    assert_eq!(number("%d %d", uint(4), 0xffff_ffff), "4294967295 ");
    assert_eq!(number("%d", Type::Bool, 1), "1");
}

#[test]
fn strings_by_their_conversions() {
    assert_eq!(word("%5s|", "ab"), "   ab|");
    assert_eq!(word("%-5s|", "ab"), "ab   |");
    assert_eq!(word("%.2s|", "abcd"), "ab|");
    assert_eq!(word("%6.2s|", "abcd"), "    ab|");
    assert_eq!(word("%r", "a\u{1}b"), "a\\x01b");
    assert_eq!(number("%s", Type::Bool, 1), "true");
    assert_eq!(number("%-6s|", Type::Bool, 0), "false |");
}

#[test]
fn widths_and_precisions_as_arguments() {
    let three = |format: &str, width: i64, precision: i64| {
        let bytes = Bytes::default().number(width).number(precision);
        printed(
            format,
            vec![int(8), int(8), Type::Str(16)],
            bytes.string("abcd", 16),
        )
    };
    assert_eq!(three("%*.*s|", 6, 2), "    ab|");
    assert_eq!(three("%*.*s|", -6, -1), "abcd  |");
    assert_eq!(three("%d%*s|", 1, 5), "1 abcd|");
}

#[test]
fn buffers_by_their_conversions() {
    let buffer = |format: &str| {
        let bytes = Bytes::default().raw(b"\x03\0\0\0a\x01b??", 4 + 8);
        let bytes = bytes.number(9);
        printed(format, vec![Type::Buf(8), int(8)], bytes)
    };
    assert_eq!(buffer("%r %d"), "a\\x01b 9");
    assert_eq!(buffer("%rx %d"), "\\x61\\x01\\x62 9");
    assert_eq!(buffer("%rh %d"), "61 01 62 9");
    assert_eq!(buffer("%-10rh|"), "61 01 62  |");
}

#[test]
fn strings_that_were_cut_say_so() {
    let mut image = Image::default();
    image.config.max_strlen = 5;
    let mut faces = Faces::new(image);
    let cut = printf("%s", vec![Type::Str(5)]);
    let mut shown = |text: &str| faces.record(&cut, &Bytes::default().string(text, 5).0);
    assert!(shown("abcd").starts_with("abcd..{"));
    assert!(shown("abc").starts_with("abc{"));
}

fn shown(image: Image, kind: Type, bytes: Bytes, expected: Expect) {
    let mut faces = Faces::new(image);
    let action = action(ActionKind::PrintValue, vec![kind]);
    expected.assert_eq(&faces.record(&action, &bytes.0));
}

fn plain(kind: Type, bytes: Bytes, expected: Expect) {
    shown(Image::default(), kind, bytes, expected);
}

#[test]
fn values_are_printed() {
    plain(
        Type::Tuple([int(1), Type::Str(3), Type::Tuple([int(1), int(1)].into())].into()),
        Bytes::default()
            .number(1)
            .string("hi", 3)
            .number(2)
            .number(3),
        expect![[r#"
            (1, hi, (2, 3))
            {"type": "value", "data": [1,"hi",[2,3]]}
        "#]],
    );
    plain(
        Type::Record([("a".into(), int(1)), ("b".into(), Type::Str(2))].into()),
        Bytes::default().number(1).string("x", 2),
        expect![[r#"
            { .a = 1, .b = x }
            {"type": "value", "data": {"a": 1, "b": "x"}}
        "#]],
    );
    plain(
        Type::Record([].into()),
        Bytes::default(),
        expect![[r#"
            {}
            {"type": "value", "data": {}}
        "#]],
    );
    plain(
        Type::Array(int(1).into(), 4),
        Bytes::default().raw(b"abc\0", 4),
        expect![[r#"
            [97,98,99,0]
            {"type": "value", "data": [97,98,99,0]}
        "#]],
    );
    plain(
        Type::pointer(Type::Void, Space::Kernel),
        Bytes::default().number(0xffff_8881_0000_1000_u64 as i64),
        expect![[r#"
            0xffff888100001000
            {"type": "value", "data": 18446612686365003776}
        "#]],
    );
    plain(
        Type::Buf(4),
        Bytes::default().raw(b"\x03\0\0\0a\x01\xff", 8),
        expect![[r#"
            a\x01\xff
            {"type": "value", "data": [97,1,255]}
        "#]],
    );
    plain(
        Type::Bool,
        Bytes::default().number(1),
        expect![[r#"
            true
            {"type": "value", "data": true}
        "#]],
    );
}

#[test]
fn numbers_that_a_double_cannot_hold_are_strings() {
    plain(
        uint(8),
        Bytes::default().number(0xffff_8881_00ff_1001_u64 as i64),
        expect![[r#"
            18446612686381715457
            {"type": "value", "data": "18446612686381715457"}
        "#]],
    );
    plain(
        uint(8),
        Bytes::default().number(-1),
        expect![[r#"
            18446744073709551615
            {"type": "value", "data": "18446744073709551615"}
        "#]],
    );
    plain(
        int(8),
        Bytes::default().number(-(1 << 53)),
        expect![[r#"
            -9007199254740992
            {"type": "value", "data": -9007199254740992}
        "#]],
    );
}

#[test]
fn addresses_and_names_are_printed() {
    let mut v6 = [0; 16];
    v6[15] = 1;
    plain(
        Type::Tuple([Type::Inet, Type::Inet, Type::Mac].into()),
        Bytes::default()
            .number(2)
            .raw(&[127, 0, 0, 1], 16)
            .number(10)
            .raw(&v6, 16)
            .raw(&[0x18, 0xc0, 0x4d, 8, 0x2e, 0xbb], 6),
        expect![[r#"
            (127.0.0.1, ::1, 18:C0:4D:08:2E:BB)
            {"type": "value", "data": ["127.0.0.1","::1","18:C0:4D:08:2E:BB"]}
        "#]],
    );
    let named = |named: Named| Type::Named(named);
    let image = Image {
        probe_names: vec!["BEGIN".to_owned(), "interval:s:1".to_owned()],
        ..Image::default()
    };
    shown(
        image,
        Type::Tuple(
            [
                named(Named::Username),
                named(Named::Errno),
                named(Named::Errno),
                named(Named::Signal),
                named(Named::Syscall),
                named(Named::Syscall),
                named(Named::Probe),
            ]
            .into(),
        ),
        Bytes::default()
            .number(0)
            .number(2)
            .number(-13)
            .number(9)
            .number(0)
            .number(-1)
            .number(1),
        expect![[r#"
            (root, No such file or directory, Permission denied, Killed, read, unknown system call, interval:s:1)
            {"type": "value", "data": ["root","No such file or directory","Permission denied","Killed","read","unknown system call","interval:s:1"]}
        "#]],
    );
}

fn member(name: &str, kind: Type, offset: u32, bits: Option<(u32, u32)>) -> Field {
    Field {
        name: name.into(),
        kind,
        offset,
        bits,
    }
}

#[test]
fn structures_lie_as_in_c() {
    let color = Type::Enum {
        name: "color".into(),
        size: 4,
        signed: false,
    };
    let inner = Struct {
        name: "struct inner".into(),
        size: 4,
        fields: vec![
            member("low", int(4), 0, Some((0, 3))),
            member("high", uint(4), 0, Some((3, 7))),
        ],
    };
    let outer = Struct {
        name: "struct outer".into(),
        size: 32,
        fields: vec![
            member("c", uint(1), 0, None),
            member("s", int(2), 2, None),
            member("", Type::Struct("struct inner".into()), 4, None),
            member("color", color.clone(), 8, None),
            member("other", color, 12, None),
            member("p", Type::pointer(Type::Void, Space::Any), 16, None),
            member("name", Type::Str(8), 24, None),
        ],
    };
    let image = Image {
        structs: vec![Rc::new(inner), Rc::new(outer)],
        enums: vec![("color".into(), vec![("RED".to_owned(), 1)])],
        ..Image::default()
    };
    let mut bytes = vec![200, 0, 0xfe, 0xff];
    bytes.extend((0b101_u32 | 99 << 3).to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(5_u32.to_le_bytes());
    bytes.extend(16_u64.to_le_bytes());
    bytes.extend(b"abcdefgh");
    shown(
        image,
        Type::Struct("struct outer".into()),
        Bytes::default().raw(&bytes, 32),
        expect![[r#"
            { .c = 200, .s = -2, .low = -3, .high = 99, .color = RED, .other = 5, .p = 0x10, .name = abcdefgh }
            {"type": "value", "data": {"c": 200, "s": -2, "low": -3, "high": 99, "color": 1, "other": 5, "p": 16, "name": "abcdefgh"}}
        "#]],
    );
}

#[test]
fn stacks_have_a_line_for_each_frame() {
    let bytes = || Bytes::default().number(7).number(0);
    plain(
        stack(false, StackMode::Bpftrace),
        bytes(),
        expect![[r#"

                    0x10
                    0x2abc

            {"type": "value", "data": "\n        0x10\n        0x2abc\n"}
        "#]],
    );
    plain(
        stack(false, StackMode::Raw),
        bytes(),
        expect![[r#"

            10
            2abc

            {"type": "value", "data": "\n10\n2abc\n"}
        "#]],
    );
    plain(
        stack(true, StackMode::Perf),
        bytes(),
        expect![[r#"

            	10 0x10 ([unknown])
            	2abc 0x2abc ([unknown])

            {"type": "value", "data": "\n\t10 0x10 ([unknown])\n\t2abc 0x2abc ([unknown])\n"}
        "#]],
    );
    plain(
        stack(true, StackMode::BuildId),
        Bytes::default().number(8).number(0),
        expect![[r#"


            {"type": "value", "data": "\n"}
        "#]],
    );
}

#[test]
fn strings_of_json_are_escaped() {
    let action = printf("%s", vec![Type::Str(32)]);
    let mut faces = Faces::new(Image::default());
    let bytes = Bytes::default().raw(b"\"\\\n\r\t\x01 \xc3\xa9 \xff.", 32);
    faces.json.record(&action, &bytes.0).expect("written");
    faces.json.flush().expect("written");
    expect![[r#"
        {"type": "printf", "data": "\"\\\n\r\t\u0001 é �."}
    "#]]
    .assert_eq(&faces.json_page.take());
}

#[test]
fn messages_name_their_place() {
    let mut faces = Faces::new(Image::default());
    let bytes = Bytes::default().number(1);
    let error = action(ActionKind::Errorf(parsed("bad %d")), vec![int(8)]);
    let warning = action(ActionKind::Warnf(parsed("meh")), vec![]);
    let helper = action(ActionKind::HelperError("probe_read_user"), vec![int(8)]);
    let full = action(ActionKind::HelperError("map_update_elem"), vec![int(8)]);
    let mut written = faces.record(&error, &bytes.0);
    written += &faces.record(&warning, &[]);
    written += &faces.record(&helper, &Bytes::default().number(-14).0);
    written += &faces.both(|face| face.lost(5));
    written += &faces.both(|face| face.warning("map full"));
    expect![[r#"
        {"type": "errorf", "msg": "bad 1", "filename": "stdin", "line": 1, "col": 9}
        {"type": "warnf", "msg": "meh", "filename": "stdin", "line": 1, "col": 9}
        {"type": "helper_error", "msg": "Bad address", "helper": "probe_read_user", "retcode": -14, "filename": "stdin", "line": 1, "col": 9}
        {"type": "lost_events", "count": 5, "data": {"events": 5}}
        {"type": "runtime_error", "msg": "map full"}
    "#]]
    .assert_eq(&written);
    expect![[r#"
        stdin:1:9-28: ERROR: bad 1
        stdin:1:9-28: WARNING: meh
        stdin:1:9-28: WARNING: Bad address
        Additional Info - helper: probe_read_user, retcode: -14
        BEGIN { errorf("bad %d", 1); }
                ~~~~~~~~~~~~~~~~~~~
        Lost 5 events
        WARNING: map full
    "#]]
    .assert_eq(&faces.errors.take());
    faces.record(&full, &Bytes::default().number(-7).0);
    assert!(
        faces
            .errors
            .take()
            .contains("WARNING: Map full; can't update element.")
    );
}

#[test]
fn the_other_records() {
    let mut faces = Faces::new(Image::default());
    let strings = Type::Array(Type::Str(4).into(), 4);
    let join = action(ActionKind::Join(" ".to_owned()), vec![strings]);
    let mut written = faces.record(&join, b"a\0\0\0bc\0\0\0\0\0\0old\0");
    written += &faces.both(|face| face.attached(1));
    written += &faces.both(|face| face.system(b"a b\n"));
    written += &faces.both(|face| face.end());
    expect![[r#"
        a bc
        {"type": "join", "data": "a bc"}
        {"type": "attached_probes", "count": 1, "data": {"probes": 1}}
        a b
        {"type": "syscall", "data": "a b\n"}


    "#]]
    .assert_eq(&written);
    assert_eq!(faces.errors.take(), "Attached 1 probe\n");

    let time = action(ActionKind::Time("%%%H\n".to_owned()), vec![]);
    let written = faces.record(&time, &[]);
    assert!(written.starts_with('%') && written.contains("{\"type\": \"time\", \"data\": \"%"));
    let mut quiet = Faces::quiet(Image::default(), true);
    assert_eq!(
        quiet.both(|face| face.attached(2)) + &quiet.errors.take(),
        ""
    );
}

#[test]
fn files_are_shown_as_far_as_the_config_says() {
    let path = std::env::temp_dir().join(format!("tracer-cat-{}", std::process::id()));
    std::fs::write(&path, "0123456789").expect("files can be written");
    let mut image = Image::default();
    image.config.max_cat_bytes = 4;
    let mut faces = Faces::new(image);
    let cat = |path: &str| action(ActionKind::Cat(parsed(path)), vec![]);
    let written = faces.record(&cat(path.to_str().expect("UTF-8")), &[]);
    std::fs::remove_file(&path).expect("files can be removed");
    assert_eq!(written, "0123{\"type\": \"cat\", \"data\": \"0123\"}\n");
    assert_eq!(faces.record(&cat("/no/such/file"), &[]), "");
    let message = "ERROR: cat: cannot read /no/such/file: No such file or directory (os error 2)\n";
    assert_eq!(faces.errors.take(), message.repeat(2));
}

#[test]
fn times_are_printed() {
    let kind = Type::Timestamp("%Y %f".into());
    let bytes = Bytes::default().number(1_700_000_005_000_007_000);
    plain(
        kind,
        bytes,
        expect![[r#"
            2023 000007
            {"type": "value", "data": "2023 000007"}
        "#]],
    );
}
