//! What a script's map is called as a metric, and what its labels are called.

use std::collections::BTreeSet;

use tracer_script::{
    program::{Image, Map},
    types::Aggregate,
};

use super::{hint::Hint, unit::Unit};
use crate::{
    export::{
        buckets::Bounds,
        family::Kind,
        family::Metric,
        name::{family_name, label_name, sentence},
        rows::Options,
    },
    script::output::measure::{Keys, Shape},
};

/// The labels' names of a map: one for each part of its key, each once.
pub fn label_names(image: &Image, map: &Map, hint: &Hint) -> Result<Vec<Box<str>>, String> {
    let parts = Keys::parts(map);
    if let Some(labels) = &hint.labels {
        return hinted_labels(map, labels, parts);
    }
    let known = image
        .key_names
        .iter()
        .find(|(name, names)| *name == map.name && names.len() == parts);
    let own = known.map(|(_, names)| -> Vec<Box<str>> {
        names.iter().map(|name| label_name(name).into()).collect()
    });
    let numbered = || {
        (1..=parts)
            .map(|part| format!("key{part}").into())
            .collect()
    };
    // Names that differ in the script may be the same as labels.
    let labels = own.filter(|labels| are_distinct(labels));
    Ok(labels.unwrap_or_else(numbered))
}

fn hinted_labels(map: &Map, hinted: &[String], parts: usize) -> Result<Vec<Box<str>>, String> {
    let labels: Vec<Box<str>> = hinted
        .iter()
        .map(|label| label_name(label).into())
        .collect();
    if labels.len() != parts {
        return Err(format!(
            "{} has keys of {parts} parts, and {} labels in its hint",
            map.name,
            labels.len()
        ));
    }
    match are_distinct(&labels) {
        true => Ok(labels),
        false => Err(format!("two labels of {} have the same name", map.name)),
    }
}

fn are_distinct(labels: &[Box<str>]) -> bool {
    labels.iter().collect::<BTreeSet<_>>().len() == labels.len()
}

/// The family that a map is.
pub fn column(map: &Map, shape: Shape, hint: &Hint, options: &Options) -> Metric {
    let own_name = map.name.trim_start_matches('@');
    let hinted = hint.unit.as_deref().and_then(Unit::by_name);
    // What is counted has no unit, whatever its name ends in.
    let counts = matches!(
        map.value,
        tracer_script::types::Type::Aggregate(Aggregate::Count)
    );
    let (stem, told) = match counts {
        true => (own_name, None),
        false => Unit::of_name(own_name),
    };
    let unit = hinted.or(told).unwrap_or(Unit::NONE);
    let stem = match (stem, unit.base.name) {
        ("", "seconds") => "duration",
        ("", "") => "values",
        (stem, _) => stem,
    };
    let name = hint.name.as_deref().unwrap_or(stem);
    let help = hint
        .help
        .clone()
        .unwrap_or_else(|| format!("Map {} of the script", map.name));
    Metric {
        name: family_name(&[&options.prefix, name], unit.base.name).into(),
        help: sentence(&help).into(),
        unit: unit.base.name.into(),
        kind: match shape {
            Shape::Growing => Kind::Counter,
            Shape::Level | Shape::Least | Shape::Greatest => Kind::Gauge,
            Shape::Summary => Kind::Summary,
            Shape::Histogram(_) => Kind::Histogram,
        },
        scale: unit.base.scale,
        bounds: bounds(shape, unit, options),
    }
}

/// Bounds that are the upper ends of the script's own buckets.
fn bounds(shape: Shape, unit: Unit, options: &Options) -> Bounds {
    match shape {
        Shape::Histogram(Aggregate::Hist(bits)) => {
            let per_octave = options.buckets_per_octave.min(1 << bits);
            Bounds::exponential(per_octave, unit.powers.0, unit.powers.1)
        }
        Shape::Histogram(Aggregate::LHist { min, max, step }) => Bounds::linear(min, max, step),
        _ => Bounds::default(),
    }
}
