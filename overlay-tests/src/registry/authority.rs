//! A private certificate authority, by the `openssl` tool.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A key with its certificate, as PEM files.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Identity {
    /// What a server of the test bed shows to its clients.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let certificates = CertificateDer::pem_file_iter(&self.certificate).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(&self.key).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Arc::new(builder.with_single_cert(certificates, key).unwrap())
    }

    /// The certificate's bytes.
    pub fn der(&self) -> Vec<u8> {
        CertificateDer::from_pem_file(&self.certificate).unwrap().to_vec()
    }

    /// `RSASSA-PKCS1-v1_5` with SHA-256 of some bytes.
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut command = Command::new("openssl");
        command.args(["dgst", "-sha256", "-sign"]).arg(&self.key).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "openssl: {}", output.status);
        output.stdout
    }
}

/// An authority that nobody knows yet.
#[derive(Debug)]
pub struct Authority {
    dir: PathBuf,
    own: Identity,
}

impl Authority {
    /// Makes one in this directory, which it creates.
    pub fn create(dir: &Path) -> Self {
        fs::create_dir(dir).unwrap();
        let extensions = "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, digitalSignature\n";
        let own = make(dir, "ca", extensions, "ec", None);
        Self { dir: dir.to_owned(), own }
    }

    /// The certificate that clients have to trust, as a PEM file.
    pub fn certificate(&self) -> &Path {
        &self.own.certificate
    }

    /// A key and certificate for servers of these names and addresses.
    pub fn server(&self, names: &[&str]) -> Identity {
        let names = names.iter().map(|name| {
            let kind = if name.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
            format!("{kind}:{name}")
        });
        let names = names.collect::<Vec<_>>().join(", ");
        let extensions =
            format!("basicConstraints = CA:FALSE\nextendedKeyUsage = serverAuth\nsubjectAltName = {names}\n");
        make(&self.dir, "server", &extensions, "ec", Some(&self.own))
    }

    /// A key and certificate for a client.
    pub fn client(&self, name: &str) -> Identity {
        let extensions = "basicConstraints = CA:FALSE\nextendedKeyUsage = clientAuth\n";
        make(&self.dir, name, extensions, "ec", Some(&self.own))
    }

    /// A key that signs tokens, and its certificate. RSA: its signatures need no other form in a token.
    pub fn signer(&self) -> Identity {
        make(&self.dir, "signer", "basicConstraints = CA:FALSE\n", "rsa:2048", Some(&self.own))
    }
}

fn make(dir: &Path, name: &str, extensions: &str, algorithm: &str, issuer: Option<&Identity>) -> Identity {
    let path = |ending: &str| dir.join(format!("{name}.{ending}"));
    let text = format!(
        "[req]\ndistinguished_name = dn\nprompt = no\nx509_extensions = ext\n[dn]\nCN = {name}\n[ext]\n{extensions}"
    );
    fs::write(path("cnf"), text).unwrap();
    let identity = Identity { certificate: path("crt"), key: path("key") };
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-nodes", "-days", "3650", "-newkey", algorithm]);
    if algorithm == "ec" {
        command.args(["-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    }
    command.arg("-config").arg(path("cnf")).arg("-keyout").arg(&identity.key).arg("-out").arg(&identity.certificate);
    if let Some(issuer) = issuer {
        command.arg("-CA").arg(&issuer.certificate).arg("-CAkey").arg(&issuer.key);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    identity
}
