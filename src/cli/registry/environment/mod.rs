//! What the environment says about registries: files with credentials, `registries.conf`, certificates, proxies.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rootlay::oci::Platform;
use rootlay::ops::{AuthFile, AuthFileKind, Proxies, RegistryOptions, Retry, Tls};

use super::super::failure::{Failure, Outcome};
use super::Connection;

/// The variable that names the platform for commands that do not.
const PLATFORM: &str = "DOCKER_DEFAULT_PLATFORM";
const ETC: &str = "/etc/containers";

/// Everything outside of the command line that has a say.
pub struct Environment<'a> {
    /// Looks up a variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether a file exists.
    pub exists: &'a dyn Fn(&Path) -> bool,
    /// Who runs this.
    pub uid: u32,
    /// The home directory that the user database has for them.
    pub home: Option<PathBuf>,
}

impl Environment<'static> {
    /// That of this process.
    pub fn of_process() -> Self {
        let uid = nix::unistd::geteuid();
        let user = nix::unistd::User::from_uid(uid).ok().flatten();
        Self {
            variable: &|name| std::env::var_os(name),
            exists: &|path| path.exists(),
            uid: uid.as_raw(),
            home: user.map(|user| user.dir),
        }
    }
}

impl Environment<'_> {
    /// A variable; an empty one is an unset one.
    fn get(&self, name: &str) -> Option<OsString> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    fn home(&self) -> Option<PathBuf> {
        self.path("HOME").or_else(|| self.home.clone())
    }

    /// The folder of the user's own configuration for containers.
    fn own(&self) -> Option<PathBuf> {
        Some(self.home()?.join(".config/containers"))
    }

    /// A proxy's variable, which has two spellings.
    fn proxy(&self, name: &str) -> Option<String> {
        let value = self.get(name).or_else(|| self.get(&name.to_ascii_uppercase()))?;
        value.into_string().ok()
    }
}

/// What a command line with these flags asks of registries in this environment.
pub fn options(flags: &Connection, environment: &Environment<'_>) -> RegistryOptions {
    let (conf, conf_dirs) = configuration(environment);
    let defaults = Retry::default();
    RegistryOptions {
        conf: Some(conf),
        conf_dirs,
        credentials: None,
        auth_files: auth_files(flags.authfile.clone(), environment),
        cert_dir: flags.cert_dir.clone(),
        certs_d: certs_d(environment),
        tls: match flags.tls_verify {
            None => Tls::AsConfigured,
            Some(true) => Tls::Verified,
            Some(false) => Tls::Unverified,
        },
        proxies: Proxies {
            http: environment.proxy("http_proxy"),
            https: environment.proxy("https_proxy"),
            all: environment.proxy("all_proxy"),
            exempt: environment.proxy("no_proxy"),
        },
        retry: Retry {
            times: flags.retry.unwrap_or(defaults.times),
            delay: flags.retry_delay.unwrap_or(defaults.delay),
            ..defaults
        },
    }
}

/// The files with credentials, the one that is asked first in front (containers-auth.json(5)).
fn auth_files(flag: Option<PathBuf>, environment: &Environment<'_>) -> Vec<AuthFile> {
    let mut files = Vec::new();
    let mut add = |path: Option<PathBuf>, kind, required| {
        files.extend(path.map(|path| AuthFile { path, kind, required }));
    };
    if let Some(named) = flag.or_else(|| environment.path("REGISTRY_AUTH_FILE")) {
        add(Some(named), AuthFileKind::Containers, true);
    } else {
        let runtime = environment
            .path("XDG_RUNTIME_DIR")
            .map_or_else(|| format!("/run/containers/{}", environment.uid).into(), |dir| dir.join("containers"));
        let own = environment.path("XDG_CONFIG_HOME").map(|dir| dir.join("containers")).or_else(|| environment.own());
        add(Some(runtime.join("auth.json")), AuthFileKind::Containers, false);
        add(own.map(|dir| dir.join("auth.json")), AuthFileKind::Containers, false);
    }
    let docker = environment.path("DOCKER_CONFIG").or_else(|| Some(environment.home()?.join(".docker")));
    add(docker.map(|dir| dir.join("config.json")), AuthFileKind::Docker, false);
    add(environment.home().map(|home| home.join(".dockercfg")), AuthFileKind::Dockercfg, false);
    files
}

/// `registries.conf` and the folders of its drop-ins (containers-registries.conf(5)).
fn configuration(environment: &Environment<'_>) -> (PathBuf, Vec<PathBuf>) {
    // Who names a file wants this one, and not what the machine adds to its own.
    if let Some(named) = environment.path("CONTAINERS_REGISTRIES_CONF") {
        return (named, Vec::new());
    }
    let own = environment.own();
    let file = own.iter().map(|dir| dir.join("registries.conf")).find(|file| (environment.exists)(file));
    let dirs = [Some(PathBuf::from(ETC)), own].into_iter().flatten().map(|dir| dir.join("registries.conf.d"));
    (file.unwrap_or_else(|| Path::new(ETC).join("registries.conf")), dirs.collect())
}

fn certs_d(environment: &Environment<'_>) -> Vec<PathBuf> {
    let etc = [ETC, "/etc/docker"].map(PathBuf::from);
    environment.own().into_iter().chain(etc).map(|dir| dir.join("certs.d")).collect()
}

/// The platform of the flag, or of the environment.
pub fn platform(flag: Option<&Platform>, environment: &Environment<'_>) -> Outcome<Option<Platform>> {
    if flag.is_some() {
        return Ok(flag.cloned());
    }
    let Some(text) = environment.get(PLATFORM) else {
        return Ok(None);
    };
    let parsed = text.to_string_lossy().parse::<Platform>();
    parsed.map(Some).map_err(|error| Failure::from(error.context(PLATFORM)))
}

#[cfg(test)]
mod tests;
