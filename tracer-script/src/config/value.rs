//! Values of settings as they are written, and why one is refused.

use std::ops::RangeInclusive;

use super::{MissingProbes, SymbolCache, SymbolSource, Unstable};
use crate::types::StackMode;

const LICENSES: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];

/// Why a setting is refused.
pub(super) enum Wrong {
    /// There is no such key.
    Key,
    /// The key has another name.
    Renamed(&'static str),
    /// A script cannot set it.
    Environment,
    /// The value is not one of its own.
    Value(String),
}

impl Wrong {
    /// In bpftrace's words, for a key as it was written.
    pub(super) fn tell(&self, key: &str) -> String {
        match self {
            Self::Key => format!("{key}: not a known configuration option"),
            Self::Renamed(name) => format!("{key}: key has been renamed to '{name}'"),
            Self::Environment => format!("{key}: can only be set as an environment variable"),
            Self::Value(reason) => format!("{key}: {reason}"),
        }
    }
}

fn invalid<T>(reason: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong::Value(reason.into()))
}

pub(super) fn cache(value: &str) -> Result<Option<SymbolCache>, Wrong> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "1" | "true" => None,
        "per_pid" => Some(SymbolCache::PerPid),
        "per_program" => Some(SymbolCache::PerProgram),
        "none" | "0" | "false" => Some(SymbolCache::None),
        _ => {
            return invalid(
                "Invalid value for cache_user_symbols: valid values are PER_PID, PER_PROGRAM, and \
                 NONE.",
            );
        }
    })
}

pub(super) fn license(value: &str) -> Result<String, Wrong> {
    if LICENSES.contains(&value) {
        return Ok(value.to_owned());
    }
    invalid(format!(
        "Invalid value for license. Found: {value}. Valid values: {}",
        LICENSES.join(", ")
    ))
}

pub(super) fn missing_probes(value: &str) -> Result<MissingProbes, Wrong> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "error" => MissingProbes::Error,
        "warn" => MissingProbes::Warn,
        "ignore" => MissingProbes::Ignore,
        _ => {
            return invalid(
                "Invalid value for missing_probes: valid values are ignore, warn, and error.",
            );
        }
    })
}

pub(super) fn stack_mode(value: &str) -> Result<StackMode, Wrong> {
    match StackMode::by_name(value) {
        Some(mode) => Ok(mode),
        None => invalid(
            "Invalid value for stack_mode: valid values are bpftrace, perf, raw, and build_id.",
        ),
    }
}

pub(super) fn symbol_source(value: &str) -> Result<SymbolSource, Wrong> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "symbol_table" => SymbolSource::SymbolTable,
        "dwarf" => SymbolSource::Dwarf,
        _ => {
            return invalid(
                "Invalid value for symbol_source: valid values are dwarf and symbol_table.",
            );
        }
    })
}

pub(super) fn unstable(value: &str) -> Result<Unstable, Wrong> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "enable" | "true" | "1" => Unstable::Enable,
        "warn" => Unstable::Warn,
        "error" | "false" | "0" => Unstable::Error,
        _ => {
            return invalid(
                "Invalid value for unstable config: valid values are enable, warn, and error.",
            );
        }
    })
}

pub(super) fn boolean(value: &str) -> Result<bool, Wrong> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => invalid("Invalid bool value: valid values are true, false, 1 or 0."),
    }
}

pub(super) fn number(value: &str, range: RangeInclusive<u64>) -> Result<u64, Wrong> {
    match value.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(number) => invalid(format!(
            "{number} is out of range: it is from {} to {}",
            range.start(),
            range.end()
        )),
        Err(_) => invalid(format!("expecting a number, got {value}")),
    }
}
