//! Tokens: anonymous and not, in time and too late.

use std::sync::Arc;

use overlay_tests::cases;
use overlay_tests::fixture::Image;
use overlay_tests::harness::{Case, Context};
use overlay_tests::registry::http::Response;
use overlay_tests::registry::{
    Bed, Fault, IDENTITY_TOKEN, PROXY, Proxy, Registry, TOKENS, TokenServer, USER, basic, noise,
};
use serde_json::json;

use super::{assert_tree, said, saying};

pub fn cases() -> Vec<Case> {
    cases![
        tokens_for_nobody;
        tokens_for_a_password;
        tokens_for_the_wrong_password;
        tokens_for_an_identity_token;
        tokens_for_pushes;
        tokens_that_expire_in_mid_pull;
        tokens_are_asked_for_once;
        tokens_are_not_shown;
        a_storm_of_401;
        a_token_server_that_is_not_there;
        a_token_server_that_talks_nonsense
    ]
}

fn creds() -> String {
    format!("{}:{}", USER.0, USER.1)
}

/// An open registry behind a proxy that wants tokens.
fn guarded(context: &Context) -> (Bed<'_>, Registry, Proxy, Arc<TokenServer>) {
    let (bed, registry, proxy) = Bed::open(context);
    let server = TokenServer::start(TOKENS, None);
    proxy.want_tokens(&server);
    (bed, registry, proxy, server)
}

fn tokens_for_nobody(context: &Context) {
    let (bed, registry, proxy, server) = Bed::tokens(context);
    registry.publish(&saying("public"), "public/app:1");
    registry.publish(&saying("private"), "private/app:1");
    bed.pull(&proxy.name("public/app:1"));
    assert_eq!(said(context, &proxy.name("public/app:1")), "public");
    bed.refuses(["pull", &proxy.name("private/app:1")], 11, &["private/app"]);
    let asked = server.asked();
    let own = asked.iter().find(|asked| asked.scopes.iter().any(|scope| scope == "repository:public/app:pull"));
    assert!(own.is_some_and(|asked| !asked.password && asked.method == "GET"), "{asked:?}");
}

fn tokens_for_a_password(context: &Context) {
    let (bed, registry, proxy, server) = Bed::tokens(context);
    registry.publish(&saying("private"), "private/app:1");
    let before = server.asked().len();
    bed.rootlay(["pull", "--creds", &creds(), &proxy.name("private/app:1")]).ok();
    assert_eq!(said(context, &proxy.name("private/app:1")), "private");
    assert!(server.asked()[before..].iter().all(|asked| asked.password), "{:?}", server.asked());
    // The registry itself never sees the password.
    let password = basic(USER.0, USER.1);
    assert!(proxy.records().iter().all(|record| record.headers.get("Authorization") != Some(&password)));
}

fn tokens_for_the_wrong_password(context: &Context) {
    let (bed, registry, proxy, server) = Bed::tokens(context);
    registry.publish(&saying("private"), "private/app:1");
    let before = server.asked().len();
    bed.refuses(["pull", "--creds", "ann:wrong", &proxy.name("private/app:1")], 11, &[PROXY]);
    assert!(server.asked().len() - before < 8, "{:?}", server.asked());
    let output = bed.with_input(&["login", "-u", "ann", "--password-stdin", PROXY], "wrong").exits(11);
    assert!(!output.stdout.contains("Succeeded"));
    bed.with_input(&["login", "-u", USER.0, "--password-stdin", PROXY], USER.1).ok();
    bed.pull(&proxy.name("private/app:1"));
}

fn tokens_for_an_identity_token(context: &Context) {
    let (bed, registry, proxy, server) = Bed::tokens(context);
    registry.publish(&saying("private"), "private/app:1");
    let before = server.asked().len();
    bed.write_home(".docker/config.json", json!({"auths": {PROXY: {"identitytoken": IDENTITY_TOKEN}}}).to_string());
    bed.pull(&proxy.name("private/app:1"));
    let asked = server.asked();
    assert!(asked[before..].iter().any(|asked| asked.method == "POST" && asked.identity_token), "{asked:?}");
}

fn tokens_for_pushes(context: &Context) {
    let (bed, registry, proxy, server) = Bed::tokens(context);
    registry.publish(&saying("x"), "public/app:1");
    bed.pull(&proxy.name("public/app:1"));
    let (from, to) = (proxy.name("public/app:1"), proxy.name("private/copy:1"));
    let _ = bed.rootlay(["push", &from, &to]).exits(11);
    bed.rootlay(["push", "--creds", &creds(), &from, &to]).ok();
    let wanted = |scope: &String| scope.starts_with("repository:private/copy:") && scope.contains("push");
    assert!(server.asked().iter().any(|asked| asked.scopes.iter().any(wanted)), "{:?}", server.asked());
    assert_eq!(registry.raw_manifest("private/copy:1"), registry.raw_manifest("public/app:1"));
}

fn tokens_that_expire_in_mid_pull(context: &Context) {
    let (bed, registry, proxy, server) = guarded(context);
    let image = Image::of((1..=24).map(|seed| noise(seed, 4)));
    registry.publish(&image, "public/app:1");
    // Enough that one that was just handed out is not used up by the requests for other layers.
    server.shorten(300, 8);
    bed.pull(&proxy.name("public/app:1"));
    assert!(server.asked().len() >= 3, "{:?}", server.asked());
    assert_tree(context, &proxy.name("public/app:1"), &image);
    // The server's own word that they do not live long.
    server.shorten(1, 1000);
    registry.publish(&saying("x"), "public/other:1");
    bed.pull(&proxy.name("public/other:1"));
}

fn tokens_are_asked_for_once(context: &Context) {
    let (bed, registry, proxy, server) = guarded(context);
    registry.publish(&Image::of((1..=8).map(|seed| noise(seed, 16))), "public/app:1");
    bed.pull(&proxy.name("public/app:1"));
    assert_eq!(server.asked().len(), 1, "{:?}", server.asked());
}

fn tokens_are_not_shown(context: &Context) {
    let (bed, registry, proxy, _server) = guarded(context);
    registry.publish(&saying("x"), "public/app:1");
    bed.write_home(".docker/config.json", json!({"auths": {PROXY: {"identitytoken": IDENTITY_TOKEN}}}).to_string());
    let output = bed.rootlay(["--log-level", "trace", "pull", &proxy.name("public/app:1")]).exits(0);
    assert!(!output.stderr.contains(IDENTITY_TOKEN) && !output.stderr.contains("opaque-token"), "{}", output.stderr);
}

/// Every answer is 401, whatever token comes: an end, and soon.
fn a_storm_of_401(context: &Context) {
    let (bed, registry, proxy, server) = guarded(context);
    registry.publish(&saying("x"), "public/app:1");
    let challenge = format!("Bearer realm=\"{}\",service=\"bed\",scope=\"repository:public/app:pull\"", server.realm());
    proxy.fault("/v2/", .., Fault::Answer(Response::new(401, "{}").header("WWW-Authenticate", challenge)));
    bed.refuses(["pull", "--retry-delay", "1ms", &proxy.name("public/app:1")], 11, &[]);
    assert!(proxy.records().len() + server.asked().len() < 20, "{:?}", proxy.records());
    // Only for blobs, when the manifest was already there.
    proxy.heal();
    let challenge = format!("Bearer realm=\"{}\",service=\"bed\"", server.realm());
    proxy.fault("/blobs/", .., Fault::Answer(Response::new(401, "{}").header("WWW-Authenticate", challenge)));
    proxy.take_records();
    bed.refuses(["pull", "--retry-delay", "1ms", &proxy.name("public/app:1")], 11, &[]);
    assert!(proxy.records().len() < 30, "{:?}", proxy.records());
    // Without a word what would help.
    proxy.heal();
    proxy.fault("/v2/", .., Fault::status(401));
    bed.refuses(["pull", "--retry-delay", "1ms", &proxy.name("public/app:1")], 11, &[]);
}

fn a_token_server_that_is_not_there(context: &Context) {
    let (bed, _registry, proxy) = Bed::open(context);
    let challenge = "Bearer realm=\"http://127.0.0.1:5999/token\",service=\"bed\"";
    proxy.fault("/v2/", .., Fault::Answer(Response::new(401, "{}").header("WWW-Authenticate", challenge)));
    bed.refuses(["pull", "--retry-delay", "1ms", &proxy.name("app:1")], 10, &["127.0.0.1:5999"]);
}

fn a_token_server_that_talks_nonsense(context: &Context) {
    let (bed, registry, proxy, _server) = guarded(context);
    // The proxy serves as token server too: what it says there is no token.
    let realm = format!("http://{}/token", Proxy::start("127.0.0.1:5004", registry.address()).address());
    let challenge = format!("Bearer realm=\"{realm}\",service=\"bed\"");
    proxy.fault("/v2/", .., Fault::Answer(Response::new(401, "{}").header("WWW-Authenticate", challenge)));
    let output = bed.rootlay(["pull", "--retry-delay", "1ms", &proxy.name("public/app:1")]);
    assert!(matches!(output.code, 10 | 11), "{} {}", output.code, output.stderr);
    output.one_line();
}
