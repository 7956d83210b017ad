//! Writing to a registry (distribution-spec, "Push"): blobs that it lacks, then the manifest that names them.

use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use futures_core::Stream;
use reqwest::header::{CONTENT_TYPE, HeaderName, LOCATION};
use reqwest::{Body, Method, StatusCode, Url};
use tokio::sync::mpsc::{Receiver, channel};

use super::answer::Subject;
use super::retry::{Patience, Remedy, Trouble};
use super::session::{Ask, Payload, Session, Target, Whose};
use super::{EXPLAIN, Inner, Registries};
use crate::error::{Error, ErrorKind, Result};
use crate::oci::{Digest, Reference};
use crate::source::Waiting;

/// Bytes that are sent at once.
const PIECE: usize = 256 * 1024;

/// Pieces that wait to be sent.
const QUEUE: usize = 4;

/// A repository that images are written to.
#[derive(Debug)]
pub struct Destination {
    inner: Arc<Inner>,
    session: Arc<Session>,
    repository: String,
    name: String,
}

/// How a blob got there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// Its bytes were sent.
    Sent,
    /// The registry took it from another of its repositories.
    Mounted,
}

/// A blob to write.
pub struct Outgoing<'a> {
    /// Its digest.
    pub digest: &'a Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Opens its content; called for each attempt.
    pub open: &'a (dyn Fn() -> Result<File> + Sync),
    /// Is told how many bytes of the current attempt were sent.
    pub sent: Arc<dyn Fn(u64) + Send + Sync>,
    /// Who waits for it.
    pub waiting: Waiting<'a>,
}

impl std::fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { digest, size, .. } = self;
        f.debug_struct("Outgoing").field("digest", digest).field("size", size).finish_non_exhaustive()
    }
}

impl Registries {
    /// Opens a repository for writing; mirrors do not count. No request is sent.
    ///
    /// # Errors
    /// The registry is blocked by the configuration.
    pub fn destination(&self, reference: &Reference) -> Result<Destination> {
        let endpoint = self.0.conf.destination(reference)?;
        let session = self.session(&endpoint, Whose::Named);
        let name = reference.familiar_name();
        Ok(Destination { inner: Arc::clone(&self.0), session, repository: endpoint.repository, name })
    }
}

impl Destination {
    /// Whether the repository has a blob.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let subject = self.subject(format!("blob {digest} of {}", self.name));
        let scopes = self.scopes(None);
        let target = Target::Api(format!("{}/blobs/{digest}", self.repository));
        let ask = self.ask(Method::HEAD, target, &subject, &scopes);
        let Inner { runtime, shared, .. } = &*self.inner;
        match runtime.wait(self.session.send(shared, &ask, async |_| Ok(()))) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotInRegistry => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes a blob; the registry may take it from its repository `from` instead, if it has it there.
    pub fn blob(&self, blob: &Outgoing<'_>, mut from: Option<&str>) -> Result<Arrived> {
        let Inner { runtime, shared, .. } = &*self.inner;
        let mut patience = Patience::new(shared.options.retry);
        loop {
            // An upload that broke off is begun anew: few registries can go on with one.
            let trouble = match runtime.wait_while(blob.waiting.check, async { Ok(self.attempt(blob, from).await) })? {
                Ok(arrived) => return Ok(arrived),
                Err(trouble) => trouble,
            };
            let why = trouble.error.to_string();
            if let Some(other) = from.filter(|_| trouble.remedy == Remedy::None) {
                // Some give no token at all to those who may not read the other repository.
                tracing::debug!(target: EXPLAIN, "{why}; again without {other}");
                from = None;
                continue;
            }
            let delay = patience.after(trouble)?;
            tracing::debug!(target: EXPLAIN, "{why}; again in {:.1} s", delay.as_secs_f64());
            (blob.waiting.retrying)(delay);
            runtime.sleep(blob.waiting.check, delay)?;
        }
    }

    async fn attempt(&self, blob: &Outgoing<'_>, from: Option<&str>) -> Result<Arrived, Trouble> {
        let shared = &self.inner.shared;
        let subject = self.subject(format!("blob {} of {}", blob.digest, self.name));
        let scopes = self.scopes(from);
        let query = from.map(|from| format!("?mount={}&from={from}", blob.digest)).unwrap_or_default();
        let target = Target::Api(format!("{}/blobs/uploads/{query}", self.repository));
        let mut begin = self.ask(Method::POST, target, &subject, &scopes);
        let nothing = || Ok(Payload { body: Body::from(""), len: 0, taken: Arc::default() });
        begin.body = Some(&nothing);
        let response = self.session.once(shared, &begin).await?;
        if response.status() == StatusCode::CREATED {
            return Ok(Arrived::Mounted);
        }
        let said = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let mut location = location(response.url(), said, &subject)?;
        location.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
        let body = || {
            let file = (blob.open)()?;
            let taken = Arc::default();
            let body = streaming(file, Arc::clone(&taken), Arc::clone(&blob.sent));
            Ok(Payload { body, len: blob.size, taken })
        };
        let mut finish = self.ask(Method::PUT, Target::Given(location), &subject, &scopes);
        finish.headers.push((CONTENT_TYPE, "application/octet-stream".to_owned()));
        finish.body = Some(&body);
        self.session.once(shared, &finish).await?;
        Ok(Arrived::Sent)
    }

    /// Writes a manifest under a tag, byte for byte.
    pub fn manifest(&self, tag: &str, media_type: &str, bytes: &[u8]) -> Result<()> {
        let subject = self.subject(format!("manifest for {}:{tag}", self.name));
        let scopes = self.scopes(None);
        let body = || Ok(Payload { body: Body::from(bytes.to_vec()), len: bytes.len() as u64, taken: Arc::default() });
        let target = Target::Api(format!("{}/manifests/{tag}", self.repository));
        let mut ask = self.ask(Method::PUT, target, &subject, &scopes);
        ask.headers.push((CONTENT_TYPE, media_type.to_owned()));
        ask.body = Some(&body);
        let Inner { runtime, shared, .. } = &*self.inner;
        runtime.wait(self.session.send(shared, &ask, async |_| Ok(())))
    }

    fn subject(&self, what: String) -> Subject {
        Subject { what, name: self.name.clone(), verb: "push" }
    }

    fn scopes(&self, from: Option<&str>) -> Vec<String> {
        let mut scopes = vec![format!("repository:{}:pull,push", self.repository)];
        scopes.extend(from.map(|from| format!("repository:{from}:pull")));
        scopes
    }

    fn ask<'a>(&'a self, method: Method, target: Target, subject: &'a Subject, scopes: &'a [String]) -> Ask<'a> {
        let headers: Vec<(HeaderName, String)> = Vec::new();
        Ask { method, target, headers, repository: &self.repository, scopes, subject, body: None }
    }
}

/// Where an upload goes on. What goes to a registry over TLS goes on over TLS.
fn location(begun: &Url, said: Option<&str>, subject: &Subject) -> Result<Url> {
    let Subject { what, .. } = subject;
    let bad = |why: &str| Error::new(ErrorKind::Failed, format!("{what}: {why}"));
    let next = said.and_then(|said| begun.join(said).ok());
    let next = next.ok_or_else(|| bad("the registry does not say where to send it"))?;
    match (begun.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(next),
        _ => Err(bad("the registry wants it without TLS")),
    }
}

/// The content of a file as it is sent, read by a thread of its own.
fn streaming(mut file: File, taken: Arc<AtomicU64>, sent: Arc<dyn Fn(u64) + Send + Sync>) -> Body {
    let (sender, pieces) = channel::<io::Result<Bytes>>(QUEUE);
    tokio::task::spawn_blocking(move || {
        let mut total = 0;
        loop {
            let mut piece = vec![0; PIECE];
            let read = match file.read(&mut piece) {
                Ok(0) => return,
                Ok(count) => {
                    piece.truncate(count);
                    total += count as u64;
                    Ok(Bytes::from(piece))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            // Nobody waits for it any more.
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
            sent(total);
        }
    });
    Body::wrap_stream(Pieces { pieces, taken })
}

struct Pieces {
    pieces: Receiver<io::Result<Bytes>>,
    taken: Arc<AtomicU64>,
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let next = self.pieces.poll_recv(task);
        if let Poll::Ready(Some(Ok(piece))) = &next {
            self.taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_goes_on_as_safely_as_it_began() {
        let subject = Subject { what: "blob".to_owned(), name: "app".to_owned(), verb: "push" };
        let next = |begun: &str, said: &str| {
            let begun = Url::parse(begun).unwrap();
            location(&begun, Some(said), &subject).map(|url| url.to_string()).map_err(|error| error.to_string())
        };
        let (plain, safe) = ("http://r.io/v2/app/blobs/uploads/", "https://r.io/v2/app/blobs/uploads/");
        assert_eq!(next(safe, "/up?a=b").unwrap(), "https://r.io/up?a=b");
        assert_eq!(next(plain, "/up").unwrap(), "http://r.io/up");
        assert_eq!(next(plain, "https://other.io/up").unwrap(), "https://other.io/up");
        assert_eq!(next(safe, "http://r.io/up").unwrap_err(), "blob: the registry wants it without TLS");
        next(safe, "file:///etc/passwd").unwrap_err();
        next(plain, "http://[").unwrap_err();
    }
}
