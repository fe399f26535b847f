//! One source takes the place of another.

use std::time::Instant;

use tokio::task::LocalSet;

use super::*;
use crate::{
    export::{
        family::Sample,
        rows::{Options, Rows},
    },
    kernel::session::ProgramStats,
    report::{Item, Number, Report, Role, Unit},
};

fn rows(count: u64) -> Rows {
    let mut rows = Rows::new(Options {
        prefix: "tracer_test".to_owned(),
        pid: false,
        without: Vec::new(),
        series_max: 10,
        label_bytes_max: 100,
        buckets_per_octave: 1,
    });
    for role in [Role::Counter, Role::Gauge] {
        let number = Number {
            name: if role == Role::Counter {
                "grows"
            } else {
                "goes"
            },
            title: "numbers",
            unit: Unit::Count,
            role,
            value: count,
        };
        let report = Report {
            tool: "test",
            time_ns: 0,
            span: Duration::ZERO,
            last: false,
            items: vec![Item::Number(number)],
            lost: Vec::new(),
        };
        rows.add_report(&report, Instant::now());
    }
    rows
}

/// A source that has counted so much, without a kernel.
async fn serve(mut requests: Requests, mut rows: Rows, count: u64) {
    while let Some(request) = requests.recv().await {
        match request {
            Request::Tell(reply) => {
                let _ = reply.send(findings(&rows, count));
            }
            Request::GiveUp(to) => {
                let _ = to.send(Estate::Tool(rows.give_up()));
            }
            Request::Inherit(Estate::Tool(groups)) => rows.inherit(groups, Instant::now()),
            Request::Inherit(Estate::Script(_)) => panic!("a tool inherits from a script"),
        }
    }
}

fn findings(rows: &Rows, count: u64) -> Findings {
    Findings {
        name: "test".to_owned(),
        state: State::Up,
        about: String::new(),
        hooks: String::new(),
        since_ns: 0,
        families: rows.families(),
        programs: vec![ProgramStats {
            name: "program".into(),
            runs: count,
            time_ns: 10 * count,
            recursion_misses: 0,
        }],
        fills: Vec::new(),
        events: count,
        lost: vec![("ring_full", count)],
        sizes: Vec::new(),
        retries: 0,
    }
}

fn start(count: u64) -> Handle {
    let (handle, requests) = Handle::new("test");
    tokio::task::spawn_local(serve(requests, rows(count), count));
    handle
}

fn value(findings: &Findings, name: &str) -> i128 {
    let mut families = findings.families.iter();
    let family = families.find(|family| &*family.metric.name == name);
    match family.expect("it is told").series[0].sample {
        Sample::Number(number) => number,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn what_grows_goes_on_when_a_source_is_started_again() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let mut first = start(1);
        first.retries = 3;
        let mut second = start(10);
        second.succeed(&first).await;
        drop(first);
        let mut third = start(100);
        third.succeed(&second).await;
        let found = third.findings().await.expect("it runs");
        assert_eq!(value(&found, "tracer_test_grows"), 111);
        assert_eq!(value(&found, "tracer_test_goes"), 100);
        assert_eq!((found.events, found.retries), (111, 3));
        assert_eq!(found.lost, [("ring_full", 111)]);
        let program = &found.programs[0];
        assert_eq!((program.runs, program.time_ns), (111, 1110));
    });
}
