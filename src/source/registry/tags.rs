//! Lists of a registry, page by page (distribution-spec, "Content Discovery"): tags of a repository, the catalogue.

use std::collections::HashSet;
use std::sync::Arc;

use reqwest::header::{HeaderMap, LINK};
use reqwest::{Method, Response, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Inner;
use super::answer::{Subject, read_limited};
use super::place::Place;
use super::session::{Ask, Session, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::Reference;

/// How many names a page is asked to have.
const PAGE: usize = 1000;

/// A list without end is cut here.
const MAX_PAGES: usize = 1000;

/// Most bytes of all pages.
const MAX_LIST: u64 = 64 * 1024 * 1024;

#[derive(Deserialize)]
pub(super) struct TagList {
    /// `null` in an empty repository.
    pub(super) tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Catalogue {
    repositories: Option<Vec<String>>,
}

/// All tags of a repository, in the registry's order.
pub fn all(inner: &Arc<Inner>, place: &Place) -> Result<Vec<String>> {
    let Place { session, repository, name } = place;
    let subject = Subject { what: format!("tags of {name}"), name: name.clone(), verb: "pull" };
    let scopes = [format!("repository:{repository}:pull")];
    let pages = Pages { inner, session, repository, scopes: &scopes, subject: &subject };
    pages.read(&format!("{repository}/tags/list?n={PAGE}"), |page: TagList| page.tags.unwrap_or_default())
}

/// All repositories of a registry.
pub fn catalogue(inner: &Arc<Inner>, session: &Session) -> Result<Vec<String>> {
    let what = format!("catalogue of {}", session.host);
    let subject = Subject { what, name: session.host.clone(), verb: "catalogue" };
    let scopes = ["registry:catalog:*".to_owned()];
    let pages = Pages { inner, session, repository: "", scopes: &scopes, subject: &subject };
    pages.read(&format!("_catalog?n={PAGE}"), |page: Catalogue| page.repositories.unwrap_or_default())
}

struct Pages<'a> {
    inner: &'a Arc<Inner>,
    session: &'a Session,
    repository: &'a str,
    scopes: &'a [String],
    subject: &'a Subject,
}

impl Pages<'_> {
    fn read<T: DeserializeOwned>(&self, first: &str, names: impl Fn(T) -> Vec<String>) -> Result<Vec<String>> {
        let mut all = Vec::new();
        let mut known = HashSet::new();
        let mut next = Some(Target::Api(first.to_owned()));
        let mut left = MAX_LIST;
        for _ in 0..MAX_PAGES {
            let Some(target) = next.take() else { return Ok(all) };
            let (url, headers, body) = self.page(target, left)?;
            left -= body.len() as u64;
            let page: T = serde_json::from_slice(&body).map_err(|error| {
                Error::with_source(ErrorKind::Failed, format!("{}: bad answer", self.subject.what), error)
            })?;
            let before = all.len();
            all.extend(names(page).into_iter().filter(|name| known.insert(name.clone())));
            // A page without anything new would be followed by itself for ever.
            next = following(&headers, &url).filter(|_| all.len() > before).map(Target::Given);
        }
        Err(Error::new(ErrorKind::Failed, format!("{}: more than {MAX_PAGES} pages", self.subject.what)))
    }

    fn page(&self, target: Target, limit: u64) -> Result<(Url, HeaderMap, Vec<u8>)> {
        let ask = Ask {
            method: Method::GET,
            target,
            headers: Vec::new(),
            repository: self.repository,
            scopes: self.scopes,
            subject: self.subject,
            body: None,
        };
        let read = async |response: Response| {
            let (url, headers) = (response.url().clone(), response.headers().clone());
            Ok((url, headers, read_limited(response, limit).await?))
        };
        let Inner { shared, runtime, .. } = &**self.inner;
        runtime.wait(self.session.send(shared, &ask, read))
    }
}

/// The address of the next page: `Link: </v2/…>; rel="next"` (RFC 8288). One on another host is not followed.
pub(super) fn following(headers: &HeaderMap, page: &Url) -> Option<Url> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut next = links.filter_map(|link| {
        let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = rest.split(';').any(|part| matches!(part.trim(), r#"rel="next""# | "rel=next"));
        is_next.then_some(target)
    });
    let next = page.join(next.next()?).ok()?;
    (next.host_str() == page.host_str() && next.port() == page.port() && next.scheme() == page.scheme()).then_some(next)
}

/// The names of a catalogue that hold a term, as references.
pub fn matching(registry: &str, repositories: &[String], term: &str) -> Vec<Reference> {
    let found = repositories.iter().filter(|name| name.contains(term));
    found.filter_map(|name| format!("{registry}/{name}").parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn next(link: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(LINK, HeaderValue::from_static(link));
        let page = Url::parse("https://r.example.com:5000/v2/a/b/tags/list?n=2").unwrap();
        following(&headers, &page).map(|url| url.to_string())
    }

    #[test]
    fn the_next_page_is_on_the_same_registry() {
        let expected = Some("https://r.example.com:5000/v2/a/b/tags/list?last=x&n=2".to_owned());
        assert_eq!(next(r#"</v2/a/b/tags/list?last=x&n=2>; rel="next""#), expected);
        assert_eq!(next("<https://r.example.com:5000/v2/a/b/tags/list?last=x&n=2>;rel=next"), expected);
        assert_eq!(next(r#"</v2/a/b/tags/list?last=x&n=2>; title="x"; rel="next""#), expected);
        for bad in [
            r#"<https://evil.example.com/v2/>; rel="next""#,
            r#"<http://r.example.com:5000/v2/>; rel="next""#,
            r#"</v2/x>; rel="prev""#,
            r#"/v2/x; rel="next""#,
            "",
        ] {
            assert_eq!(next(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_catalogue_is_searched_by_substring() {
        let repositories = ["library/busybox", "team/box", "UPPER"].map(str::to_owned);
        let found = matching("localhost:5000", &repositories, "box");
        let names: Vec<String> = found.iter().map(Reference::familiar_name).collect();
        assert_eq!(names, ["localhost:5000/library/busybox", "localhost:5000/team/box"]);
    }
}
