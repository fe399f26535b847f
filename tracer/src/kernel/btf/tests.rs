//! BTF that is assembled here, whole and damaged, and the running kernel's.

use super::*;

/// Assembles BTF from the words of its types and from its strings.
fn assemble(types: &[u32], strings: &[u8]) -> Vec<u8> {
    let bytes = size_of_val(types) as u32;
    let header = [
        u32::from_ne_bytes([0x9f, 0xeb, 1, 0]),
        24,
        0,
        bytes,
        bytes,
        strings.len() as u32,
    ];
    let words = header
        .iter()
        .chain(types)
        .flat_map(|word| word.to_ne_bytes());
    words.chain(strings.iter().copied()).collect()
}

const FLAG: u32 = 1 << 31;

/// ```c
/// struct outer { int a; struct { int b; union { int c; int d; }; }; const inner_t e; int f:3; };
/// typedef struct inner inner_t; struct inner { int g; };
/// enum color { RED = 1, BLUE = -1 };
/// ```
fn sample() -> Vec<u8> {
    let strings = b"\0int\0outer\0a\0b\0c\0d\0e\0f\0g\0inner\0inner_t\0color\0RED\0BLUE\0";
    let name = |wanted: &str| {
        let mut at = 0;
        for string in strings.split(|&byte| byte == 0) {
            if string == wanted.as_bytes() {
                return at;
            }
            at += string.len() as u32 + 1;
        }
        panic!("{wanted} is no string");
    };
    let of = |kind: u32, count: u32| kind << 24 | count;
    let types = [
        &[name("int"), of(kind::INT, 0), 4, 32][..],
        // 2: the union
        &[0, of(kind::UNION, 2), 4, name("c"), 1, 0, name("d"), 1, 0],
        // 3: the struct without a name
        &[0, of(kind::STRUCT, 2), 8, name("b"), 1, 0, 0, 2, 32],
        // 4, 5, 6: inner, inner_t, const inner_t
        &[name("inner"), of(kind::STRUCT, 1), 4, name("g"), 1, 0],
        &[name("inner_t"), of(kind::TYPEDEF, 0), 4],
        &[0, of(kind::CONST, 0), 5],
        // 7: outer, with a bit field
        &[name("outer"), of(kind::STRUCT, 4) | FLAG, 20],
        &[
            name("a"),
            1,
            0,
            0,
            3,
            32,
            name("e"),
            6,
            96,
            name("f"),
            1,
            3 << 24 | 128,
        ],
        // 8: the enumeration, of signed values
        &[
            name("color"),
            of(kind::ENUM, 2) | FLAG,
            4,
            name("RED"),
            1,
            name("BLUE"),
            -1i32 as u32,
        ],
    ]
    .concat();
    assemble(&types, strings)
}

fn offset(btf: &Btf, path: &str) -> Option<u32> {
    btf.member_offset("outer", path)
        .map(|field| field.offset_bytes())
}

#[test]
fn members_are_found_through_nested_and_nameless_structs() {
    let btf = Btf::parse(sample()).expect("well-formed");
    let offsets = ["a", "b", "c", "d", "e", "e.g", "f"].map(|path| offset(&btf, path));
    assert_eq!(offsets, [0, 4, 8, 8, 12, 12, 16].map(Some));
    assert_eq!(
        btf.member_offset("outer", "f").and_then(|field| field.bits),
        Some(3)
    );
    assert_eq!(
        (
            offset(&btf, "nothing"),
            offset(&btf, "a.b"),
            offset(&btf, "")
        ),
        (None, None, None)
    );
}

#[test]
fn enumerators_keep_their_sign() {
    let btf = Btf::parse(sample()).expect("well-formed");
    assert_eq!(btf.enum_value("color", "BLUE"), Some(-1));
    assert_eq!(btf.enum_value("color", "RED"), Some(1));
    assert_eq!(btf.enum_value("color", "GREEN"), None);
}

#[test]
fn damaged_data_is_refused_or_finds_nothing() {
    let whole = sample();
    for length in 0..whole.len() {
        assert!(
            Btf::parse(whole[..length].to_vec()).is_err(),
            "{length} bytes"
        );
    }
    // Every byte in turn, turned over: whatever comes out, it comes without a panic.
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= change;
            if let Ok(btf) = Btf::parse(damaged) {
                let _ = (
                    offset(&btf, "e.g"),
                    offset(&btf, "f"),
                    btf.enum_value("color", "BLUE"),
                );
                let _ = btf.raw_tracepoints();
            }
        }
    }
}

#[test]
fn circles_end() {
    let strings = b"\0s\0";
    // A struct whose nameless member is itself, and a typedef of itself.
    let types = [
        1,
        kind::STRUCT << 24 | 1,
        4,
        0,
        1,
        0,
        1,
        kind::TYPEDEF << 24,
        2,
    ];
    let btf = Btf::parse(assemble(&types, strings)).expect("well-formed");
    assert_eq!(btf.member_offset("s", "x"), None);
}

#[test]
fn the_running_kernel_is_understood() {
    let Ok(btf) = Btf::vmlinux() else {
        return eprintln!("SKIPPED: {VMLINUX} cannot be read here");
    };
    assert!(btf.len() > 10_000);
    assert_eq!(
        btf.member_offset("list_head", "prev")
            .map(|field| field.offset_bytes()),
        Some(8)
    );
    assert!(btf.member_offset("task_struct", "se.exec_start").is_some());
    assert_eq!(btf.raw_tracepoint_parameters("sys_enter"), Some(2));
    assert!(btf.raw_tracepoints().len() > 100);
}

/// ```c
/// typedef struct inner inner_t_of_module; struct own { struct inner x; char c; };
/// ```
/// on [`sample`]: numbers and strings go on where that ends.
fn sample_module() -> Vec<u8> {
    let strings = b"alias\0own\0x\0";
    let below = Btf::parse(sample()).expect("well-formed").as_below();
    let name = |at: u32| below.strings + at;
    let types = [
        // 9: a typedef of 4, of the kernel's own; 10: a struct whose member `b` is named by the kernel's string
        name(0),
        kind::TYPEDEF << 24,
        4,
        name(6),
        kind::STRUCT << 24 | 1,
        4,
        name(10),
        9,
        0,
    ];
    assemble(&types, strings)
}

#[test]
fn types_of_modules_stand_on_the_kernels() {
    let kernel = Btf::parse(sample()).expect("well-formed");
    let module =
        Btf::from_data(Data::Read(sample_module()), kernel.as_below()).expect("well-formed");
    let layers = Layers::new(&kernel, Some(&module));
    let own = layers.find_struct("own", false).expect("the module's own");
    assert_eq!(own, kernel.len() as u32 + 2);
    let members = layers.members(own).expect("readable");
    assert_eq!((members[0].0, members[0].1.type_id), ("x", own - 1));
    assert_eq!(layers.find_typedef("alias"), Some(own - 1));
    let behind = layers.shape(own - 1);
    assert_eq!(
        behind,
        Some(Shape::Alias {
            target: 4,
            adds: Addition::Name("alias"),
        })
    );
    assert_eq!(layers.find_struct("inner", false), None);
    let alone = Layers::new(&kernel, None);
    assert_eq!(alone.find_struct("inner", false), Some(4));
    assert_eq!(alone.find_struct("own", false), None);
    let blue = alone.find_enumerator("BLUE").map(|(_, value)| value);
    assert_eq!(blue, Some(-1));
}
