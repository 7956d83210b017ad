//! Who gets to see passwords and tokens.

use super::*;
use crate::error::ErrorKind;

fn want_password() -> Vec<u8> {
    answer("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"r\""], b"")
}

fn redirect(to: &str) -> Vec<u8> {
    answer("307 Temporary Redirect", &[&format!("Location: {to}")], b"")
}

#[test]
fn what_the_target_of_a_redirect_asks_for_is_not_the_registrys_wish() {
    let thief = Server::start("127.0.0.3", |_, _| answer("200 OK", &[], br#"{"token":"t"}"#));
    let realm = format!("WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"s\"", thief.host);
    let elsewhere = Server::start("127.0.0.2", move |_, _| answer("401 Unauthorized", &[&realm], b""));
    let target = format!("http://{}/stolen", elsewhere.host);
    let registry = Server::start("127.0.0.1", move |_, _| redirect(&target));
    let error = repository(with_password(), &registry).root().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error:?}");
    assert_eq!(thief.requests().len(), 0, "{:?}", thief.requests());
    assert!(elsewhere.requests().iter().all(|request| request.header("authorization").is_none()));
    // Nor does it get the password itself.
    let elsewhere = Server::start("127.0.0.2", |_, _| want_password());
    let target = format!("http://{}/stolen", elsewhere.host);
    let registry = Server::start("127.0.0.1", move |_, _| redirect(&target));
    repository(with_password(), &registry).root().unwrap_err();
    for request in registry.requests().iter().chain(&elsewhere.requests()) {
        assert_eq!(request.header("authorization"), None, "{request:?}");
    }
}

#[test]
fn credentials_of_a_command_are_for_the_registry_that_it_names() {
    let [mirror, registry, origin] =
        ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|address| Server::start(address, |_, _| want_password()));
    let conf = tempfile::NamedTempFile::new().unwrap();
    let text =
        format!("[[registry]]\nlocation = '{}'\n[[registry.mirror]]\nlocation = '{}'\n", registry.host, mirror.host);
    std::fs::write(conf.path(), text).unwrap();
    let registries = registries(RegistryOptions { conf: Some(conf.path().to_owned()), ..with_password() });
    registries.repository(&named(&registry, "app:1")).unwrap().root().unwrap_err();
    registries.unnamed_repository(&named(&origin, "app:1")).unwrap().root().unwrap_err();
    let shown =
        |server: &Server| server.requests().iter().filter_map(|request| request.header("authorization")).count();
    assert_eq!([&mirror, &registry, &origin].map(shown), [0, 1, 0]);
}
