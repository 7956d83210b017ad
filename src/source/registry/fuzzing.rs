//! What fuzzing asks of the code that reads what registries and files about them say.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};

use super::answer::{self, Subject};
use super::challenge::{self, Challenge};
use super::conf::RegistriesConf;
use super::credentials::{Credentials, Keyring};
use super::options::{AuthFile, AuthFileKind};
use super::retry::Remedy;
use super::tags::{self, TagList};
use super::tokens::{self, Wish};
use super::{hub, nearest, redirect};
use crate::error::Result;
use crate::oci::Reference;

/// An answer of a registry, or of a token server.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status; one that HTTP does not have is none.
    pub status: u16,
    /// Names and values; those that HTTP does not allow do not get through.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The content.
    pub body: &'a [u8],
}

/// What an answer comes to.
#[derive(Debug, Default)]
pub struct Meaning {
    /// What would be said of it.
    pub message: String,
    /// How long the server wants to be left alone.
    pub wait: Option<Duration>,
    /// The token server that would be asked, and whether the registry was reached without TLS.
    pub token_servers: Vec<(Url, bool)>,
    /// What is said of a token server that is not asked, of an answer without a token, and of a search.
    pub complaints: Vec<String>,
    /// A token, and how long it lasts.
    pub token: Option<(String, Duration)>,
    /// The next page of a list.
    pub next: Option<Url>,
    /// Where a redirect leads.
    pub redirect: Option<Url>,
    /// Tags, and those that are nearest to one that is missing.
    pub tags: (Vec<String>, Vec<String>),
}

/// Reads an answer to a request for `page` in every way in which answers are read.
pub fn answer(page: &Url, answer: Answer<'_>) -> Meaning {
    let mut meaning = Meaning::default();
    let mut headers = HeaderMap::new();
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            // A map takes 32,768 headers, HTTP libraries far fewer.
            let _ = headers.try_append(name, value);
        }
    }
    let subject = Subject { what: "manifest for a:b".to_owned(), name: "a".to_owned(), verb: "pull" };
    let words = answer::words(answer.body);
    if let Ok(status) = StatusCode::from_u16(answer.status) {
        let trouble = answer::trouble(status, answer::wish(&headers), words.as_deref(), &subject);
        if let Remedy::Retry(wait) = trouble.remedy {
            meaning.wait = wait;
        }
        meaning.message = trouble.error.to_string();
    }
    if let Some(Challenge::Bearer { realm, service, scope }) = challenge::of(&headers) {
        for plain in [false, true] {
            let scopes = scope.iter().map(String::as_str).collect();
            match tokens::realm(&Wish { realm: &realm, service: service.as_deref(), scopes, plain }) {
                Ok(url) => meaning.token_servers.push((url, plain)),
                Err(error) => meaning.complaints.push(error.to_string()),
            }
        }
    }
    match tokens::parse(answer.body, "auth.example") {
        Ok((secret, life)) => meaning.token = Some((secret.reveal().to_owned(), life)),
        Err(error) => meaning.complaints.push(format!("{error:?}")),
    }
    if let Err(error) = hub::parse(answer.body) {
        meaning.complaints.push(error.to_string());
    }
    if let Ok(TagList { tags: Some(tags) }) = serde_json::from_slice(answer.body) {
        let nearest = nearest::nearest("1.36", &tags).into_iter().map(str::to_owned).collect();
        meaning.tags = (tags, nearest);
    }
    meaning.next = tags::following(&headers, page);
    meaning.redirect = redirect::allowed(page, redirect::target(page, &headers)).ok();
    meaning
}

/// Reads a file of containers-registries.conf(5) and gives the hosts that an image would be asked of.
///
/// # Errors
/// The file says nothing sensible, or forbids the registry.
pub fn hosts(conf: &Path, reference: &Reference) -> Result<Vec<String>> {
    let conf = RegistriesConf::load(Some(conf), &[])?;
    Ok(conf.endpoints(reference)?.iter().map(|endpoint| endpoint.api_host().to_owned()).collect())
}

/// Reads a file with credentials in each of its forms; gives the users and secrets for a registry.
pub fn credentials(file: &Path, host: &str, repository: &str) -> Vec<Result<Option<(String, String)>>> {
    let kinds = [AuthFileKind::Containers, AuthFileKind::Docker, AuthFileKind::Dockercfg];
    let found = kinds.map(|kind| {
        let files = vec![AuthFile { path: file.to_owned(), kind, named: false }];
        let found = Keyring::new(None, files).kept(host, repository, &mut |_| {})?;
        Ok(match found.credentials {
            Credentials::Anonymous => None,
            Credentials::Password { user, password } => Some((user, password.reveal().to_owned())),
            Credentials::IdentityToken(token) | Credentials::RegistryToken(token) => {
                Some((String::new(), token.reveal().to_owned()))
            }
        })
    });
    found.into()
}
