//! What a registry asks for with status 401: the `WWW-Authenticate` header (RFC 9110, 11.6.1; distribution, token auth).

use http_auth::{ChallengeRef, parse_challenges};
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// A challenge that can be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token of the server at `realm`.
    Bearer {
        /// Where tokens are.
        realm: String,
        /// The name of the registry there.
        service: Option<String>,
        /// What the token has to allow.
        scope: Option<String>,
    },
}

/// The challenge of an answer; a token comes before a password. `None` if there is none that is known.
pub fn of(headers: &HeaderMap) -> Option<Challenge> {
    let mut found = None;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(challenges) = header.to_str().map_err(drop).and_then(|text| parse_challenges(text).map_err(drop)) else {
            continue;
        };
        for challenge in &challenges {
            match read(challenge) {
                Some(bearer @ Challenge::Bearer { .. }) => return Some(bearer),
                Some(basic) => found = Some(basic),
                None => {}
            }
        }
    }
    found
}

fn read(challenge: &ChallengeRef<'_>) -> Option<Challenge> {
    let value = |name: &str| {
        let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_unescaped()).filter(|value| !value.is_empty())
    };
    if challenge.scheme.eq_ignore_ascii_case("bearer") {
        return Some(Challenge::Bearer { realm: value("realm")?, service: value("service"), scope: value("scope") });
    }
    challenge.scheme.eq_ignore_ascii_case("basic").then_some(Challenge::Basic)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn of_lines(lines: &[&'static str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(line));
        }
        of(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.to_owned(), service: owned(service), scope: owned(scope) }
    }

    #[test]
    fn the_form_of_the_hub_is_read() {
        let line = concat!(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io","#,
            r#"scope="repository:samalba/my-app:pull,push",error="invalid_token""#
        );
        let expected = bearer(
            "https://auth.docker.io/token",
            Some("registry.docker.io"),
            Some("repository:samalba/my-app:pull,push"),
        );
        assert_eq!(of_lines(&[line]), Some(expected));
    }

    #[test]
    fn a_token_comes_before_a_password() {
        assert_eq!(of_lines(&[r#"Basic realm="x""#]), Some(Challenge::Basic));
        for lines in [
            &[r#"Basic realm="x""#, r#"bearer realm="r""#][..],
            &[r#"Bearer realm="r""#, r#"Basic realm="x""#],
            &[r#"Basic realm="x", Bearer realm="r""#],
        ] {
            assert_eq!(of_lines(lines), Some(bearer("r", None, None)), "{lines:?}");
        }
    }

    #[test]
    fn what_cannot_be_met_is_none() {
        for line in
            ["", "Negotiate", r#"Bearer service="x""#, r#"Bearer realm="""#, r#"Bearer realm="unfinished"#, "=,="]
        {
            assert_eq!(of_lines(&[line]), None, "{line}");
        }
        assert_eq!(of_lines(&[]), None);
    }
}
