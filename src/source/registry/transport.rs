//! Connections: one HTTP client for each registry, with its certificates and proxies.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, NoProxy, Proxy};

use super::certs::Certificates;
use super::options::{Proxies, RegistryOptions};
use super::tls;
use crate::error::{Error, ErrorKind, Result};

/// How long a connection may take to come about. With a refusal that is tried again it stays below 10 s in all.
const CONNECT: Duration = Duration::from_secs(9);

/// What a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    /// Requests without a body: the answer begins soon, and does not pause for long.
    Fetch,
    /// Requests with one. Whoever sends it watches the time: the answer comes when all of it went.
    Send,
}

/// The clients that are in use, by host, whether certificates are checked, and what for.
#[derive(Debug, Default)]
pub struct Transport {
    clients: Mutex<HashMap<(String, bool, Use), Client>>,
}

impl Transport {
    /// The client for a host (with its port).
    pub fn client(&self, options: &RegistryOptions, host: &str, verified: bool, usage: Use) -> Result<Client> {
        let key = (host.to_owned(), verified, usage);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = build(options, host, verified, usage)?;
        clients.insert(key, client.clone());
        Ok(client)
    }
}

fn build(options: &RegistryOptions, host: &str, verified: bool, usage: Use) -> Result<Client> {
    let certificates = Certificates::find(options.cert_dir.as_deref(), &options.certs_d, host)?;
    // Only what is given counts, never the process's environment.
    let mut builder = Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(tls::config(&certificates, verified)?)
        .user_agent(concat!("rootlay/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .referer(false)
        .redirect(Policy::none());
    if usage == Use::Fetch {
        builder = builder.read_timeout(options.retry.patience);
    }
    if !is_loopback(host) {
        for proxy in proxies(&options.proxies)? {
            builder = builder.proxy(proxy);
        }
    }
    builder
        .build()
        .map_err(|error| Error::with_source(ErrorKind::Failed, format!("set up the client of {host}"), error))
}

fn proxies(proxies: &Proxies) -> Result<Vec<Proxy>> {
    type Make = fn(String) -> reqwest::Result<Proxy>;
    let kinds: [(&Option<String>, Make); 3] =
        [(&proxies.http, Proxy::http), (&proxies.https, Proxy::https), (&proxies.all, Proxy::all)];
    let exempt = proxies.exempt.as_deref().and_then(NoProxy::from_string);
    kinds
        .into_iter()
        .filter_map(|(url, make)| Some((url.clone().filter(|url| !url.is_empty())?, make)))
        .map(|(url, make)| match make(url) {
            Ok(proxy) => Ok(proxy.no_proxy(exempt.clone())),
            // The address may hold a password.
            Err(_) => Err(Error::new(ErrorKind::Usage, "bad address of a proxy")),
        })
        .collect()
}

/// Whether a host, with or without a port, is this machine itself.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_from_others() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["docker.io", "localhost.example.com", "128.0.0.1:5000", "[2001:db8::1]:80", "127.0.0.1.example.com"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_bad_proxy_is_not_repeated() {
        let bad = Proxies { https: Some("http://user:swordfish@[bad".to_owned()), ..Proxies::default() };
        let error = proxies(&bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(!format!("{error:?}").contains("swordfish"));
        let empty = Proxies { http: Some(String::new()), ..Proxies::default() };
        assert!(proxies(&empty).unwrap().is_empty());
    }
}
