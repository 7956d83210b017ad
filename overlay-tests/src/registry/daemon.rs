//! The real thing: `docker-registry`, with its storage in the scratch directory.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::authority::{Authority, Identity};
use super::http::{Request, Response};
use crate::fixture::{Image, Layout, Written};
use crate::harness::Context;

/// The user of registries that want one, and the password.
pub const USER: (&str, &str) = ("ann", "swordfish-4711");
/// The same for `htpasswd`: bcrypt, cost 5.
const HTPASSWD: &str = "ann:$2y$05$UbC6.xp6W/uZ0hUENNjrBeGyc8g/7lrX./LBVrBNoO8rf7tQ8v/Ci\n";

/// Who may use a registry.
#[derive(Debug)]
pub enum Access<'a> {
    /// Everybody.
    Open,
    /// [`USER`], by password.
    Htpasswd,
    /// Who has a token of this realm that this identity signed.
    Tokens {
        /// URL of the token server.
        realm: String,
        /// Whose signature counts.
        signer: &'a Identity,
    },
}

/// A registry that runs until the case ends.
#[derive(Debug)]
pub struct Registry {
    context_dir: PathBuf,
    address: SocketAddr,
    storage: PathBuf,
    credentials: Option<String>,
    tls: bool,
    process: Child,
}

impl Registry {
    /// Starts one over plain HTTP.
    pub fn start(context: &Context, address: &str, access: &Access<'_>) -> Self {
        Self::start_with(context, address, access, &json!({}), false)
    }

    /// Starts one over TLS; with an authority only for its clients.
    pub fn start_tls(context: &Context, address: &str, identity: &Identity, clients: Option<&Authority>) -> Self {
        let mut tls = json!({"certificate": identity.certificate, "key": identity.key});
        if let Some(authority) = clients {
            tls["clientcas"] = json!([authority.certificate()]);
        }
        Self::start_with(context, address, &Access::Open, &tls, true)
    }

    fn start_with(context: &Context, address: &str, access: &Access<'_>, tls: &Value, is_tls: bool) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        let dir = context.fresh_dir("registry");
        let storage = dir.join("storage");
        let auth = match access {
            Access::Open => json!({}),
            Access::Htpasswd => {
                fs::write(dir.join("htpasswd"), HTPASSWD).unwrap();
                json!({"htpasswd": {"realm": "bed", "path": dir.join("htpasswd")}})
            }
            Access::Tokens { realm, signer } => json!({"token": {
                "realm": realm, "service": "bed", "issuer": "bed", "rootcertbundle": signer.certificate,
            }}),
        };
        let mut config = json!({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": storage}, "delete": {"enabled": true}},
            "validation": {"disabled": true},
            "http": {"addr": address.to_string(), "secret": "of the bed"},
        });
        if is_tls {
            config["http"]["tls"] = tls.clone();
        }
        if auth != json!({}) {
            config["auth"] = auth;
        }
        // JSON is YAML.
        fs::write(dir.join("config.yml"), config.to_string()).unwrap();
        let log = fs::File::create(dir.join("log")).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(dir.join("config.yml")).env("HOME", &dir).env("OTEL_TRACES_EXPORTER", "none");
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = command.spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            let ended = process.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < end,
                "docker-registry: {ended:?}: {}",
                fs::read_to_string(dir.join("log")).unwrap()
            );
            sleep(Duration::from_millis(10));
        }
        let credentials = (!matches!(access, Access::Open)).then(|| format!("{}:{}", USER.0, USER.1));
        Self { context_dir: dir, address, storage, credentials, tls: is_tls, process }
    }

    /// Ends it; nobody listens there any more.
    pub fn stop(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `HOST:PORT/NAME`
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Where it keeps the bytes of a blob.
    pub fn blob_path(&self, digest: &str) -> PathBuf {
        let hex = digest.split_once(':').unwrap().1;
        self.storage.join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }

    /// Puts an image there by `skopeo`, exactly as it is.
    pub fn publish(&self, image: &Image, name: &str) -> Written {
        let dir = self.context_dir.join(format!("layout-{}", name.replace(['/', ':'], "-")));
        let written = image.write_oci(&dir);
        self.copy_in(&dir, name);
        fs::remove_dir_all(dir).unwrap();
        written
    }

    /// Puts the only image or index of a layout there.
    pub fn publish_layout(&self, layout: &Layout, name: &str) {
        self.copy_in(layout.dir(), name);
    }

    /// The same for a directory.
    pub fn copy_in(&self, dir: &Path, name: &str) {
        let mut command = self.skopeo(&["copy", "-q", "--all", "--preserve-digests", "--dest-tls-verify=false"]);
        if let Some(credentials) = &self.credentials {
            command.args(["--dest-creds", credentials]);
        }
        command.arg(format!("oci:{}", dir.display())).arg(format!("docker://{}", self.name(name)));
        run(&mut command);
    }

    /// The bytes of a manifest, as `skopeo` reads them.
    pub fn raw_manifest(&self, name: &str) -> Vec<u8> {
        let mut command = self.skopeo(&["inspect", "--raw", "--tls-verify=false"]);
        if let Some(credentials) = &self.credentials {
            command.args(["--creds", credentials]);
        }
        run(command.arg(format!("docker://{}", self.name(name))))
    }

    /// Copies an image out by `skopeo`, which checks every digest, into a layout.
    pub fn copy_out(&self, name: &str, dir: &Path) {
        let mut command = self.skopeo(&["copy", "-q", "--all", "--preserve-digests", "--src-tls-verify=false"]);
        if let Some(credentials) = &self.credentials {
            command.args(["--src-creds", credentials]);
        }
        command.arg(format!("docker://{}", self.name(name))).arg(format!("oci:{}", dir.display()));
        run(&mut command);
    }

    fn skopeo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("skopeo");
        command.arg("--insecure-policy").args(arguments).stdin(Stdio::null());
        command.env("HOME", &self.context_dir).env("XDG_RUNTIME_DIR", &self.context_dir);
        command.env("TMPDIR", &self.context_dir);
        command
    }

    /// Asks the registry itself, without credentials.
    pub fn ask(&self, request: &Request) -> Response {
        assert!(!self.tls, "a plain client");
        request.send(self.address).unwrap()
    }

    /// Puts a blob there, directly.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = crate::fixture::sha256(bytes);
        let begin = self.ask(&Request::new("POST", &format!("/v2/{repository}/blobs/uploads/")));
        let location = begin.headers.get("Location").unwrap().to_owned();
        let target = location.split_once("://").map_or(location.as_str(), |(_, rest)| &rest[rest.find('/').unwrap()..]);
        let request = Request::new("PUT", &format!("{target}&digest={digest}")).body(bytes);
        let answer = self.ask(&request.header("Content-Type", "application/octet-stream"));
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        digest
    }

    /// Puts a manifest there, directly; its blobs have to be there. Returns its digest.
    pub fn put_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        let request = Request::new("PUT", &format!("/v2/{repository}/manifests/{tag}"));
        let answer = self.ask(&request.header("Content-Type", media_type).body(bytes));
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        crate::fixture::sha256(bytes)
    }

    /// Whether a manifest is there.
    pub fn has(&self, repository: &str, reference: &str) -> bool {
        let accept = [crate::fixture::media::MANIFEST, crate::fixture::media::INDEX].join(", ");
        let request = Request::new("HEAD", &format!("/v2/{repository}/manifests/{reference}"));
        self.ask(&request.header("Accept", accept)).status == 200
    }
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
