//! Registries that keep their blobs elsewhere.

use overlay_tests::cases;
use overlay_tests::fixture::Image;
use overlay_tests::harness::{Case, Context};
use overlay_tests::registry::{Bed, Fault, OTHER, PROXY, Proxy, TOKENS, TokenServer, USER, noise};

use super::{assert_tree, saying};

pub fn cases() -> Vec<Case> {
    cases![
        redirect_leaves_the_password_behind;
        redirect_leaves_the_token_behind;
        redirect_to_another_port_of_the_same_address;
        redirect_resumes_at_the_other_host;
        redirect_in_circles;
        redirect_to_nowhere;
        redirect_that_has_expired
    ]
}

fn image() -> Image {
    Image::of([noise(1, 64), noise(2, 64)])
}

fn elsewhere() -> Fault {
    Fault::Redirect(format!("http://{OTHER}"))
}

#[track_caller]
fn nobody_showed_anything(other: &Proxy) {
    assert!(!other.blob_requests("").is_empty());
    for record in other.records() {
        for name in ["Authorization", "Proxy-Authorization", "Cookie"] {
            assert_eq!(record.headers.get(name), None, "{record:?}");
        }
    }
}

fn redirect_leaves_the_password_behind(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let other = Proxy::start(OTHER, registry.address());
    registry.publish(&image(), "app:1");
    proxy.want_password(USER.0, USER.1);
    proxy.fault("GET /blobs/", .., elsewhere());
    let creds = format!("{}:{}", USER.0, USER.1);
    // A redirect is only for those who may.
    let _ = bed.rootlay(["pull", &proxy.name("app:1")]).exits(11);
    bed.rootlay(["pull", "--creds", &creds, &proxy.name("app:1")]).ok();
    nobody_showed_anything(&other);
    assert_tree(context, &proxy.name("app:1"), &image());
}

fn redirect_leaves_the_token_behind(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let other = Proxy::start(OTHER, registry.address());
    registry.publish(&image(), "public/app:1");
    proxy.want_tokens(&TokenServer::start(TOKENS, None));
    proxy.fault("GET /blobs/", .., elsewhere());
    bed.pull(&proxy.name("public/app:1"));
    nobody_showed_anything(&other);
}

fn redirect_to_another_port_of_the_same_address(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let other = Proxy::start("127.0.0.1:5006", registry.address());
    registry.publish(&image(), "app:1");
    proxy.want_password(USER.0, USER.1);
    proxy.fault("GET /blobs/", .., Fault::Redirect("http://127.0.0.1:5006".into()));
    bed.rootlay(["pull", "--creds", &format!("{}:{}", USER.0, USER.1), &proxy.name("app:1")]).ok();
    nobody_showed_anything(&other);
}

/// Every attempt begins at the registry: links to elsewhere do not live long.
fn redirect_resumes_at_the_other_host(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let other = Proxy::start(OTHER, registry.address());
    let written = registry.publish(&image(), "app:1");
    let layer = &written.layers[0];
    proxy.fault("GET /blobs/", .., elsewhere());
    other.fault(&format!("GET /blobs/{layer}"), 1..=1, Fault::Cut(20_000));
    bed.rootlay(["pull", "--retry-delay", "1ms", &proxy.name("app:1")]).ok();
    let offsets: Vec<usize> = other.blob_requests(layer).iter().map(overlay_tests::registry::Record::offset).collect();
    assert_eq!(offsets, [0, 20_000]);
    assert_eq!(proxy.blob_requests(layer).len(), 2);
    assert_tree(context, &proxy.name("app:1"), &image());
}

fn redirect_in_circles(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "app:1");
    proxy.fault("GET /blobs/", .., Fault::Redirect(format!("http://{PROXY}")));
    bed.refuses(["pull", "--retry", "1", "--retry-delay", "1ms", &proxy.name("app:1")], 10, &[]);
    assert!(proxy.records().len() < 150, "{}", proxy.records().len());
}

fn redirect_to_nowhere(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("x"), "app:1");
    proxy.fault("GET /blobs/", .., Fault::Redirect("http://127.0.0.1:5999".into()));
    bed.refuses(["pull", "--retry", "1", "--retry-delay", "1ms", &proxy.name("app:1")], 10, &["127.0.0.1:5999"]);
    proxy.heal();
    proxy.fault("GET /blobs/", .., Fault::Redirect("file:///etc/passwd#".into()));
    let output = bed.rootlay(["pull", "--retry", "0", &proxy.name("app:1")]);
    assert!(matches!(output.code, 3 | 10), "{} {}", output.code, output.stderr);
}

/// The other host says no: its own affair, not that of our credentials there.
fn redirect_that_has_expired(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let other = Proxy::start(OTHER, registry.address());
    registry.publish(&image(), "app:1");
    proxy.fault("GET /blobs/", .., elsewhere());
    other.fault("GET /blobs/", 1..=1, Fault::status(503));
    bed.rootlay(["pull", "--retry-delay", "1ms", &proxy.name("app:1")]).ok();
    nobody_showed_anything(&other);
}
