//! The values of `until`, as Docker reads them: a length of time before now, a date, a date and time, or seconds since 1970.

use crate::error::{Error, ErrorKind, Result};
use crate::oci::Timestamp;

const NANOS: i128 = 1_000_000_000;

/// Reads a value of `until`. A date without a zone is of UTC.
///
/// # Errors
/// `Failed`, in Docker's words.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp> {
    let ago = duration(text).filter(|_| text != "0").and_then(|ago| before(now, ago));
    // Only dates have a `-` now.
    let found = ago.or_else(|| if text.contains('-') { date(text) } else { seconds(text) });
    found.ok_or_else(|| {
        let message = format!("failed to parse value as time or duration: \"{}\"", text.escape_debug());
        Error::new(ErrorKind::Failed, message)
    })
}

fn before(now: Timestamp, nanos: i128) -> Option<Timestamp> {
    let at = i128::from(now.seconds) * NANOS + i128::from(now.nanoseconds) - nanos;
    let seconds = i64::try_from(at.div_euclid(NANOS)).ok()?;
    Some(Timestamp { seconds, nanoseconds: u32::try_from(at.rem_euclid(NANOS)).ok()? })
}

/// Go's `time.ParseDuration`, in nanoseconds: `1h30m`, `-1.5h`.
fn duration(text: &str) -> Option<i128> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (number, after) = split(rest, |letter| letter.is_ascii_digit() || letter == '.');
        let (unit, after) = split(after, |letter| !letter.is_ascii_digit() && letter != '.');
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => NANOS,
            "m" => 60 * NANOS,
            "h" => 3600 * NANOS,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
            return None;
        }
        let digits = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
        let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        let part = digits(whole)?.checked_mul(unit)?.checked_add(digits(fraction)? * unit / scale)?;
        total = total.checked_add(part)?;
        rest = after;
    }
    // Go has 64 bits for it.
    i64::try_from(total).ok()?;
    (text != "-" && text != "+").then_some(if negative { -total } else { total })
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|letter| !belongs(letter)).unwrap_or(text.len()))
}

/// `2006-01-02`, `2006-01-02T15`, `…T15:04`, `…T15:04:05`, `….999999999`, each with a zone or without.
fn date(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let (clock, zone) = match rest.strip_prefix('T') {
        Some(rest) => split(rest, |letter| letter.is_ascii_digit() || letter == ':' || letter == '.'),
        None => ("00", rest),
    };
    let seconds = ["", ":00", ":00:00"].into_iter().rev().nth(clock.matches(':').count())?;
    let zone = if zone.is_empty() { "Z" } else { zone };
    Timestamp::parse(&format!("{date}T{clock}{seconds}{zone}"))
}

/// `1136073600` or `1136073600.000000001`.
fn seconds(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    Some(Timestamp { seconds: seconds.parse().ok()?, nanoseconds: format!("{fraction:0<9}").parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<Timestamp> {
        moment(text, Timestamp { seconds: 1_000_000, nanoseconds: 0 }).ok()
    }

    #[test]
    fn s69_until_is_a_length_of_time_a_date_or_seconds() {
        for (text, seconds) in [
            ("10m", 1_000_000 - 600),
            ("1h30m", 1_000_000 - 5_400),
            ("1.5h", 1_000_000 - 5_400),
            ("-10s", 1_000_010),
            ("1609459200", 1_609_459_200),
            ("0", 0),
            ("2021-01-01", 1_609_459_200),
            ("2021-01-01T01", 1_609_462_800),
            ("2021-01-01T01:00", 1_609_462_800),
            ("2021-01-01T01:00:00", 1_609_462_800),
            ("2021-01-01T01:00:00Z", 1_609_462_800),
            ("2021-01-01T02:00:00+01:00", 1_609_462_800),
            ("2021-01-01Z", 1_609_459_200),
            ("2021-01-01T02+01:00", 1_609_462_800),
        ] {
            assert_eq!(at(text), Some(Timestamp { seconds, nanoseconds: 0 }), "{text}");
        }
        let fractions = Timestamp { seconds: 1_609_462_800, nanoseconds: 500_000_000 };
        for text in ["1609462800.5", "2021-01-01T01:00:00.5", "2021-01-01T01:00:00.500000000Z"] {
            assert_eq!(at(text), Some(fractions), "{text}");
        }
        assert_eq!(at("1ms"), Some(Timestamp { seconds: 999_999, nanoseconds: 999_000_000 }));
    }

    #[test]
    fn other_text_is_named() {
        for text in
            ["", "-", "+", "yesterday", "1d", "2021-13-01", "2021-01-01T1", "1.h.", ".", "1..5s", "99999999999h"]
        {
            assert_eq!(at(text), None, "{text}");
        }
        let error = moment("x\n", Timestamp { seconds: 0, nanoseconds: 0 }).unwrap_err();
        assert_eq!(error.to_string(), "failed to parse value as time or duration: \"x\\n\"");
    }
}
