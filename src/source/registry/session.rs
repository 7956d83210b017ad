//! One registry while it is in use: its scheme, its challenge and its tokens are learned once.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, HeaderValue};
use reqwest::{Body, Client, Method, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::Mutex;

use super::answer::{self, Subject};
use super::challenge::{self, Challenge};
use super::conf::Endpoint;
use super::credentials::{Credentials, Found};
use super::options::Tls;
use super::redirect::{self, host_of};
use super::retry::{Patience, Remedy, Trouble};
use super::tokens::{Tokens, Wish};
use super::transport::{Use, is_loopback};
use super::{EXPLAIN, Shared, runtime};
use crate::error::{Error, ErrorKind, Result};

/// How often one request is sent because the registry wants (other) credentials.
const MAX_CHALLENGES: usize = 3;

/// Which server a registry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// That of the image's name.
    Named,
    /// Another one that the configuration sends us to.
    Another,
}

/// A registry that has the whole of a blob looks at it before it answers: so many times longer than it may be silent.
const LOOKING: u32 = 10;

/// A registry, as it is reached.
#[derive(Debug)]
pub struct Session {
    /// As credentials name it: `docker.io`.
    pub host: String,
    /// Where requests go: `registry-1.docker.io`.
    api_host: String,
    whose: Whose,
    verified: bool,
    schemes: &'static [&'static str],
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    scheme: Option<&'static str>,
    challenge: Option<Challenge>,
    /// By repository: they may differ.
    credentials: HashMap<String, Found>,
    tokens: Tokens,
}

/// One request.
pub struct Ask<'a> {
    /// The method.
    pub method: Method,
    /// Where to.
    pub target: Target,
    /// Headers besides those for access.
    pub headers: Vec<(HeaderName, String)>,
    /// The repository that decides which credentials are used.
    pub repository: &'a str,
    /// What it has to be allowed (`repository:library/busybox:pull`).
    pub scopes: &'a [String],
    /// What it is about, for messages.
    pub subject: &'a Subject,
    /// What is sent, made anew for each attempt.
    pub body: Option<&'a (dyn Fn() -> Result<Payload> + Sync)>,
}

/// The body of a request.
#[derive(Debug)]
pub struct Payload {
    /// Its bytes.
    pub body: Body,
    /// How many.
    pub len: u64,
    /// How many of them the connection took so far, where they are many.
    pub taken: Arc<AtomicU64>,
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// Path and query below `/v2/`.
    Api(String),
    /// An address that the registry gave.
    Given(Url),
}

impl Session {
    /// A registry that nothing is known of. No request is sent.
    pub fn new(endpoint: &Endpoint, whose: Whose, tls: Tls) -> Self {
        let Endpoint { host, insecure, .. } = endpoint;
        let (verified, schemes): (_, &[_]) = match tls {
            Tls::Unverified => (false, &["https", "http"]),
            Tls::AsConfigured if *insecure => (false, &["https", "http"]),
            Tls::AsConfigured if is_loopback(host) => (true, &["https", "http"]),
            Tls::AsConfigured | Tls::Verified => (true, &["https"]),
        };
        let (host, api_host) = (host.clone(), endpoint.api_host().to_owned());
        Self { host, api_host, whose, verified, schemes, state: Mutex::default() }
    }

    /// Sends a request, again and again while that may help, and hands the answer to `read`.
    pub async fn send<T>(
        &self,
        shared: &Shared,
        ask: &Ask<'_>,
        read: impl AsyncFn(Response) -> Result<T, Trouble>,
    ) -> Result<T> {
        let mut patience = Patience::new(shared.options.retry);
        loop {
            let outcome = match self.once(shared, ask).await {
                Ok(response) => read(response).await,
                Err(trouble) => Err(trouble),
            };
            let trouble = match outcome {
                Ok(value) => return Ok(value),
                Err(trouble) => trouble,
            };
            let why = trouble.error.to_string();
            let delay = patience.after(trouble)?;
            tracing::debug!(target: EXPLAIN, "{why}; again in {:.1} s", delay.as_secs_f64());
            let seconds = delay.as_secs_f64().ceil().max(1.0);
            let plural = if seconds > 1.0 { "s" } else { "" };
            shared.progress.status(&format!("{}: Retrying in {seconds} second{plural}", self.host));
            tokio::time::sleep(delay).await;
        }
    }

    /// Sends a request once, with the credentials that the registry wants.
    pub async fn once(&self, shared: &Shared, ask: &Ask<'_>) -> Result<Response, Trouble> {
        let known = self.state.lock().await.scheme;
        let schemes = known.as_ref().map_or(self.schemes, std::slice::from_ref);
        let mut outcome = Err(Trouble::lasting(Error::new(ErrorKind::Failed, "no scheme")));
        for scheme in schemes {
            outcome = self.exchange(shared, scheme, ask).await;
            match &outcome {
                Err(Trouble { remedy: Remedy::Plain | Remedy::Unsure, error }) if known.is_none() => {
                    tracing::debug!(target: EXPLAIN, "{error}");
                }
                // Another way may lead there.
                Err(Trouble { remedy: Remedy::Reconnect, .. })
                    if known.is_none() && shared.options.proxies.has_http() => {}
                _ => break,
            }
        }
        outcome
    }

    async fn exchange(&self, shared: &Shared, scheme: &'static str, ask: &Ask<'_>) -> Result<Response, Trouble> {
        let client = |usage| shared.transport.client(&shared.options, &self.host, self.verified, usage);
        let fetching = client(Use::Fetch)?;
        let base = format!("{scheme}://{}/v2/", self.api_host);
        let base = Url::parse(&base)
            .map_err(|error| Error::with_source(ErrorKind::Usage, format!("address `{base}`"), error))?;
        let url = match &ask.target {
            Target::Api(path) => {
                let joined = base.join(path);
                joined.map_err(|error| Error::with_source(ErrorKind::Usage, format!("address `{path}`"), error))?
            }
            Target::Given(url) => url.clone(),
        };
        // An address elsewhere gets no credentials.
        let trusted = url.origin() == base.origin();
        // Nor does somebody that the registry has sent us to say where to bring them.
        let is_own = |response: &Response| trusted && response.url().origin() == base.origin();
        let mut asked = None;
        for _ in 0..MAX_CHALLENGES {
            let access = if trusted {
                self.access(shared, &fetching, scheme, ask, asked.as_ref()).await?
            } else {
                Access::default()
            };
            let prepare = |mut request: RequestBuilder, own: bool| {
                for (name, value) in &ask.headers {
                    request = request.header(name, value);
                }
                match access.header.as_ref().filter(|_| own) {
                    Some(value) => request.header(AUTHORIZATION, value),
                    None => request,
                }
            };
            let response = match ask.body {
                Some(make) => {
                    let sending = client(Use::Send)?;
                    let attempt = async |url: Url, own: bool| {
                        let host = host_of(&url);
                        let request = prepare(sending.request(ask.method.clone(), url), own);
                        upload(request, make()?, &host, shared.options.retry.patience).await
                    };
                    redirect::send_body(url.clone(), attempt).await?
                }
                None => redirect::send(&fetching, &ask.method, url.clone(), prepare).await?,
            };
            self.state.lock().await.scheme = Some(scheme);
            explain_limit(&response);
            let unauthorized = response.status() == StatusCode::UNAUTHORIZED && is_own(&response);
            let challenge = challenge::of(response.headers()).filter(|_| unauthorized && !access.fresh);
            let Some(challenge) = challenge else {
                let outcome = answer::check(response, ask.subject).await;
                return outcome.map_err(|trouble| match access.of {
                    Some(source) if unauthorized => {
                        let message = format!("{}: credentials of {source} are not accepted", self.host);
                        Trouble::lasting(trouble.error.context(message))
                    }
                    _ => trouble,
                });
            };
            self.state.lock().await.challenge = Some(challenge.clone());
            asked = Some(challenge);
        }
        Err(Trouble::lasting(Error::new(
            ErrorKind::Authentication,
            format!("{}: asks for credentials again and again", self.api_host),
        )))
    }

    /// What gives access. `asked` is the challenge that this very request was answered with: what was used so far is
    /// not good enough.
    async fn access(
        &self,
        shared: &Shared,
        client: &Client,
        scheme: &str,
        ask: &Ask<'_>,
        asked: Option<&Challenge>,
    ) -> Result<Access, Trouble> {
        // Locked while a token is fetched: others wait for it instead of fetching their own.
        let mut state = self.state.lock().await;
        let State { challenge, credentials, tokens, .. } = &mut *state;
        let Some(challenge) = asked.or(challenge.as_ref()) else { return Ok(Access::default()) };
        let found = if let Some(found) = credentials.get(ask.repository) {
            found.clone()
        } else {
            let found = shared.credentials(self.whose, &self.host, ask.repository)?;
            tracing::debug!(target: EXPLAIN, "credentials for {}: {}", self.host, found.source);
            credentials.insert(ask.repository.to_owned(), found.clone());
            found
        };
        match (challenge, &found.credentials) {
            (_, Credentials::RegistryToken(token)) => {
                Ok(Access::new(&format!("Bearer {}", token.reveal()), true)?.of(found.source))
            }
            (Challenge::Basic, Credentials::Password { user, password }) => {
                Ok(Access::new(&basic(user, password.reveal()), true)?.of(found.source))
            }
            (Challenge::Basic, _) => {
                let message = format!("{}: wants a user and a password, found {}", self.host, found.source);
                Err(Trouble::lasting(Error::new(ErrorKind::Authentication, message)))
            }
            (Challenge::Bearer { realm, service, scope }, _) => {
                let key = ask.scopes.join(" ");
                if asked.is_some() {
                    tokens.forget(&key);
                } else if let Some(token) = tokens.get(&key) {
                    return Access::new(&format!("Bearer {}", token.reveal()), false);
                }
                let mut scopes: Vec<&str> = ask.scopes.iter().map(String::as_str).collect();
                scopes.extend(asked.and(scope.as_deref()).filter(|scope| !ask.scopes.iter().any(|own| own == scope)));
                let wish =
                    Wish { realm, service: service.as_deref(), scopes, plain: scheme == "http" || !self.verified };
                let token = tokens.fetch(client, &key, &wish, &found, ask.subject).await?;
                Access::new(&format!("Bearer {}", token.reveal()), true)
            }
        }
    }
}

/// Sends a request with its body, for as long as it takes, but not while nothing moves.
async fn upload(
    request: RequestBuilder,
    payload: Payload,
    host: &str,
    patience: Duration,
) -> Result<Response, Trouble> {
    let Payload { body, len, taken } = payload;
    let mut answer = pin!(runtime::send(request.header(CONTENT_LENGTH, len).body(body), host));
    let mut before = 0;
    loop {
        let patience = if before > 0 && before == len { patience * LOOKING } else { patience };
        if let Ok(result) = tokio::time::timeout(patience, &mut answer).await {
            return result;
        }
        let now = taken.load(Ordering::Relaxed);
        if now == before {
            let message = format!("{host}: no answer in time");
            return Err(Trouble::passing(Error::new(ErrorKind::Unreachable, message)));
        }
        before = now;
    }
}

/// What is sent for access.
#[derive(Default)]
struct Access {
    header: Option<HeaderValue>,
    /// Whether nothing better can be had.
    fresh: bool,
    /// Where the password or the token is kept, if the user has one.
    of: Option<String>,
}

impl Access {
    fn new(value: &str, fresh: bool) -> Result<Self, Trouble> {
        let mut header = HeaderValue::from_str(value)
            .map_err(|_| Error::new(ErrorKind::Authentication, "credentials with characters that cannot be sent"))?;
        header.set_sensitive(true);
        Ok(Self { header: Some(header), fresh, of: None })
    }

    fn of(self, source: String) -> Self {
        Self { of: Some(source), ..self }
    }
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

/// Docker Hub says how many pulls are left (`ratelimit-remaining: 76;w=21600`).
fn explain_limit(response: &Response) {
    let value = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(left) = value("ratelimit-remaining") {
        let limit = value("ratelimit-limit").unwrap_or("?");
        tracing::debug!(target: EXPLAIN, "rate limit: {left} left of {limit}");
    }
}
