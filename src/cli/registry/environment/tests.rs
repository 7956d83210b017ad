use std::collections::HashMap;
use std::time::Duration;

use super::super::super::failure::text;
use super::*;

/// The environment of these variables, in which only these files exist.
fn with<T>(variables: &[(&str, &str)], existing: &[&str], uid: u32, run: impl FnOnce(&Environment<'_>) -> T) -> T {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    run(&Environment {
        variable: &|name| variables.get(name).map(OsString::from),
        exists: &|path| existing.iter().any(|own| Path::new(own) == path),
        uid,
        home: Some("/passwd".into()),
    })
}

fn auth(variables: &[(&str, &str)], uid: u32, flag: Option<&str>) -> Vec<(String, AuthFileKind, bool)> {
    let files = with(variables, &[], uid, |environment| auth_files(flag.map(PathBuf::from), environment));
    files.into_iter().map(|file| (file.path.display().to_string(), file.kind, file.required)).collect()
}

#[test]
fn credentials_are_looked_for_in_the_order_of_containers_auth_json() {
    use AuthFileKind::{Containers, Docker, Dockercfg};
    let of = |path: &str, kind, required| (path.to_owned(), kind, required);
    assert_eq!(
        auth(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/run/user/7")], 7, None),
        [
            of("/run/user/7/containers/auth.json", Containers, false),
            of("/h/.config/containers/auth.json", Containers, false),
            of("/h/.docker/config.json", Docker, false),
            of("/h/.dockercfg", Dockercfg, false),
        ]
    );
    assert_eq!(
        auth(&[("HOME", ""), ("XDG_CONFIG_HOME", "/x"), ("DOCKER_CONFIG", "/d")], 0, None),
        [
            of("/run/containers/0/auth.json", Containers, false),
            of("/x/containers/auth.json", Containers, false),
            of("/d/config.json", Docker, false),
            of("/passwd/.dockercfg", Dockercfg, false),
        ]
    );
}

#[test]
fn a_named_file_is_the_only_one_of_its_kind_and_has_to_exist() {
    use AuthFileKind::{Containers, Docker, Dockercfg};
    let named = |path: &str| {
        [
            (path.to_owned(), Containers, true),
            ("/h/.docker/config.json".to_owned(), Docker, false),
            ("/h/.dockercfg".to_owned(), Dockercfg, false),
        ]
    };
    let variables = [("HOME", "/h"), ("REGISTRY_AUTH_FILE", "/v"), ("XDG_RUNTIME_DIR", "/r")];
    assert_eq!(auth(&variables, 1, Some("/f")), named("/f"));
    assert_eq!(auth(&variables, 1, None), named("/v"));
}

#[test]
fn registries_conf_is_the_users_if_there_is_one() {
    let conf = |variables: &[(&str, &str)], existing: &[&str]| {
        let (file, dirs) = with(variables, existing, 0, configuration);
        let mut all = vec![file.display().to_string()];
        all.extend(dirs.iter().map(|dir| dir.display().to_string()));
        all
    };
    let own = "/h/.config/containers/registries.conf";
    let dirs = ["/etc/containers/registries.conf.d", "/h/.config/containers/registries.conf.d"];
    assert_eq!(conf(&[("HOME", "/h")], &[]), ["/etc/containers/registries.conf", dirs[0], dirs[1]]);
    assert_eq!(conf(&[("HOME", "/h")], &[own]), [own, dirs[0], dirs[1]]);
    assert_eq!(conf(&[("HOME", "/h"), ("CONTAINERS_REGISTRIES_CONF", "/c")], &[own]), ["/c"]);
}

#[test]
fn certificates_of_the_user_come_first() {
    let dirs = with(&[("HOME", "/h")], &[], 0, certs_d);
    let expected = ["/h/.config/containers/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d"];
    assert_eq!(dirs, expected.map(PathBuf::from));
}

#[test]
fn proxies_have_two_spellings_and_the_small_one_wins() {
    let variables = [
        ("http_proxy", "http://small"),
        ("HTTP_PROXY", "http://large"),
        ("https_proxy", ""),
        ("HTTPS_PROXY", "http://tls"),
        ("NO_PROXY", "localhost,.example.com"),
    ];
    let found = with(&variables, &[], 0, |environment| options(&Connection::default(), environment)).proxies;
    assert_eq!(found.http.as_deref(), Some("http://small"));
    assert_eq!(found.https.as_deref(), Some("http://tls"));
    assert_eq!(found.all, None);
    assert_eq!(found.exempt.as_deref(), Some("localhost,.example.com"));
}

#[test]
fn flags_are_passed_on_and_what_is_not_said_is_the_default() {
    let plain = with(&[], &[], 0, |environment| options(&Connection::default(), environment));
    assert_eq!((plain.tls, plain.retry), (Tls::AsConfigured, Retry::default()));
    let flags = Connection {
        tls_verify: Some(false),
        retry: Some(0),
        retry_delay: Some(Duration::from_millis(5)),
        cert_dir: Some("/c".into()),
        ..Connection::default()
    };
    let changed = with(&[], &[], 0, |environment| options(&flags, environment));
    assert_eq!(changed.tls, Tls::Unverified);
    assert_eq!((changed.retry.times, changed.retry.delay), (0, Duration::from_millis(5)));
    assert_eq!(changed.cert_dir.as_deref(), Some(Path::new("/c")));
}

#[test]
fn s19_the_flag_decides_the_platform_then_the_environment() {
    let amd64: Platform = "linux/amd64".parse().unwrap();
    let chosen = |variables: &[(&str, &str)], flag| with(variables, &[], 0, |environment| platform(flag, environment));
    assert_eq!(chosen(&[], None).unwrap(), None);
    assert_eq!(chosen(&[("DOCKER_DEFAULT_PLATFORM", "")], None).unwrap(), None);
    let arm = [("DOCKER_DEFAULT_PLATFORM", "linux/arm64")];
    assert_eq!(chosen(&arm, None).unwrap(), "linux/arm64".parse().ok());
    assert_eq!(chosen(&arm, Some(&amd64)).unwrap(), Some(amd64.clone()));
    let bad = chosen(&[("DOCKER_DEFAULT_PLATFORM", "a/b/c/d")], None).unwrap_err();
    assert_eq!(bad.exit_code(), 125);
    let Failure::Errors(errors) = &bad else { panic!("{bad:?}") };
    assert!(text(&errors[0].error).starts_with("DOCKER_DEFAULT_PLATFORM: "), "{bad:?}");
    // A bad variable is nobody's concern where the flag decides.
    assert!(chosen(&[("DOCKER_DEFAULT_PLATFORM", "a/b/c/d")], Some(&amd64)).is_ok());
}
