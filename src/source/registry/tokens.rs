//! Bearer tokens (distribution, "Token Authentication Specification" and "OAuth2"): fetched, and kept while they last.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::Deserialize;

use super::EXPLAIN;
use super::answer::{self, Subject};
use super::credentials::{Credentials, Found};
use super::redirect::{self, host_of};
use super::retry::{Remedy, Trouble};
use super::runtime;
use super::secret::Secret;
use crate::error::{Error, ErrorKind, Result};

/// A token is renewed this much before its end.
const MARGIN: Duration = Duration::from_secs(5);

/// How long a token lasts whose server does not say it.
const DEFAULT_LIFE: u64 = 60;

const MAX_ANSWER: u64 = 1024 * 1024;

/// Where tokens are, and what for.
#[derive(Debug, Clone)]
pub struct Wish<'a> {
    /// The token server.
    pub realm: &'a str,
    /// The name of the registry there.
    pub service: Option<&'a str>,
    /// What the token has to allow.
    pub scopes: Vec<&'a str>,
    /// Whether the registry itself is reached without TLS, so that its token server may be, too.
    pub plain: bool,
}

#[derive(Debug, Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

#[derive(Debug)]
struct Token {
    secret: Secret,
    ends: Instant,
}

/// The tokens of one registry.
#[derive(Debug, Default)]
pub struct Tokens {
    by_scope: HashMap<String, Token>,
}

impl Tokens {
    /// A token that is still good.
    pub fn get(&self, scope: &str) -> Option<&Secret> {
        let token = self.by_scope.get(scope)?;
        (Instant::now() < token.ends).then_some(&token.secret)
    }

    /// Forgets a token that was not accepted.
    pub fn forget(&mut self, scope: &str) {
        self.by_scope.remove(scope);
    }

    /// Fetches a token and keeps it under `scope`.
    pub async fn fetch(
        &mut self,
        client: &Client,
        scope: &str,
        wish: &Wish<'_>,
        found: &Found,
        subject: &Subject,
    ) -> Result<Secret, Trouble> {
        let realm = realm(wish)?;
        let host = host_of(&realm);
        tracing::debug!(target: EXPLAIN, "token for `{scope}` from {host}, credentials: {}", found.source);
        let response = send(client, realm, wish, &found.credentials).await.map_err(of_token_server)?;
        let denied = matches!(response.status().as_u16(), 400 | 401 | 403);
        let response = match answer::check(response, subject).await {
            Err(trouble) if denied => {
                let message = match &found.credentials {
                    Credentials::Anonymous => format!("{host} gives no token without credentials"),
                    _ => format!("{host} does not accept the credentials of {}", found.source),
                };
                let error = Error::with_source(ErrorKind::Authentication, message, trouble.error);
                return Err(Trouble::lasting(error));
            }
            result => result?,
        };
        let body = answer::read_limited(response, MAX_ANSWER).await?;
        let (secret, life) = parse(&body, &host)?;
        let ends = Instant::now() + life;
        self.by_scope.insert(scope.to_owned(), Token { secret: secret.clone(), ends });
        Ok(secret)
    }
}

/// Only the registry itself may be asked without TLS instead.
fn of_token_server(trouble: Trouble) -> Trouble {
    match trouble.remedy {
        Remedy::Plain => Trouble::lasting(trouble.error),
        Remedy::Unsure => Trouble::passing(trouble.error),
        _ => trouble,
    }
}

/// The address of the token server. One without TLS would see the password of a registry that has it.
pub(super) fn realm(wish: &Wish<'_>) -> Result<Url> {
    let bad = |why: &str| {
        let realm: String = wish.realm.escape_debug().take(200).collect();
        Error::new(ErrorKind::Authentication, format!("token server `{realm}`: {why}"))
    };
    let url = Url::parse(wish.realm).map_err(|_| bad("not an address"))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if wish.plain => Ok(url),
        "http" => Err(bad("the registry has TLS, but its token server has not")),
        _ => Err(bad("expected https")),
    }
}

async fn send(
    client: &Client,
    mut realm: Url,
    wish: &Wish<'_>,
    credentials: &Credentials,
) -> Result<Response, Trouble> {
    if let Credentials::IdentityToken(token) = credentials {
        let scopes = wish.scopes.join(" ");
        let form = [
            ("grant_type", "refresh_token"),
            ("service", wish.service.unwrap_or_default()),
            ("client_id", "rootlay"),
            ("scope", &scopes),
            ("refresh_token", token.reveal()),
        ];
        let host = host_of(&realm);
        return runtime::send(client.post(realm).form(&form), &host).await;
    }
    {
        let mut query = realm.query_pairs_mut();
        if let Some(service) = wish.service {
            query.append_pair("service", service);
        }
        for scope in &wish.scopes {
            query.append_pair("scope", scope);
        }
        if let Credentials::Password { user, .. } = credentials {
            query.append_pair("account", user);
        }
    }
    let prepare = |request: RequestBuilder, own| match credentials {
        Credentials::Password { user, password } if own => request.basic_auth(user, Some(password.reveal())),
        _ => request,
    };
    redirect::send(client, &Method::GET, realm, prepare).await
}

pub(super) fn parse(body: &[u8], host: &str) -> Result<(Secret, Duration)> {
    // The cause could quote the token.
    let bad = || Error::new(ErrorKind::Authentication, format!("token server {host}: no token in its answer"));
    let Answer { token, access_token, expires_in } = serde_json::from_slice(body).map_err(|_| bad())?;
    let token = token.or(access_token).filter(|token| !token.is_empty()).ok_or_else(bad)?;
    let life = Duration::from_secs(expires_in.unwrap_or(DEFAULT_LIFE).min(24 * 60 * 60));
    Ok((Secret::new(token), life.saturating_sub(MARGIN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_a_token_are_read() {
        let (token, life) = parse(br#"{"token":"a","expires_in":300}"#, "h").unwrap();
        assert_eq!((token.reveal(), life), ("a", Duration::from_secs(295)));
        let (token, life) = parse(br#"{"access_token":"b","token":null}"#, "h").unwrap();
        assert_eq!((token.reveal(), life), ("b", Duration::from_secs(55)));
        let (_, life) = parse(br#"{"token":"a","expires_in":1}"#, "h").unwrap();
        assert_eq!(life, Duration::ZERO);
    }

    #[test]
    fn an_answer_without_a_token_is_not_quoted() {
        for body in [&b"{}"[..], br#"{"token":""}"#, br#"{"token":5,"x":"swordfish"}"#, b"swordfish"] {
            let error = parse(body, "auth.example.com").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication);
            assert!(!format!("{error:?}").contains("swordfish"));
        }
    }

    #[test]
    fn a_password_does_not_leave_tls() {
        let wish = |realm, plain| Wish { realm, service: None, scopes: Vec::new(), plain };
        assert!(realm(&wish("https://auth.example.com/token", false)).is_ok());
        assert!(realm(&wish("http://auth.example.com/token", true)).is_ok());
        for (bad, plain) in [("http://auth.example.com/token", false), ("ftp://x/", true), ("token", true), ("", true)]
        {
            assert!(realm(&wish(bad, plain)).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_old_token_is_not_used() {
        let mut tokens = Tokens::default();
        let token = |ends| Token { secret: Secret::new("t"), ends };
        tokens.by_scope.insert("new".to_owned(), token(Instant::now() + Duration::from_secs(60)));
        tokens.by_scope.insert("old".to_owned(), token(Instant::now()));
        assert!(tokens.get("new").is_some() && tokens.get("old").is_none() && tokens.get("other").is_none());
        tokens.forget("new");
        assert!(tokens.get("new").is_none());
    }
}
