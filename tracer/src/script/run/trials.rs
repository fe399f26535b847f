//! `--test` and `--bench`: the probes of a script that nothing but user space has run, one by one.

use std::time::{Duration, Instant};

use tracer_script::probe::AttachKind;

use super::live::Run;
use crate::{
    kernel::sys,
    script::output::{Benchmark, Test},
};

/// A benchmark is run for so long.
const TIME: Duration = Duration::from_millis(200);

/// Runs of a benchmark before the clock is looked at.
const RUNS: u64 = 1000;

/// What the program ends with where a test has failed.
const FAILED: u8 = 1;

impl Run {
    /// Runs all tests, and gives back the status to exit with. A test passes where it returns 0 and nothing went
    /// wrong on the way: no `errorf`, no `assert` that fails, no helper that fails and is told.
    pub fn test(mut self) -> anyhow::Result<u8> {
        let _measured = sys::measure_programs()?;
        self.rest()?;
        let programs = self.actor.session.on_request(AttachKind::Test);
        self.actor.face.tests_begin(programs.len())?;
        let mut tests = Vec::new();
        for program in programs {
            let name = self.name_of(program);
            self.actor.face.test_begins(&name)?;
            self.actor.begin_test();
            let (_, before_ns) = self.actor.session.run_time(program)?;
            let result = self.actor.session.run(program)?;
            self.rest()?;
            let (_, after_ns) = self.actor.session.run_time(program)?;
            let test = Test {
                name,
                duration_ns: after_ns - before_ns,
                passed: result == 0 && !self.actor.went_wrong(),
            };
            self.actor.face.test_ends(&test)?;
            tests.push(test);
        }
        self.actor.face.tests_end(&tests)?;
        let all_passed = tests.iter().all(|test| test.passed);
        self.end_trials(if all_passed { 0 } else { FAILED })
    }

    /// Runs all benchmarks, and gives back the status to exit with.
    pub fn bench(mut self) -> anyhow::Result<u8> {
        let _measured = sys::measure_programs()?;
        let mut benchmarks = Vec::new();
        for program in self.actor.session.on_request(AttachKind::Bench) {
            let (runs_before, before_ns) = self.actor.session.run_time(program)?;
            let start = Instant::now();
            while start.elapsed() < TIME {
                for _ in 0..RUNS {
                    self.actor.session.run(program)?;
                }
                self.rest()?;
            }
            let (runs_after, after_ns) = self.actor.session.run_time(program)?;
            let runs = runs_after - runs_before;
            benchmarks.push(Benchmark {
                name: self.name_of(program),
                average_ns: (after_ns - before_ns) / runs.max(1),
                runs,
            });
        }
        self.actor.face.benchmarks(&benchmarks)?;
        self.end_trials(0)
    }

    fn end_trials(mut self, status: u8) -> anyhow::Result<u8> {
        self.actor.session.detach();
        self.actor.begin_test();
        self.actor.run_all(AttachKind::End)?;
        self.rest()?;
        self.actor.tell_losses()?;
        self.actor.face.flush()?;
        Ok(status)
    }

    /// The name of a program's probe, without its provider.
    fn name_of(&self, program: usize) -> String {
        let targets = &self.actor.image.programs[program].targets;
        targets
            .first()
            .map_or_else(String::new, |target| target.item.clone())
    }
}
