//! `interval` and `profile`: every so often, on one CPU or on each.

use tracer_script::probe::{AttachKind, Target};

use super::{Point, number};

/// Units of time, and how many nanoseconds each has.
const UNITS: [(&str, u64); 4] = [
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// What can stand behind a number: `1s`. A number alone means nanoseconds.
const SUFFIXES: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// `group` is the unit; `count` the hertz, or else nanoseconds.
pub(super) fn expand(point: &Point<'_>) -> Result<Vec<Target>, String> {
    let kind = point.kind.name();
    let (unit, count) = match point.rest.as_slice() {
        [duration] => ("ns", duration_ns(duration)),
        ["hz", rate] => ("hz", number(rate)),
        [unit, count] => match UNITS.iter().find(|(name, _)| name == unit) {
            Some((_, factor)) => {
                let count = number(count);
                (*unit, count.and_then(|count| count.checked_mul(*factor)))
            }
            None => {
                return Err(format!(
                    "{unit} is no unit of {kind}: use hz, s, ms, us or ns"
                ));
            }
        },
        _ => {
            return Err(point.misshapen(&format!("{kind}:1s, {kind}:s:1 or {kind}:hz:99")));
        }
    };
    let count = count.filter(|count| *count > 0).ok_or_else(|| {
        format!(
            "{} does not say how often: it needs a whole number above 0",
            point.name()
        )
    })?;
    Ok(vec![Target {
        group: unit.to_owned(),
        count,
        // A timer that runs on one CPU has no process to belong to.
        pid: match point.kind {
            AttachKind::Profile => point.options.pid,
            _ => None,
        },
        ..Target::new(point.kind, point.name())
    }])
}

fn duration_ns(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" => 1,
        suffix => SUFFIXES.iter().find(|(name, _)| *name == suffix)?.1,
    };
    number(digits)?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration_ns("1s"), Some(1_000_000_000));
        assert_eq!(duration_ns("250ms"), Some(250_000_000));
        assert_eq!(duration_ns("1_000"), Some(1000));
        assert_eq!(duration_ns("2h"), Some(7_200_000_000_000));
        assert_eq!(duration_ns("1w"), None);
        assert_eq!(duration_ns("s"), None);
        assert_eq!(duration_ns("99999999999999d"), None);
    }
}
