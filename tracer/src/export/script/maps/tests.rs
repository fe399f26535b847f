use super::*;
use crate::export::{
    config::Series,
    family::{Kind, Sample},
};
use crate::script::session::assembled;
use tracer_script::{
    program::{MapKind, MapRole},
    types::Aggregate,
};

const INT: Type = Type::Int {
    size: 8,
    signed: true,
};

fn map(name: &str, key: Type, value: Type) -> Map {
    Map {
        key,
        value,
        ..assembled::map(name, MapRole::Script, MapKind::PercpuHash, (8, 8, 10))
    }
}

fn exported(name: &str, key: Type, value: Type, hint: Hint) -> Result<Exported, String> {
    let map = map(name, key, value);
    let image = Image {
        key_names: [
            ("@k", vec!["pid"]),
            ("@pair", vec!["fd", "mode"]),
            ("@twins", vec!["fd", "FD"]),
        ]
        .map(|(map, names)| {
            (
                map.to_owned(),
                names.into_iter().map(str::to_owned).collect(),
            )
        })
        .into(),
        ..Image::default()
    };
    let shape = Shape::of(&map).expect("numbers");
    let options = Series::default().options("p".to_owned());
    Exported::new(&image, &map, shape, &hint, &options)
}

fn of(kind: Aggregate) -> Exported {
    exported("@k", INT, Type::Aggregate(kind), Hint::default()).expect("it fits")
}

/// Has it look at entries: key, bucket, sum and count.
fn look(exported: &mut Exported, entries: &[(u8, u32, i128, u64)], now: Instant) {
    let mut read = Read::default();
    for &(key, bucket, sum, count) in entries {
        read.add(&Measure {
            key: &[key],
            bucket,
            sum,
            count,
        });
    }
    exported.absorb(&read, &mut |key| [key[0].to_string().into()].into(), now);
}

/// What all series come to: labels, count, and sum.
fn found(exported: &Exported) -> Vec<(String, u64, i128)> {
    let families = exported.group.families();
    let one = |series: &crate::export::family::Series| {
        let (count, sum) = match &series.sample {
            Sample::Number(number) => (0, *number),
            Sample::Histogram { slots, sum } => (slots.count(), *sum),
            Sample::Summary { count, sum } => (*count, *sum),
            Sample::Float(_) => panic!("no map has one"),
        };
        (series.labels[0].to_string(), count, sum)
    };
    families[0].series.iter().map(one).collect()
}

fn expected(found: &[(&str, u64, i128)]) -> Vec<(String, u64, i128)> {
    found
        .iter()
        .map(|&(label, count, sum)| (label.to_owned(), count, sum))
        .collect()
}

#[test]
fn what_a_script_takes_away_is_kept() {
    let (mut counts, now) = (of(Aggregate::Count), Instant::now());
    look(&mut counts, &[(1, 0, 5, 0), (2, 0, 7, 0)], now);
    look(&mut counts, &[(1, 0, 6, 0), (2, 0, 7, 0)], now);
    assert_eq!(found(&counts), expected(&[("1", 0, 6), ("2", 0, 7)]));
    // Emptied and counted up anew, deleted, and deleted and counted up beyond what it was.
    look(&mut counts, &[(1, 0, 2, 0)], now);
    look(&mut counts, &[(1, 0, 2, 0), (2, 0, 9, 0)], now);
    assert_eq!(found(&counts), expected(&[("1", 0, 8), ("2", 0, 16)]));
}

#[test]
fn buckets_add_up_whether_they_grow_or_not() {
    let (mut hist, now) = (of(Aggregate::Hist(0)), Instant::now());
    look(
        &mut hist,
        &[(1, 1, 0, 0), (1, 3, 5, 2), (1, 4, 0, 0), (1, 5, 9, 1)],
        now,
    );
    look(
        &mut hist,
        &[(1, 1, 0, 0), (1, 3, 8, 3), (1, 5, 9, 1), (1, 6, 0, 0)],
        now,
    );
    assert_eq!(found(&hist), expected(&[("1", 4, 17)]));
    let mut stats = of(Aggregate::Stats(true));
    look(&mut stats, &[(1, 0, -5, 2)], now);
    look(&mut stats, &[(1, 0, -9, 3)], now);
    assert_eq!(found(&stats), expected(&[("1", 3, -9)]));
}

#[test]
fn levels_are_as_they_are() {
    let (mut level, now) = (of(Aggregate::Max(true)), Instant::now());
    look(&mut level, &[(1, 0, 9, 0), (2, 0, 4, 0)], now);
    look(&mut level, &[(1, 0, 3, 0)], now);
    assert_eq!(found(&level), expected(&[("1", 0, 3)]));
}

#[test]
fn series_of_processes_end_though_their_keys_stay() {
    let (mut counts, start) = (of(Aggregate::Count), Instant::now());
    look(&mut counts, &[(1, 0, 5, 0), (2, 0, 7, 0)], start);
    let later = start + Duration::from_secs(400);
    look(&mut counts, &[(1, 0, 5, 0), (2, 0, 7, 0)], later);
    let keep = Duration::from_secs(300);
    counts
        .group
        .expire(later, keep, &mut |owner| *owner == Owner::Process(2));
    look(&mut counts, &[(1, 0, 5, 0), (2, 0, 7, 0)], later);
    assert_eq!(found(&counts), expected(&[("2", 0, 7), ("other", 0, 5)]));
}

#[test]
fn names_and_units_come_from_the_script_or_its_hints() {
    let column = |name: &str, kind, hint: Hint| {
        let made = exported(name, INT, Type::Aggregate(kind), hint).expect("it fits");
        let column = &made.group.columns()[0];
        (column.name.to_string(), column.kind, column.scale.exponent)
    };
    let hist = Aggregate::Hist(2);
    assert_eq!(
        column("@k", Aggregate::Count, Hint::default()),
        ("p_k".to_owned(), Kind::Counter, 0)
    );
    assert_eq!(
        column("@read_us", hist, Hint::default()),
        ("p_read_seconds".to_owned(), Kind::Histogram, -6)
    );
    assert_eq!(
        column("@ns", hist, Hint::default()),
        ("p_duration_seconds".to_owned(), Kind::Histogram, -9)
    );
    assert_eq!(
        column("@", Aggregate::Sum(true), Hint::default()),
        ("p_values".to_owned(), Kind::Gauge, 0)
    );
    let hint = Hint {
        name: Some("x".to_owned()),
        unit: Some("ms".to_owned()),
        kind: Some(HintedKind::Counter),
        ..Hint::default()
    };
    assert_eq!(
        column("@k", Aggregate::Sum(true), hint),
        ("p_x_seconds".to_owned(), Kind::Counter, -3)
    );
    let labels = Hint {
        labels: Some(vec!["a".to_owned(), "b".to_owned()]),
        ..Hint::default()
    };
    let wrong = exported("@k", INT, Type::Aggregate(Aggregate::Count), labels).err();
    assert_eq!(
        wrong.as_deref(),
        Some("@k has keys of 1 parts, and 2 labels in its hint")
    );
}

#[test]
fn labels_come_once() {
    let pair = Type::Tuple(vec![INT, INT].into());
    let labels = |name: &str, given: Option<[&str; 2]>| {
        let hint = Hint {
            labels: given.map(|labels| labels.map(str::to_owned).into()),
            ..Hint::default()
        };
        let made = exported(name, pair.clone(), Type::Aggregate(Aggregate::Count), hint);
        made.map(|made| made.group.label_names().join(" "))
    };
    assert_eq!(labels("@pair", None).as_deref(), Ok("fd mode"));
    assert_eq!(labels("@twins", None).as_deref(), Ok("key1 key2"));
    assert_eq!(labels("@pair", Some(["a", "b"])).as_deref(), Ok("a b"));
    assert_eq!(
        labels("@pair", Some(["a.b", "a_B"])).expect_err("twice"),
        "two labels of @pair have the same name"
    );
}

#[test]
fn what_a_script_works_with_is_no_metric() {
    let image = Rc::new(Image {
        maps: vec![
            map("@start", INT, INT),
            map("@level", INT, INT),
            map("@hinted", INT, INT),
            map("@calls", INT, Type::Aggregate(Aggregate::Count)),
        ],
        deleted_maps: ["@start", "@hinted", "@calls"].map(str::to_owned).into(),
        ..Image::default()
    });
    let hints = Hints::from([("@hinted".to_owned(), Hint::default())]);
    let options = Series::default().options("p".to_owned());
    let mut maps = Maps::new(image, Box::new(|_| None), &[0, 1, 2, 3], &hints, &options)
        .expect("hints are right");
    let names: Vec<String> = maps
        .groups()
        .map(|group| group.columns()[0].name.to_string())
        .collect();
    assert_eq!(names, ["p_level", "p_hinted", "p_calls"]);
}
