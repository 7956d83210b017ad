//! Search, the one thing that Docker Hub has and registries have not.

use std::sync::Arc;

use reqwest::{Method, Response, Url};
use serde::Deserialize;

use super::Inner;
use super::answer::{Subject, read_limited};
use super::session::{Ask, Session, Target, Whose};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::Reference;

const HOST: &str = "index.docker.io";
const MAX_ANSWER: u64 = 8 * 1024 * 1024;

/// What was found for a search term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The repository, as a user would pull it.
    pub name: String,
    /// What its owner says about it, as it came.
    pub description: String,
    /// How many people like it.
    pub stars: u64,
    /// Whether it is an official image.
    pub official: bool,
    /// Whether it is built by the registry.
    pub automated: bool,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    star_count: u64,
    #[serde(default)]
    is_official: bool,
    #[serde(default)]
    is_automated: bool,
}

/// Splits a registry off a search term; Docker Hub's own names are none.
///
/// # Errors
/// Of kind `Usage` for a term with a scheme.
pub fn registry_of(term: &str) -> Result<Option<(&str, &str)>> {
    if term.contains("://") {
        let message = format!("invalid search term `{}`: a registry is named without a scheme", term.escape_debug());
        return Err(Error::new(ErrorKind::Usage, message));
    }
    Ok(term.split_once('/').filter(|(first, _)| {
        let named = first.contains(['.', ':']) || *first == "localhost";
        named && !matches!(*first, "docker.io" | HOST)
    }))
}

/// Searches Docker Hub.
pub fn search(inner: &Arc<Inner>, term: &str, limit: usize) -> Result<Vec<Hit>> {
    let term = ["docker.io/", "index.docker.io/"].iter().find_map(|host| term.strip_prefix(host)).unwrap_or(term);
    let limit = limit.to_string();
    let address = format!("https://{HOST}/v1/search");
    let url = Url::parse_with_params(&address, [("q", term), ("n", &limit)])
        .map_err(|error| Error::with_source(ErrorKind::Usage, format!("address {address}"), error))?;
    let session = Session::new(&inner.conf.registry(HOST)?, Whose::Another, inner.shared.options.tls);
    let subject = Subject { what: "search".to_owned(), name: HOST.to_owned(), verb: "search" };
    let ask = Ask {
        method: Method::GET,
        target: Target::Given(url),
        headers: Vec::new(),
        repository: "",
        scopes: &[],
        subject: &subject,
        body: None,
    };
    let read = async |response: Response| read_limited(response, MAX_ANSWER).await;
    parse(&inner.runtime.wait(session.send(&inner.shared, &ask, read))?)
}

pub(super) fn parse(body: &[u8]) -> Result<Vec<Hit>> {
    let Results { results } = serde_json::from_slice(body)
        .map_err(|error| Error::with_source(ErrorKind::Failed, format!("bad answer of {HOST}"), error))?;
    let hit = |found: Found| Hit {
        name: found.name,
        description: found.description.unwrap_or_default(),
        stars: found.star_count,
        official: found.is_official,
        automated: found.is_automated,
    };
    Ok(results.into_iter().map(hit).collect())
}

/// A repository of which only the name is known.
pub fn plain(reference: &Reference) -> Hit {
    let name = reference.familiar_name();
    Hit { name, description: String::new(), stars: 0, official: false, automated: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s40_a_term_may_name_a_registry_but_no_scheme() {
        assert_eq!(registry_of("busybox").unwrap(), None);
        assert_eq!(registry_of("team/box").unwrap(), None);
        assert_eq!(registry_of("docker.io/box").unwrap(), None);
        assert_eq!(registry_of("quay.io/box").unwrap(), Some(("quay.io", "box")));
        assert_eq!(registry_of("localhost:5000/team/box").unwrap(), Some(("localhost:5000", "team/box")));
        assert_eq!(registry_of("localhost/").unwrap(), Some(("localhost", "")));
        assert_eq!(registry_of("https://quay.io/box").unwrap_err().kind(), ErrorKind::Usage);
    }

    #[test]
    fn s44_what_the_hub_answers_is_read() {
        let body = br#"{"num_results":2,"query":"box","results":[
            {"name":"busybox","description":"Busybox base image.","star_count":3000,"is_official":true,"is_automated":false},
            {"name":"x/box","description":null,"star_count":0,"future":1}]}"#;
        let hits = parse(body).unwrap();
        assert_eq!((hits[0].name.as_str(), hits[0].stars, hits[0].official), ("busybox", 3000, true));
        assert_eq!((hits[1].description.as_str(), hits[1].official), ("", false));
        assert!(parse(b"<html>").is_err());
    }
}
