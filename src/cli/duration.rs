//! Lengths of time as people write them: `500ms`, `2s`, `1m30s`, or a number of seconds.

use std::time::Duration;

/// Reads a length of time.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "expected a length of time such as 500ms, 2s or 1m".to_owned();
    let mut rest = text;
    let mut total = Duration::ZERO;
    loop {
        let (number, after) = rest.split_at(length(rest, |byte| byte.is_ascii_digit() || byte == b'.'));
        let (unit, after) = after.split_at(length(after, |byte| byte.is_ascii_alphabetic()));
        let seconds: f64 = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            // Only a number that stands alone needs no unit.
            "" if total.is_zero() && after.is_empty() => 1.0,
            _ => return Err(bad()),
        };
        let number: f64 = number.parse().map_err(|_| bad())?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| bad())?;
        total = total.checked_add(part).ok_or_else(bad)?;
        if after.is_empty() {
            return Ok(total);
        }
        rest = after;
    }
}

fn length(text: &str, belongs: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|&byte| belongs(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_gos_and_a_number_alone_is_seconds() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("2s", 2_000),
            ("1m", 60_000),
            ("1h", 3_600_000),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            ("3", 3_000),
            ("0", 0),
            ("0.25", 250),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for bad in ["", "s", "-1s", "1d", "1 s", "1s2", "1..5s", "1e3", "99999999999999999999h", "2S", "½s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
