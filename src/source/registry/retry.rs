//! What can pass and is tried again, and when: backoff with jitter, or what the registry asks for.

use std::time::{Duration, Instant, SystemTime};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use super::options::Retry;
use crate::error::{Error, Result};

/// The longest delay between two attempts.
const LONGEST: Duration = Duration::from_secs(30);

/// The longest wait that a registry may ask for; whoever asks for more is not waited for at all.
const LONGEST_WISH: Duration = Duration::from_secs(120);

/// A server that refuses connections is given up after this time.
const CONNECTING: Duration = Duration::from_secs(8);

/// Why a request did not succeed.
#[derive(Debug)]
pub struct Trouble {
    /// What is told if it is not tried again.
    pub error: Error,
    /// Whether it is.
    pub remedy: Remedy,
}

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing.
    None,
    /// Another attempt, after the time that the server asks for.
    Retry(Option<Duration>),
    /// Another attempt, but soon: nobody listens there.
    Reconnect,
    /// The server does not speak TLS: plain HTTP, where that is allowed.
    Plain,
    /// It may not speak TLS, or may be busy: plain HTTP, where that is allowed, else what [`Remedy::Reconnect`] says.
    Unsure,
}

impl Trouble {
    /// Nothing helps.
    pub fn lasting(error: Error) -> Self {
        Self { error, remedy: Remedy::None }
    }

    /// It may pass.
    pub fn passing(error: Error) -> Self {
        Self { error, remedy: Remedy::Retry(None) }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::lasting(error)
    }
}

/// How often something is still tried.
#[derive(Debug)]
pub struct Patience {
    retry: Retry,
    delays: ExponentialBackoff,
    /// Since when nobody has let us in.
    shut: Option<Instant>,
}

impl Patience {
    /// As the options say.
    pub fn new(retry: Retry) -> Self {
        Self { retry, delays: delays(retry), shut: None }
    }

    /// There was progress: it begins anew.
    pub fn renew(&mut self) {
        *self = Self::new(self.retry);
    }

    /// How long to wait before the next attempt.
    ///
    /// # Errors
    /// The trouble's own, if there is none.
    pub fn after(&mut self, trouble: Trouble) -> Result<Duration> {
        let Trouble { error, remedy } = trouble;
        let wish = match remedy {
            Remedy::None | Remedy::Plain => return Err(error),
            Remedy::Retry(Some(wish)) if wish > LONGEST_WISH => {
                return Err(Error::new(error.kind(), format!("{error}; allowed again in {} s", wish.as_secs())));
            }
            Remedy::Retry(wish) => wish,
            Remedy::Reconnect | Remedy::Unsure => None,
        };
        let Some(delay) = self.delays.next() else { return Err(error) };
        let delay = wish.unwrap_or(delay);
        match remedy {
            Remedy::Reconnect | Remedy::Unsure => {
                let since = *self.shut.get_or_insert_with(Instant::now);
                if since.elapsed() + delay > CONNECTING {
                    return Err(error);
                }
            }
            _ => self.shut = None,
        }
        Ok(delay)
    }
}

fn delays(retry: Retry) -> ExponentialBackoff {
    let times = usize::try_from(retry.times).unwrap_or(usize::MAX);
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(retry.delay.min(LONGEST))
        .with_max_delay(LONGEST)
        .with_max_times(times)
        .build()
}

/// The value of `Retry-After` (RFC 9110, 10.2.3): seconds or a date.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(value.trim()).ok()?;
    Some(then.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn trouble(remedy: Remedy) -> Trouble {
        Trouble { error: Error::new(ErrorKind::Unreachable, "x"), remedy }
    }

    #[test]
    fn it_is_tried_as_often_as_asked_with_growing_delays() {
        let retry = Retry { times: 3, delay: Duration::from_millis(100), ..Retry::default() };
        let mut patience = Patience::new(retry);
        for least in [100, 200, 400] {
            let delay = patience.after(trouble(Remedy::Retry(None))).unwrap();
            assert!(delay >= Duration::from_millis(least) && delay <= Duration::from_millis(2 * least), "{delay:?}");
        }
        assert!(patience.after(trouble(Remedy::Retry(None))).is_err());
        patience.renew();
        assert!(patience.after(trouble(Remedy::Retry(None))).is_ok());
    }

    #[test]
    fn a_wish_of_the_registry_counts_unless_it_is_too_long() {
        let mut patience = Patience::new(Retry::default());
        let wish = |seconds| Remedy::Retry(Some(Duration::from_secs(seconds)));
        assert_eq!(patience.after(trouble(wish(7))).unwrap(), Duration::from_secs(7));
        assert_eq!(patience.after(trouble(wish(0))).unwrap(), Duration::ZERO);
        let error = patience.after(trouble(wish(3600))).unwrap_err();
        assert!(error.to_string().contains("3600 s"), "{error}");
    }

    #[test]
    fn what_cannot_pass_is_not_tried_again() {
        let mut patience = Patience::new(Retry::default());
        assert!(patience.after(trouble(Remedy::None)).is_err());
        assert!(patience.after(trouble(Remedy::Plain)).is_err());
    }

    #[test]
    fn a_refused_connection_is_given_up_soon() {
        let retry = Retry { times: 100, delay: Duration::from_secs(9), ..Retry::default() };
        assert!(Patience::new(retry).after(trouble(Remedy::Reconnect)).is_err());
        assert!(Patience::new(retry).after(trouble(Remedy::Unsure)).is_err());
        let mut none = Patience::new(Retry { times: 0, ..Retry::default() });
        assert!(none.after(trouble(Remedy::Reconnect)).is_err());
    }

    #[test]
    fn what_was_before_the_first_refusal_does_not_count() {
        let retry = Retry { times: 100, delay: CONNECTING / 4, ..Retry::default() };
        let mut patience = Patience::new(retry);
        patience.shut = Instant::now().checked_sub(CONNECTING);
        assert!(patience.after(trouble(Remedy::Reconnect)).is_err());
        assert!(patience.after(trouble(Remedy::Retry(Some(Duration::ZERO)))).is_ok());
        patience.delays = delays(retry);
        assert!(patience.after(trouble(Remedy::Reconnect)).is_ok());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" Sun, 06 Nov 1994 08:49:47 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:27 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
