use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;

/// A helper that keeps logins in files of its own.
const VAULT: &str = r#"
vault=$(dirname "$0")/vault; mkdir -p "$vault"
key() { printf %s "$1" | tr -c 'a-z0-9.\n' _; }
case $1 in
store) server=$(printf %s "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/'); printf %s "$input" > "$vault/$(key "$server")" ;;
get) cat "$vault/$(key "$input")" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm "$vault/$(key "$input")" ;;
esac"#;

impl Home {
    fn keep(&self, host: &str, login: &str) -> Result<Kept> {
        let (user, password) = login.split_once('/').unwrap();
        self.keyring().keep(host, user, &Secret::new(password))
    }

    fn forget(&self, host: &str) -> bool {
        self.keyring().forget(host).unwrap()
    }
}

#[test]
fn a_first_login_makes_dockers_file() {
    let home = Home::new().without("auth.json").without("config.json").without(".dockercfg");
    assert_eq!(home.keep("quay.io", "me/p:w").unwrap(), Kept::File(home.path("config.json")));
    assert_eq!(home.keep("docker.io", "me/hub").unwrap(), Kept::File(home.path("config.json")));
    assert!(!home.path("auth.json").exists() && !home.path(".dockercfg").exists());
    assert_eq!(fs::metadata(home.path("config.json")).unwrap().permissions().mode() & 0o777, 0o600);
    let expected = json!({"auths": {
        "quay.io": {"auth": "bWU6cDp3"},
        "https://index.docker.io/v1/": {"auth": "bWU6aHVi"},
    }});
    assert_eq!(json(&home.path("config.json")), expected);
    assert_eq!(home.find("quay.io", "a"), pair("me:p:w", "config.json"));
    assert_eq!(home.find("docker.io", "a"), pair("me:hub", "config.json"));
}

#[test]
fn a_file_that_the_user_named_is_written_and_no_other() {
    let home = Home::new().with("config.json", &auths(&[("docker.io", "old:1")])).named("auth.json");
    assert_eq!(home.keep("docker.io", "me/hub").unwrap(), Kept::File(home.path("auth.json")));
    assert_eq!(json(&home.path("auth.json")), json!({"auths": {"docker.io": {"auth": "bWU6aHVi"}}}));
    assert_eq!(home.read("config.json"), auths(&[("docker.io", "old:1")]));
}

#[test]
fn the_first_file_that_knows_the_registry_is_written() {
    let home = Home::new()
        .with("auth.json", &auths(&[("other.io", "o:1"), ("r.io/team", "t:2"), ("index.docker.io", "h:3")]))
        .with("more.json", &auths(&[("https://r.io", "old:4")]))
        .with("config.json", r#"{"auths":{"r.io":{"auth":"b2xkOjU="}}}"#)
        .with(".dockercfg", &format!(r#"{{"old.io":{}}}"#, auth("old:6")));
    assert_eq!(home.keep("r.io", "me/pw").unwrap(), Kept::File(home.path("more.json")));
    // The old form of the key would come back to life after the next logout.
    assert_eq!(json(&home.path("more.json")), json!({"auths": {"r.io": {"auth": "bWU6cHc="}}}));
    assert_eq!(home.keep("docker.io", "me/pw").unwrap(), Kept::File(home.path("auth.json")));
    let keys = json(&home.path("auth.json"))["auths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys, ["other.io", "r.io/team", "docker.io"]);
    assert_eq!(home.keep("old.io", "me/pw").unwrap(), Kept::File(home.path(".dockercfg")));
    assert_eq!(json(&home.path(".dockercfg")), json!({"old.io": {"auth": "bWU6cHc="}}));
    assert_eq!(home.keep("new.io", "me/pw").unwrap(), Kept::File(home.path("config.json")));
}

#[test]
fn what_is_not_ours_stays() {
    let before = json!({
        "auths": {
            "r.io": {"auth": "b2xkOjE=", "email": "me@r.io", "identitytoken": "old", "username": "old"},
            "q.io": {"auth": "cTox", "later": [1, {"x": null}]},
        },
        "HttpHeaders": {"User-Agent": "x"}, "psFormat": "a\tb", "big": u64::MAX, "credHelpers": {"gcr.io": "gcloud"},
    });
    let home = Home::new().with("config.json", &before.to_string());
    home.keep("r.io", "me/pw").unwrap();
    let mut after = before.clone();
    after["auths"]["r.io"] = json!({"auth": "bWU6cHc=", "email": "me@r.io"});
    assert_eq!(json(&home.path("config.json")), after);
    assert!(home.forget("r.io"));
    after["auths"].as_object_mut().unwrap().remove("r.io");
    assert_eq!(json(&home.path("config.json")), after);
    assert!(home.read("config.json").starts_with("{\n\t\""));
}

#[test]
fn a_file_that_makes_no_sense_is_not_replaced() {
    for text in ["{\"auths\":", "[]", r#"{"auths":[]}"#] {
        let home = Home::new().with("config.json", text);
        assert!(home.keep("r.io", "me/pw").is_err());
        assert!(home.keyring().forget("r.io").is_err());
        assert_eq!(home.read("config.json"), text);
    }
    let home = Home::new().without("config.json");
    let error = home.keep("r.io", "m:e/pw").unwrap_err();
    assert_eq!(home.short(&error.to_string()), "config.json cannot keep a user name with a colon");
    assert!(!home.path("config.json").exists());
    assert_eq!(Home::new().keep("r.io", "me/pw").unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn a_helper_keeps_what_its_file_does_not() {
    let text = format!(r#"{{"auths":{{"r.io":{}}},"credsStore":"vault"}}"#, auth("old:1"));
    let home = Home::new().with("config.json", &text).helper("vault", VAULT);
    assert_eq!(home.keep("r.io", "m\"e/swordfish").unwrap(), Kept::Helper("docker-credential-vault".into()));
    assert_eq!(home.keep("docker.io", "me/hub").unwrap(), Kept::Helper("docker-credential-vault".into()));
    let expected = json!({"auths": {"r.io": {}, "https://index.docker.io/v1/": {}}, "credsStore": "vault"});
    assert_eq!(json(&home.path("config.json")), expected);
    let source = "docker-credential-vault (of config.json)";
    assert_eq!(home.find("r.io", "a"), pair("m\"e:swordfish", source));
    assert_eq!(home.find("docker.io", "a"), pair("me:hub", source));
    let stored = r#"store {"ServerURL":"https://index.docker.io/v1/","Username":"me","Secret":"hub"}"#;
    assert!(home.asked().contains(&stored.to_owned()));

    assert!(home.forget("docker.io"));
    assert!(home.forget("r.io"));
    assert_eq!(json(&home.path("config.json")), json!({"auths": {}, "credsStore": "vault"}));
    assert_eq!(home.find("r.io", "a"), pair("nobody", "none"));
    assert!(!home.forget("r.io"));
}

#[test]
fn answers_of_helpers_do_not_outlive_a_login() {
    let home = Home::new().with("config.json", r#"{"credsStore":"vault"}"#).helper("vault", VAULT);
    let keyring = home.keyring();
    let find = || home.shown(&keyring.find("r.io", "a", &mut |_| ()).unwrap()).0;
    assert_eq!(find(), "nobody");
    keyring.keep("r.io", "me", &Secret::new("pw")).unwrap();
    assert_eq!(find(), "me:pw");
    assert!(keyring.forget("r.io").unwrap());
    assert_eq!(find(), "nobody");
}

#[test]
fn a_password_meant_for_a_helper_never_goes_to_the_file() {
    for (script, why) in [(None, "not installed"), (Some("echo 'vault is full'; exit 1"), "vault is full")] {
        let mut home = Home::new().with("config.json", r#"{"credHelpers":{"r.io":"vault"},"credsStore":""}"#);
        if let Some(script) = script {
            home = home.helper("vault", script);
        }
        let before = home.read("config.json");
        let error = home.keep("r.io", "me/swordfish").unwrap_err();
        let expected = format!("credential helper docker-credential-vault (of config.json): {why}");
        assert_eq!(home.short(&error.to_string()), expected);
        assert_eq!(home.read("config.json"), before);
    }
}

#[test]
fn a_registry_is_forgotten_in_all_files_but_its_repositories_are_not() {
    let home = Home::new()
        .with("auth.json", &auths(&[("docker.io", "h:1"), ("docker.io/me", "m:2"), ("q.io", "q:3")]))
        .with("config.json", &auths(&[("https://index.docker.io/v1/", "h:4"), ("index.docker.io", "h:5")]))
        .with(".dockercfg", &format!(r#"{{"https://index.docker.io/v1/":{}}}"#, auth("h:6")))
        .without("none.json");
    assert!(home.forget("docker.io"));
    assert_eq!(home.find("docker.io", "library/x"), pair("nobody", "none"));
    assert_eq!(home.find("docker.io", "me/x"), pair("m:2", "auth.json"));
    assert_eq!(home.find("q.io", "x").0, "q:3");
    assert_eq!(json(&home.path(".dockercfg")), json!({}));
    let before = home.read("auth.json");
    assert!(!home.forget("docker.io"));
    assert_eq!(home.read("auth.json"), before);
    assert!(!home.path("none.json").exists());
}

#[test]
fn one_bad_place_does_not_keep_the_others() {
    let home = Home::new()
        .with("auth.json", r#"{"credHelpers":{"r.io":"gone"}}"#)
        .with("config.json", &auths(&[("r.io", "me:pw")]));
    let error = home.keyring().forget("r.io").unwrap_err();
    let expected = "credential helper docker-credential-gone (of auth.json): not installed";
    assert_eq!(home.short(&error.to_string()), expected);
    assert_eq!(json(&home.path("config.json")), json!({"auths": {}}));
    // A common helper that was never installed has nothing of a registry of which there is no trace.
    let home = Home::new().with("config.json", r#"{"credsStore":"gone"}"#);
    assert!(!home.forget("r.io"));
}

#[test]
fn what_is_forgotten_is_forgotten_in_the_file_that_the_user_named() {
    let home = Home::new().with("config.json", &auths(&[("r.io", "old:1")])).named("auth.json");
    assert!(!home.forget("r.io"));
    home.keep("r.io", "me/pw").unwrap();
    assert!(home.forget("r.io"));
    assert_eq!(home.read("config.json"), auths(&[("r.io", "old:1")]));
}
