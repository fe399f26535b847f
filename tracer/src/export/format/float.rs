//! Numbers as text.

use std::io::Write as _;

use crate::export::family::Scale;

/// Writes a scaled number, exactly: with as many decimals as it has.
pub fn write_scaled(out: &mut Vec<u8>, raw: i128, scale: Scale) {
    let scaled = raw.saturating_mul(i128::from(scale.factor));
    let decimals = usize::from(scale.exponent.unsigned_abs());
    if scaled < 0 {
        out.push(b'-');
    }
    if scale.exponent >= 0 {
        push(out, format_args!("{}", scaled.unsigned_abs()));
        if scaled != 0 {
            out.resize(out.len() + decimals, b'0');
        }
        return;
    }
    let unit = 10u128.pow(decimals as u32);
    let (whole, part) = (scaled.unsigned_abs() / unit, scaled.unsigned_abs() % unit);
    push(out, format_args!("{whole}"));
    if part > 0 {
        push(out, format_args!(".{part:0decimals$}"));
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Writes a number as Prometheus' own programs do, which take the text of `le` for its identity: as short as can
/// be, with an exponent below 0.0001 and from 1000000 on, of two digits at least.
pub fn write_float(out: &mut Vec<u8>, number: f64) {
    if !number.is_finite() {
        let text = match number {
            f64::INFINITY => "+Inf",
            f64::NEG_INFINITY => "-Inf",
            _ => "NaN",
        };
        out.extend(text.as_bytes());
        return;
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number == 0.0 || (-4..6).contains(&exponent) {
        push(out, format_args!("{number}"));
        return;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    push(
        out,
        format_args!("{digits}e{sign}{:02}", exponent.unsigned_abs()),
    );
}

/// The same with a point where it has none and no exponent, as OpenMetrics wants bounds.
pub fn write_float_with_point(out: &mut Vec<u8>, number: f64) {
    let start = out.len();
    write_float(out, number);
    if number.is_finite() && !out[start..].iter().any(|byte| b".e".contains(byte)) {
        out.extend(b".0");
    }
}

/// Writes formatted text.
pub fn push(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments)
        .expect("a vector can be written to");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn scaled_numbers_are_exact() {
        let scaled =
            |raw, factor, exponent| text(|out| write_scaled(out, raw, Scale { factor, exponent }));
        assert_eq!(scaled(1_234_567_890, 1, -9), "1.23456789");
        assert_eq!(scaled(5, 1, -9), "0.000000005");
        assert_eq!(scaled(-1_500, 1, -3), "-1.5");
        assert_eq!(scaled(3_000_000_000, 1, -9), "3");
        assert_eq!(scaled(0, 1, -9), "0");
        assert_eq!(scaled(0, 1, 3), "0");
        assert_eq!(scaled(7, 1024, 0), "7168");
        assert_eq!(scaled(-7, 60, 3), "-420000");
        assert_eq!(scaled(1 << 80, 1, 0), (1i128 << 80).to_string());
    }

    #[test]
    fn floats_are_as_prometheus_writes_them() {
        for (number, expected) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.000_001_023, "1.023e-06"),
            (0.0001, "0.0001"),
            (0.000_099, "9.9e-05"),
            (999_999.0, "999999"),
            (1_000_000.0, "1e+06"),
            (1_048_575.0, "1.048575e+06"),
            (1e100, "1e+100"),
            (-2.5, "-2.5"),
            (17.179_869_183, "17.179869183"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(text(|out| write_float(out, number)), expected);
        }
        let with_point = |number| text(|out| write_float_with_point(out, number));
        assert_eq!(with_point(1.0), "1.0");
        assert_eq!(with_point(0.0), "0.0");
        assert_eq!(with_point(1e6), "1e+06");
        assert_eq!(with_point(0.5), "0.5");
        assert_eq!(with_point(f64::INFINITY), "+Inf");
    }
}
