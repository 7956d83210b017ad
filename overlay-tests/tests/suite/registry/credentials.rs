//! Passwords: where they come from, in which order, and where they never go. A registry with `htpasswd`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use overlay_tests::cases;
use overlay_tests::harness::{Case, Context, Output};
use overlay_tests::registry::{Bed, PROXY, Proxy, Registry, TOKENS, TokenServer, USER, basic};
use serde_json::{Value, json};

use super::{said, saying};

pub fn cases() -> Vec<Case> {
    cases![
        credentials_are_wanted;
        credentials_by_flag;
        credentials_of_every_file;
        credentials_in_order;
        credentials_of_the_most_specific_path;
        credentials_of_docker_keys;
        credentials_of_helpers;
        credentials_of_the_store;
        a_missing_helper_warns;
        a_helper_that_knows_nothing;
        login_and_logout;
        login_with_a_wrong_password;
        login_with_a_helper;
        secrets_are_not_shown
    ]
}

fn creds() -> String {
    format!("{}:{}", USER.0, USER.1)
}

/// The entry of a file for a user and a password.
fn entry(user: &str, password: &str) -> Value {
    json!({"auth": basic(user, password)["Basic ".len()..]})
}

fn right() -> Value {
    entry(USER.0, USER.1)
}

fn wrong() -> Value {
    entry(USER.0, "wrong")
}

fn auths(key: &str, entry: &Value) -> String {
    json!({"auths": {key: entry}}).to_string()
}

fn pull(bed: &Bed<'_>) -> Output {
    bed.rootlay(["pull", &format!("{PROXY}/team/app:1")])
}

fn with_app(context: &Context) -> (Bed<'_>, Registry, Proxy) {
    let (bed, registry, proxy) = Bed::htpasswd(context);
    registry.publish(&saying("secret"), "team/app:1");
    (bed, registry, proxy)
}

fn credentials_are_wanted(context: &Context) {
    let (bed, _registry, proxy) = with_app(context);
    bed.refuses(["pull", &proxy.name("team/app:1")], 11, &[PROXY]);
    assert!(proxy.blob_requests("").is_empty());
}

fn credentials_by_flag(context: &Context) {
    let (bed, _registry, proxy) = with_app(context);
    let name = proxy.name("team/app:1");
    bed.rootlay(["pull", "--creds", &creds(), &name]).ok();
    assert_eq!(said(context, &name), "secret");
    let output = bed.refuses(["pull", "--creds", "ann:wrong", &name], 11, &[PROXY]);
    assert!(!output.stderr.contains("wrong"), "{}", output.stderr);
    // Nothing that cannot pass is tried for long.
    proxy.take_records();
    let _ = bed.rootlay(["pull", "--creds", "ann:wrong", &name]).exits(11);
    assert!(proxy.records().len() < 8, "{:?}", proxy.records());
    // They win over files.
    bed.write_home(".docker/config.json", auths(PROXY, &wrong()));
    bed.rootlay(["pull", "--creds", &creds(), &name]).ok();
}

fn credentials_of_every_file(context: &Context) {
    let (bed, _registry, _proxy) = with_app(context);
    for path in ["run/containers/auth.json", ".config/containers/auth.json", ".docker/config.json"] {
        let file = bed.write_home(path, auths(PROXY, &right()));
        pull(&bed).ok();
        fs::remove_file(file).unwrap();
        let _ = pull(&bed).exits(11);
    }
    let file = bed.write_home(".dockercfg", json!({PROXY: right()}).to_string());
    pull(&bed).ok();
    fs::remove_file(file).unwrap();
    let file = bed.write_home("elsewhere.json", auths(PROXY, &right()));
    bed.rootlay(["pull", "--authfile", file.to_str().unwrap(), &format!("{PROXY}/team/app:1")]).ok();
    for (variable, value) in [
        ("REGISTRY_AUTH_FILE", file.clone()),
        ("XDG_CONFIG_HOME", bed.home().join("xdg")),
        ("DOCKER_CONFIG", bed.home().join("docker")),
    ] {
        bed.write_home("xdg/containers/auth.json", auths(PROXY, &right()));
        bed.write_home("docker/config.json", auths(PROXY, &right()));
        let mut command = bed.command(["pull", &format!("{PROXY}/team/app:1")]);
        bed.output(command.env(variable, value)).ok();
    }
    // A file that was named has to be there.
    let output = bed.rootlay(["pull", "--authfile", "/no/such/file", &format!("{PROXY}/team/app:1")]);
    assert_ne!(output.code, 0);
    assert!(output.one_line().contains("/no/such/file"), "{}", output.stderr);
}

fn credentials_in_order(context: &Context) {
    let (bed, _registry, _proxy) = with_app(context);
    let files = ["run/containers/auth.json", ".config/containers/auth.json", ".docker/config.json"];
    for (n, first) in files.iter().enumerate() {
        bed.write_home(first, auths(PROXY, &right()));
        for later in &files[n + 1..] {
            bed.write_home(later, auths(PROXY, &wrong()));
        }
        pull(&bed).ok();
        // A file that knows other hosts only is passed over.
        bed.write_home(first, auths("other.example", &wrong()));
    }
    bed.write_home(".docker/config.json", "{ not JSON");
    let output = pull(&bed);
    assert!(output.stderr.contains("config.json"), "{}", output.stderr);
}

fn credentials_of_the_most_specific_path(context: &Context) {
    let (bed, registry, proxy) = with_app(context);
    registry.publish(&saying("x"), "other:1");
    let keys =
        json!({"auths": {PROXY: wrong(), format!("{PROXY}/team"): wrong(), format!("{PROXY}/team/app"): right()}});
    bed.write_home("run/containers/auth.json", keys.to_string());
    pull(&bed).ok();
    let _ = bed.rootlay(["pull", &proxy.name("other:1")]).exits(11);
    let keys = json!({"auths": {PROXY: wrong(), format!("{PROXY}/team"): right(), format!("{PROXY}/te"): wrong()}});
    bed.write_home("run/containers/auth.json", keys.to_string());
    pull(&bed).ok();
}

fn credentials_of_docker_keys(context: &Context) {
    let (bed, _registry, _proxy) = with_app(context);
    for key in [format!("http://{PROXY}"), format!("https://{PROXY}/v1/"), format!("https://{PROXY}/v2/")] {
        bed.write_home(".docker/config.json", auths(&key, &right()));
        pull(&bed).ok();
    }
    let plain = json!({"username": USER.0, "password": USER.1});
    bed.write_home(".docker/config.json", auths(PROXY, &plain));
    pull(&bed).ok();
}

/// A credential helper that answers this to `get`, keeps what `store` and `erase` are given, and writes down the command
/// lines of all processes.
fn helper(bed: &Bed<'_>, name: &str, answer: &str, code: i32) -> PathBuf {
    let dir = bed.home().join("bin");
    let script = format!(
        "#!/bin/sh\nd={0}\necho \"$1\" >> $d/calls\ncat > $d/$1\n\
         for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f; echo; done >> $d/cmdlines 2>/dev/null\n\
         [ \"$1\" = get ] || exit 0\ncat <<'END'\n{answer}\nEND\nexit {code}\n",
        dir.display()
    );
    let path = bed.write_home(&format!("bin/docker-credential-{name}"), script);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    bed.set("PATH", format!("{}:{}", dir.display(), std::env::var("PATH").unwrap()));
    dir
}

fn answer() -> String {
    json!({"ServerURL": PROXY, "Username": USER.0, "Secret": USER.1}).to_string()
}

fn credentials_of_helpers(context: &Context) {
    let (bed, _registry, _proxy) = with_app(context);
    let dir = helper(&bed, "bed", &answer(), 0);
    // It comes before the file's own entries.
    let config = json!({"credHelpers": {PROXY: "bed"}, "auths": {PROXY: wrong()}});
    bed.write_home(".docker/config.json", config.to_string());
    pull(&bed).ok();
    assert_eq!(fs::read_to_string(dir.join("calls")).unwrap().lines().next(), Some("get"));
    assert_eq!(fs::read_to_string(dir.join("get")).unwrap().trim_end(), PROXY);
    fs::remove_file(bed.home().join(".docker/config.json")).unwrap();
    bed.write_home("run/containers/auth.json", json!({"credHelpers": {PROXY: "bed"}}).to_string());
    pull(&bed).ok();
}

fn credentials_of_the_store(context: &Context) {
    let (bed, _registry, _proxy) = with_app(context);
    helper(&bed, "bed", &answer(), 0);
    bed.write_home(".docker/config.json", json!({"credsStore": "bed", "auths": {PROXY: {}}}).to_string());
    pull(&bed).ok();
    // A helper for this host comes before the store for all.
    helper(&bed, "other", &json!({"ServerURL": PROXY, "Username": USER.0, "Secret": "wrong"}).to_string(), 0);
    bed.write_home(".docker/config.json", json!({"credsStore": "bed", "credHelpers": {PROXY: "other"}}).to_string());
    let _ = pull(&bed).exits(11);
}

/// What everybody may have, of a registry that asks who they are.
fn public(context: &Context) -> (Bed<'_>, Registry, Proxy) {
    let (bed, registry, proxy) = Bed::open(context);
    registry.publish(&saying("public"), "public/app:1");
    proxy.want_tokens(&TokenServer::start(TOKENS, None));
    (bed, registry, proxy)
}

fn a_missing_helper_warns(context: &Context) {
    let (bed, _registry, proxy) = public(context);
    bed.write_home(".docker/config.json", json!({"credsStore": "not-there"}).to_string());
    let output = bed.rootlay(["pull", &proxy.name("public/app:1")]).exits(0).says("docker-credential-not-there");
    assert!(output.stderr.starts_with("Warning: "), "{}", output.stderr);
    assert_eq!(output.stderr.matches("docker-credential-not-there").count(), 1, "{}", output.stderr);
}

fn a_helper_that_knows_nothing(context: &Context) {
    let (bed, _registry, proxy) = public(context);
    helper(&bed, "bed", "credentials not found in native keychain", 1);
    bed.write_home(".docker/config.json", json!({"credsStore": "bed"}).to_string());
    let output = bed.rootlay(["pull", &proxy.name("public/app:1")]).exits(0);
    assert_eq!(output.stderr, "");
}

fn read(path: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn login_and_logout(context: &Context) {
    let (bed, _registry, proxy) = with_app(context);
    let file = bed.write_home("auth.json", auths("other.example", &wrong()));
    let authfile = ["--authfile", file.to_str().unwrap()];
    let login = [&["login", "-u", USER.0, "--password-stdin"], &authfile[..], &[PROXY]].concat();
    let output = bed.with_input(&login, &format!("{}\n", USER.1)).exits(0);
    assert_eq!(output.stdout.lines().last(), Some("Login Succeeded"));
    let kept = read(&file);
    assert_eq!((&kept["auths"][PROXY], &kept["auths"]["other.example"]), (&right(), &wrong()));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o007, 0);
    bed.rootlay([&["pull"], &authfile[..], &[&proxy.name("team/app:1")]].concat()).ok();
    let output = bed.rootlay([&["logout"], &authfile[..], &[PROXY]].concat());
    assert_eq!(output.ok(), format!("Removing login credentials for {PROXY}\n"));
    assert_eq!(read(&file)["auths"], json!({"other.example": wrong()}));
    assert_eq!(
        bed.rootlay([&["logout"], &authfile[..], &[PROXY]].concat()).ok(),
        format!("Not logged in to {PROXY}\n")
    );
    // Where nothing is said, in a file that a pull finds.
    bed.with_input(&["login", "-u", USER.0, "--password-stdin", PROXY], USER.1).ok();
    pull(&bed).ok();
    bed.rootlay(["logout", PROXY]).ok();
    let _ = pull(&bed).exits(11);
    bed.rootlay(["login", "-u", USER.0, "-p", USER.1, PROXY]).ok();
    pull(&bed).ok();
}

fn login_with_a_wrong_password(context: &Context) {
    let (bed, _registry, _proxy) = with_app(context);
    let output = bed.with_input(&["login", "-u", USER.0, "--password-stdin", PROXY], "wrong-4712\n").exits(11);
    assert!(!output.stderr.contains("wrong-4712") && !output.stdout.contains("Succeeded"), "{output:?}");
    assert_eq!(bed.rootlay(["logout", PROXY]).ok(), format!("Not logged in to {PROXY}\n"));
    let _ = bed.with_input(&["login", "-u", USER.0, "--password-stdin", "127.0.0.1:5999"], USER.1).exits(10);
}

fn login_with_a_helper(context: &Context) {
    let (bed, _registry, _proxy) = with_app(context);
    let dir = helper(&bed, "bed", &answer(), 0);
    let file = bed.write_home(".docker/config.json", json!({"credsStore": "bed"}).to_string());
    let authfile = ["--authfile", file.to_str().unwrap()];
    let login = [&["login", "-u", USER.0, "--password-stdin"], &authfile[..], &[PROXY]].concat();
    bed.with_input(&login, USER.1).ok();
    assert_eq!(read(&dir.join("store")), json!({"ServerURL": PROXY, "Username": USER.0, "Secret": USER.1}));
    assert!(!fs::read_to_string(&file).unwrap().contains(&right()["auth"].as_str().unwrap()[..8]));
    bed.rootlay([&["logout"], &authfile[..], &[PROXY]].concat()).ok();
    assert_eq!(fs::read_to_string(dir.join("erase")).unwrap().trim_end(), PROXY);
    let lines = fs::read_to_string(dir.join("cmdlines")).unwrap();
    assert!(lines.contains("login") && !lines.contains(USER.1), "{lines}");
}

fn secrets_are_not_shown(context: &Context) {
    let (bed, _registry, _proxy) = with_app(context);
    let name = format!("{PROXY}/team/app:1");
    bed.write_home(".docker/config.json", auths(PROXY, &right()));
    let encoded = basic(USER.0, USER.1)["Basic ".len()..].to_owned();
    let runs = [
        bed.rootlay(["--log-level", "trace", "pull", "--explain", &name]).exits(0),
        bed.rootlay(["--log-level", "trace", "pull", "--creds", &creds(), &name]).exits(0),
        bed.rootlay(["--log-level", "trace", "pull", "--creds", &format!("bob:{}", USER.1), &name]).exits(11),
        bed.with_input(&["--log-level", "trace", "login", "-u", USER.0, "--password-stdin", PROXY], USER.1).exits(0),
    ];
    for output in runs {
        for text in [&output.stdout, &output.stderr] {
            assert!(!text.contains(USER.1) && !text.contains(&encoded), "{text}");
        }
    }
}
