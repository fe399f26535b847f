//! How fast `printf` is.

use std::{hint::black_box, time::Instant};

use super::*;

/// Run by hand, in a release build: `cargo test --release -p tracer speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, which holds in a release build on an idle machine only"]
fn a_million_lines_a_second() {
    const LINES: u32 = 2_000_000;
    let image = Rc::new(Image::default());
    let context = Context {
        image,
        quiet: true,
        stacks: Box::new(|_| None),
        errors: Box::new(io::sink()),
    };
    let mut text = crate::script::output::text(Box::new(io::sink()), context);
    let action = printf(
        "%-16s %-6d %s %lld\n",
        vec![Type::Str(16), uint(4), Type::Str(64), uint(8)],
    );
    let bytes = Bytes::default()
        .string("systemd-journal", 16)
        .number(12_345)
        .string("/proc/12345/attr/current", 64)
        .number(123_456_789_012);
    let start = Instant::now();
    for _ in 0..LINES {
        text.record(&action, black_box(&bytes.0))
            .expect("a sink takes all");
    }
    let rate = f64::from(LINES) / start.elapsed().as_secs_f64();
    eprintln!("{rate:.0} lines/s");
    assert!(rate > 1e6, "{rate:.0} lines/s");
}
