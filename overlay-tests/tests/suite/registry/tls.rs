//! TLS with an authority that nobody knows, and plain HTTP.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::{fs, io, thread};

use overlay_tests::cases;
use overlay_tests::harness::{Case, Context};
use overlay_tests::registry::{Access, Authority, Bed, PROXY, Proxy, REGISTRY, Registry};

use super::saying;

pub fn cases() -> Vec<Case> {
    cases![
        tls_of_an_unknown_authority;
        tls_of_certs_d;
        tls_of_a_cert_dir;
        tls_of_the_system;
        tls_not_verified;
        tls_for_another_name;
        tls_with_client_certificates;
        plain_http_is_for_this_machine;
        plain_http_of_a_server_that_hangs_up_on_tls
    ]
}

const NAME: &str = "registry.example:5001/app:1";

/// A registry behind a proxy with TLS.
fn encrypted(context: &Context) -> (Bed<'_>, Registry, Proxy, Authority) {
    let bed = Bed::new(context);
    let registry = Registry::start(context, REGISTRY, &Access::Open);
    registry.publish(&saying("x"), "app:1");
    let authority = bed.authority();
    let identity = authority.server(&["registry.example"]);
    let proxy = Proxy::start_tls(PROXY, registry.address(), &identity);
    (bed, registry, proxy, authority)
}

fn tls_of_an_unknown_authority(context: &Context) {
    let (bed, _registry, proxy, _authority) = encrypted(context);
    let output = bed.refuses(["pull", "--retry-delay", "1ms", NAME], 10, &["registry.example:5001"]);
    assert!(output.stderr.to_lowercase().contains("certificate"), "{}", output.stderr);
    assert!(proxy.records().is_empty());
    let _ = bed.rootlay(["pull", "--tls-verify", NAME]).exits(10);
}

fn tls_of_certs_d(context: &Context) {
    let (bed, _registry, _proxy, authority) = encrypted(context);
    let home = bed.home().join(".config");
    for parent in [Path::new("/etc"), &home] {
        for dir in ["containers", "docker"] {
            let dir = parent.join(dir);
            if parent == home && dir.ends_with("docker") || parent != home && !dir.is_dir() {
                continue;
            }
            let dir = dir.join("certs.d/registry.example:5001");
            fs::create_dir_all(&dir).unwrap();
            fs::copy(authority.certificate(), dir.join("ca.crt")).unwrap();
            bed.pull(NAME);
            fs::remove_dir_all(&dir).unwrap();
            let _ = bed.rootlay(["pull", "--retry", "0", NAME]).exits(10);
        }
    }
}

fn tls_of_a_cert_dir(context: &Context) {
    let (bed, _registry, _proxy, authority) = encrypted(context);
    let dir = context.fresh_dir("certs");
    fs::copy(authority.certificate(), dir.join("any.crt")).unwrap();
    bed.rootlay(["pull", "--cert-dir", dir.to_str().unwrap(), NAME]).ok();
    assert!(!bed.rootlay(["digest", "--cert-dir", dir.to_str().unwrap(), NAME]).ok().is_empty());
    let output = bed.rootlay(["pull", "--cert-dir", "/no/such/dir", NAME]);
    assert_ne!(output.code, 0, "{}", output.stderr);
}

fn tls_of_the_system(context: &Context) {
    let (bed, _registry, _proxy, authority) = encrypted(context);
    bed.set("SSL_CERT_FILE", authority.certificate());
    bed.pull(NAME);
}

fn tls_not_verified(context: &Context) {
    let (bed, _registry, proxy, _authority) = encrypted(context);
    bed.rootlay(["pull", "--tls-verify=false", NAME]).ok();
    assert!(!proxy.records().is_empty());
    bed.registries_conf("[[registry]]\nlocation = \"registry.example:5001\"\ninsecure = true\n");
    bed.pull(NAME);
    // What the user says comes before what is configured.
    let _ = bed.rootlay(["pull", "--retry", "0", "--tls-verify=true", NAME]).exits(10);
}

fn tls_for_another_name(context: &Context) {
    let (bed, _registry, _proxy, authority) = encrypted(context);
    bed.set("SSL_CERT_FILE", authority.certificate());
    let _ = bed.rootlay(["pull", "--retry", "0", "mirror.example:5001/app:1"]).exits(10).says("mirror.example");
}

fn tls_with_client_certificates(context: &Context) {
    let bed = Bed::new(context);
    let authority = bed.authority();
    let identity = authority.server(&["registry.example"]);
    let _registry = Registry::start_tls(context, REGISTRY, &identity, Some(&authority));
    let dir = context.fresh_dir("certs");
    fs::copy(authority.certificate(), dir.join("ca.crt")).unwrap();
    // Without the client's own certificate there is no answer; with it, the answer is that nothing is there.
    let pull = ["pull", "--retry", "0", "--cert-dir", dir.to_str().unwrap(), "registry.example:5000/app:1"];
    let _ = bed.rootlay(pull).exits(10);
    let client = authority.client("client");
    fs::copy(client.certificate, dir.join("client.cert")).unwrap();
    let output = bed.rootlay(pull);
    assert!(output.code != 0 && output.code != 12, "a certificate without its key: {}", output.stderr);
    fs::copy(client.key, dir.join("client.key")).unwrap();
    let _ = bed.rootlay(pull).exits(12);
}

fn plain_http_is_for_this_machine(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "app:1");
    for host in ["127.0.0.1", "localhost"] {
        bed.pull(&format!("{host}:5001/app:1"));
    }
    proxy.take_records();
    bed.refuses(["pull", "--retry-delay", "1ms", NAME], 10, &["registry.example:5001"]);
    assert!(proxy.records().is_empty(), "{:?}", proxy.records());
    let _ = bed.rootlay(["pull", "--retry", "0", "--tls-verify=true", "127.0.0.1:5001/app:1"]).exits(10);
    bed.rootlay(["pull", "--tls-verify=false", NAME]).ok();
}

/// Not every server has an answer to those who speak TLS to it.
fn plain_http_of_a_server_that_hangs_up_on_tls(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "app:1");
    let listener = TcpListener::bind("127.0.0.1:5005").unwrap();
    let upstream = proxy.address();
    thread::spawn(move || {
        for client in listener.incoming().take(1000).flatten() {
            let mut first = [0];
            // A record of TLS that begins a handshake.
            if client.peek(&mut first).is_err() || first == [22] {
                continue;
            }
            let server = TcpStream::connect(upstream).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut from, &mut to));
            let (mut from, mut to) = (server, client);
            thread::spawn(move || io::copy(&mut from, &mut to));
        }
    });
    bed.pull("127.0.0.1:5005/app:1");
}
