use super::*;

#[test]
fn the_flag_wins_and_no_file_is_read() {
    let mut home = Home::new().with("auth.json", "nonsense").required("none.json");
    home.explicit = Some(("me".into(), Secret::new("mine")));
    assert_eq!(home.find("quay.io", "a/b"), pair("me:mine", "--creds"));
}

#[test]
fn files_are_asked_in_their_order() {
    let quay = |login: &str| auths(&[("quay.io", login)]);
    let home = Home::new()
        .without("run.json")
        .with("auth.json", &auths(&[("other.io", "o:o")]))
        .with("config.json", &quay("docker:1"))
        .with(".dockercfg", &format!(r#"{{"quay.io":{},"old.io":{}}}"#, auth("cfg:2"), auth("old:3")));
    assert_eq!(home.find("quay.io", "a"), pair("docker:1", "config.json"));
    assert_eq!(home.find("old.io", "a"), pair("old:3", ".dockercfg"));
    assert_eq!(home.find("none.io", "a"), pair("nobody", "none"));
    let home = home.with("late.json", &quay("late:4"));
    assert_eq!(home.find("quay.io", "a"), pair("docker:1", "config.json"));
}

#[test]
fn the_most_specific_path_counts() {
    let home = Home::new().with(
        "auth.json",
        &auths(&[
            ("r.local/ns/user/image", "image:1"),
            ("r.local/ns", "ns:2"),
            ("r.local", "host:3"),
            ("docker.io/library", "official:4"),
            ("docker.io", "hub:5"),
        ]),
    );
    for (host, repository, login) in [
        ("r.local", "ns/user/image", "image:1"),
        ("r.local", "ns/user/images", "ns:2"),
        ("r.local", "ns/user", "ns:2"),
        ("r.local", "nsx/user", "host:3"),
        ("r.local", "", "host:3"),
        ("r.local:5000", "ns/user/image", "nobody"),
        ("docker.io", "library/busybox", "official:4"),
        ("docker.io", "me/busybox", "hub:5"),
    ] {
        assert_eq!(home.find(host, repository).0, login, "{host} {repository}");
    }
}

#[test]
fn keys_never_stand_for_another_host() {
    let home = Home::new().with(
        "config.json",
        &auths(&[
            ("quay.io", "a:a"),
            ("https://index.docker.io/v1/", "h:h"),
            ("https://r.io/quay.io", "r:r"),
            ("", "e:e"),
        ]),
    );
    for host in ["evil.quay.io", "quay.io.evil.io", "quay.io:443", "quay.i", "Quay.io", "io", "docker.io.evil.io"] {
        assert_eq!(home.find(host, "quay.io/a"), pair("nobody", "none"), "{host}");
    }
}

#[test]
fn docker_hub_is_found_under_all_its_names() {
    for key in [
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "https://index.docker.io/v1/",
        "https://index.docker.io/v1",
        "https://registry-1.docker.io/v2/",
        "http://docker.io",
    ] {
        for file in ["auth.json", "config.json"] {
            let home = Home::new().with(file, &auths(&[(key, "hub:1"), ("quay.io", "q:2")]));
            assert_eq!(home.find("docker.io", "library/x"), pair("hub:1", file), "{key}");
            assert_eq!(home.find("registry-1.docker.io", "library/x"), pair("hub:1", file), "{key}");
        }
    }
    // With several of them, the one that the owner of the file writes.
    let both = auths(&[("docker.io", "podman:1"), ("https://index.docker.io/v1/", "docker:2")]);
    assert_eq!(Home::new().with("auth.json", &both).find("docker.io", "x").0, "podman:1");
    assert_eq!(Home::new().with("config.json", &both).find("docker.io", "x").0, "docker:2");
}

#[test]
fn older_forms_of_a_key_count_after_the_plain_one() {
    let old = Home::new().with("config.json", &auths(&[("https://r.io/v1/", "old:1"), ("r.io/v2/", "older:2")]));
    assert_eq!(old.find("r.io", "a/b").0, "old:1");
    let both = Home::new().with("config.json", &auths(&[("https://r.io", "old:1"), ("r.io", "new:2")]));
    assert_eq!(both.find("r.io", "a/b").0, "new:2");
}

#[test]
fn an_entry_may_have_several_forms() {
    for (entry, credentials) in [
        (auth("me:pass:word:"), "me:pass:word:"),
        (auth("me:padded\0\0\0"), "me:padded"),
        (auth("me:"), "me:"),
        (r#"{"auth":"bWU6cGFzcw"}"#.to_owned(), "me:pass"),
        (r#"{"auth":"bWU6\ncGFzcw==\n"}"#.to_owned(), "me:pass"),
        (r#"{"username":"me","password":"plain"}"#.to_owned(), "me:plain"),
        (r#"{"username":"x","password":"y","auth":"bWU6cGFzcw=="}"#.to_owned(), "me:pass"),
        (r#"{"auth":"bWU6","identitytoken":"tok"}"#.to_owned(), "identity tok"),
        (r#"{"identitytoken":"tok","registrytoken":"reg"}"#.to_owned(), "registry reg"),
    ] {
        let home = Home::new().with("auth.json", &format!(r#"{{"auths":{{"r.io":{entry}}}}}"#));
        assert_eq!(home.find("r.io", "a"), pair(credentials, "auth.json"), "{entry}");
    }
}

#[test]
fn empty_entries_and_files_have_nothing() {
    for empty in [
        "",
        " \n",
        "{}",
        r#"{"auths":{}}"#,
        r#"{"auths":null,"credHelpers":null,"credsStore":null}"#,
        r#"{"auths":{"r.io":{},"r.io/a":{"auth":""},"https://r.io":null}}"#,
        r#"{"auths":{"r.io":{"username":"me","email":"me@r.io"}},"credsStore":"","HttpHeaders":{"a":[1]}}"#,
    ] {
        let home = Home::new().with("auth.json", empty).with("config.json", &auths(&[("r.io", "me:pass")]));
        assert_eq!(home.find("r.io", "a/b"), pair("me:pass", "config.json"), "{empty}");
    }
    let home = Home::new().with("auth.json", &format!(r#"{{"auths":{{"r.io/a":{{}},"r.io":{}}}}}"#, auth("me:pass")));
    assert_eq!(home.find("r.io", "a/b").0, "me:pass");
}

#[test]
fn a_file_that_the_user_named_has_to_exist() {
    let home = Home::new().required("auth.json").with("config.json", &auths(&[("r.io", "me:pass")]));
    assert_eq!(home.error("r.io"), "the file of credentials auth.json does not exist");
}

#[test]
fn errors_name_file_and_key_but_no_content() {
    let place = "bad JSON (line 1, column";
    for (text, message) in [
        (r#"{"auths":{"r.io":{"auth":"swordfish!"}}}"#, "entry `r.io`: auth is not the base64 form of a user"),
        (r#"{"auths":{"r.io":{"auth":"c3dvcmRmaXNo"}}}"#, "entry `r.io`: auth is not the base64 form of a user"),
        (r#"{"auths":{"r.io":{"auth":"/////w=="}}}"#, "entry `r.io`: auth is not the base64 form of a user"),
        (r#"{"auths":{"https://r.io":"swordfish"}}"#, "entry `https://r.io`: not an object"),
        (r#"{"auths":{"r.io":{"password":["swordfish"]}}}"#, "entry `r.io`: password is not a string"),
        (r#"{"auths":"swordfish"}"#, "auths is not an object"),
        (r#"{"credHelpers":["swordfish"]}"#, "credHelpers is not an object"),
        (r#"{"credHelpers":{"r.io":1}}"#, "credHelpers: the name of a helper is not a string"),
        (r#"{"credsStore":{"swordfish":1}}"#, "credsStore: the name of a helper is not a string"),
        (r#""swordfish""#, "not a JSON object"),
        (r#"{"swordfish"#, place),
        (r#"{"a":swordfish}"#, place),
        ("auth = swordfish", place),
    ] {
        let error = Home::new().with("auth.json", text).error("r.io");
        assert!(error.starts_with(&format!("auth.json: {message}")), "{error}");
        assert!(!error.contains("swordfish") && !error.contains("c3dv"), "{error}");
        // A broken entry is nobody else's concern.
        let other = Home::new().with("auth.json", text).keyring().find("q.io", "a", &mut |_| ());
        let of_one = message.starts_with("entry") || text.contains(r#"{"r.io":1"#);
        assert_eq!(other.is_ok(), of_one, "{text}");
    }
    let home = Home::new().with("auth.json", "");
    let kind = AuthFileKind::Containers;
    let directory = AuthFile { path: home.path("bin"), kind, required: false };
    let error = Keyring::new(None, vec![directory]).find("r.io", "a", &mut |_| ()).unwrap_err();
    assert_eq!(home.short(&error.to_string()), "read bin");
}

#[test]
fn no_secret_is_printed_by_accident() {
    let home = Home::new().with("auth.json", &auths(&[("r.io", "me:swordfish")]));
    let mut keyring = home.keyring();
    keyring.explicit = Some(("me".into(), Secret::new("swordfish")));
    assert!(!format!("{:?}", keyring.find("r.io", "a", &mut |_| ()).unwrap()).contains("swordfish"));
    assert!(!format!("{keyring:?}").contains("swordfish"));
}

#[test]
fn an_address_names_its_registry() {
    for (text, registry) in [
        ("quay.io", "quay.io"),
        ("https://quay.io:5000/v2/", "quay.io:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("localhost:5000/", "localhost:5000"),
    ] {
        assert_eq!(registry_named(text), registry);
    }
}
