//! What only grows of a source and is no series of it: kept when it fails and is started again.

use std::collections::BTreeMap;

use super::Findings;

/// Counts of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    events: u64,
    lost: BTreeMap<&'static str, u64>,
    /// Runs and nanoseconds of each program. One that is not attached keeps them.
    programs: BTreeMap<String, (u64, u64)>,
}

impl Counts {
    /// Remembers what was found.
    pub fn learn(&mut self, findings: &Findings) {
        self.events = findings.events;
        self.lost.extend(findings.lost.iter().copied());
        let programs = findings.programs.iter();
        self.programs.extend(
            programs.map(|program| (program.name.clone(), (program.runs, program.time_ns))),
        );
    }

    /// Adds these to what was found since.
    pub fn add_to(&self, findings: &mut Findings) {
        findings.events += self.events;
        for (cause, count) in &self.lost {
            match findings.lost.iter_mut().find(|(own, _)| own == cause) {
                Some((_, own)) => *own += count,
                None => findings.lost.push((cause, *count)),
            }
        }
        for program in &mut findings.programs {
            if let Some((runs, time_ns)) = self.programs.get(&program.name) {
                program.runs += runs;
                program.time_ns += time_ns;
            }
        }
    }
}
