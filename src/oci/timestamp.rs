//! Points in time as image configurations write them: RFC 3339 (image-spec, config.md).

use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time, as precise as Go's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970 (UTC).
    pub seconds: i64,
    /// What is left of a second.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// Reads RFC 3339 (`2021-03-04T02:24:42.5Z`, `…+01:00`); `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let rest = rest.strip_prefix(['T', 't', ' '])?;
        let (clock, rest) = rest.split_at_checked(8)?;
        let [year, month, day] = fields(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = fields(clock, ':', [2, 2, 2])?;
        let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
        if !in_range {
            return None;
        }
        let (nanoseconds, zone) = match rest.strip_prefix('.') {
            Some(fraction) => {
                let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
                let (digits, zone) = fraction.split_at(digits);
                if digits.is_empty() {
                    return None;
                }
                (format!("{digits:0<9}").get(..9)?.parse().ok()?, zone)
            }
            None => (0, rest),
        };
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?;
        Some(Self { seconds, nanoseconds })
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => {
                Self { seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanoseconds: since.subsec_nanos() }
            }
            Err(before) => Self {
                seconds: i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
                nanoseconds: 0,
            },
        }
    }
}

/// Three numbers of exactly these widths.
fn fields(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut values = [0; 3];
    let mut parts = text.split(separator);
    for (value, width) in values.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *value = part.parse().ok()?;
    }
    parts.next().is_none().then_some(values)
}

/// The offset of a time zone from UTC, in seconds.
fn offset(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.as_bytes() {
        b"Z" | b"z" => return Some(0),
        [b'+', ..] => (1, zone.get(1..)?),
        [b'-', ..] => (-1, zone.get(1..)?),
        _ => return None,
    };
    let [hours, minutes, _] = fields(&format!("{rest}:00"), ':', [2, 2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days since 1970-01-01 of a date in the Gregorian calendar. Years begin in March here, so that a leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanoseconds: 0 }
    }

    #[test]
    fn reads_rfc_3339() {
        // The seconds are those of `date -u -d TEXT +%s`.
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59Z", -1),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2021-03-04T02:24:42Z", 1_614_824_682),
            ("2021-03-04T03:24:42+01:00", 1_614_824_682),
            ("2021-03-03t21:54:42-04:30", 1_614_824_682),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("0001-01-01T00:00:00Z", -62_135_596_800),
        ] {
            assert_eq!(Timestamp::parse(text), Some(at(seconds)), "{text}");
        }
        let fraction = Timestamp::parse("2021-03-04T02:24:42.987654321987Z").unwrap();
        assert_eq!(fraction, Timestamp { seconds: 1_614_824_682, nanoseconds: 987_654_321 });
        assert!(Timestamp::parse("2021-03-04T02:24:42.5Z") < Timestamp::parse("2021-03-04T02:24:42.51Z"));
    }

    #[test]
    fn refuses_other_text() {
        for text in [
            "",
            "yesterday",
            "2021-03-04",
            "2021-03-04T02:24:42",
            "2021-13-04T02:24:42Z",
            "2021-03-04T24:00:00Z",
            "2021-03-04T02:24:42.Z",
            "2021-03-04T02:24:42+1:00",
            "2021-3-4T02:24:42Z",
            "+021-03-04T02:24:42Z",
            "2021-03-04é02:24:42Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
