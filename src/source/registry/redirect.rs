//! Redirects: blobs are often kept elsewhere. What proves who we are stays where it belongs.

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, Url};

use super::retry::Trouble;
use super::runtime;
use crate::error::{Error, ErrorKind};

const MAX_REDIRECTS: usize = 10;

/// Sends a request without a body, and follows redirects. `prepare` adds the headers, and access where it is told
/// that the request goes to the server that was asked first and has never left it.
pub async fn send(
    client: &Client,
    method: &Method,
    url: Url,
    prepare: impl Fn(RequestBuilder, bool) -> RequestBuilder,
) -> Result<Response, Trouble> {
    follow(url, &[301, 302, 303, 307, 308], async |url, own| {
        let host = host_of(&url);
        runtime::send(prepare(client.request(method.clone(), url), own), &host).await
    })
    .await
}

/// Sends a request with a body, as `attempt` does, which is told what `prepare` is told. Of redirects those are followed
/// that want the same request with the same body elsewhere (RFC 9110, 15.4.8 and 15.4.9).
pub async fn send_body(
    url: Url,
    attempt: impl AsyncFn(Url, bool) -> Result<Response, Trouble>,
) -> Result<Response, Trouble> {
    follow(url, &[307, 308], attempt).await
}

async fn follow(
    url: Url,
    redirects: &[u16],
    attempt: impl AsyncFn(Url, bool) -> Result<Response, Trouble>,
) -> Result<Response, Trouble> {
    let first = url.origin();
    let (mut url, mut own) = (url, true);
    for _ in 0..=MAX_REDIRECTS {
        own &= url.origin() == first;
        let response = attempt(url.clone(), own).await?;
        if !redirects.contains(&response.status().as_u16()) {
            return Ok(response);
        }
        url = allowed(&url, target(response.url(), response.headers()))?;
    }
    Err(refused(&url, "too many redirects"))
}

/// The host of an address, with its port where that is not the usual one. The rest may hold a signature.
pub fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

pub(super) fn target(from: &Url, headers: &HeaderMap) -> Option<Url> {
    from.join(headers.get(LOCATION)?.to_str().ok()?).ok()
}

pub(super) fn allowed(from: &Url, to: Option<Url>) -> Result<Url, Trouble> {
    match to {
        Some(to) if from.scheme() == "https" && to.scheme() == "http" => {
            Err(refused(from, "redirect from https to http"))
        }
        Some(to) if matches!(to.scheme(), "http" | "https") => Ok(to),
        _ => Err(refused(from, "redirect to no address")),
    }
}

fn refused(from: &Url, why: &str) -> Trouble {
    Trouble::lasting(Error::new(ErrorKind::Unreachable, format!("{}: {why}", host_of(from))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_neither_leaves_tls_nor_the_web() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (from, to, good) in [
            ("https://a.example/x", Some("https://b.example/y"), true),
            ("http://a.example/x", Some("https://b.example/y"), true),
            ("http://a.example/x", Some("http://b.example/y"), true),
            ("https://a.example/x", Some("http://a.example/x"), false),
            ("http://a.example/x", Some("file:///etc/shadow"), false),
            ("http://a.example/x", None, false),
        ] {
            assert_eq!(allowed(&url(from), to.map(url)).is_ok(), good, "{from} {to:?}");
        }
    }

    #[test]
    fn of_an_address_only_the_host_is_told() {
        let of = |text: &str| host_of(&Url::parse(text).unwrap());
        assert_eq!(of("https://user:secret@cdn.example/x?signature=secret"), "cdn.example");
        assert_eq!(of("http://127.0.0.1:5999/x"), "127.0.0.1:5999");
        assert_eq!(of("https://[::1]:5000/x"), "[::1]:5000");
    }
}
