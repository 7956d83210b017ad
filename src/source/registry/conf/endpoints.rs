//! Which places are asked for an image.

use super::{RegistriesConf, Rule, Serves};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::Reference;

const HUB: &str = "docker.io";
const API_OF_HUB: &str = "registry-1.docker.io";

/// A place that may have an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host, with its port, as people name it: `docker.io`. Credentials and certificates are kept under this name.
    pub host: String,
    /// The repository there.
    pub repository: String,
    /// Whether any certificate will do, and plain HTTP.
    pub insecure: bool,
    /// Whether it stands in for the registry of the image's name.
    pub mirror: bool,
}

impl Endpoint {
    /// The host that answers requests, with its port.
    pub fn api_host(&self) -> &str {
        if self.host == HUB { API_OF_HUB } else { &self.host }
    }
}

impl RegistriesConf {
    /// The places to ask for an image, in order: the mirrors that are for such a name, then the registry itself.
    ///
    /// # Errors
    /// The registry is blocked, or a location makes no place for this name.
    pub fn endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>> {
        let name = reference.canonical();
        let Some((rule, length)) = self.allowed(&name)? else {
            return Ok(vec![itself(reference, false)]);
        };
        let rest = &name[length..];
        let mut endpoints = Vec::with_capacity(rule.mirrors.len() + 1);
        for mirror in &rule.mirrors {
            let why_not = match (mirror.serves, reference.digest().is_some()) {
                (Serves::All, _) | (Serves::Digests, true) | (Serves::Tags, false) => None,
                (Serves::Digests, false) => Some("digests"),
                (Serves::Tags, true) => Some("tags"),
            };
            if let Some(only) = why_not {
                let (location, file) = (&mirror.location, rule.file.display());
                tracing::debug!(
                    target: "rootlay::registry",
                    "mirror {location} is passed over: {file} wants it for {only} only"
                );
                continue;
            }
            endpoints.push(rule.endpoint(reference, &mirror.location, rest, mirror.insecure, true)?);
        }
        endpoints.push(match &rule.location {
            Some(location) => rule.endpoint(reference, location, rest, rule.insecure, false)?,
            None => itself(reference, rule.insecure),
        });
        Ok(endpoints)
    }

    /// The place that an image is written to: mirrors and locations are for reading.
    ///
    /// # Errors
    /// The registry is blocked.
    pub fn destination(&self, reference: &Reference) -> Result<Endpoint> {
        let found = self.allowed(&reference.canonical())?;
        Ok(itself(reference, found.is_some_and(|(rule, _)| rule.insecure_at(reference.registry()))))
    }

    /// A registry itself, for what is not about one repository. Mirrors and locations are for reading images.
    ///
    /// # Errors
    /// The registry is blocked.
    pub fn registry(&self, host: &str) -> Result<Endpoint> {
        let found = self.allowed(host)?;
        let insecure = found.is_some_and(|(rule, _)| rule.insecure_at(host));
        Ok(Endpoint { host: host.to_owned(), repository: String::new(), insecure, mirror: false })
    }

    /// The rule with the longest prefix of this name, and how much of the name that is.
    fn allowed(&self, name: &str) -> Result<Option<(&Rule, usize)>> {
        let matching = self.rules.iter().filter_map(|rule| Some((rule, matched(name, &rule.prefix)?)));
        let found = matching.max_by_key(|(rule, _)| rule.prefix.len());
        match found {
            Some((rule, _)) if rule.blocked => {
                let message = format!("registry {} is blocked in {}", rule.prefix, rule.file.display());
                Err(Error::new(ErrorKind::Failed, message))
            }
            found => Ok(found),
        }
    }
}

impl Rule {
    /// The place that a location and the rest of the name make.
    fn endpoint(
        &self,
        reference: &Reference,
        location: &str,
        rest: &str,
        insecure: bool,
        mirror: bool,
    ) -> Result<Endpoint> {
        let name = format!("{location}{rest}");
        let bad = || format!("location `{location}` in {}", self.file.display());
        let refuse = |why: &str| Error::new(ErrorKind::Failed, format!("{}: {why}", bad()));
        let place: Reference =
            name.parse().map_err(|error: Error| Error::with_source(ErrorKind::Failed, bad(), error))?;
        // The grammar of names takes `mirror/x` for one of Docker Hub.
        let first = name.split('/').next().unwrap_or_default();
        if first != place.registry() && place.registry() == HUB && first != "index.docker.io" {
            return Err(refuse("does not begin with the host of a registry"));
        }
        // A prefix may end in a tag. The image keeps the one that the user named.
        if (place.tag(), place.digest()) != (reference.tag(), reference.digest()) {
            return Err(refuse("changes the tag or digest, which is not supported"));
        }
        let (host, repository) = (place.registry().to_owned(), place.repository().to_owned());
        Ok(Endpoint { host, repository, insecure, mirror })
    }

    /// Whether a host that the rule is about is itself insecure. If another location is asked in its place, then
    /// `insecure` is about that one, and passwords for this one must not go out in the open.
    fn insecure_at(&self, host: &str) -> bool {
        let elsewhere = self.location.as_deref().is_some_and(|location| location.split('/').next() != Some(host));
        self.insecure && !elsewhere
    }
}

/// The place that a name says by itself.
fn itself(reference: &Reference, insecure: bool) -> Endpoint {
    let (host, repository) = (reference.registry().to_owned(), reference.repository().to_owned());
    Endpoint { host, repository, insecure, mirror: false }
}

/// How much of a name (or host) a prefix matches, if it does. Prefixes end where a part of the name does.
fn matched(name: &str, prefix: &str) -> Option<usize> {
    let host = &name[..name.find('/').unwrap_or(name.len())];
    if let Some(domain) = prefix.strip_prefix("*.") {
        let bare = host.split(':').next().unwrap_or(host);
        let below = bare.strip_suffix(domain).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'));
        return below.then_some(bare.len());
    }
    let rest = name.strip_prefix(prefix)?;
    let ends = match rest.bytes().next() {
        None | Some(b'/' | b'@') => true,
        // Behind a repository that is a tag. Behind a host it is a port, and so another registry.
        Some(b':') => prefix.contains('/'),
        Some(_) => false,
    };
    ends.then_some(prefix.len())
}
