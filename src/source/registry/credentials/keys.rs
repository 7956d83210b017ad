//! Under which keys a registry is found: several ways to write one host, never another host.

use crate::source::registry::options::AuthFileKind;

const HUB: &str = "docker.io";
/// Docker's own key for Docker Hub, from the days of the first registry protocol.
const HUB_OF_DOCKER: &str = "https://index.docker.io/v1/";

/// One name for each host: Docker Hub has three.
pub(super) fn canonical(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => HUB,
        other => other,
    }
}

/// The keys for a repository, the most specific one first: `host/a/b`, `host/a`, `host`.
pub(super) fn lookup(kind: AuthFileKind, host: &str, repository: &str) -> Vec<String> {
    let mut keys = Vec::new();
    if kind != AuthFileKind::Dockercfg {
        let mut path = repository;
        while !path.is_empty() {
            keys.push(format!("{host}/{path}"));
            path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }
    keys.extend(servers(kind, host));
    keys
}

/// The names that a registry has as a whole, the one that such a file's owner writes first.
pub(super) fn servers(kind: AuthFileKind, host: &str) -> Vec<String> {
    let names: &[&str] = match kind {
        _ if host != HUB => &[host],
        AuthFileKind::Containers => &[HUB, HUB_OF_DOCKER],
        AuthFileKind::Docker | AuthFileKind::Dockercfg => &[HUB_OF_DOCKER, HUB],
    };
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The key under which credentials for a registry are written.
pub(super) fn written(kind: AuthFileKind, host: &str) -> &str {
    if host == HUB && kind != AuthFileKind::Containers { HUB_OF_DOCKER } else { host }
}

/// The registry that a key stands for; `None` if it stands for a repository, or for some of them.
pub(super) fn registry_of(kind: AuthFileKind, key: &str) -> Option<&str> {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let (host, path) = match bare.unwrap_or(key).split_once('/') {
        Some((host, path)) => (host, Some(path)),
        None => (bare.unwrap_or(key), None),
    };
    let whole = match (kind, path) {
        (_, None) | (AuthFileKind::Dockercfg, _) | (AuthFileKind::Docker, Some("" | "v1" | "v1/" | "v2" | "v2/")) => {
            true
        }
        // Docker's older versions kept whatever address the user had typed.
        _ => bare.is_some(),
    };
    whole.then(|| canonical(host))
}

#[cfg(test)]
mod tests {
    use AuthFileKind::{Containers, Docker, Dockercfg};

    use super::*;

    #[test]
    fn the_most_specific_key_is_first() {
        assert_eq!(
            lookup(Containers, "r.io:5000", "a/b/c"),
            ["r.io:5000/a/b/c", "r.io:5000/a/b", "r.io:5000/a", "r.io:5000"]
        );
        assert_eq!(lookup(Docker, "r.io", "a"), ["r.io/a", "r.io"]);
        assert_eq!(lookup(Dockercfg, "r.io", "a"), ["r.io"]);
        assert_eq!(lookup(Containers, "r.io", ""), ["r.io"]);
    }

    #[test]
    fn docker_hub_has_several_names() {
        let url = "https://index.docker.io/v1/";
        for name in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(canonical(name), "docker.io");
        }
        assert_eq!(canonical("evil.docker.io"), "evil.docker.io");
        assert_eq!(
            lookup(Containers, HUB, "library/x"),
            ["docker.io/library/x", "docker.io/library", "docker.io", url]
        );
        assert_eq!(lookup(Docker, HUB, "x"), ["docker.io/x", url, "docker.io"]);
        assert_eq!(written(Containers, HUB), "docker.io");
        assert_eq!(written(Docker, HUB), url);
        assert_eq!(written(Docker, "quay.io"), "quay.io");
    }

    #[test]
    fn keys_of_a_registry_and_keys_of_repositories() {
        for (kind, key, registry) in [
            (Containers, "r.io:5000", Some("r.io:5000")),
            (Containers, "https://r.io", Some("r.io")),
            (Containers, "http://r.io/v1/", Some("r.io")),
            (Containers, "https://index.docker.io/v1/", Some("docker.io")),
            (Containers, "registry-1.docker.io", Some("docker.io")),
            (Containers, "r.io/v1", None),
            (Containers, "r.io/", None),
            (Docker, "r.io/v1/", Some("r.io")),
            (Docker, "r.io/", Some("r.io")),
            (Docker, "r.io/team", None),
            (Docker, "https://r.io/team", Some("r.io")),
            (Dockercfg, "r.io/team", Some("r.io")),
            (Dockercfg, "ftp://r.io/x", Some("ftp:")),
            (Docker, "https://r.io:443/x", Some("r.io:443")),
            (Docker, "https://user@r.io/", Some("user@r.io")),
        ] {
            assert_eq!(registry_of(kind, key), registry, "{key}");
        }
    }
}
