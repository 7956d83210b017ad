//! The filters of prune: `until`, `label`, `label!`, by Docker's rules.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, ErrorKind, Result};
use crate::oci::Timestamp;
use crate::ops::filter::moment;

/// What an image must be like to be pruned. All conditions have to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneFilters {
    /// Made at this time or before.
    until: Option<Timestamp>,
    labels: Vec<Label>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    wanted: bool,
    key: String,
    value: Option<String>,
}

impl PruneFilters {
    /// Reads pairs of a key and a value, such as `until` and `24h`. Lengths of time count back from `now`.
    ///
    /// # Errors
    /// [`Failed`](ErrorKind::Failed) for an unknown key and for a value that the key cannot have.
    pub fn new(pairs: &[(String, String)], now: SystemTime) -> Result<Self> {
        let bad = |why: String| Err(Error::new(ErrorKind::Failed, why));
        let mut parsed = Self::default();
        for (key, value) in pairs {
            match key.as_str() {
                "until" if parsed.until.is_some() => return bad("more than one until filter specified".to_owned()),
                "until" => match instant(value, now) {
                    None => return bad(format!("invalid value `{}` of the filter until", value.escape_debug())),
                    found => parsed.until = found,
                },
                key @ ("label" | "label!") => {
                    let (name, value) = value
                        .split_once('=')
                        .map_or((value.as_str(), None), |(name, value)| (name, Some(value.to_owned())));
                    parsed.labels.push(Label { wanted: key == "label", key: name.to_owned(), value });
                }
                key => return bad(format!("invalid filter '{}'", key.escape_debug())),
            }
        }
        Ok(parsed)
    }

    /// Whether labels have to be known.
    pub(super) fn asks_for_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    /// Whether an image is selected. One that does not say when it was made is as old as can be.
    pub(super) fn select(&self, created: Option<&str>, labels: &BTreeMap<String, String>) -> bool {
        let old =
            self.until.is_none_or(|until| created.and_then(Timestamp::parse).is_none_or(|created| created <= until));
        old && self.labels.iter().all(|Label { wanted, key, value }| {
            let has = labels.get(key).is_some_and(|own| value.as_ref().is_none_or(|value| own == value));
            has == *wanted
        })
    }
}

/// The time that a record says.
pub(super) fn system_time(text: &str) -> Option<SystemTime> {
    let Timestamp { seconds, nanoseconds } = Timestamp::parse(text)?;
    UNIX_EPOCH.checked_add(Duration::new(u64::try_from(seconds).ok()?, nanoseconds))
}

/// A length of time before now, a date, or seconds since 1970. One that counts forward would select everything.
fn instant(text: &str, now: SystemTime) -> Option<Timestamp> {
    moment(text, now.into()).ok().filter(|_| !text.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000)
    }

    fn parse(filters: &[&str]) -> Result<PruneFilters> {
        let pairs = filters.iter().map(|filter| filter.split_once('=').unwrap());
        let pairs: Vec<_> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        PruneFilters::new(&pairs, now())
    }

    #[test]
    fn s69_until_is_an_age_a_date_or_seconds() {
        for (text, expected) in [
            ("10m", Some((999_400, 0))),
            ("1h30m", Some((994_600, 0))),
            ("1.5s", Some((999_998, 500_000_000))),
            ("1136073845", Some((1_136_073_845, 0))),
            ("1136073845.000000001", Some((1_136_073_845, 1))),
            ("2021-03-04", Some((1_614_816_000, 0))),
            ("2021-03-04T02:24", Some((1_614_824_640, 0))),
            ("2021-03-04T02:24:42", Some((1_614_824_682, 0))),
            ("2021-03-04T02:24:42.5Z", Some((1_614_824_682, 500_000_000))),
            ("2021-03-04T03:24:42+01:00", Some((1_614_824_682, 0))),
            ("2021-03-03T21:54:42-04:30", Some((1_614_824_682, 0))),
            ("1969-12-31T23:59:59Z", Some((-1, 0))),
            ("", None),
            ("soon", None),
            ("1x", None),
            ("2021-13-01", None),
            ("2021-03-04T", None),
            ("2021-03-04T02:24.5", None),
            ("2021-03-04T02:24:42.", None),
            ("2021-03-04é", None),
            ("-5m", None),
        ] {
            let expected = expected.map(|(seconds, nanoseconds)| Timestamp { seconds, nanoseconds });
            assert_eq!(instant(text, now()), expected, "{text}");
        }
        let later = system_time("1970-01-01T00:00:01.5Z").unwrap();
        assert_eq!(later, UNIX_EPOCH + Duration::from_millis(1500));
    }

    #[test]
    fn s69_all_conditions_hold_together() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]);
        let created = Some("1970-01-02T00:00:00Z");
        for (filters, expected) in [
            (&[][..], true),
            (&["label=a"], true),
            (&["label=a=1", "label=b"], true),
            (&["label=a=2"], false),
            (&["label=a", "label=c"], false),
            (&["label!=c"], true),
            (&["label!=c", "label!=a"], false),
            (&["label!=a=2"], true),
            (&["until=86400"], true),
            (&["until=86399"], false),
            (&["until=86400", "label=c"], false),
        ] {
            assert_eq!(parse(filters).unwrap().select(created, &labels), expected, "{filters:?}");
        }
        assert!(parse(&["until=1"]).unwrap().select(None, &labels));
    }

    #[test]
    fn s69_what_is_no_filter_is_refused() {
        for (filters, words) in [
            (&["until=1h", "until=2h"][..], "more than one until filter specified"),
            (&["color=red"], "invalid filter 'color'"),
            (&["until=soon"], "invalid value `soon`"),
        ] {
            let error = parse(filters).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Failed);
            assert!(error.to_string().starts_with(words), "{error}");
        }
    }
}
