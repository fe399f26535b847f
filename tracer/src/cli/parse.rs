//! Values as people type them.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

/// A year: no one traces longer, and no timer need hold more.
const SECONDS_MAX: f64 = 365.0 * 86_400.0;

/// Seconds, fractions allowed: more than 0, at most a year.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    if seconds > 0.0 && seconds <= SECONDS_MAX {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("must be more than 0 and at most a year".to_owned())
    }
}

/// Durations with a unit, as in `10ms`: `ns`, `us`, `ms`, `s`; without one, seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number
        .parse()
        .map_err(|_| "not a duration, such as 10ms or 1.5s".to_owned())?;
    let scale = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" | "" => 1.0,
        _ => return Err(format!("unknown unit {unit:?}: ns, us, ms or s")),
    };
    if (0.0..=SECONDS_MAX).contains(&(number * scale)) {
        Ok(Duration::from_secs_f64(number * scale))
    } else {
        Err("must be at least 0 and at most a year".to_owned())
    }
}

/// Long durations with a unit, as in `5m`: `s`, `m`, `h`, `d`.
pub fn long_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "not a duration, such as 30s, 5m, 1h or 7d".to_owned();
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let scale = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    if (0.0..=SECONDS_MAX).contains(&(number * scale)) {
        Ok(Duration::from_secs_f64(number * scale))
    } else {
        Err("must be at least 0 and at most a year".to_owned())
    }
}

/// Sizes with a unit, as in `8M`: `K`, `M`, `G` of 1024; without one, bytes.
pub fn bytes(text: &str) -> Result<u64, String> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number
        .parse()
        .map_err(|_| "not a size, such as 65536 or 8M".to_owned())?;
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        _ => return Err(format!("unknown unit {unit:?}: K, M or G")),
    };
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "too large".to_owned())
}

/// The size of a ring buffer, which the kernel takes in powers of two of whole pages: rounded up, 4 KiB
/// to 1 GiB.
pub fn ring_bytes(text: &str) -> Result<u32, String> {
    let bytes = bytes(text)?;
    if !(1..=1 << 30).contains(&bytes) {
        return Err("must be more than 0 and at most 1G".to_owned());
    }
    Ok((bytes.max(4096) as u32).next_power_of_two())
}

/// Where to listen: `ADDRESS:PORT`; `PORT` alone for loopback, `:PORT` for all addresses.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    if let Some(Ok(port)) = text.strip_prefix(':').map(str::parse::<u16>) {
        return Ok((Ipv6Addr::UNSPECIFIED, port).into());
    }
    text.parse()
        .map_err(|_| "not an address and a port, such as 127.0.0.1:9435 or [::1]:9435".to_owned())
}

/// A task's name: at most 15 bytes, as the kernel keeps no more.
pub fn comm(text: &str) -> Result<String, String> {
    match text.len() {
        1..=15 => Ok(text.to_owned()),
        0 => Err("must not be empty".to_owned()),
        _ => Err(format!(
            "the kernel keeps 15 bytes of a name: say {:?}",
            String::from_utf8_lossy(&text.as_bytes()[..15])
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "x", "-1", "0", "nan", "inf", "1e99", "1s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        for text in ["", "ms", "-1ms", "1fortnight", "nan"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "-1", "1.5K", "8X", "99999999999G"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        for text in ["0", "2G", ""] {
            assert!(ring_bytes(text).is_err(), "{text}");
        }
        for text in ["", "5", "m", "5x", "-5m", "nanm", "400d"] {
            assert!(long_duration(text).is_err(), "{text}");
        }
        for text in ["", "localhost:1", "1.2.3.4", ":70000", "1.2.3.4:x"] {
            assert!(listen_address(text).is_err(), "{text}");
        }
        assert!(comm("").is_err() && comm("0123456789abcdef").is_err());
    }

    #[test]
    fn units_are_understood() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10ms"), Ok(Duration::from_millis(10)));
        assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(long_duration("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(bytes("8M"), Ok(8 << 20));
        assert_eq!(ring_bytes("1"), Ok(4096));
        assert_eq!(ring_bytes("5000"), Ok(8192));
    }

    #[test]
    fn a_port_alone_is_of_loopback() {
        let address = |text: &str| listen_address(text).map(|address| address.to_string());
        assert_eq!(address("9435"), Ok("127.0.0.1:9435".to_owned()));
        assert_eq!(address(":9435"), Ok("[::]:9435".to_owned()));
        assert_eq!(address("0.0.0.0:1"), Ok("0.0.0.0:1".to_owned()));
    }
}
