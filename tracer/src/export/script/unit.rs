//! Units of a script's numbers: what people write, and the base units of Prometheus.

use crate::export::{family::Scale, name::BaseUnit};

/// A unit that numbers of a script may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The base unit, and how numbers come to it.
    pub base: BaseUnit,
    /// Powers of two of the first and the last bound of a histogram's classic buckets, in this unit.
    pub powers: (u32, u32),
}

impl Unit {
    /// Plain numbers.
    pub const NONE: Self = Self::new("", 1, 0, (0, 34));

    const fn new(name: &'static str, factor: u64, exponent: i8, powers: (u32, u32)) -> Self {
        Self {
            base: BaseUnit {
                name,
                scale: Scale { factor, exponent },
            },
            powers,
        }
    }

    /// By what people call it.
    pub fn by_name(name: &str) -> Option<Self> {
        // Bounds of durations are from some microsecond to some 17 seconds, whatever they are told in.
        Some(match name {
            "none" => Self::NONE,
            "ns" | "nsec" | "nsecs" | "nanoseconds" => Self::new("seconds", 1, -9, (10, 34)),
            "us" | "usec" | "usecs" | "microseconds" => Self::new("seconds", 1, -6, (0, 24)),
            "ms" | "msec" | "msecs" | "milliseconds" => Self::new("seconds", 1, -3, (0, 14)),
            "s" | "sec" | "secs" | "seconds" => Self::new("seconds", 1, 0, (0, 14)),
            "bytes" => Self::new("bytes", 1, 0, (0, 34)),
            "kb" | "KB" | "KiB" => Self::new("bytes", 1 << 10, 0, (0, 24)),
            "mb" | "MB" | "MiB" => Self::new("bytes", 1 << 20, 0, (0, 14)),
            "pages" => Self::new("bytes", 4096, 0, (0, 22)),
            "sectors" => Self::new("bytes", 512, 0, (0, 25)),
            _ => return None,
        })
    }

    /// What a map's name tells of it, with what is left of the name: `read_us` are microseconds of `read`. The
    /// letter `s` alone tells nothing.
    pub fn of_name(name: &str) -> (&str, Option<Self>) {
        let (stem, last) = name.rsplit_once('_').unwrap_or(("", name));
        match Self::by_name(last) {
            Some(unit) if !["s", "none", "pages", "sectors"].contains(&last) => (stem, Some(unit)),
            _ => (name, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_units() {
        let told = |name| {
            let (stem, unit) = Unit::of_name(name);
            (
                stem,
                unit.map(|unit| {
                    (
                        unit.base.name,
                        unit.base.scale.factor,
                        unit.base.scale.exponent,
                    )
                }),
            )
        };
        assert_eq!(told("read_us"), ("read", Some(("seconds", 1, -6))));
        assert_eq!(told("usecs"), ("", Some(("seconds", 1, -6))));
        assert_eq!(told("io_kb"), ("io", Some(("bytes", 1024, 0))));
        assert_eq!(told("bytes"), ("", Some(("bytes", 1, 0))));
        assert_eq!(told("read_s"), ("read_s", None));
        assert_eq!(told("bus"), ("bus", None));
    }
}
