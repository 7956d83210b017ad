//! One repository at one place: the registry itself, or a mirror of it.

use std::sync::Arc;

use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, RANGE};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;

use super::answer::{Subject, read_limited};
use super::redirect::host_of;
use super::retry::Trouble;
use super::session::{Ask, Session, Target};
use super::{EXPLAIN, RemoteDocument, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::media_type::{
    DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_INDEX, OCI_MANIFEST, is_index, is_manifest, is_schema1,
};
use crate::oci::{Descriptor, Digest, Document, MAX_DOCUMENT, parse_document};

const DIGEST: &str = "docker-content-digest";

/// A repository and where it is.
#[derive(Debug, Clone)]
pub struct Place {
    /// The registry or mirror.
    pub session: Arc<Session>,
    /// The repository there.
    pub repository: String,
    /// How people write it: `busybox`.
    pub name: String,
}

/// The bytes of a blob as they come.
#[derive(Debug)]
pub struct Incoming {
    /// The answer.
    pub response: Response,
    /// The place in the blob of its first byte.
    pub offset: u64,
}

impl Place {
    fn subject(&self, what: String) -> Subject {
        Subject { what, name: self.name.clone(), verb: "pull" }
    }

    /// What a pull has to be allowed.
    fn scopes(&self) -> [String; 1] {
        [format!("repository:{}:pull", self.repository)]
    }

    /// The index or manifest of a tag or a digest.
    pub async fn document(&self, shared: &Shared, named: Named<'_>) -> Result<RemoteDocument> {
        let subject = self.subject(format!("manifest for {}{named}", self.name));
        let scopes = self.scopes();
        let ask = self.manifest(Method::GET, named, &subject, &scopes);
        let read = async |response: Response| {
            let headers = response.headers().clone();
            let bytes = read_limited(response, MAX_DOCUMENT).await?;
            Ok((headers, bytes))
        };
        let (headers, bytes) = self.session.send(shared, &ask, read).await?;
        let tried = || format!("{}: {}", self.session.host, subject.what);
        let digest = match (named, said_digest(&headers)) {
            (Named::Digest(digest), _) => digest.clone(),
            (Named::Tag(_), Some(said)) => said,
            (Named::Tag(_), None) => Digest::of(&bytes),
        };
        let media_type = media_type(&headers, &bytes).map_err(|error| error.context(tried()))?;
        let descriptor = Descriptor::new(&media_type, digest, bytes.len() as u64);
        verify(&descriptor, &bytes).map_err(|error| error.context(tried()))?;
        tracing::debug!(target: EXPLAIN, "{}: served by {}", subject.what, self.session.host);
        Ok(RemoteDocument { descriptor, bytes })
    }

    /// The same without its content.
    pub async fn head(&self, shared: &Shared, named: Named<'_>) -> Result<Descriptor> {
        let subject = self.subject(format!("manifest for {}{named}", self.name));
        let scopes = self.scopes();
        let ask = self.manifest(Method::HEAD, named, &subject, &scopes);
        let headers = self.session.send(shared, &ask, async |response| Ok(response.headers().clone())).await?;
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let size = text(CONTENT_LENGTH).and_then(|size| size.parse().ok());
        let kind = text(CONTENT_TYPE).map(|kind| kind.split(';').next().unwrap_or(kind).trim());
        match (said_digest(&headers), size, kind.filter(|kind| is_index(kind) || is_manifest(kind))) {
            (Some(digest), Some(size), Some(kind)) if named.allows(&digest) => {
                tracing::debug!(target: EXPLAIN, "digest of {}: served by {}", subject.what, self.session.host);
                Ok(Descriptor::new(kind, digest, size))
            }
            // Old registries do not say enough.
            _ => Ok(self.document(shared, named).await?.descriptor),
        }
    }

    fn manifest<'a>(&'a self, method: Method, named: Named<'_>, subject: &'a Subject, scopes: &'a [String]) -> Ask<'a> {
        let accept = [OCI_INDEX, DOCKER_MANIFEST_LIST, OCI_MANIFEST, DOCKER_MANIFEST].join(", ");
        let reference = match named {
            Named::Tag(tag) => tag.to_owned(),
            Named::Digest(digest) => digest.to_string(),
        };
        Ask {
            method,
            target: Target::Api(format!("{}/manifests/{reference}", self.repository)),
            headers: vec![(ACCEPT, accept)],
            repository: &self.repository,
            scopes,
            subject,
            body: None,
        }
    }

    /// Opens a blob from byte `from` on, without trying again. A registry may answer with all of it.
    pub async fn blob(&self, shared: &Shared, blob: &Descriptor, from: u64) -> Result<Incoming, Trouble> {
        let subject = self.subject(format!("blob {} of {}", blob.digest, self.name));
        let scopes = self.scopes();
        let ask = |headers| Ask {
            method: Method::GET,
            target: Target::Api(format!("{}/blobs/{}", self.repository, blob.digest)),
            headers,
            repository: &self.repository,
            scopes: &scopes,
            subject: &subject,
            body: None,
        };
        let whole = || async { self.session.once(shared, &ask(Vec::new())).await };
        let response = match from {
            0 => whole().await?,
            _ => match self.session.once(shared, &ask(vec![(RANGE, format!("bytes={from}-"))])).await {
                // Only 416 comes as an unspecific failure: parts are not to be had.
                Err(trouble) if trouble.error.kind() == ErrorKind::Failed => whole().await?,
                result => result?,
            },
        };
        let offset = match response.status() {
            StatusCode::PARTIAL_CONTENT => from,
            _ => 0,
        };
        let said = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        if let Some(said) = said.filter(|said| offset > 0 && !said.starts_with(&format!("bytes {from}-"))) {
            let message = format!("{}: asked for bytes from {from} on, got `{}`", subject.what, said.escape_debug());
            return Err(Trouble::lasting(Error::new(ErrorKind::DigestMismatch, message)));
        }
        match response.content_length() {
            // A part may be shorter than was asked for, the whole may not.
            Some(len) if offset.saturating_add(len) > blob.size || offset == 0 && len < blob.size => {
                let got = offset.saturating_add(len);
                let message = format!("blob {}: expected {} bytes, got {got}", blob.digest, blob.size);
                Err(Trouble::lasting(Error::new(ErrorKind::DigestMismatch, message)))
            }
            _ => {
                let host = host_of(response.url());
                let at = if host == self.session.host { String::new() } else { format!(" at {host}") };
                let from = if offset > 0 { format!(" from byte {offset} on") } else { String::new() };
                tracing::debug!(target: EXPLAIN, "{}: served by {}{at}{from}", subject.what, self.session.host);
                Ok(Incoming { response, offset })
            }
        }
    }

    /// Reads a small blob as a whole.
    pub async fn small_blob(&self, shared: &Shared, blob: &Descriptor) -> Result<Vec<u8>> {
        let subject = self.subject(format!("blob {} of {}", blob.digest, self.name));
        let scopes = self.scopes();
        let ask = Ask {
            method: Method::GET,
            target: Target::Api(format!("{}/blobs/{}", self.repository, blob.digest)),
            headers: Vec::new(),
            repository: &self.repository,
            scopes: &scopes,
            subject: &subject,
            body: None,
        };
        let read = async |response: Response| read_limited(response, blob.size).await;
        let bytes = self.session.send(shared, &ask, read).await?;
        verify(blob, &bytes)?;
        tracing::debug!(target: EXPLAIN, "{}: served by {}", subject.what, self.session.host);
        Ok(bytes)
    }
}

/// What a manifest is asked for by.
#[derive(Debug, Clone, Copy)]
pub enum Named<'a> {
    /// A tag.
    Tag(&'a str),
    /// Its digest.
    Digest(&'a Digest),
}

impl Named<'_> {
    fn allows(self, digest: &Digest) -> bool {
        match self {
            Self::Tag(_) => true,
            Self::Digest(wanted) => wanted == digest,
        }
    }
}

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, ":{tag}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

/// Compares content with what was promised.
fn verify(descriptor: &Descriptor, bytes: &[u8]) -> Result<()> {
    descriptor.verify(bytes).map_err(|error| Error::new(ErrorKind::DigestMismatch, error.to_string()))
}

/// The digest that the registry says; one of an unknown algorithm says nothing.
fn said_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get(DIGEST)?.to_str().ok()?.parse().ok()
}

/// The media type of a document: what it says itself, what the registry says, what its fields say.
fn media_type(headers: &HeaderMap, bytes: &[u8]) -> Result<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Own {
        media_type: Option<String>,
    }
    let own = serde_json::from_slice::<Own>(bytes).ok().and_then(|own| own.media_type).filter(|kind| !kind.is_empty());
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let said = said.map(|kind| kind.split(';').next().unwrap_or(kind).trim().to_owned());
    let known = |kind: &String| is_index(kind) || is_manifest(kind) || is_schema1(kind);
    if let Some(kind) = own.or(said.filter(known)) {
        return Ok(kind);
    }
    Ok(match parse_document(bytes, None)? {
        Document::Index(_) => OCI_INDEX.to_owned(),
        Document::Manifest(_) => OCI_MANIFEST.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn of(header: &'static str, body: &str) -> Result<String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(header));
        media_type(&headers, body.as_bytes())
    }

    #[test]
    fn the_document_knows_best_what_it_is() {
        let manifest = r#"{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","size":3},"layers":[]}"#;
        assert_eq!(of(OCI_MANIFEST, r#"{"mediaType":"a/b"}"#).unwrap(), "a/b");
        assert_eq!(of("application/vnd.oci.image.index.v1+json; charset=utf-8", "{}").unwrap(), OCI_INDEX);
        assert_eq!(of("text/plain", manifest).unwrap(), OCI_MANIFEST);
        assert_eq!(of("application/json", r#"{"schemaVersion":2,"manifests":[]}"#).unwrap(), OCI_INDEX);
        assert!(of("text/html", "<html>").is_err());
    }
}
