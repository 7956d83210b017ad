//! Moments in the forms that listings print. UTC only, since the standard library knows no time zones.

use std::time::{Duration, SystemTime};

use rootlay::oci::Timestamp;

use super::units::human_duration;

/// A moment to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Timestamp);

impl Moment {
    /// Reads RFC 3339; `None` for any other text.
    #[cfg(test)]
    pub fn parse(text: &str) -> Option<Self> {
        Timestamp::parse(text).map(Self)
    }

    /// Now.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// How long before `now` it was: `3 days ago`. What lies ahead is `Less than a second ago`.
    pub fn ago(self, now: Self) -> String {
        let age = u64::try_from(now.0.seconds.saturating_sub(self.0.seconds)).unwrap_or(0);
        format!("{} ago", human_duration(Duration::from_secs(age)))
    }

    /// Go's `time.String` of it: `2021-03-04 02:24:42 +0000 UTC`.
    pub fn go_string(self) -> String {
        let [date, clock] = self.date_and_clock();
        format!("{date} {clock} +0000 UTC")
    }

    /// RFC 3339, to the second: `2021-03-04T02:24:42Z`.
    pub fn rfc3339(self) -> String {
        let [date, clock] = self.date_and_clock();
        format!("{date}T{clock}Z")
    }

    fn date_and_clock(self) -> [String; 2] {
        let seconds = self.0.seconds;
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        [format!("{year:04}-{month:02}-{day:02}"), format!("{hour:02}:{minute:02}:{second:02}")]
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        Self(time.into())
    }
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
        Moment(Timestamp { seconds, nanoseconds: 0 })
    }

    #[test]
    fn s71_prints_like_go() {
        assert_eq!(at(1_614_824_682).go_string(), "2021-03-04 02:24:42 +0000 UTC");
        assert_eq!(at(-1).go_string(), "1969-12-31 23:59:59 +0000 UTC");
        assert_eq!(at(951_825_600).go_string(), "2000-02-29 12:00:00 +0000 UTC");
        assert_eq!(at(951_825_600).rfc3339(), "2000-02-29T12:00:00Z");
    }

    #[test]
    fn s30_ages_are_told_against_now() {
        assert_eq!(at(0).ago(at(3 * 86_400)), "3 days ago");
        assert_eq!(at(10).ago(at(0)), "Less than a second ago");
    }
}
