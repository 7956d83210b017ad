//! A token server (distribution, "Token Authentication Specification", and its `OAuth2` form).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::authority::Identity;
use super::daemon::USER;
use super::http::{Request, Response};
use super::proxy::basic;
use super::server::{Next, serve};

/// What stands for [`USER`] where a client keeps no password.
pub const IDENTITY_TOKEN: &str = "identity-token-0815";
/// Everybody may pull what is below this.
pub const PUBLIC: &str = "public/";

/// What the server was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET` or `POST`.
    pub method: String,
    /// Whether it came with the right password.
    pub password: bool,
    /// Whether it came with the identity token.
    pub identity_token: bool,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The status of the answer.
    pub status: u16,
}

/// How long a token is good.
#[derive(Debug, Clone, Copy)]
struct Life {
    seconds: u64,
    uses: usize,
}

#[derive(Debug)]
struct Opaque {
    access: Value,
    uses: usize,
}

/// The server, which listens until the case ends.
#[derive(Debug)]
pub struct TokenServer {
    address: SocketAddr,
    signer: Option<Identity>,
    life: Mutex<Life>,
    tokens: Mutex<BTreeMap<String, Opaque>>,
    asked: Mutex<Vec<Asked>>,
}

impl TokenServer {
    /// Listens at an address. With a signer its tokens are for `docker-registry`, without one for the proxy.
    pub fn start(address: &str, signer: Option<Identity>) -> Arc<Self> {
        let server = Arc::new(Self {
            address: address.parse().unwrap(),
            signer,
            life: Mutex::new(Life { seconds: 300, uses: usize::MAX }),
            tokens: Mutex::default(),
            asked: Mutex::default(),
        });
        let shared = Arc::clone(&server);
        let answer = move |request: Request, to: &mut super::server::Connection| {
            let response = shared.answer(&request);
            let length = response.body.len().to_string();
            let response = response.header("Content-Length", length);
            to.write_all(&[response.head(), response.body].concat())?;
            Ok(Next::Keep)
        };
        serve(server.address, None, Arc::new(answer));
        server
    }

    /// The URL that challenges name.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// Tokens from now on are good for so many requests (at the proxy), and say that they live so long.
    pub fn shorten(&self, seconds: u64, uses: usize) {
        *self.life.lock().unwrap() = Life { seconds, uses };
    }

    /// Everything that it was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The challenge for a request that lacks a token, or has one that is not good for it.
    pub(super) fn check(&self, request: &Request, given: &str) -> Option<String> {
        let name = request.path().strip_prefix("/v2/").filter(|rest| !rest.is_empty()).map(|rest| {
            let end = ["/manifests/", "/blobs/", "/tags/"].iter().find_map(|part| rest.find(part));
            &rest[..end.unwrap_or(rest.len())]
        });
        let actions = if matches!(request.method.as_str(), "GET" | "HEAD") { "pull" } else { "pull,push" };
        let mut tokens = self.tokens.lock().unwrap();
        let token = given.strip_prefix("Bearer ").and_then(|token| tokens.get_mut(token));
        let known = token.is_some();
        let good = token.is_some_and(|token| {
            let fits = name.is_none_or(|name| {
                let mut access = token.access.as_array().unwrap().iter();
                access.any(|one| one["name"] == name && covers(&one["actions"], actions))
            });
            token.uses = token.uses.saturating_sub(usize::from(fits));
            fits && token.uses > 0
        });
        if good {
            return None;
        }
        let scope = name.map_or(String::new(), |name| format!(",scope=\"repository:{name}:{actions}\""));
        let error = if known { ",error=\"invalid_token\"" } else { "" };
        Some(format!("Bearer realm=\"{}\",service=\"bed\"{scope}{error}", self.realm()))
    }

    fn answer(&self, request: &Request) -> Response {
        let field = |name: &str| if request.method == "POST" { request.form(name) } else { request.query(name) };
        let one = |name: &str| field(name).pop().unwrap_or_default();
        let given = request.headers.get("Authorization");
        let password = given.is_some_and(|given| given == basic(USER.0, USER.1))
            || (one("grant_type") == "password"
                && (one("username"), one("password")) == (USER.0.into(), USER.1.into()));
        let identity_token = one("grant_type") == "refresh_token" && one("refresh_token") == IDENTITY_TOKEN;
        let scopes: Vec<String> = field("scope").iter().flat_map(|scope| scope.split(' ')).map(str::to_owned).collect();
        let known = password || identity_token;
        // Wrong credentials are no reason to be nobody.
        let wrong = !known && (given.is_some() || request.method == "POST");
        let response = if wrong {
            let body = json!({"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]});
            Response::json(401, &body)
        } else {
            let access: Vec<Value> = scopes.iter().filter_map(|scope| grant(scope, known)).collect();
            let seconds = self.life.lock().unwrap().seconds;
            let token = self.issue(&Value::Array(access));
            Response::json(200, &json!({"token": token, "access_token": token, "expires_in": seconds}))
        };
        let method = request.method.clone();
        let asked = Asked { method, password, identity_token, scopes, status: response.status };
        self.asked.lock().unwrap().push(asked);
        response
    }

    fn issue(&self, access: &Value) -> String {
        let life = *self.life.lock().unwrap();
        let Some(signer) = &self.signer else {
            let mut tokens = self.tokens.lock().unwrap();
            let token = format!("opaque-token-{}", tokens.len());
            // The use that finds nothing left is one too many.
            tokens.insert(token.clone(), Opaque { access: access.clone(), uses: life.uses.saturating_add(1) });
            return token;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [STANDARD.encode(signer.der())]});
        let claims = json!({
            "iss": "bed", "aud": "bed", "sub": USER.0, "jti": now.to_string(),
            "nbf": now - 10, "iat": now - 10, "exp": now + life.seconds, "access": access,
        });
        let text = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = URL_SAFE_NO_PAD.encode(signer.sign(text.as_bytes()));
        format!("{text}.{signature}")
    }
}

fn covers(granted: &Value, wanted: &str) -> bool {
    wanted.split(',').all(|action| granted.as_array().unwrap().iter().any(|granted| granted == action))
}

/// What is granted of `repository:NAME:ACTIONS`.
fn grant(scope: &str, known: bool) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<&str> = if known {
        actions.split(',').collect()
    } else if name.starts_with(PUBLIC) {
        vec!["pull"]
    } else {
        return None;
    };
    Some(json!({"type": kind, "name": name, "actions": actions}))
}
