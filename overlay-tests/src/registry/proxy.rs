//! A proxy between client and registry that records every request and does damage where it is told to.
//!
//! It is a reverse proxy; a request with a whole URL, or `CONNECT`, makes it a forward proxy that always leads to the
//! same registry.

use std::io::{self, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::authority::Identity;
use super::fault::{Fault, Rule, deliver};
use super::http::{Headers, Request, Response};
use super::server::{Connection, Next, serve};
use super::tokens::TokenServer;

/// A request as it came, and what the client got.
#[derive(Debug, Clone)]
pub struct Record {
    /// `GET` and the like.
    pub method: String,
    /// Path and query, without scheme and host.
    pub target: String,
    /// The scheme and host of a request to a forward proxy.
    pub origin: Option<String>,
    /// Fields.
    pub headers: Headers,
    /// The status of the answer; 0 if there was none.
    pub status: u16,
    /// Bytes of the body that were sent.
    pub sent: usize,
}

impl Record {
    /// The first byte that was asked for.
    pub fn offset(&self) -> usize {
        let range = self.headers.get("Range").and_then(|range| range.strip_prefix("bytes="));
        range.map_or(0, |range| range.split('-').next().unwrap().parse().unwrap())
    }
}

/// Whom the proxy lets through.
#[derive(Debug)]
enum Guard {
    Nobody,
    Basic(String),
    Bearer(Arc<TokenServer>),
}

#[derive(Debug)]
struct Inner {
    upstream: SocketAddr,
    scheme: &'static str,
    guard: Mutex<Guard>,
    rules: Mutex<Vec<Rule>>,
    records: Mutex<Vec<Record>>,
}

/// The proxy, which listens until the case ends.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: SocketAddr,
    inner: Arc<Inner>,
}

impl Proxy {
    /// Listens at an address for a registry.
    pub fn start(address: &str, upstream: SocketAddr) -> Self {
        Self::start_with(address, upstream, None)
    }

    /// The same over TLS; the registry behind it has none.
    pub fn start_tls(address: &str, upstream: SocketAddr, identity: &Identity) -> Self {
        Self::start_with(address, upstream, Some(identity))
    }

    fn start_with(address: &str, upstream: SocketAddr, identity: Option<&Identity>) -> Self {
        let inner = Arc::new(Inner {
            upstream,
            scheme: if identity.is_some() { "https" } else { "http" },
            guard: Mutex::new(Guard::Nobody),
            rules: Mutex::default(),
            records: Mutex::default(),
        });
        let address = address.parse().unwrap();
        let shared = Arc::clone(&inner);
        serve(address, identity.map(Identity::server_config), Arc::new(move |request, to| shared.answer(request, to)));
        Self { address, inner }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `HOST:PORT/NAME`
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// From now on something goes wrong with requests whose path contains `part` (or `METHOD part`), those with these
    /// numbers, counted from 1. Several faults of one request add up.
    pub fn fault(&self, part: &str, times: impl RangeBounds<usize>, fault: Fault) {
        self.inner.rules.lock().unwrap().push(Rule::new(part, &times, fault));
    }

    /// From now on nothing goes wrong.
    pub fn heal(&self) {
        self.inner.rules.lock().unwrap().clear();
    }

    /// From now on this user and password are wanted.
    pub fn want_password(&self, user: &str, password: &str) {
        *self.inner.guard.lock().unwrap() = Guard::Basic(basic(user, password));
    }

    /// From now on tokens of this server are wanted.
    pub fn want_tokens(&self, server: &Arc<TokenServer>) {
        *self.inner.guard.lock().unwrap() = Guard::Bearer(Arc::clone(server));
    }

    /// All requests so far, in the order of their ends.
    pub fn records(&self) -> Vec<Record> {
        self.inner.records.lock().unwrap().clone()
    }

    /// Forgets all requests, and returns them.
    pub fn take_records(&self) -> Vec<Record> {
        std::mem::take(&mut *self.inner.records.lock().unwrap())
    }

    /// The `GET` requests for a blob; for every blob if the digest is empty.
    pub fn blob_requests(&self, digest: &str) -> Vec<Record> {
        let part = format!("/blobs/{digest}");
        self.records().into_iter().filter(|record| record.method == "GET" && record.target.contains(&part)).collect()
    }
}

/// The value of `Authorization` for a user and a password.
pub fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

impl Inner {
    fn answer(&self, mut request: Request, to: &mut Connection) -> io::Result<Next> {
        if request.method == "CONNECT" {
            self.note(&request, None, 200, 0);
            return self.tunnel(to);
        }
        let origin = request.target.find("://").map(|colon| {
            let path = request.target[colon + 3..].find('/').map_or(request.target.len(), |slash| colon + 3 + slash);
            let origin = request.target[..path].to_owned();
            request.target.drain(..path);
            origin
        });
        let mut rules = self.rules.lock().unwrap();
        let faults: Vec<Fault> =
            rules.iter_mut().filter_map(|rule| rule.applies(&request).then(|| rule.fault.clone())).collect();
        drop(rules);
        if faults.iter().any(|fault| matches!(fault, Fault::Reset)) {
            self.note(&request, origin, 0, 0);
            to.reset()?;
            return Ok(Next::Close);
        }
        let response = match self.refusal(&request) {
            Some(refusal) => refusal,
            None => self.response(&request, &faults)?,
        };
        let bodiless = request.method == "HEAD" || matches!(response.status, 204 | 304);
        let status = response.status;
        // A client that has what it wants may hang up before the record is made: it is made first.
        let at = self.note(&request, origin, status, if bodiless { 0 } else { response.body.len() });
        let result = deliver(response, bodiless, &faults, to);
        if let (Ok((_, sent)), Some(record)) = (&result, self.records.lock().unwrap().get_mut(at)) {
            record.sent = *sent;
        }
        result.map(|(next, _)| next)
    }

    fn note(&self, request: &Request, origin: Option<String>, status: u16, sent: usize) -> usize {
        let mut records = self.records.lock().unwrap();
        records.push(Record {
            method: request.method.clone(),
            target: request.target.clone(),
            origin,
            headers: request.headers.clone(),
            status,
            sent,
        });
        records.len() - 1
    }

    fn refusal(&self, request: &Request) -> Option<Response> {
        let given = request.headers.get("Authorization").unwrap_or("");
        let challenge = match &*self.guard.lock().unwrap() {
            Guard::Nobody => return None,
            Guard::Basic(wanted) if wanted == given => return None,
            Guard::Basic(_) => "Basic realm=\"bed\"".to_owned(),
            Guard::Bearer(server) => server.check(request, given)?,
        };
        let body = json!({"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]});
        Some(Response::json(401, &body).header("WWW-Authenticate", challenge))
    }

    /// What the client gets, apart from how it is sent.
    fn response(&self, request: &Request, faults: &[Fault]) -> io::Result<Response> {
        let mut onward = request.clone();
        for fault in faults {
            match fault {
                Fault::Answer(response) => return Ok(response.clone()),
                Fault::Redirect(to) => {
                    return Ok(Response::new(307, "").header("Location", format!("{to}{}", request.target)));
                }
                Fault::IgnoreRange => onward.headers.remove("Range"),
                Fault::Path(from, to) => onward.target = onward.target.replace(from.as_str(), to),
                _ => {}
            }
        }
        if !matches!(*self.guard.lock().unwrap(), Guard::Nobody) {
            onward.headers.remove("Authorization");
        }
        onward.headers.set("X-Forwarded-Proto", self.scheme);
        let mut response = onward.send(self.upstream)?;
        for fault in faults {
            match fault {
                Fault::Body(body) => response.body.clone_from(body),
                Fault::Pages(size) => response = page(request, &response, *size),
                _ => {}
            }
        }
        Ok(response)
    }

    fn tunnel(&self, to: &mut Connection) -> io::Result<Next> {
        let upstream = TcpStream::connect(self.upstream)?;
        to.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        let (mut from_client, mut to_upstream) = (to.socket().try_clone()?, upstream.try_clone()?);
        let (mut from_upstream, mut to_client) = (upstream, to.socket().try_clone()?);
        let forth = thread::spawn(move || {
            let _ = io::copy(&mut from_client, &mut to_upstream);
            to_upstream.shutdown(Shutdown::Write)
        });
        let _ = io::copy(&mut from_upstream, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = forth.join();
        Ok(Next::Close)
    }
}

/// A piece of a list of tags, with a link to the next (distribution-spec, "Listing Tags").
fn page(request: &Request, response: &Response, size: usize) -> Response {
    let mut document: Value = serde_json::from_slice(&response.body).unwrap();
    // docker-registry has an order, but none that lasts.
    let mut all = document["tags"].as_array().unwrap().clone();
    all.sort_by_key(ToString::to_string);
    let last = request.query("last").pop();
    let from = last.map_or(0, |last| all.iter().position(|tag| tag == last.as_str()).unwrap() + 1);
    let to = all.len().min(from + size);
    document["tags"] = Value::Array(all[from..to].to_vec());
    let answer = Response::json(200, &document);
    if to == all.len() {
        return answer;
    }
    let last = all[to - 1].as_str().unwrap();
    answer.header("Link", format!("<{}?last={last}&n={size}>; rel=\"next\"", request.path()))
}
