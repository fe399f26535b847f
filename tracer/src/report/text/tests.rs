//! Golden text.

use expect_test::{Expect, expect};
use tracer_common::loss::Loss;

use super::{Style, Text};
use crate::report::{
    Face as _, Item, Report, Value,
    sample::{event, histogram, report, row, schema, table},
};

const STYLE: Style = Style {
    colour: false,
    timestamps: false,
    intervals: false,
    time_of_day: |_| "14:03:22.123".to_owned(),
};

fn shown(style: Style, show: impl FnOnce(&mut Text<&mut Vec<u8>>)) -> String {
    let mut out = Vec::new();
    show(&mut Text::new(&mut out, style));
    String::from_utf8(out).expect("UTF-8")
}

fn check(report: &Report, expected: &Expect) {
    expected.assert_eq(&shown(STYLE, |text| text.report(report).expect("written")));
}

fn of(item: Item) -> Report {
    report(vec![item], &[])
}

#[test]
fn a_table_is_as_wide_as_it_must_be() {
    let rows = vec![
        row("bash", 12, 1_234_567, b"/etc/passwd"),
        row("a-long-name", 400_000, 7, b"/x"),
    ];
    check(
        &of(table(rows, 3)),
        &expect![[r#"
            COMM          CALLS   TOTAL  PATH
            bash             12  1.23ms  /etc/passwd
            a-long-name  400000     7ns  /x
            ... and 3 more (-n)
        "#]],
    );
}

#[test]
fn an_empty_table_says_so() {
    check(
        &of(table(Vec::new(), 0)),
        &expect![[r#"
            COMM  CALLS  TOTAL  PATH
            (nothing)
        "#]],
    );
}

#[test]
fn a_histogram_has_bars_and_percentiles() {
    let values: Vec<u64> = (0..100).map(|n| 900 + 40 * n).chain([20_000, 0]).collect();
    check(
        &of(histogram(&values)),
        &expect![[r#"
            block I/O latency  disk vda
            [0ns, 1ns)           1 |@                                                   |
            [1ns, 2ns)           0 |                                                    |
            [2ns, 4ns)           0 |                                                    |
            [4ns, 8ns)           0 |                                                    |
            [8ns, 16ns)          0 |                                                    |
            [16ns, 32ns)         0 |                                                    |
            [32ns, 64ns)         0 |                                                    |
            [64ns, 128ns)        0 |                                                    |
            [128ns, 256ns)       0 |                                                    |
            [256ns, 512ns)       0 |                                                    |
            [512ns, 1.02us)      4 |@@@@                                                |
            [1.02us, 2.05us)    25 |@@@@@@@@@@@@@@@@@@@@@@@@@                           |
            [2.05us, 4.10us)    51 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
            [4.10us, 8.19us)    20 |@@@@@@@@@@@@@@@@@@@@                                |
            [8.19us, 16.4us)     0 |                                                    |
            [16.4us, 32.8us)     1 |@                                                   |
            count 102  mean 3.02us  p50 2.88us  p90 4.48us  p99 4.74us  p99.9 19.7us  max 20.0us
        "#]],
    );
}

#[test]
fn one_value_is_one_bar() {
    check(
        &of(histogram(&[1_000_000])),
        &expect![[r#"
            block I/O latency  disk vda
            [524us, 1.05ms)     1 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
            count 1  mean 1.00ms  p50 992us  p90 992us  p99 992us  p99.9 992us  max 1.00ms
        "#]],
    );
}

#[test]
fn no_values_are_no_bars() {
    check(
        &of(histogram(&[])),
        &expect![[r#"
            block I/O latency  disk vda
            count 0
        "#]],
    );
}

#[test]
fn losses_are_told() {
    check(
        &report(Vec::new(), &[(Loss::RingFull, 123), (Loss::InFlight, 2)]),
        &expect![[r#"
            LOST 123: events, as the ring buffer was full (raise it)
            note: 2 had begun before tracing did, and are not counted
        "#]],
    );
}

#[test]
fn events_stand_in_columns() {
    let style = Style {
        timestamps: true,
        ..STYLE
    };
    let text = shown(style, |text| {
        text.begin(&schema()).expect("written");
        text.event(&event(row("bash", 1, 2_000, b"/tmp/a b")))
            .expect("written");
        text.event(&event(row("a-longer-name", 1, 2_000, b"\xff\n")))
            .expect("written");
        text.event(&event(vec![
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
        ]))
        .expect("written");
    });
    expect![[r#"
        TIME         COMM      CALLS    TOTAL PATH
        14:03:22.123 bash          1   2.00us /tmp/a b
        14:03:22.123 a-longer-name      1   2.00us \xff\n
        14:03:22.123 -             -        - -
    "#]]
    .assert_eq(&text);
}
