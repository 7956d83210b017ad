//! What a server's answer, or its silence, means: the status, the errors in its body, and failures of the network.

use std::error::Error as StdError;
use std::io;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use rustls::CertificateError;
use serde::Deserialize;

use super::redirect::host_of;
use super::retry::{Remedy, Trouble, retry_after};
use crate::error::{Error, ErrorKind};

/// Most bytes that are read of the body of an error.
const MAX_ENVELOPE: u64 = 64 * 1024;

/// How long a body that has to be small may take; one byte now and then would keep the connection alive for ever.
const DEADLINE: Duration = Duration::from_secs(600);

/// Most characters of a server's own words in a message.
const MAX_WORDS: usize = 300;

/// What is asked for, in the words of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The object: `manifest for busybox:1.36`.
    pub what: String,
    /// The repository or the registry as people write it: `busybox`.
    pub name: String,
    /// What is done with it: `pull`, `push`.
    pub verb: &'static str,
}

/// The errors of an answer (distribution-spec, "Error Codes").
#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(default)]
    errors: Vec<Item>,
    /// Token servers have words of their own.
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Lets a success pass, and makes an error of everything else.
pub async fn check(response: Response, subject: &Subject) -> Result<Response, Trouble> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let wish = wish(response.headers());
    let words = match read_limited(response, MAX_ENVELOPE).await {
        Ok(body) => words(&body),
        Err(_) => None,
    };
    Err(trouble(status, wish, words.as_deref(), subject))
}

pub(super) fn wish(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, SystemTime::now())
}

pub(super) fn trouble(status: StatusCode, wish: Option<Duration>, words: Option<&str>, subject: &Subject) -> Trouble {
    let Subject { what, name, verb } = subject;
    let said = words.map(|words| format!(": {words}")).unwrap_or_default();
    let retry = Remedy::Retry(wish);
    let (kind, message, remedy) = match status.as_u16() {
        401 | 403 => {
            let message = format!("{verb} access denied for {name}, it does not exist or may require a login{said}");
            (ErrorKind::Authentication, message, Remedy::None)
        }
        404 => (ErrorKind::NotInRegistry, format!("{what} not found{said}"), Remedy::None),
        429 => (ErrorKind::RateLimited, format!("{what}: too many requests{said}"), retry),
        408 | 425 | 500 | 502..=504 | 520..=529 => {
            (ErrorKind::Unreachable, format!("{what}: status {}{said}", status.as_u16()), retry)
        }
        other => (ErrorKind::Failed, format!("{what}: status {other}{said}"), Remedy::None),
    };
    Trouble { error: Error::new(kind, message), remedy }
}

/// What the server says, as Docker prints it: `manifest unknown: manifest unknown`.
pub(super) fn words(body: &[u8]) -> Option<String> {
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    let first = envelope.errors.first().map(|Item { code, message }| {
        let code = code.to_lowercase().replace('_', " ");
        [code.as_str(), message.as_str()].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": ")
    });
    let said = first.or(envelope.details).or(envelope.error_description)?;
    let said: String = said.trim().escape_debug().take(MAX_WORDS).collect();
    (!said.is_empty()).then_some(said)
}

/// Reads a body that has to be small.
pub async fn read_limited(response: Response, limit: u64) -> Result<Vec<u8>, Trouble> {
    let host = host_of(response.url());
    let read = read_to_end(response, &host, limit);
    tokio::time::timeout(DEADLINE, read).await.unwrap_or_else(|_| {
        let message = format!("{host}: its answer does not end within {} s", DEADLINE.as_secs());
        Err(Trouble::lasting(Error::new(ErrorKind::Unreachable, message)))
    })
}

async fn read_to_end(mut response: Response, host: &str, limit: u64) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| network(host, error))? {
        if (body.len() + chunk.len()) as u64 > limit {
            let message = format!("{host}: answer has more than {limit} bytes");
            return Err(Trouble::lasting(Error::refused(message)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a failure of the network means.
pub fn network(host: &str, error: reqwest::Error) -> Trouble {
    // An address may hold a signature.
    let error = error.without_url();
    let cause = deepest(&error);
    let text = cause.to_string();
    let tls = in_chain::<rustls::Error>(&error);
    let io = in_chain::<io::Error>(&error).map(io::Error::kind);
    let (remedy, why) = match tls {
        Some(rustls::Error::InvalidCertificate(why)) => (Remedy::None, format!("its certificate {}", complaint(why))),
        Some(rustls::Error::InvalidMessage(_)) => (Remedy::Plain, "it does not speak TLS".to_owned()),
        Some(rustls::Error::AlertReceived(_)) => (Remedy::None, lower(&text)),
        _ if error.is_timeout() && error.is_connect() => (Remedy::None, "no answer in time".to_owned()),
        _ if error.is_timeout() => (Remedy::Retry(None), "no answer in time".to_owned()),
        _ if error.is_connect() => match io {
            // Cut off in the middle of the handshake, as some servers without TLS do, and some that are busy.
            Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => (Remedy::Unsure, lower(&text)),
            _ => (Remedy::Reconnect, lower(&text)),
        },
        _ => (Remedy::Retry(None), lower(&text)),
    };
    Trouble { error: Error::new(ErrorKind::Unreachable, format!("{host}: {why}")), remedy }
}

/// What is wrong with a certificate.
fn complaint(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => "is signed by an authority that is not trusted here".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another name".to_owned()
        }
        other => format!("is not trusted: {}", lower(&other.to_string())),
    }
}

fn lower(text: &str) -> String {
    let text = text.split(" (os error").next().unwrap_or(text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn deepest<'e>(error: &'e (dyn StdError + 'static)) -> &'e (dyn StdError + 'static) {
    let mut deepest = error;
    while let Some(cause) = cause_of(deepest) {
        deepest = cause;
    }
    deepest
}

/// The cause of an error; an `io::Error` hides the one that it carries.
fn cause_of<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    carried.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source())
}

/// The deepest error of this type: an `io::Error` may carry another one, of which it hides the kind.
fn in_chain<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    let mut found = None;
    let mut next = Some(error);
    while let Some(error) = next {
        found = error.downcast_ref().or(found);
        next = cause_of(error);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn subject() -> Subject {
        Subject { what: "manifest for busybox:nope".to_owned(), name: "busybox".to_owned(), verb: "pull" }
    }

    #[test]
    fn s04_a_missing_tag_is_told_in_dockers_words() {
        let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"nope"}}]}"#;
        let trouble = trouble(StatusCode::NOT_FOUND, None, words(body).as_deref(), &subject());
        assert_eq!(trouble.error.kind(), ErrorKind::NotInRegistry);
        assert_eq!(
            trouble.error.to_string(),
            "manifest for busybox:nope not found: manifest unknown: manifest unknown"
        );
    }

    #[test]
    fn a_status_decides_the_kind_and_whether_it_can_pass() {
        let after = Some(Duration::from_secs(3));
        for (status, kind, remedy) in [
            (401, ErrorKind::Authentication, Remedy::None),
            (403, ErrorKind::Authentication, Remedy::None),
            (404, ErrorKind::NotInRegistry, Remedy::None),
            (400, ErrorKind::Failed, Remedy::None),
            (405, ErrorKind::Failed, Remedy::None),
            (501, ErrorKind::Failed, Remedy::None),
            (429, ErrorKind::RateLimited, Remedy::Retry(after)),
            (500, ErrorKind::Unreachable, Remedy::Retry(after)),
            (502, ErrorKind::Unreachable, Remedy::Retry(after)),
            (503, ErrorKind::Unreachable, Remedy::Retry(after)),
            (504, ErrorKind::Unreachable, Remedy::Retry(after)),
        ] {
            let trouble = trouble(StatusCode::from_u16(status).unwrap(), after, None, &subject());
            assert_eq!((trouble.error.kind(), trouble.remedy), (kind, remedy), "{status}");
        }
    }

    #[test]
    fn the_words_of_a_server_are_short_and_harmless() {
        assert_eq!(words(br#"{"errors":[{"message":"a\u001b[31mb"}]}"#).unwrap(), r"a\u{1b}[31mb");
        assert_eq!(
            words(br#"{"details":"incorrect username or password"}"#).unwrap(),
            "incorrect username or password"
        );
        let long = format!(r#"{{"errors":[{{"code":"DENIED","message":"{}"}}]}}"#, "x".repeat(5000));
        assert_eq!(words(long.as_bytes()).unwrap().len(), MAX_WORDS);
        for nothing in [&b""[..], b"<html>", b"[]", b"{}", br#"{"errors":[]}"#, br#"{"errors":[{}]}"#] {
            assert_eq!(words(nothing), None);
        }
    }

    #[test]
    fn the_deepest_cause_is_found_inside_of_io_errors() {
        let inner = Error::new(ErrorKind::Failed, "inner");
        let error = io::Error::other(io::Error::other(inner));
        assert_eq!(deepest(&error).to_string(), "inner");
        assert!(in_chain::<Error>(&error).is_some());
        assert!(in_chain::<rustls::Error>(&error).is_none());
        let error = io::Error::other(io::Error::from_raw_os_error(104));
        assert_eq!(in_chain(&error).map(io::Error::kind), Some(io::ErrorKind::ConnectionReset));
        assert_eq!(lower("Connection refused (os error 111)"), "connection refused");
    }
}
