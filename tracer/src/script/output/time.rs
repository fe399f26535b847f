//! From the clocks of the kernel to the time of day, as `strftime` writes it.

use std::ffi::CString;

use crate::kernel::sys;

const SECOND_NS: u64 = 1_000_000_000;

/// A time that the clock since the start of the machine does not reach, 31 years: what is more is a time since the
/// Unix epoch, such as `nsecs(tai)`.
const LONGEST_UPTIME_NS: u64 = 1_000_000_000 * SECOND_NS;

/// By how much the clocks must have been set against each other before the offset is measured anew, so that
/// a time of the kernel is not shown now so and now so.
const DRIFT_NS: u64 = 1_000_000;

/// The time of day, by the clock that counts since the start of the machine (`CLOCK_BOOTTIME`).
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock {
    /// `CLOCK_REALTIME` less `CLOCK_BOOTTIME`.
    offset_ns: Option<u64>,
    /// When it was measured, by `CLOCK_BOOTTIME`.
    measured_ns: u64,
}

impl WallClock {
    /// Nanoseconds since the Unix epoch at a time that the kernel gave.
    pub fn epoch_ns(&mut self, ns: u64) -> u64 {
        if ns >= LONGEST_UPTIME_NS {
            return ns;
        }
        ns.saturating_add(self.offset_ns())
    }

    /// Nanoseconds since the Unix epoch at this moment.
    pub fn now_ns(&self) -> u64 {
        sys::clock_ns(libc::CLOCK_REALTIME)
    }

    fn offset_ns(&mut self) -> u64 {
        let boot_ns = sys::clock_ns(libc::CLOCK_BOOTTIME);
        if let Some(offset_ns) = self.offset_ns
            && boot_ns.saturating_sub(self.measured_ns) < SECOND_NS
        {
            return offset_ns;
        }
        let fresh_ns = sys::clock_ns(libc::CLOCK_REALTIME).saturating_sub(boot_ns);
        self.measured_ns = boot_ns;
        match self.offset_ns {
            Some(known_ns) if known_ns.abs_diff(fresh_ns) < DRIFT_NS => known_ns,
            _ => *self.offset_ns.insert(fresh_ns),
        }
    }

    /// A time since the Unix epoch in the host's time zone. Beside what `man 3 strftime` has, `%f` are microseconds,
    /// `%k` nanoseconds and `%l` milliseconds. `(?)` where that cannot be written in `max` bytes.
    pub fn format(&self, format: &str, epoch_ns: u64, max: usize) -> Vec<u8> {
        let format = CString::new(fractions(format, epoch_ns % SECOND_NS));
        // The quotient of a u64 by 10^9 fits in an i64.
        let seconds = (epoch_ns / SECOND_NS).cast_signed();
        let text = format
            .ok()
            .and_then(|format| sys::format_time(&format, seconds, max));
        text.unwrap_or_else(|| b"(?)".to_vec())
    }
}

/// Puts in what `strftime` does not know.
fn fractions(format: &str, ns: u64) -> String {
    let mut out = String::with_capacity(format.len() + 8);
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('f') => out.push_str(&format!("{:06}", ns / 1_000)),
            Some('k') => out.push_str(&format!("{ns:09}")),
            Some('l') => out.push_str(&format!("{:03}", ns / 1_000_000)),
            Some(other) => out.extend(['%', other]),
            None => out.push('%'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_seconds_are_put_in() {
        assert_eq!(
            fractions("%S.%f %%f %k %l %", 1_234_567),
            "%S.001234 %%f 001234567 001 %"
        );
    }

    #[test]
    fn times_are_written_in_the_hosts_zone() {
        let clock = WallClock::default();
        let epoch_ns = 1_700_000_005 * SECOND_NS + 678_900_000;
        let output = std::process::Command::new("date")
            .args(["-d", "@1700000005", "+%Y-%m-%d %H:%M:%S"])
            .output()
            .expect("date can be run");
        let expected = format!("{}.678900", String::from_utf8_lossy(&output.stdout).trim());
        let written = clock.format("%Y-%m-%d %H:%M:%S.%f", epoch_ns, 64);
        assert_eq!(String::from_utf8_lossy(&written), expected);
        assert_eq!(clock.format("%Y-%m-%d", epoch_ns, 4), b"(?)");
    }

    #[test]
    fn times_since_the_start_agree_with_the_clock() {
        let mut clock = WallClock::default();
        let epoch_ns = clock.epoch_ns(sys::clock_ns(libc::CLOCK_BOOTTIME));
        assert!(clock.now_ns().abs_diff(epoch_ns) < SECOND_NS);
        assert_eq!(clock.epoch_ns(u64::MAX - 1), u64::MAX - 1);
    }
}
