//! From an attach point as it is written to the places it means: one file for each family of providers.

pub(super) mod iterator;
pub(super) mod kernel_function;
pub(super) mod marker;
pub(super) mod perf;
pub(super) mod program;
mod source_function;
mod source_line;
mod timer;
pub(super) mod tracepoint;
pub(super) mod user_function;
mod watchpoint;
mod within_function;

use tracer_script::{
    diagnostic::nearest,
    facts::ExpandOptions,
    probe::{AttachKind, PROVIDERS, Target},
};

use super::KernelFacts;
use crate::glob::Glob;

/// The places that an attach point means: its parts are what stands between its colons.
///
/// The error says what is wrong with it, or that there is no such place.
pub(super) fn expand(
    facts: &KernelFacts<'_>,
    parts: &[String],
    options: &ExpandOptions,
) -> Result<Vec<Target>, String> {
    use AttachKind::*;
    let (provider, rest) = parts.split_first().ok_or("an attach point is empty")?;
    let kind = AttachKind::by_name(provider).ok_or_else(|| unknown_provider(provider))?;
    let point = Point {
        facts,
        kind,
        rest: rest.iter().map(String::as_str).collect(),
        options,
    };
    match kind {
        Begin | End => {
            point.nothing_behind()?;
            Ok(vec![Target::new(kind, kind.name())])
        }
        SelfSignal => signal(&point),
        Interval | Profile => timer::expand(&point),
        Software | Hardware => perf::expand(&point),
        Tracepoint => tracepoint::expand(&point),
        RawTracepoint => tracepoint::expand_raw(&point),
        Kprobe | Kretprobe => kernel_function::expand_probe(&point),
        Fentry | Fexit => kernel_function::expand_trampoline(&point),
        Uprobe | Uretprobe => user_function::expand(&point),
        Usdt => marker::expand(&point),
        Watchpoint => watchpoint::expand(&point),
        Iter => iterator::expand(&point),
        Test | Bench => Err(format!("{} probes are not supported yet", kind.name())),
    }
}

/// An attach point that is being expanded.
struct Point<'a> {
    facts: &'a KernelFacts<'a>,
    kind: AttachKind,
    /// What stands behind the provider.
    rest: Vec<&'a str>,
    options: &'a ExpandOptions,
}

impl Point<'_> {
    /// As it is shown: the provider's whole name, and what stands behind.
    fn name(&self) -> String {
        self.name_of(&self.rest)
    }

    fn name_of(&self, parts: &[&str]) -> String {
        let mut name = self.kind.name().to_owned();
        for part in parts {
            name.push(':');
            name.push_str(part);
        }
        name
    }

    /// What to say where it cannot be attached to.
    fn failed(&self, reason: &str) -> String {
        format!("cannot attach to {}: {reason}", self.name())
    }

    fn nothing_behind(&self) -> Result<(), String> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let kind = self.kind.name();
        Err(format!("{kind} takes nothing behind it: write {kind}"))
    }

    /// What to say where there are too many parts or too few.
    fn misshapen(&self, forms: &str) -> String {
        format!(
            "{} is not understood: it is written as {forms}",
            self.name()
        )
    }
}

fn unknown_provider(provider: &str) -> String {
    let lower = provider.to_ascii_lowercase();
    let names = PROVIDERS.iter().map(|(name, ..)| *name);
    let hint = did_you_mean(nearest(&lower, names));
    format!("Unrecognized probe type: {provider}{hint}")
}

fn signal(point: &Point<'_>) -> Result<Vec<Target>, String> {
    match point.rest.as_slice() {
        ["signal", "SIGUSR1"] => Ok(vec![Target {
            item: "SIGUSR1".to_owned(),
            ..Target::new(point.kind, point.name())
        }]),
        ["signal", other] => Err(format!(
            "the signal {other} is not supported: self probes take SIGUSR1 only"
        )),
        _ => Err(point.misshapen("self:signal:SIGUSR1")),
    }
}

/// True where a name is a pattern.
fn is_pattern(text: &str) -> bool {
    !Glob::new(text).is_plain()
}

/// A number as scripts write it: `10`, `0x1f`, `1e6`.
fn number(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    if let Some((digits, power)) = text.split_once('e') {
        let factor = 10u64.checked_pow(power.parse().ok()?)?;
        return digits.parse::<u64>().ok()?.checked_mul(factor);
    }
    text.replace('_', "").parse().ok()
}

/// The name nearest to `word` out of very many: what begins otherwise, or is much longer, is not compared.
fn near<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = word.len() / 3 + 1;
    let first = word.bytes().next();
    let alike =
        |name: &&str| name.bytes().next() == first && name.len().abs_diff(word.len()) <= limit;
    nearest(word, names.filter(alike))
}

/// A question to add to an error; nothing where no name is near.
fn did_you_mean(name: Option<&str>) -> String {
    name.map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
