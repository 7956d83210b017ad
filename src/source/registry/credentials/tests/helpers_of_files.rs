use super::*;

const NOT_FOUND: &str = "echo 'credentials not found in native keychain'; exit 1";

fn says(user: &str, secret: &str) -> String {
    format!(r#"echo '{{"ServerURL":"x","Username":"{user}","Secret":"{secret}"}}'"#)
}

/// What is found, and what the user is told.
fn found(home: &Home, keyring: &Keyring, host: &str) -> ((String, String), Vec<String>) {
    let mut warnings = Vec::new();
    let found = keyring.find(host, "a/b", &mut |warning| warnings.push(home.short(&warning))).unwrap();
    (home.shown(&found), warnings)
}

#[test]
fn a_registrys_own_helper_comes_before_the_common_one_and_the_entries() {
    let text = format!(
        r#"{{"auths":{{"r.io":{0},"q.io":{0},"p.io":{0}}},"credHelpers":{{"r.io":"own","p.io":""}},"credsStore":"all"}}"#,
        auth("file:1")
    );
    let home = Home::new().with("config.json", &text).helper("own", &says("own", "2")).helper("all", &says("all", "3"));
    assert_eq!(home.find("r.io", "a"), pair("own:2", "docker-credential-own (of config.json)"));
    assert_eq!(home.find("q.io", "a"), pair("all:3", "docker-credential-all (of config.json)"));
    // The empty name is the file itself.
    assert_eq!(home.find("p.io", "a"), pair("file:1", "config.json"));
    assert_eq!(home.asked(), ["get r.io", "get q.io"]);
}

#[test]
fn docker_hub_is_asked_for_by_the_name_that_was_written() {
    let script = format!("[ \"$input\" = https://index.docker.io/v1/ ] || {{ {NOT_FOUND}; }}\n{}", says("hub", "1"));
    let docker = Home::new().with("config.json", r#"{"credsStore":"s"}"#).helper("s", &script);
    assert_eq!(docker.find("docker.io", "x").0, "hub:1");
    assert_eq!(docker.asked(), ["get https://index.docker.io/v1/"]);
    for key in ["docker.io", "https://index.docker.io/v1/", "index.docker.io"] {
        let text = format!(r#"{{"credHelpers":{{"{key}":"s"}}}}"#);
        let podman = Home::new().with("auth.json", &text).helper("s", &script);
        assert_eq!(podman.find("docker.io", "x").0, "hub:1");
        assert_eq!(podman.asked(), ["get docker.io", "get https://index.docker.io/v1/"]);
    }
}

#[test]
fn a_token_is_no_password() {
    let home = Home::new().with("config.json", r#"{"credsStore":"s"}"#).helper("s", &says("<token>", "tok"));
    assert_eq!(home.find("r.io", "a").0, "identity tok");
}

#[test]
fn a_helper_without_credentials_is_passed_over_in_silence() {
    for script in [NOT_FOUND, "echo 'credentials not found in native keychain' >&2; exit 1", &says("", "")] {
        let home = Home::new()
            .with("auth.json", r#"{"auths":{"r.io":{}},"credsStore":"s"}"#)
            .with("config.json", &auths(&[("r.io", "me:pass")]))
            .helper("s", script);
        assert_eq!(home.find("r.io", "a"), pair("me:pass", "config.json"));
        assert_eq!(home.find("q.io", "a"), pair("nobody", "none"));
    }
}

#[test]
fn a_missing_helper_is_said_once() {
    let home = Home::new()
        .with("auth.json", r#"{"credsStore":"gone","credHelpers":{"p.io":"lost"}}"#)
        .with("config.json", &auths(&[("r.io", "me:pass")]));
    let keyring = home.keyring();
    let gone = "credential helper docker-credential-gone (of auth.json): not installed; going on without it";
    assert_eq!(found(&home, &keyring, "r.io"), (pair("me:pass", "config.json"), vec![gone.to_owned()]));
    assert_eq!(found(&home, &keyring, "r.io"), (pair("me:pass", "config.json"), vec![]));
    assert_eq!(found(&home, &keyring, "docker.io"), (pair("nobody", "none"), vec![]));
    assert!(found(&home, &keyring, "p.io").1[0].contains("docker-credential-lost"));
}

#[test]
fn other_failures_are_told_and_leave_the_user_anonymous() {
    for (script, why) in [
        ("echo 'the vault is locked'; echo more; exit 2", "the vault is locked"),
        ("echo; echo 'no \x1b[31magent' >&2; exit 1", "no \\x1b[31magent"),
        ("exit 3", "exit status: 3"),
        ("kill -9 $$", "signal: 9 (SIGKILL)"),
        ("echo nonsense", "its answer is not what such helpers say"),
        ("echo '{\"Username\":1,\"Secret\":\"swordfish\"}'", "its answer is not what such helpers say"),
        ("echo '{\"Secret\":\"swordfish\"}'; exit 1", "exit status: 1"),
    ] {
        let home = Home::new().with("config.json", r#"{"credsStore":"s"}"#).helper("s", script);
        let keyring = home.keyring();
        let (credentials, warnings) = found(&home, &keyring, "r.io");
        assert_eq!(credentials, pair("nobody", "none"));
        let words = format!("credential helper docker-credential-s (of config.json): {why}; going on without it");
        assert_eq!(warnings, [words]);
        assert_eq!(found(&home, &keyring, "r.io").1, Vec::<String>::new());
        assert_eq!(home.asked().len(), 1);
    }
}

#[test]
fn a_name_with_a_path_is_never_run() {
    for name in ["../evil", "/bin/sh", "a b", "x\\u0000y", "\\n"] {
        let home = Home::new().with("config.json", &format!(r#"{{"credsStore":"{name}"}}"#));
        fs::create_dir_all(home.path("bin/docker-credential-..")).unwrap();
        let home = home.helper("evil", &says("evil", "1"));
        let (credentials, warnings) = found(&home, &home.keyring(), "r.io");
        assert_eq!(credentials.0, "nobody");
        assert!(warnings[0].contains("not the name of a helper") && !warnings[0].contains('\n'), "{warnings:?}");
        assert!(home.asked().is_empty());
    }
}

#[test]
fn a_helper_that_hangs_is_ended() {
    let home = Home::new().with("config.json", r#"{"credsStore":"s"}"#).helper("s", "exec sleep 600");
    let programs = Programs::of(home.path("bin"), Duration::from_millis(500));
    let keyring = Keyring { programs, ..home.keyring() };
    let (credentials, warnings) = found(&home, &keyring, "r.io");
    assert_eq!(credentials.0, "nobody");
    assert!(warnings[0].contains("no answer within 0.5 seconds"), "{warnings:?}");
}

#[test]
fn nobody_waits_for_a_helper_after_an_interruption() {
    let home = Home::new().with("config.json", r#"{"credsStore":"s"}"#).helper("s", "exec sleep 600");
    let cancel = crate::cancel::Cancel::new();
    let keyring = home.keyring().cancelled_by(cancel.clone());
    let signal = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        cancel.raise(2);
    });
    let start = std::time::Instant::now();
    let (credentials, warnings) = found(&home, &keyring, "r.io");
    assert_eq!((credentials.0.as_str(), warnings.len()), ("nobody", 0));
    assert!(start.elapsed() < Duration::from_secs(10));
    signal.join().unwrap();
}

#[test]
fn much_output_and_no_interest_in_input_do_no_harm() {
    let script = "head -c 4000000 /dev/zero; echo late >&2; exit 1";
    let home = Home::new().with("config.json", r#"{"credsStore":"s"}"#).helper("s", script);
    let (credentials, warnings) = found(&home, &home.keyring(), "r.io");
    assert_eq!((credentials.0.as_str(), warnings.len()), ("nobody", 1));
    assert!(warnings[0].len() < 400);
}

#[test]
fn a_helper_is_asked_once_for_each_registry() {
    let home = Home::new().with("config.json", r#"{"credsStore":"s"}"#).helper("s", &says("me", "pass"));
    let keyring = home.keyring();
    for host in ["r.io", "r.io", "q.io", "r.io"] {
        assert_eq!(found(&home, &keyring, host).0.0, "me:pass");
    }
    assert_eq!(home.asked(), ["get r.io", "get q.io"]);
}
