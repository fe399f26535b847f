//! Maps.

use expect_test::{Expect, expect};
use tracer_script::{buckets, types::SeriesKind};

use super::*;

fn check(map: &Map, entries: &[RawEntry], expected: Expect) {
    expected.assert_eq(&Faces::new(Image::default()).map(map, entries));
}

fn none() -> Bytes {
    Bytes::default()
}

#[test]
fn a_map_of_one_value() {
    check(
        &map("@a", Type::Void, int(1)),
        &[entry(none(), &[&[5]])],
        expect![[r#"
            @a: 5
            {"type": "map", "data": {"@a": 5}}
        "#]],
    );
    let present = Map {
        presence: true,
        ..map("@", Type::Void, int(1))
    };
    check(
        &present,
        &[entry(none(), &[&[1, -7]])],
        expect![[r#"
            @: -7
            {"type": "map", "data": {"@": -7}}
        "#]],
    );
    check(&present, &[entry(none(), &[&[0, 0]])], expect![""]);
    check(&map("@a", int(8), int(8)), &[], expect![""]);
}

#[test]
fn aggregates_without_a_key_count_only_where_they_are_set() {
    let min = Map {
        presence: true,
        ..aggregate("@mi", Type::Void, Aggregate::Min(true))
    };
    check(
        &min,
        &[entry(none(), &[&[0, 0, 0], &[1, 3, 1]])],
        expect![[r#"
            @mi: 3
            {"type": "map", "data": {"@mi": 3}}
        "#]],
    );
    check(&min, &[entry(none(), &[&[0, 0, 0]])], expect![""]);
}

#[test]
fn keys_of_all_kinds() {
    check(
        &map("@b", Type::Tuple([Type::Str(8), int(1)].into()), int(1)),
        &[entry(none().string("x", 8).number(1), &[&[2]])],
        expect![[r#"
            @b[x, 1]: 2
            {"type": "map", "data": {"@b": {"x,1": 2}}}
        "#]],
    );
    check(
        &map("@e", Type::Tuple([int(1)].into()), int(1)),
        &[entry(none().number(1), &[&[3]])],
        expect![[r#"
            @e[1]: 3
            {"type": "map", "data": {"@e": {"1": 3}}}
        "#]],
    );
    check(
        &map("@", Type::Str(16), int(1)),
        &[entry(none().string("(a b)", 16), &[&[3]])],
        expect![[r#"
            @[(a b)]: 3
            {"type": "map", "data": {"@": {"(a b)": 3}}}
        "#]],
    );
    let nested = Type::Tuple([Type::Tuple([int(1), int(1)].into()), int(1)].into());
    check(
        &map("@n", nested, Type::Str(8)),
        &[RawEntry {
            key: none().number(1).number(2).number(3).0,
            values: vec![b"v\0......".to_vec()],
        }],
        expect![[r#"
            @n[(1, 2), 3]: v
            {"type": "map", "data": {"@n": {"(1,2),3": "v"}}}
        "#]],
    );
    check(
        &aggregate("@", stack(false, StackMode::Bpftrace), Aggregate::Count),
        &[entry(none().number(7).number(0), &[&[1], &[0]])],
        expect![[r#"
            @[
                    0x10
                    0x2abc
            ]: 1
            {"type": "map", "data": {"@": {"\n0x10\n0x2abc\n": 1}}}
        "#]],
    );
}

#[test]
fn numbers_ascend_and_the_top_is_the_largest() {
    let map = map("@x", int(1), int(1));
    let entries: Vec<RawEntry> = [(1, 10), (2, 30), (3, -20), (4, 10), (-5, 10)]
        .iter()
        .map(|&(key, value)| entry(none().number(key), &[&[value]]))
        .collect();
    check(
        &map,
        &entries,
        expect![[r#"
            @x[3]: -20
            @x[-5]: 10
            @x[1]: 10
            @x[4]: 10
            @x[2]: 30
            {"type": "map", "data": {"@x": {"3": -20, "-5": 10, "1": 10, "4": 10, "2": 30}}}
        "#]],
    );
    let mut faces = Faces::new(Image::default());
    let written = faces.both(|face| face.map(&map, entries.clone(), 2, 7));
    expect![[r#"
        @x[4]: 1
        @x[2]: 4
        {"type": "map", "data": {"@x": {"4": 1, "2": 4}}}
    "#]]
    .assert_eq(&written);
}

#[test]
fn what_is_no_number_is_in_the_order_of_keys() {
    let map = map("@s", Type::Tuple([Type::Str(8), int(8)].into()), Type::Bool);
    let entries: Vec<RawEntry> = [("b", 1), ("a", 2), ("a", -3)]
        .iter()
        .map(|&(text, number)| entry(none().string(text, 8).number(number), &[&[1]]))
        .collect();
    check(
        &map,
        &entries,
        expect![[r#"
            @s[a, -3]: true
            @s[a, 2]: true
            @s[b, 1]: true
            {"type": "map", "data": {"@s": {"a,-3": true, "a,2": true, "b,1": true}}}
        "#]],
    );
}

#[test]
fn averages_and_statistics() {
    check(
        &aggregate("@av", Type::Void, Aggregate::Avg(true)),
        &[entry(none(), &[&[10, 1], &[5, 1]])],
        expect![[r#"
            @av: 7
            {"type": "stats", "data": {"@av": 7}}
        "#]],
    );
    check(
        &aggregate("@st", Type::Void, Aggregate::Stats(true)),
        &[entry(none(), &[&[10, 1], &[5, 1]])],
        expect![[r#"
            @st: { .count = 2, .average = 7, .total = 15 }
            {"type": "stats", "data": {"@st": {"count": 2, "average": 7, "total": 15}}}
        "#]],
    );
    check(
        &aggregate("@st2", Type::Str(8), Aggregate::Stats(false)),
        &[
            entry(none().string("k", 8), &[&[9, 1]]),
            entry(none().string("j", 8), &[&[4, 1]]),
        ],
        expect![[r#"
            @st2[j]: { .count = 1, .average = 4, .total = 4 }
            @st2[k]: { .count = 1, .average = 9, .total = 9 }
            {"type": "stats", "data": {"@st2": {"j": {"count": 1, "average": 4, "total": 4}, "k": {"count": 1, "average": 9, "total": 9}}}}
        "#]],
    );
}

/// Buckets of an array, with how many values each has on two CPUs.
fn buckets(filled: &[(u32, i64, i64)]) -> Vec<RawEntry> {
    let one = |&(bucket, first, second): &(u32, i64, i64)| RawEntry {
        key: bucket.to_le_bytes().to_vec(),
        values: entry(none(), &[&[0, first], &[0, second]]).values,
    };
    filled.iter().map(one).collect()
}

#[test]
fn histograms_of_powers_of_two() {
    let hist = aggregate("@h", Type::Void, Aggregate::Hist(0));
    let at = |value: i64| buckets::hist_bucket(value, 0);
    check(
        &hist,
        &buckets(&[(at(-5), 1, 0), (at(3), 1, 1), (at(5000), 0, 1), (60, 0, 0)]),
        expect![[r#"
            @h:
            (..., 0)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |
            [0]                    0 |                                                    |
            [1]                    0 |                                                    |
            [2, 4)                 2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
            [4, 8)                 0 |                                                    |
            [8, 16)                0 |                                                    |
            [16, 32)               0 |                                                    |
            [32, 64)               0 |                                                    |
            [64, 128)              0 |                                                    |
            [128, 256)             0 |                                                    |
            [256, 512)             0 |                                                    |
            [512, 1K)              0 |                                                    |
            [1K, 2K)               0 |                                                    |
            [2K, 4K)               0 |                                                    |
            [4K, 8K)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |

            {"type": "hist", "data": {"@h": [{"max": -1, "count": 1},{"min": 0, "max": 0, "count": 0},{"min": 1, "max": 1, "count": 0},{"min": 2, "max": 3, "count": 2},{"min": 4, "max": 7, "count": 0},{"min": 8, "max": 15, "count": 0},{"min": 16, "max": 31, "count": 0},{"min": 32, "max": 63, "count": 0},{"min": 64, "max": 127, "count": 0},{"min": 128, "max": 255, "count": 0},{"min": 256, "max": 511, "count": 0},{"min": 512, "max": 1023, "count": 0},{"min": 1024, "max": 2047, "count": 0},{"min": 2048, "max": 4095, "count": 0},{"min": 4096, "max": 8191, "count": 1}]}}
        "#]],
    );
    check(&hist, &buckets(&[(3, 0, 0)]), expect![""]);
}

#[test]
fn histograms_by_key_are_ordered_by_their_totals() {
    let hist = aggregate("@hk", Type::Str(8), Aggregate::Hist(0));
    let at = |key: &str, value: i64, count: i64| {
        let bucket = buckets::hist_bucket(value, 0);
        entry(none().string(key, 8).number(bucket.into()), &[&[0, count]])
    };
    check(
        &hist,
        &[at("b", 2, 3), at("a", 1, 1), at("a", 2, 1), at("z", 2, 0)],
        expect![[r#"
            @hk[z]:

            @hk[a]:
            [1]                    1 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
            [2, 4)                 1 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|

            @hk[b]:
            [2, 4)                 3 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|

            {"type": "hist", "data": {"@hk": {"z": [], "a": [{"min": 1, "max": 1, "count": 1},{"min": 2, "max": 3, "count": 1}], "b": [{"min": 2, "max": 3, "count": 3}]}}}
        "#]],
    );
}

#[test]
fn linear_histograms() {
    let kind = |min: i64, max: i64, step: i64| Aggregate::LHist { min, max, step };
    check(
        &aggregate("@l", Type::Void, kind(0, 10, 2)),
        &buckets(&[(0, 1, 0), (2, 2, 0), (6, 0, 1)]),
        expect![[r#"
            @l:
            (..., 0)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |
            [0, 2)                 0 |                                                    |
            [2, 4)                 2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
            [4, 6)                 0 |                                                    |
            [6, 8)                 0 |                                                    |
            [8, 10)                0 |                                                    |
            [10, ...)              1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |

            {"type": "hist", "data": {"@l": [{"max": -1, "count": 1},{"min": 0, "max": 1, "count": 0},{"min": 2, "max": 3, "count": 2},{"min": 4, "max": 5, "count": 0},{"min": 6, "max": 7, "count": 0},{"min": 8, "max": 9, "count": 0},{"min": 10, "count": 1}]}}
        "#]],
    );
    check(
        &aggregate("@k", Type::Void, kind(0, 2 << 20, 1 << 20)),
        &buckets(&[(1, 1, 0), (2, 2, 0)]),
        expect![[r#"
            @k:
            [0, 1M)                1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |
            [1M, 2M)               2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|

            {"type": "hist", "data": {"@k": [{"min": 0, "max": 1048575, "count": 1},{"min": 1048576, "max": 2097151, "count": 2}]}}
        "#]],
    );
    check(
        &aggregate("@one", Type::Void, kind(0, 3, 1)),
        &buckets(&[(2, 1, 0)]),
        expect![[r#"
            @one:
            [1]                    1 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|

            {"type": "hist", "data": {"@one": [{"min": 1, "max": 1, "count": 1}]}}
        "#]],
    );
}

#[test]
fn time_series() {
    let kind = |interval: u64| Aggregate::TSeries {
        interval,
        buckets: 5,
        how: SeriesKind::Last,
        signed: true,
    };
    let at = |interval: i64, number: i64| {
        let bucket = u32::try_from(interval % 5).expect("small");
        RawEntry {
            key: bucket.to_le_bytes().to_vec(),
            values: entry(none(), &[&[interval, number, 1]]).values,
        }
    };
    let hours = |text: String| text.replace(&zone_of_the_epoch(), "HH:MM");
    let mut faces = Faces::new(Image::default());
    let half = aggregate("@a", Type::Void, kind(500_000_000));
    let written = hours(faces.map(&half, &[at(1, 4)]));
    expect![[r#"
        @a:
                     3                                                   5
        hh:mm:ss.ms  |___________________________________________________|
        HH:MM:00.500 |                         *                         | 4
                     v___________________________________________________v
                     3                                                   5

        {"type": "tseries", "data": {"@a": [{"interval_start":"1970-01-01 HH:MM:00.500000000","value":4}]}}
    "#]]
    .assert_eq(&written);
    let whole = aggregate("@b", Type::Void, kind(1_000_000_000));
    let written = hours(faces.map(&whole, &[at(1, -2), at(3, 6), at(4, 2)]));
    expect![[r#"
        @b:
                 -2                                                  6
        hh:mm:ss |___________________________________________________|
        HH:MM:01 *            .                                      | -2
        HH:MM:02 |            .                                      | -
        HH:MM:03 |            .                                      * 6
        HH:MM:04 |            .            *                         | 2
                 v___________________________________________________v
                 -2                                                  6

        {"type": "tseries", "data": {"@b": [{"interval_start":"1970-01-01 HH:MM:01.000000000","value":-2},{"interval_start":"1970-01-01 HH:MM:02.000000000","value":null},{"interval_start":"1970-01-01 HH:MM:03.000000000","value":6},{"interval_start":"1970-01-01 HH:MM:04.000000000","value":2}]}}
    "#]]
    .assert_eq(&written);
}

/// Hour and minute at the Unix epoch here.
fn zone_of_the_epoch() -> String {
    let time = crate::kernel::clock::TimeOfDay::local(0);
    format!("{:02}:{:02}", time.hour, time.minute)
}
