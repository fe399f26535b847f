//! From the kernel's clock to the time of day.
//!
//! `bpf_ktime_get_ns()` reads `CLOCK_MONOTONIC`. It runs on where the clock of the day
//! (`CLOCK_REALTIME`) is set, and stands still while the machine is suspended: the offset between the two
//! changes, and has to be measured again from time to time. Source: `man 2 clock_gettime`.

use std::fmt;

/// Readings of the pair of clocks of which the closest is taken.
const SAMPLES: usize = 8;

/// How old the offset may become.
const REFRESH_NS: u64 = 1_000_000_000;

const NS_PER_SECOND: i64 = 1_000_000_000;

/// Turns times of the kernel's clock into times since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// `CLOCK_REALTIME` less `CLOCK_MONOTONIC`.
    offset_ns: i64,
    /// By how much the offset may be wrong.
    error_ns: u64,
    /// When it was measured, by `CLOCK_MONOTONIC`.
    measured_ns: u64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::measure()
    }
}

impl Clock {
    /// Measures the offset: 8 pairs of readings, less than a microsecond in all.
    pub fn measure() -> Self {
        let samples = std::array::from_fn::<_, SAMPLES, _>(|_| Sample::take());
        Self::of(&samples)
    }

    fn of(samples: &[Sample; SAMPLES]) -> Self {
        let best = samples.iter().min_by_key(|sample| sample.width_ns());
        let best = best.unwrap_or(&samples[0]);
        Self {
            offset_ns: best.offset_ns(),
            error_ns: best.width_ns().div_ceil(2),
            measured_ns: best.after_ns,
        }
    }

    /// Measures again where that was more than a second ago, so that the clock being set, or the machine
    /// waking up, does not make times wrong for long. Gives by how much the offset has changed, in
    /// nanoseconds.
    pub fn refresh(&mut self) -> i64 {
        if monotonic_ns().saturating_sub(self.measured_ns) < REFRESH_NS {
            return 0;
        }
        let before = self.offset_ns;
        *self = Self::measure();
        self.offset_ns - before
    }

    /// Nanoseconds since the Unix epoch at a time that the kernel side gave.
    pub fn epoch_ns(&self, monotonic_ns: u64) -> u64 {
        monotonic_ns.saturating_add_signed(self.offset_ns)
    }

    /// Nanoseconds since the Unix epoch at this moment, by the same offset as the kernel side's times:
    /// the order of events is kept where the clock is set.
    pub fn now_ns(&self) -> u64 {
        self.epoch_ns(monotonic_ns())
    }

    /// By how many nanoseconds [`epoch_ns`](Self::epoch_ns) may be wrong just after the measuring.
    pub fn error_ns(&self) -> u64 {
        self.error_ns
    }
}

/// One reading of `CLOCK_REALTIME` between two of `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug)]
struct Sample {
    before_ns: u64,
    real_ns: u64,
    after_ns: u64,
}

impl Sample {
    fn take() -> Self {
        let before_ns = monotonic_ns();
        let real_ns = sys::clock_ns(libc::CLOCK_REALTIME);
        Self {
            before_ns,
            real_ns,
            after_ns: monotonic_ns(),
        }
    }

    fn width_ns(&self) -> u64 {
        self.after_ns.saturating_sub(self.before_ns)
    }

    /// The real time was read in the middle, give or take half of the width.
    fn offset_ns(&self) -> i64 {
        self.real_ns
            .wrapping_sub(self.before_ns + self.width_ns() / 2)
            .cast_signed()
    }
}

/// The kernel's clock at this moment: what `bpf_ktime_get_ns()` gives.
pub fn monotonic_ns() -> u64 {
    sys::clock_ns(libc::CLOCK_MONOTONIC)
}

/// A time of day in the time zone of this host (`TZ`, or `/etc/localtime`), written as `HH:MM:SS.mmm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60: there are leap seconds.
    pub second: u8,
    /// 0 to 999.
    pub millisecond: u16,
}

impl TimeOfDay {
    /// The time of day at so many nanoseconds after the Unix epoch.
    pub fn local(epoch_ns: u64) -> Self {
        // The quotient of a u64 by 10^9 fits in an i64.
        let seconds = (epoch_ns / NS_PER_SECOND.unsigned_abs()).cast_signed();
        let subsecond_ns = epoch_ns % NS_PER_SECOND.unsigned_abs();
        let [hour, minute, second] = sys::local_time(seconds);
        Self {
            hour,
            minute,
            second,
            millisecond: (subsecond_ns / 1_000_000) as u16,
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            hour,
            minute,
            second,
            millisecond,
        } = self;
        write!(f, "{hour:02}:{minute:02}:{second:02}.{millisecond:03}")
    }
}

/// The calls to libc.
mod sys {
    use std::mem;

    /// What a clock shows, in nanoseconds. The clocks asked for are always there.
    pub(super) fn clock_ns(clock: libc::clockid_t) -> u64 {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: time is a valid timespec, which the call fills in.
        let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
        debug_assert_eq!(result, 0, "clock {clock}");
        time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
    }

    /// Hour, minute and second at so many seconds after the Unix epoch, in the host's time zone; in UTC
    /// for a year beyond what libc can tell.
    pub(super) fn local_time(seconds: libc::time_t) -> [u8; 3] {
        // SAFETY: struct tm is plain integers and a pointer, for which zero is a valid value.
        let mut parts: libc::tm = unsafe { mem::zeroed() };
        // SAFETY: both pointers are to live values of the right types. The call may read the
        // environment (TZ), which nothing in this program changes.
        let known = unsafe { !libc::localtime_r(&raw const seconds, &raw mut parts).is_null() };
        if !known {
            let second_of_day = seconds.rem_euclid(86_400);
            return [
                second_of_day / 3600,
                second_of_day / 60 % 60,
                second_of_day % 60,
            ]
            .map(|part| part as u8);
        }
        [parts.tm_hour, parts.tm_min, parts.tm_sec].map(|part| part as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    #[test]
    fn the_closest_sample_is_taken() {
        let wide = Sample {
            before_ns: 1000,
            real_ns: 9000,
            after_ns: 2000,
        };
        let close = Sample {
            before_ns: 3000,
            real_ns: 10_010,
            after_ns: 3021,
        };
        let mut samples = [wide; SAMPLES];
        samples[5] = close;
        let clock = Clock::of(&samples);
        assert_eq!(
            (clock.offset_ns, clock.error_ns, clock.measured_ns),
            (7000, 11, 3021)
        );
        assert_eq!(clock.epoch_ns(4000), 11_000);
    }

    #[test]
    fn a_day_before_the_start_of_the_machine_is_possible() {
        let sample = Sample {
            before_ns: 5000,
            real_ns: 1000,
            after_ns: 5000,
        };
        let clock = Clock::of(&[sample; SAMPLES]);
        assert_eq!(
            (clock.offset_ns, clock.epoch_ns(6000), clock.epoch_ns(1)),
            (-4000, 2000, 0)
        );
    }

    #[test]
    fn the_clock_agrees_with_the_systems() {
        let clock = Clock::measure();
        let before = SystemTime::now();
        let now = UNIX_EPOCH + Duration::from_nanos(clock.now_ns());
        let after = SystemTime::now();
        let slack = Duration::from_millis(5);
        assert!(
            now + slack >= before && now <= after + slack,
            "{before:?} {now:?} {after:?}"
        );
        assert!(clock.error_ns() < 1_000_000, "{clock:?}");
    }

    #[test]
    fn it_is_measured_again_only_when_it_is_old() {
        let mut clock = Clock::measure();
        clock.offset_ns += 1_000_000_000_000;
        assert_eq!(clock.refresh(), 0);
        clock.measured_ns = clock.measured_ns.saturating_sub(REFRESH_NS);
        let step = clock.refresh();
        assert!((step + 1_000_000_000_000).abs() < 1_000_000_000, "{step}");
    }

    #[test]
    fn times_of_day_are_written_with_milliseconds() {
        let time = TimeOfDay {
            hour: 3,
            minute: 4,
            second: 5,
            millisecond: 67,
        };
        assert_eq!(time.to_string(), "03:04:05.067");
        // Time zones differ from UTC by whole minutes; the seconds are the same everywhere.
        let local = TimeOfDay::local(1_700_000_005_678_900_000);
        assert_eq!((local.second, local.millisecond), (25, 678));
        let last = TimeOfDay::local(u64::MAX);
        assert!(last.hour < 24 && last.minute < 60 && last.second <= 60);
    }

    #[test]
    fn the_time_zone_is_the_hosts() {
        let output = std::process::Command::new("date")
            .args(["-d", "@1700000005", "+%H:%M:%S"])
            .output()
            .expect("date can be run");
        let expected = String::from_utf8_lossy(&output.stdout);
        let local = TimeOfDay::local(1_700_000_005_678_000_000);
        assert_eq!(local.to_string(), format!("{}.678", expected.trim()));
    }
}
