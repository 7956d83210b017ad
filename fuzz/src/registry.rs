//! What registries answer, and what files say about them.

use std::fs;
use std::time::Duration;

use rootlay::fuzzing::{Answer, Meaning};
use rootlay::oci::Reference;

/// The page that was asked for.
const PAGE: &str = "https://registry.example:5000/v2/a/b/tags/list?n=2";

/// An answer as HTTP/1.1 writes it: a status, lines of headers, an empty line, the body.
pub fn registry(input: &[u8]) {
    let (head, body) = match input.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (input, &b""[..]),
    };
    let mut lines = head.split(|&byte| byte == b'\n');
    let status = lines.next().and_then(|line| std::str::from_utf8(line).ok()?.trim().parse().ok()).unwrap_or(200);
    let headers: Vec<(&[u8], &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
        .collect();
    let page = PAGE.parse().unwrap();
    let Meaning { message, token_servers, complaints, token, next, redirect, tags, .. } =
        rootlay::fuzzing::answer(&page, Answer { status, headers: &headers, body });
    for text in complaints.iter().chain([&message]) {
        assert!(!text.chars().any(char::is_control), "control characters: {text:?}");
        assert!(text.len() < 8192, "{} bytes are said", text.len());
    }
    for (server, plain) in token_servers {
        assert!(server.scheme() == "https" || plain && server.scheme() == "http", "{server}");
    }
    if let Some((token, life)) = token {
        assert!(!token.is_empty() && life <= Duration::from_secs(24 * 60 * 60));
    }
    if let Some(next) = next {
        assert_eq!((next.scheme(), next.host_str(), next.port()), ("https", Some("registry.example"), Some(5000)));
    }
    assert!(redirect.is_none_or(|to| to.scheme() == "https"), "a redirect that gives up TLS");
    let (all, nearest) = tags;
    assert!(nearest.iter().all(|tag| all.contains(tag)) && nearest.len() <= all.len());
}

/// A file of containers-registries.conf(5), and what it makes of a name.
pub fn settings(input: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), input).unwrap();
    for name in ["docker.io/library/busybox:1", "registry.example/a/b:1", "localhost:5000/x"] {
        let reference: Reference = name.parse().unwrap();
        match rootlay::fuzzing::hosts(file.path(), &reference) {
            Ok(hosts) => assert!(!hosts.is_empty() && hosts.iter().all(|host| !host.contains('/')), "{hosts:?}"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// A file with credentials. Whatever is wrong with it, no secret is quoted.
pub fn credentials(input: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), input).unwrap();
    for (host, repository) in [("docker.io", "library/busybox"), ("registry.example", "a/b"), ("localhost:5000", "x")] {
        for found in rootlay::fuzzing::credentials(file.path(), host, repository) {
            if let Ok(Some((user, secret))) = found {
                assert!(!secret.is_empty() || !user.is_empty());
            }
        }
    }
}
