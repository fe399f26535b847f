//! The memory of a process over time, and whether it grows.

use std::{
    fs,
    time::{Duration, Instant},
};

/// Until then tables fill and buffers get their size.
const WARM_UP: Duration = Duration::from_secs(60);

/// Readings behind [`WARM_UP`] that tell whether memory grows: of fewer it is not asked.
const READINGS_MIN: usize = 100;

/// Memory of a process at one moment, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    /// Seconds since the first reading.
    seconds: f64,
    /// All that is resident.
    resident: f64,
    /// Of that, what no file is behind: heap and stacks. The rest are the program, libraries and the kernel's maps,
    /// which are as large as they are.
    anonymous: f64,
}

/// What a process had over time.
pub struct Memory {
    pid: u32,
    begun: Instant,
    readings: Vec<Reading>,
}

/// How memory was behind [`WARM_UP`], in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// The most that was resident in the first half of the time, and in the second.
    pub resident_max: (f64, f64),
    /// The median of anonymous memory in each half.
    pub anonymous_median: (f64, f64),
    /// What the trend of anonymous memory, its line of least squares, amounts to from the first reading to the last.
    pub anonymous_trend: f64,
}

impl Memory {
    /// Of this process.
    pub fn new(pid: u32) -> Self {
        Self {
            pid,
            begun: Instant::now(),
            readings: Vec::new(),
        }
    }

    /// Looks at it.
    pub fn read(&mut self) {
        let status = self.status();
        self.readings.push(Reading {
            seconds: self.begun.elapsed().as_secs_f64(),
            resident: field(&status, "VmRSS"),
            anonymous: field(&status, "RssAnon"),
        });
    }

    /// The most that was ever resident, between two readings, too.
    pub fn resident_max(&self) -> f64 {
        field(&self.status(), "VmHWM")
    }

    /// The most that no file is behind, of all readings.
    pub fn anonymous_max(&self) -> f64 {
        most(&self.readings, |reading| reading.anonymous)
    }

    fn status(&self) -> String {
        fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("the exporter runs")
    }

    /// How it grew; [`None`] where the time was too short to tell.
    pub fn growth(&self) -> Option<Growth> {
        growth(&self.readings)
    }
}

fn growth(readings: &[Reading]) -> Option<Growth> {
    let is_warm = |reading: &&Reading| reading.seconds >= WARM_UP.as_secs_f64();
    let warm: Vec<Reading> = readings.iter().filter(is_warm).copied().collect();
    if warm.len() < READINGS_MIN {
        return None;
    }
    let (first, second) = warm.split_at(warm.len() / 2);
    let resident = |readings| most(readings, |reading| reading.resident);
    Some(Growth {
        resident_max: (resident(first), resident(second)),
        anonymous_median: (median(first), median(second)),
        anonymous_trend: slope(&warm) * (warm[warm.len() - 1].seconds - warm[0].seconds),
    })
}

fn most(readings: &[Reading], of: impl Fn(&Reading) -> f64) -> f64 {
    readings.iter().map(of).fold(0.0, f64::max)
}

fn median(readings: &[Reading]) -> f64 {
    let mut bytes: Vec<f64> = readings.iter().map(|reading| reading.anonymous).collect();
    bytes.sort_unstable_by(f64::total_cmp);
    bytes[bytes.len() / 2]
}

/// Bytes of anonymous memory a second, by least squares.
fn slope(readings: &[Reading]) -> f64 {
    let count = readings.len() as f64;
    let mean = |of: fn(&Reading) -> f64| readings.iter().map(of).sum::<f64>() / count;
    let (time, bytes) = (
        mean(|reading| reading.seconds),
        mean(|reading| reading.anonymous),
    );
    let (mut both, mut times) = (0.0, 0.0);
    for reading in readings {
        let from_mean = reading.seconds - time;
        both += from_mean * (reading.anonymous - bytes);
        times += from_mean * from_mean;
    }
    both / times
}

/// A line of `/proc/PID/status`, which is in kB, in bytes.
fn field(status: &str, name: &str) -> f64 {
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.unwrap_or_else(|| panic!("{name} is not in {status}")) * 1024.0
}
