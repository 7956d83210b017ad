//! The test bed itself, against `skopeo` and `curl`: a fault that is none would let every program pass.

use std::fs;
use std::time::Duration;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, file, sha256};
use overlay_tests::harness::{Case, Context, Need, Output};
use overlay_tests::registry::http::Response;
use overlay_tests::registry::{
    Access, Bed, Fault, OTHER, PROXY, Proxy, REGISTRY, Registry, TOKENS, TokenServer, USER, noise,
};

pub fn cases() -> Vec<Case> {
    cases![
        bed_publishes_and_reads_back;
        bed_faults => Need::Tool("curl");
        bed_passwords;
        bed_tokens;
        bed_tokens_of_the_proxy => Need::Tool("curl");
        bed_tls => Need::Tool("curl");
        bed_forward_proxy => Need::Tool("curl")
    ]
}

fn curl(bed: &Bed<'_>, arguments: &[&str]) -> Output {
    bed.run("curl", &[&["-sS", "--max-time", "5"], arguments].concat())
}

fn skopeo_inspect(bed: &Bed<'_>, more: &[&str], name: &str) -> Output {
    let name = format!("docker://{name}");
    bed.run("skopeo", &[&["inspect", "--raw", "--tls-verify=false"], more, &[&name]].concat())
}

fn bed_publishes_and_reads_back(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let image = Image::of([noise(1, 64), vec![file("f", "x")].into()]).tag("v1");
    let written = registry.publish(&image, "a/b:v1");
    let manifest = registry.raw_manifest("a/b:v1");
    assert_eq!(sha256(&manifest), written.manifest["digest"]);
    assert!(registry.has("a/b", "v1") && !registry.has("a/b", "v2"));
    assert!(registry.blob_path(&written.layers[0]).is_file());
    let out = context.fresh("out");
    let name = format!("docker://{}", proxy.name("a/b:v1"));
    bed.run(
        "skopeo",
        &["--insecure-policy", "copy", "-q", "--src-tls-verify=false", &name, &format!("oci:{}", out.display())],
    )
    .ok();
    for layer in &written.layers {
        let requests = proxy.blob_requests(layer);
        assert_eq!(requests.len(), 1, "{requests:?}");
        let size = fs::metadata(registry.blob_path(layer)).unwrap().len();
        assert_eq!(u64::try_from(requests[0].sent).unwrap(), size);
    }
    let blob = registry.put_blob("c", b"{}");
    assert_eq!(blob, sha256(b"{}"));
}

fn bed_faults(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let digest = registry.put_blob("a", &[b'x'; 10_000]);
    let url = format!("http://{PROXY}/v2/a/blobs/{digest}");
    let get = |more: &[&str]| curl(&bed, &[more, &[&url]].concat());
    let with = |fault: Fault, more: &[&str]| {
        proxy.heal();
        proxy.fault("/blobs/", 1..=1, fault);
        get(more)
    };
    assert_eq!(get(&[]).ok().len(), 10_000);
    let cut = with(Fault::Cut(100), &[]);
    assert_eq!((cut.code, cut.stdout.len()), (18, 100));
    assert_eq!(proxy.records().last().unwrap().sent, 100);
    let flipped = with(Fault::Flip(5), &[]).ok();
    assert_eq!((flipped.len(), &flipped[4..7]), (10_000, "xXx"));
    assert_eq!(with(Fault::Longer(3), &[]).ok().len(), 10_003);
    assert_eq!(with(Fault::Shorter(3), &[]).ok().len(), 9_997);
    assert_eq!(
        with(Fault::Endless, &["-o", "/dev/null", "-w", "%{size_download}"]).ok(),
        (10_000 + (64 << 20)).to_string()
    );
    assert_eq!(with(Fault::Stall(100), &["--max-time", "1"]).code, 28);
    assert_eq!(with(Fault::Slow(4000, Duration::from_millis(10)), &[]).ok().len(), 10_000);
    assert!(with(Fault::busy("7"), &["-i"]).ok().contains("Retry-After: 7"));
    assert_eq!(with(Fault::Reset, &[]).code, 56);
    assert_eq!(get(&["-r", "100-"]).ok().len(), 9_900);
    assert_eq!(proxy.records().last().unwrap().offset(), 100);
    assert_eq!(with(Fault::IgnoreRange, &["-r", "100-"]).ok().len(), 10_000);
    assert_eq!(with(Fault::Body(b"other".to_vec()), &[]).ok(), "other");
    assert!(with(Fault::Header("Docker-Content-Digest", Some("nonsense".into())), &["-i"]).ok().contains("nonsense"));
    assert_eq!(with(Fault::Answer(Response::new(200, "canned")), &[]).ok(), "canned");
    let other = Proxy::start(OTHER, registry.address());
    let redirected = with(Fault::Redirect(format!("http://{OTHER}")), &["-L", "-u", "a:b"]).ok();
    assert_eq!((redirected.len(), other.records().len()), (10_000, 1));
    assert_eq!(other.records()[0].headers.get("Authorization"), None);
    // The second request only, and then no more.
    proxy.heal();
    proxy.fault("GET /blobs/", 2..=2, Fault::status(503));
    let codes = [(); 3].map(|()| get(&["-o", "/dev/null", "-w", "%{http_code}"]).ok());
    assert_eq!(codes, ["200", "503", "200"]);
}

fn bed_passwords(context: &Context) {
    let (bed, registry, proxy) = Bed::htpasswd(context);
    registry.publish(&Image::of([vec![file("f", "")]]), "a:1");
    let _ = skopeo_inspect(&bed, &["--no-creds"], &proxy.name("a:1")).exits(1).says("authentication required");
    skopeo_inspect(&bed, &["--creds", &format!("{}:{}", USER.0, USER.1)], &proxy.name("a:1")).ok();
    let last = proxy.records().pop().unwrap();
    assert_eq!(last.headers.get("Authorization"), Some(overlay_tests::registry::basic(USER.0, USER.1).as_str()));
}

fn bed_tokens(context: &Context) {
    let (bed, registry, proxy, server) = Bed::tokens(context);
    registry.publish(&Image::of([vec![file("f", "")]]), "private/a:1");
    registry.publish(&Image::of([vec![file("f", "")]]), "public/a:1");
    skopeo_inspect(&bed, &["--no-creds"], &proxy.name("public/a:1")).ok();
    let _ = skopeo_inspect(&bed, &["--no-creds"], &proxy.name("private/a:1")).exits(1);
    skopeo_inspect(&bed, &["--creds", &format!("{}:{}", USER.0, USER.1)], &proxy.name("private/a:1")).ok();
    let _ = skopeo_inspect(&bed, &["--creds", "ann:wrong"], &proxy.name("public/a:1")).exits(1);
    let asked = server.asked();
    assert!(asked.iter().any(|one| one.scopes == ["repository:public/a:pull"] && !one.password), "{asked:?}");
}

fn bed_tokens_of_the_proxy(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    let server = TokenServer::start(TOKENS, None);
    registry.publish(&Image::of([noise(1, 4), noise(2, 4)]), "public/a:1");
    registry.publish(&Image::of([noise(3, 4)]), "private/a:1");
    proxy.want_tokens(&server);
    server.shorten(300, 2);
    let url = format!("http://{TOKENS}/token?service=bed&scope=repository:public/a:pull");
    let token = curl(&bed, &[&url]).ok();
    let token: serde_json::Value = serde_json::from_str(&token).unwrap();
    let bearer = format!("Authorization: Bearer {}", token["token"].as_str().unwrap());
    let list = format!("http://{PROXY}/v2/public/a/tags/list");
    let codes = [(); 3].map(|()| curl(&bed, &["-o", "/dev/null", "-w", "%{http_code}", "-H", &bearer, &list]).ok());
    assert_eq!(codes, ["200", "200", "401"]);
    let answer = curl(&bed, &["-i", &list]).ok();
    assert!(answer.contains("scope=\"repository:public/a:pull\""), "{answer}");
    server.shorten(300, 100);
    skopeo_inspect(&bed, &["--no-creds"], &proxy.name("public/a:1")).ok();
    let _ = skopeo_inspect(&bed, &["--no-creds"], &proxy.name("private/a:1")).exits(1);
}

fn bed_tls(context: &Context) {
    let bed = Bed::new(context);
    let authority = bed.authority();
    let identity = authority.server(&["registry.example", "127.0.0.1"]);
    let registry = Registry::start_tls(context, REGISTRY, &identity, Some(&authority));
    let client = authority.client("client");
    let (ca, certificate, key) = (authority.certificate(), &client.certificate, &client.key);
    let url = "https://registry.example:5000/v2/";
    assert_eq!(curl(&bed, &[url]).code, 60);
    assert_ne!(curl(&bed, &["--cacert", ca.to_str().unwrap(), url]).code, 0);
    let own = ["--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap(), url];
    curl(&bed, &[&["--cacert", ca.to_str().unwrap()], &own[..]].concat()).ok();
    let open = Registry::start(context, PROXY, &Access::Open);
    Proxy::start_tls("127.0.0.1:443", open.address(), &identity);
    curl(&bed, &["--cacert", ca.to_str().unwrap(), "https://registry.example/v2/"]).ok();
    drop(registry);
}

fn bed_forward_proxy(context: &Context) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.put_blob("a", b"x");
    let through = format!("http://{PROXY}");
    curl(&bed, &["-f", "-x", &through, "http://registry.test/v2/"]).ok();
    assert_eq!(proxy.records()[0].origin.as_deref(), Some("http://registry.test"));
    assert_eq!(proxy.records()[0].target, "/v2/");
    curl(&bed, &["-f", "-p", "-x", &through, "http://registry.test/v2/"]).ok();
    let _ = curl(&bed, &["http://registry.test/v2/"]).exits(7);
}
