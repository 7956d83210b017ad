//! Moments: RFC 3339 text as image configurations carry it, and the forms that listings print. UTC only, since the
//! standard library knows no time zones.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::units::human_duration;

/// A moment, in seconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    seconds: i64,
    nanoseconds: u32,
}

impl Moment {
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

    /// Now.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// How long before `now` it was: `3 days ago`. What lies ahead is `Less than a second ago`.
    pub fn ago(self, now: Self) -> String {
        let age = u64::try_from(now.seconds.saturating_sub(self.seconds)).unwrap_or(0);
        format!("{} ago", human_duration(Duration::from_secs(age)))
    }

    /// Go's `time.String` of it: `2021-03-04 02:24:42 +0000 UTC`.
    pub fn go_string(self) -> String {
        let (year, month, day) = civil_from_days(self.seconds.div_euclid(86_400));
        let second = self.seconds.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000 UTC")
    }
}

impl From<SystemTime> for Moment {
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

/// The date of a day since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Moment {
        Moment { seconds, nanoseconds: 0 }
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
            assert_eq!(Moment::parse(text), Some(at(seconds)), "{text}");
        }
        let fraction = Moment::parse("2021-03-04T02:24:42.987654321987Z").unwrap();
        assert_eq!(fraction, Moment { seconds: 1_614_824_682, nanoseconds: 987_654_321 });
        assert!(Moment::parse("2021-03-04T02:24:42.5Z") < Moment::parse("2021-03-04T02:24:42.51Z"));
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
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn s71_prints_like_go() {
        assert_eq!(at(1_614_824_682).go_string(), "2021-03-04 02:24:42 +0000 UTC");
        assert_eq!(at(-1).go_string(), "1969-12-31 23:59:59 +0000 UTC");
        assert_eq!(at(951_825_600).go_string(), "2000-02-29 12:00:00 +0000 UTC");
    }

    #[test]
    fn s30_ages_are_told_against_now() {
        assert_eq!(at(0).ago(at(3 * 86_400)), "3 days ago");
        assert_eq!(at(10).ago(at(0)), "Less than a second ago");
    }
}
