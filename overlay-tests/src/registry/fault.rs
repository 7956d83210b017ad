//! What the proxy does to an answer, and when.

use std::io::{self, Write as _};
use std::ops::{Bound, RangeBounds};
use std::thread::sleep;
use std::time::Duration;

use super::http::{Request, Response};
use super::server::{Connection, Next};

/// More than a client may take before it notices.
const ENDLESS: usize = 64 << 20;

/// Something that goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection ends after so many bytes of the body, of which all were promised.
    Cut(usize),
    /// One byte of the body is another one.
    Flip(usize),
    /// The body is followed by more, and the length says so.
    Longer(usize),
    /// The body ends before its time, and the length says so.
    Shorter(usize),
    /// The body never ends; no length is said.
    Endless,
    /// The body comes in pieces of this size with pauses between.
    Slow(usize, Duration),
    /// Nothing comes after so many bytes of the body, and the connection stays.
    Stall(usize),
    /// Another answer than the registry's.
    Answer(Response),
    /// The answer lies elsewhere: the path is appended to this URL.
    Redirect(String),
    /// The registry is asked for the whole, whatever range the client wants.
    IgnoreRange,
    /// The connection is reset without an answer.
    Reset,
    /// A field of the answer is this, or missing.
    Header(&'static str, Option<String>),
    /// The body is this, with a length that fits.
    Body(Vec<u8>),
    /// The registry is asked for another path: the first text in it is replaced by the second.
    Path(String, String),
    /// A list of tags in pages of this size.
    Pages(usize),
}

impl Fault {
    /// The answer of a busy registry.
    pub fn busy(retry_after: &str) -> Self {
        let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"too many requests"}]}"#;
        Self::Answer(Response::new(429, body).header("Retry-After", retry_after))
    }

    /// An answer that is nothing but a status.
    pub fn status(status: u16) -> Self {
        Self::Answer(Response::new(status, "not today\n"))
    }
}

/// When what goes wrong.
#[derive(Debug)]
pub(super) struct Rule {
    method: Option<String>,
    part: String,
    times: (usize, usize),
    seen: usize,
    pub(super) fault: Fault,
}

impl Rule {
    /// For requests whose path contains `part`, which may have a method in front (`PUT /manifests/`); without one
    /// `GET` and `HEAD`. Those with these numbers, from 1, of all that the rule is for.
    pub(super) fn new(wanted: &str, times: &impl RangeBounds<usize>, fault: Fault) -> Self {
        let (method, part) = match wanted.split_once(' ') {
            Some((method, part)) => (Some(method.to_owned()), part),
            None => (None, wanted),
        };
        let first = match times.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 1,
        };
        let last = match times.end_bound() {
            Bound::Included(last) => *last,
            Bound::Excluded(behind) => behind - 1,
            Bound::Unbounded => usize::MAX,
        };
        Self { method, part: part.to_owned(), times: (first, last), seen: 0, fault }
    }

    /// Counts a request, and tells whether it is its turn.
    pub(super) fn applies(&mut self, request: &Request) -> bool {
        let method = request.method.as_str();
        let is_method = self.method.as_ref().map_or(matches!(method, "GET" | "HEAD"), |wanted| wanted == method);
        if !is_method || !request.target.contains(&self.part) {
            return false;
        }
        self.seen += 1;
        (self.times.0..=self.times.1).contains(&self.seen)
    }
}

/// Sends an answer with what is wrong with it, and returns how many bytes of the body went.
pub(super) fn deliver(
    mut response: Response,
    bodiless: bool,
    faults: &[Fault],
    to: &mut Connection,
) -> io::Result<(Next, usize)> {
    response.headers.remove("Transfer-Encoding");
    response.headers.remove("Connection");
    if !bodiless {
        response.headers.set("Content-Length", response.body.len().to_string());
    }
    let (mut end, mut next) = (response.body.len(), Next::Keep);
    let mut pace = (usize::MAX, Duration::ZERO);
    let (mut endless, mut stalls) = (false, false);
    for fault in faults {
        match fault {
            Fault::Cut(after) => (end, next) = (end.min(*after), Next::Close),
            Fault::Flip(at) => {
                if let Some(byte) = response.body.get_mut(*at) {
                    *byte ^= 0x20;
                }
            }
            Fault::Longer(more) if !bodiless => {
                response.body.extend(vec![0; *more]);
                end = response.body.len();
                response.headers.set("Content-Length", end.to_string());
            }
            Fault::Shorter(less) if !bodiless => {
                end = response.body.len().saturating_sub(*less);
                response.headers.set("Content-Length", end.to_string());
            }
            Fault::Endless if !bodiless => {
                response.headers.remove("Content-Length");
                (endless, next) = (true, Next::Close);
            }
            Fault::Slow(piece, pause) => pace = (*piece, *pause),
            Fault::Stall(after) => (end, stalls) = (end.min(*after), true),
            Fault::Header(name, Some(value)) => response.headers.set(name, value.clone()),
            Fault::Header(name, None) => response.headers.remove(name),
            _ => {}
        }
    }
    to.write_all(&response.head())?;
    let mut sent = 0;
    if !bodiless {
        for piece in response.body[..end].chunks(pace.0) {
            to.write_all(piece)?;
            to.flush()?;
            sent += piece.len();
            sleep(pace.1);
        }
    }
    while endless && sent < ENDLESS {
        to.write_all(&[0; 1 << 14])?;
        sent += 1 << 14;
    }
    if stalls {
        to.flush()?;
        // Until the client hangs up, or the case ends.
        let _ = io::Read::read(to, &mut [0]);
        next = Next::Close;
    }
    to.flush()?;
    Ok((next, sent))
}
