//! How this machine and this command reach registries. Nothing here is read from the environment: the caller does.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use super::secret::Secret;

/// Everything that decides how registries are reached.
#[derive(Debug, Clone, Default)]
pub struct RegistryOptions {
    /// `registries.conf`; one that does not exist says nothing.
    pub conf: Option<PathBuf>,
    /// Folders of drop-ins (`*.conf`), the one whose files count most last.
    pub conf_dirs: Vec<PathBuf>,
    /// Credentials for this command; they win over all files.
    pub credentials: Option<(String, Secret)>,
    /// Files with credentials, the one that is asked first in front.
    pub auth_files: Vec<AuthFile>,
    /// A folder with `*.crt`, `*.cert` and `*.key` for every registry.
    pub cert_dir: Option<PathBuf>,
    /// Folders that have such a folder for each registry (`certs.d`).
    pub certs_d: Vec<PathBuf>,
    /// Whether certificates are checked, and whether plain HTTP is an answer to a registry that has no TLS.
    pub tls: Tls,
    /// Proxies.
    pub proxies: Proxies,
    /// How often, and how patiently.
    pub retry: Retry,
}

/// Whether a registry has to show who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// As `registries.conf` says; plain HTTP for this machine itself only.
    #[default]
    AsConfigured,
    /// It has to, whatever `registries.conf` says.
    Verified,
    /// Any certificate will do, and plain HTTP.
    Unverified,
}

/// A file with credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthFile {
    /// Where it is.
    pub path: PathBuf,
    /// How its keys are read.
    pub kind: AuthFileKind,
    /// Whether the user named it: then it has to exist where it is asked, and what is kept or forgotten is in it alone.
    pub named: bool,
}

/// The forms of files with credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFileKind {
    /// `auth.json` (containers-auth.json(5)): keys may name a repository or a part of its path.
    Containers,
    /// Docker's `config.json`: keys are hosts, also with a scheme and a path behind it.
    Docker,
    /// `.dockercfg`: the table of `auths` alone.
    Dockercfg,
}

/// Proxies, as the usual variables give them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http://` (`http_proxy`).
    pub http: Option<String>,
    /// For `https://` (`https_proxy`).
    pub https: Option<String>,
    /// For both (`all_proxy`).
    pub all: Option<String>,
    /// Hosts that are reached directly (`no_proxy`).
    pub exempt: Option<String>,
}

impl Proxies {
    /// Whether requests without TLS go through a proxy.
    pub fn has_http(&self) -> bool {
        [&self.http, &self.all].into_iter().flatten().any(|url| !url.is_empty())
    }
}

/// How often a request is tried again that failed for a reason that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often it is tried again without any progress.
    pub times: u32,
    /// The first delay; each further one is twice as long, up to half a minute. A registry's own wish comes first.
    pub delay: Duration,
    /// How long a connection may be silent.
    pub patience: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { times: 5, delay: Duration::from_secs(1), patience: Duration::from_secs(60) }
    }
}

/// How many layers are pulled at once; without a number as many as there are cores, and at least four.
pub type Jobs = Option<NonZero<usize>>;
