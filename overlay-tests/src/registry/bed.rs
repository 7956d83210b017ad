//! The surroundings of a case with registries.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::authority::Authority;
use super::daemon::{Access, Registry};
use super::network::isolate;
use super::proxy::Proxy;
use super::tokens::TokenServer;
use crate::fixture::{Compression, Layer, file};
use crate::harness::{Context, Output, StoreListing};
use crate::random::Rng;

/// Where the registry listens.
pub const REGISTRY: &str = "127.0.0.1:5000";
/// Where the proxy before it listens.
pub const PROXY: &str = "127.0.0.1:5001";
/// Where the token server listens.
pub const TOKENS: &str = "127.0.0.1:5002";
/// Where another host listens.
pub const OTHER: &str = "127.0.0.2:5003";

/// Variables that would change what the program does.
const VARIABLES: [&str; 24] = [
    "DOCKER_CONFIG",
    "DOCKER_DEFAULT_PLATFORM",
    "REGISTRY_AUTH_FILE",
    "CONTAINERS_REGISTRIES_CONF",
    "CONTAINERS_CONF",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "RUST_LOG",
    "COLUMNS",
    "SUDO_USER",
    "SUDO_UID",
    "SUDO_GID",
    "SUDO_COMMAND",
    "TERM",
];

/// A case's context with a network and a home of its own, and a registry with a proxy before it where asked for.
#[derive(Debug)]
pub struct Bed<'c> {
    context: &'c Context,
    home: PathBuf,
    variables: RefCell<Vec<(String, String)>>,
}

impl Deref for Bed<'_> {
    type Target = Context;

    fn deref(&self) -> &Context {
        self.context
    }
}

impl<'c> Bed<'c> {
    /// A network without registries.
    pub fn new(context: &'c Context) -> Self {
        isolate(context);
        let home = context.fresh_dir("home");
        fs::create_dir(home.join("run")).unwrap();
        Self { context, home, variables: RefCell::default() }
    }

    /// With an open registry at [`REGISTRY`], and a proxy before it at [`PROXY`].
    pub fn open(context: &'c Context) -> (Self, Registry, Proxy) {
        let bed = Self::new(context);
        let (registry, proxy) = bed.registry(&Access::Open);
        (bed, registry, proxy)
    }

    /// With a registry that wants a password.
    pub fn htpasswd(context: &'c Context) -> (Self, Registry, Proxy) {
        let bed = Self::new(context);
        let (registry, proxy) = bed.registry(&Access::Htpasswd);
        (bed, registry, proxy)
    }

    /// With a registry that wants tokens, and the server that has them.
    pub fn tokens(context: &'c Context) -> (Self, Registry, Proxy, Arc<TokenServer>) {
        let bed = Self::new(context);
        let signer = bed.authority().signer();
        let server = TokenServer::start(TOKENS, Some(signer.clone()));
        let (registry, proxy) = bed.registry(&Access::Tokens { realm: server.realm(), signer: &signer });
        (bed, registry, proxy, server)
    }

    /// With what the program takes for Docker Hub: a registry behind a proxy with certificates that it trusts as it
    /// trusts the system's.
    pub fn hub(context: &'c Context) -> (Self, Registry, Proxy) {
        let bed = Self::new(context);
        let authority = bed.authority();
        let identity = authority.server(&["registry-1.docker.io", "index.docker.io", "docker.io", "auth.docker.io"]);
        let registry = Registry::start(context, REGISTRY, &Access::Open);
        let proxy = Proxy::start_tls("127.0.0.1:443", registry.address(), &identity);
        bed.set("SSL_CERT_FILE", authority.certificate());
        (bed, registry, proxy)
    }

    fn registry(&self, access: &Access<'_>) -> (Registry, Proxy) {
        let registry = Registry::start(self.context, REGISTRY, access);
        let proxy = Proxy::start(PROXY, registry.address());
        (registry, proxy)
    }

    /// A new authority.
    pub fn authority(&self) -> Authority {
        Authority::create(&self.fresh("authority"))
    }

    /// The context.
    pub fn context(&self) -> &'c Context {
        self.context
    }

    /// The home directory that the program sees.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Writes a file below the home directory.
    pub fn write_home(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A `registries.conf` that the program is told to read.
    pub fn registries_conf(&self, text: &str) {
        let path = self.write_home("registries.conf", text);
        self.set("CONTAINERS_REGISTRIES_CONF", path);
    }

    /// Sets a variable for the program.
    pub fn set(&self, name: &str, value: impl AsRef<OsStr>) {
        let value = value.as_ref().to_str().unwrap().to_owned();
        self.variables.borrow_mut().push((name.to_owned(), value));
    }

    /// The program with this kind of progress.
    pub fn command_showing<A: AsRef<OsStr>>(&self, progress: &str, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.context.command_showing(progress, &self.root());
        for name in VARIABLES {
            command.env_remove(name);
        }
        command.env("HOME", &self.home).env("XDG_RUNTIME_DIR", self.home.join("run"));
        command.envs(self.variables.borrow().iter().cloned()).args(arguments);
        command
    }

    /// The program without progress.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.command_showing("none", arguments)
    }

    /// Runs the program.
    pub fn rootlay<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        self.output(&mut self.command(arguments))
    }

    /// Runs the program with progress in lines.
    pub fn plain<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        self.output(&mut self.command_showing("plain", arguments))
    }

    /// Runs the program with a text on standard input.
    pub fn with_input(&self, arguments: &[&str], input: &str) -> Output {
        let path = self.fresh("input");
        fs::write(&path, input).unwrap();
        let mut command = self.command(arguments);
        self.output_with(command.stdin(fs::File::open(path).unwrap()))
    }

    /// Starts the program.
    pub fn spawn<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Child {
        self.command(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Pulls, and fails unless it went well. Returns standard output.
    #[track_caller]
    pub fn pull(&self, name: &str) -> String {
        self.rootlay(["pull", name]).ok()
    }

    /// A pull that has to fail with this exit code and one line that says all of this, and leaves the store as it was.
    #[track_caller]
    pub fn refuses<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>, code: i32, says: &[&str]) -> Output {
        if !self.root().exists() {
            // Something that has to stay, and a store that is no longer new.
            self.load(&crate::fixture::Image::of([Layer::of(&[file("keep", "keep")])]));
        }
        let before = StoreListing::read(&self.root());
        let output = self.rootlay(arguments).exits(code);
        let line = output.one_line();
        for text in says {
            assert!(line.contains(text), "`{text}` is not in: {line}");
        }
        before.assert_kept(&self.root());
        output
    }

    /// The bytes of a blob that an unfinished download has left.
    pub fn partial(&self, digest: &str) -> usize {
        let path = self.root().join("partial").join(digest.replace(':', "/"));
        fs::metadata(path).map_or(0, |metadata| usize::try_from(metadata.len()).unwrap())
    }
}

/// A layer of files that no compression makes smaller: about this many KiB, the same for the same seed.
pub fn noise(seed: u64, kibibytes: usize) -> Layer {
    let mut rng = Rng::new(seed);
    let content = |rng: &mut Rng| -> Vec<u8> { (0..512).flat_map(|_| rng.next_u64().to_le_bytes()).collect() };
    let files: Vec<_> =
        (0..kibibytes.div_ceil(4)).map(|n| file(format!("noise-{seed}/{n}"), content(&mut rng))).collect();
    Layer::of(&files).compressed(Compression::Gzip)
}
