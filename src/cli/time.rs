//! Moments in the forms that listings print.

use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use rootlay::oci::Timestamp;

use super::units::human_duration;

/// The first second of the year 1.
const YEAR_ONE: i64 = -62_135_596_800;

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

    /// Whether it is more than what programs write where they have no time.
    pub fn tells_an_age(self) -> bool {
        !matches!(self.0.seconds, 0 | YEAR_ONE)
    }

    /// Go's `time.String` of it in the time zone of the machine, or of `TZ`: `2021-03-04 03:24:42 +0100 CET`.
    pub fn go_string(self) -> String {
        self.in_zone(&TimeZone::system())
    }

    fn in_zone(self, zone: &TimeZone) -> String {
        self.shown(zone, "%Y-%m-%d %H:%M:%S %z %Z")
    }

    /// RFC 3339 in the same zone, to the second: `2021-03-04T03:24:42+01:00`.
    pub fn rfc3339(self) -> String {
        self.rfc3339_in(&TimeZone::system())
    }

    fn rfc3339_in(self, zone: &TimeZone) -> String {
        self.shown(zone, "%Y-%m-%dT%H:%M:%S%:z").replace("+00:00", "Z")
    }

    fn shown(self, zone: &TimeZone, form: &str) -> String {
        // What lies outside of the years -9999 to 9999 is shown at its edge.
        let (first, last) = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        let moment = jiff::Timestamp::from_second(self.0.seconds.clamp(first, last)).unwrap_or_default();
        moment.to_zoned(zone.clone()).strftime(form).to_string()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Moment {
        Moment(Timestamp { seconds, nanoseconds: 0 })
    }

    #[test]
    fn s71_prints_like_go() {
        let utc = |seconds| at(seconds).in_zone(&TimeZone::UTC);
        assert_eq!(utc(1_614_824_682), "2021-03-04 02:24:42 +0000 UTC");
        assert_eq!(utc(-1), "1969-12-31 23:59:59 +0000 UTC");
        assert_eq!(utc(951_825_600), "2000-02-29 12:00:00 +0000 UTC");
        let east = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(at(1_614_824_682).in_zone(&east), "2021-03-04 03:24:42 +0100 CET");
        assert_eq!(at(951_825_600).rfc3339_in(&TimeZone::UTC), "2000-02-29T12:00:00Z");
        assert_eq!(at(951_825_600).rfc3339_in(&east), "2000-02-29T13:00:00+01:00");
    }

    #[test]
    fn s30_ages_are_told_against_now() {
        assert_eq!(at(0).ago(at(3 * 86_400)), "3 days ago");
        assert_eq!(at(10).ago(at(0)), "Less than a second ago");
    }
}
