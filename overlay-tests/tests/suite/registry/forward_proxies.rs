//! Proxies that the environment names.

use overlay_tests::cases;
use overlay_tests::harness::{Case, Context};
use overlay_tests::registry::{Access, Bed, OTHER, PROXY, Proxy, REGISTRY, Registry};

use super::saying;

pub fn cases() -> Vec<Case> {
    cases![
        forward_proxy_for_http;
        forward_proxy_for_https;
        forward_proxy_and_no_proxy;
        forward_proxy_that_is_not_there
    ]
}

/// Nothing listens at this name's address: what arrives came through the proxy.
const NAME: &str = "registry.test:80/app:1";

fn forward_proxy_for_http(context: &Context) {
    let (bed, registry, _proxy) = Bed::open(context);
    registry.publish(&saying("x"), "app:1");
    let forward = Proxy::start(OTHER, registry.address());
    let pull = ["pull", "--retry", "0", "--tls-verify=false", NAME];
    let _ = bed.rootlay(pull).exits(10);
    // Where both kinds have a proxy, it may be asked for a tunnel first.
    let mut command = bed.command(pull);
    command.env("http_proxy", format!("http://{OTHER}")).env("https_proxy", format!("http://{OTHER}"));
    bed.output(&mut command).ok();
    forward.take_records();
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        let mut command = bed.command(pull);
        bed.output(command.env(variable, format!("http://{OTHER}"))).ok();
        let records = forward.take_records();
        let origins: Vec<_> = records.iter().filter_map(|record| record.origin.as_deref()).collect();
        assert!(origins.iter().any(|origin| origin.starts_with("http://registry.test")), "{variable}: {records:?}");
    }
    // The lower-case one comes first.
    let mut command = bed.command(pull);
    command.env("http_proxy", format!("http://{OTHER}")).env("HTTP_PROXY", "http://127.0.0.1:5999");
    bed.output(&mut command).ok();
}

fn forward_proxy_for_https(context: &Context) {
    let bed = Bed::new(context);
    let authority = bed.authority();
    let registry = Registry::start(context, REGISTRY, &Access::Open);
    registry.publish(&saying("x"), "app:1");
    let identity = authority.server(&["registry.test"]);
    let encrypted = Proxy::start_tls(PROXY, registry.address(), &identity);
    let forward = Proxy::start(OTHER, encrypted.address());
    bed.set("SSL_CERT_FILE", authority.certificate());
    bed.set("https_proxy", format!("http://{OTHER}"));
    bed.pull("registry.test/app:1");
    let records = forward.records();
    assert!(
        records.iter().all(|record| record.method == "CONNECT" && record.target == "registry.test:443"),
        "{records:?}"
    );
    assert!(!encrypted.blob_requests("").is_empty());
}

fn forward_proxy_and_no_proxy(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "app:1");
    let forward = Proxy::start(OTHER, registry.address());
    bed.set("http_proxy", format!("http://{OTHER}"));
    bed.set("https_proxy", format!("http://{OTHER}"));
    for exempt in ["registry.example", ".example", "other,registry.example", "*"] {
        let mut command = bed.command(["pull", "--tls-verify=false", "registry.example:5001/app:1"]);
        bed.output(command.env("no_proxy", exempt)).ok();
        assert!(forward.take_records().is_empty(), "{exempt}");
        assert!(!proxy.take_records().is_empty(), "{exempt}");
    }
}

fn forward_proxy_that_is_not_there(context: &Context) {
    let (bed, _registry, _proxy) = Bed::open(context);
    bed.set("http_proxy", "http://127.0.0.1:5999");
    bed.set("https_proxy", "http://127.0.0.1:5999");
    let output = bed.rootlay(["pull", "--retry", "0", "--tls-verify=false", NAME]).exits(10);
    output.one_line();
}
