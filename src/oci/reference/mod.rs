//! References: how people name images (distribution/reference, `reference.go` and `normalize.go`).
//!
//! ```text
//! reference  := name [ ":" tag ] [ "@" digest ]
//! name       := [ domain "/" ] component [ "/" component ]*
//! domain     := host [ ":" digits ]          host: DNS labels, an IPv4 address, or an IPv6 address in brackets
//! component  := [a-z0-9]+ ( ( [_.] | "__" | "-"+ ) [a-z0-9]+ )*
//! tag        := [A-Za-z0-9_] [A-Za-z0-9_.-]{0,127}
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};
use crate::oci::digest::Digest;

const HUB: &str = "docker.io";
const HUB_OF_OLD: &str = "index.docker.io";
const OFFICIAL: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const MAX_REPOSITORY: usize = 255;
const MAX_TAG: usize = 128;

/// The name of an image, complete: `busybox` is `library/busybox` of `docker.io`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The host of the registry, with its port.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository within the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one was named.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was named.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same with the tag `latest`, where neither tag nor digest was named.
    #[must_use]
    pub fn with_default_tag(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(DEFAULT_TAG.to_owned());
        }
        self
    }

    /// The whole name: `docker.io/library/busybox:latest`.
    pub fn canonical(&self) -> String {
        format!("{}/{}{}", self.registry, self.repository, self.suffix())
    }

    /// The name as people write it: `busybox:latest`. Reads back as the same reference.
    pub fn familiar(&self) -> String {
        format!("{}{}", self.familiar_name(), self.suffix())
    }

    /// The familiar name without tag and digest: `busybox`.
    pub fn familiar_name(&self) -> String {
        let whole = format!("{}/{}", self.registry, self.repository);
        if self.registry != HUB {
            return whole;
        }
        let short = self.repository.strip_prefix(OFFICIAL).filter(|rest| !rest.contains('/') && !is_image_id(rest));
        let short = short.unwrap_or(&self.repository);
        // `docker.io/localhost/x` would read back as another registry.
        match short.split_once('/') {
            Some((first, _)) if is_domain(first) => whole,
            _ => short.to_owned(),
        }
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        tag + &digest
    }
}

impl FromStr for Reference {
    type Err = Error;

    /// # Errors
    /// Of kind `Usage`, with what is wrong.
    fn from_str(text: &str) -> Result<Self> {
        parse(text).map_err(|why| {
            let text: String = text.escape_debug().take(300).collect();
            Error::new(ErrorKind::Usage, format!("invalid reference format: `{text}`: {why}"))
        })
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    if is_image_id(text) {
        return Err("64 hexadecimal digits are an image ID, not a name".to_owned());
    }
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => (named, Some(digest.parse::<Digest>().map_err(|error| error.to_string())?)),
        None => (text, None),
    };
    let (name, tag) = match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (named, None),
    };
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if is_domain(first) => {
            check_host(first)?;
            (if first == HUB_OF_OLD { HUB } else { first }, rest)
        }
        _ => (HUB, name),
    };
    let official = registry == HUB && !repository.is_empty() && !repository.contains('/');
    let repository = if official { format!("{OFFICIAL}{repository}") } else { repository.to_owned() };
    check_repository(&repository)?;
    Ok(Reference { registry: registry.to_owned(), repository, tag: tag.map(str::to_owned), digest })
}

/// Whether the text before the first slash names a registry and not a namespace of Docker Hub.
fn is_domain(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_image_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn check_tag(tag: &str) -> Result<(), String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'));
    if fits { Ok(()) } else { Err("bad tag".to_owned()) }
}

fn check_host(domain: &str) -> Result<(), String> {
    let bad = || "bad name of a registry".to_owned();
    let (host, port) = match domain.rfind(']') {
        Some(end) => domain.split_at(end + 1),
        None => domain.split_at(domain.find(':').unwrap_or(domain.len())),
    };
    let port_fits = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let host_fits = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(label),
    };
    if port_fits && host_fits { Ok(()) } else { Err(bad()) }
}

fn check_repository(repository: &str) -> Result<(), String> {
    if repository.is_empty() {
        return Err("no name".to_owned());
    }
    if repository.len() > MAX_REPOSITORY {
        return Err(format!("more than {MAX_REPOSITORY} characters"));
    }
    if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("repository name must be lowercase".to_owned());
    }
    if repository.split('/').all(is_component) { Ok(()) } else { Err("bad name".to_owned()) }
}

fn is_component(component: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = component.as_bytes();
    loop {
        let Some(length) = rest.iter().position(|&byte| !alphanumeric(byte)) else {
            return !rest.is_empty();
        };
        let (run, separated) = rest.split_at(length);
        let end = separated.iter().position(|&byte| alphanumeric(byte)).unwrap_or(separated.len());
        let (separator, after) = separated.split_at(end);
        let separates = matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|&byte| byte == b'-');
        if run.is_empty() || !separates {
            return false;
        }
        rest = after;
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
