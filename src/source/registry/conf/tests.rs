use std::fs;

use tempfile::TempDir;

use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn conf(text: &str) -> RegistriesConf {
    RegistriesConf { rules: parse::rules(text, Path::new("/r.conf")).unwrap() }
}

fn error(text: &str) -> String {
    parse::rules(text, Path::new("/r.conf")).unwrap_err().to_string()
}

/// The places for an image: `host repository`, with `!` if insecure and `~` for a mirror.
fn places(conf: &RegistriesConf, name: &str) -> Vec<String> {
    let mark = |on: bool, mark: &'static str| if on { mark } else { "" };
    let show = |place: Endpoint| {
        let Endpoint { host, repository, insecure, mirror } = place;
        format!("{}{}{host} {repository}", mark(insecure, "!"), mark(mirror, "~"))
    };
    conf.endpoints(&name.parse().unwrap()).unwrap().into_iter().map(show).collect()
}

#[test]
fn without_configuration_a_name_says_its_own_place() {
    let none = RegistriesConf::load(None, &[]).unwrap();
    assert_eq!(places(&none, "busybox"), ["docker.io library/busybox"]);
    assert_eq!(places(&none, "localhost:5000/a/b:1"), ["localhost:5000 a/b"]);
    let hub = none.endpoints(&"busybox".parse().unwrap()).unwrap().remove(0);
    assert_eq!(hub.api_host(), "registry-1.docker.io");
    assert_eq!(none.registry("quay.io").unwrap().api_host(), "quay.io");
}

#[test]
fn the_example_of_the_manual_page() {
    let conf = conf(
        r#"
        unqualified-search-registries = ["example.com"]
        short-name-mode = "enforcing"
        credential-helpers = ["containers-auth.json"]

        [aliases]
        "busybox" = "example.com/busybox"

        [[registry]]
        prefix = "example.com/foo"
        insecure = false
        blocked = false
        location = "internal-registry-for-example.com/bar"

        [[registry.mirror]]
        location = "example-mirror-0.local/mirror-for-foo"

        [[registry.mirror]]
        location = "example-mirror-1.local/mirrors/foo"
        insecure = true

        [[registry]]
        location = "registry.com"

        [[registry.mirror]]
        location = "mirror.registry.com"
        "#,
    );
    let expected = [
        "~example-mirror-0.local mirror-for-foo/image",
        "!~example-mirror-1.local mirrors/foo/image",
        "internal-registry-for-example.com bar/image",
    ];
    assert_eq!(places(&conf, "example.com/foo/image:latest"), expected);
    assert_eq!(places(&conf, "registry.com/image"), ["~mirror.registry.com image", "registry.com image"]);
    assert_eq!(places(&conf, "example.com/foobar/image"), ["example.com foobar/image"]);
    // Names without a host are Docker Hub's, whatever the search list and the aliases say.
    assert_eq!(places(&conf, "busybox"), ["docker.io library/busybox"]);
}

#[test]
fn the_longest_prefix_decides_and_ends_with_a_part_of_the_name() {
    let conf = conf(
        r#"
        [[registry]]
        prefix = "a.io/x"
        location = "two.io/x"
        [[registry]]
        prefix = "a.io/x/y:v1"
        location = "four.io/x/y:v1"
        [[registry]]
        prefix = "a.io"
        location = "one.io"
        [[registry]]
        prefix = "a.io/x/y"
        location = "three.io"
        "#,
    );
    for (name, place) in [
        ("a.io/z", "one.io z"),
        ("a.io/xx/z", "one.io xx/z"),
        ("a.io/x", "two.io x"),
        ("a.io/x/z:1", "two.io x/z"),
        ("a.io/x/y/z", "three.io z"),
        ("a.io/x/y:v1", "four.io x/y"),
        // Another port is another registry.
        ("a.io:5000/x/y/z", "a.io:5000 x/y/z"),
        ("b.a.io/x", "b.a.io x"),
        ("a.iox/x", "a.iox x"),
    ] {
        assert_eq!(places(&conf, name), [place], "{name}");
    }
    let by_digest = format!("a.io/x/z@{DIGEST}");
    assert_eq!(places(&conf, &by_digest), ["two.io x/z"]);
}

#[test]
fn wildcards_match_any_number_of_subdomains() {
    let conf = conf(
        r#"
        [[registry]]
        prefix = "*.example.com"
        insecure = true
        [[registry.mirror]]
        location = "m.io/all"
        [[registry]]
        prefix = "*.b.example.com"
        location = "b.io/b"
        [[registry]]
        prefix = "plain.example.com"
        "#,
    );
    assert_eq!(places(&conf, "a.example.com/x"), ["~m.io all/x", "!a.example.com x"]);
    assert_eq!(places(&conf, "c.a.example.com/x/y"), ["~m.io all/x/y", "!c.a.example.com x/y"]);
    assert_eq!(places(&conf, "a.b.example.com/x"), ["b.io b/x"]);
    assert_eq!(places(&conf, "plain.example.com/x"), ["plain.example.com x"]);
    for other in ["example.com/x", "an-example.com/x", "a.example.com.evil.io/x", "evil.io/a.example.com"] {
        let itself = other.split_once('/').unwrap();
        assert_eq!(places(&conf, other), [format!("{} {}", itself.0, itself.1)]);
    }
    let ported = super::RegistriesConf {
        rules: parse::rules("[[registry]]\nprefix='*.e.io'\ninsecure=true", Path::new("/r")).unwrap(),
    };
    assert_eq!(places(&ported, "a.e.io:5000/x"), ["!a.e.io:5000 x"]);
}

#[test]
fn mirrors_may_be_for_tags_or_digests_only() {
    let each = conf(
        r#"
        [[registry]]
        location = "docker.io"
        mirror = [
            { location = "all.io", pull-from-mirror = "all" },
            { location = "digest.io/hub", pull-from-mirror = "digest-only" },
            { location = "tag.io", pull-from-mirror = "tag-only" },
        ]
        "#,
    );
    let (tag, digest) = ("busybox:1", format!("busybox@{DIGEST}"));
    let hub = "docker.io library/busybox";
    assert_eq!(places(&each, tag), ["~all.io library/busybox", "~tag.io library/busybox", hub]);
    assert_eq!(places(&each, "busybox"), ["~all.io library/busybox", "~tag.io library/busybox", hub]);
    let by_digest = ["~all.io library/busybox", "~digest.io hub/library/busybox", hub];
    assert_eq!(places(&each, &digest), by_digest);
    assert_eq!(places(&each, &format!("busybox:1@{DIGEST}")), by_digest);

    let whole = conf(
        "[[registry]]\nlocation = 'docker.io'\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = 'm.io'\n",
    );
    assert_eq!(places(&whole, tag), [hub]);
    assert_eq!(places(&whole, &digest), ["~m.io library/busybox", hub]);
}

#[test]
fn a_blocked_registry_is_named_with_its_file() {
    let conf = conf("[[registry]]\nprefix = 'evil.io'\nblocked = true\n[[registry]]\nprefix = 'evil.io/good'\n");
    let blocked = "registry evil.io is blocked in /r.conf";
    let image = "evil.io/x/y".parse().unwrap();
    for error in [
        conf.endpoints(&image).unwrap_err(),
        conf.destination(&image).unwrap_err(),
        conf.registry("evil.io").unwrap_err(),
    ] {
        assert_eq!(error.to_string(), blocked);
        assert_eq!(error.kind(), ErrorKind::Failed);
    }
    assert_eq!(places(&conf, "evil.io/good/x"), ["evil.io good/x"]);
}

#[test]
fn what_is_written_goes_to_the_registry_itself() {
    let conf = conf(
        r#"
        [[registry]]
        prefix = "docker.io"
        location = "cache.local:5000/hub"
        insecure = true
        [[registry]]
        location = "lab.local/team"
        insecure = true
        [[registry]]
        prefix = "other.local"
        insecure = true
        "#,
    );
    let destination = |name: &str| conf.destination(&name.parse().unwrap()).unwrap();
    // `insecure` is about the cache: Docker Hub's password must not go out in the open.
    let hub = destination("busybox");
    assert_eq!((hub.host.as_str(), hub.repository.as_str(), hub.insecure), ("docker.io", "library/busybox", false));
    assert!(!conf.registry("docker.io").unwrap().insecure);
    assert!(destination("lab.local/team/x").insecure);
    assert!(!destination("lab.local/x").insecure);
    assert!(!conf.registry("lab.local").unwrap().insecure);
    let other = conf.registry("other.local").unwrap();
    assert_eq!(
        other,
        Endpoint { host: "other.local".into(), repository: String::new(), insecure: true, mirror: false }
    );
    assert_eq!(places(&conf, "busybox"), ["!cache.local:5000 hub/library/busybox"]);
}

#[test]
fn locations_that_make_no_place_are_errors() {
    let fails = |location: &str, name: &str| {
        let conf = conf(&format!("[[registry]]\nprefix = 'a.io'\nlocation = '{location}'\n"));
        let error = conf.endpoints(&name.parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed);
        error.to_string()
    };
    let begins = "location `mirror` in /r.conf: does not begin with the host of a registry";
    assert_eq!(fails("mirror", "a.io/x/y"), begins);
    assert_eq!(fails("b.io/UPPER", "a.io/x"), "location `b.io/UPPER` in /r.conf");
    let tagged = conf("[[registry]]\nprefix = 'a.io/x:1'\nlocation = 'b.io/x:2'\n");
    let error = tagged.endpoints(&"a.io/x:1".parse().unwrap()).unwrap_err().to_string();
    assert_eq!(error, "location `b.io/x:2` in /r.conf: changes the tag or digest, which is not supported");
    // Docker Hub has two names.
    for hub in ["docker.io", "index.docker.io"] {
        let conf = conf(&format!("[[registry]]\nprefix = 'a.io'\nlocation = '{hub}'\n"));
        assert_eq!(places(&conf, "a.io/x"), ["docker.io library/x"]);
    }
}

#[test]
fn version_1_says_what_is_insecure_and_blocked() {
    let conf = conf(
        r"
        [registries.search]
        registries = ['registry1.com', 'registry2.com']
        [registries.insecure]
        registries = ['registry3.com', 'both.com/']
        [registries.block]
        registries = ['registry.untrusted.com', 'both.com']
        ",
    );
    assert_eq!(places(&conf, "registry3.com/x"), ["!registry3.com x"]);
    assert_eq!(places(&conf, "registry1.com/x"), ["registry1.com x"]);
    assert_eq!(places(&conf, "busybox"), ["docker.io library/busybox"]);
    let error = conf.endpoints(&"registry.untrusted.com/x".parse().unwrap()).unwrap_err().to_string();
    assert_eq!(error, "registry registry.untrusted.com is blocked in /r.conf");
    assert!(conf.registry("both.com").is_err());
    assert_eq!(conf.rules.len(), 3);
}

#[test]
fn errors_name_file_and_line() {
    let begins = |text: &str, begin: &str| {
        let error = error(text);
        assert!(error.starts_with(begin) && !error.contains('\n'), "{error}");
    };
    begins("\n[[registry]\n", "/r.conf, line 2: ");
    begins("[[registry]]\nlocation = 'a.io'\ninsecure = 'yes'\n", "/r.conf, line 3: ");
    begins("registry = 'a.io'\n", "/r.conf, line 1: ");
    let line = |text: &str, expected: &str| assert_eq!(error(text), format!("/r.conf, line {expected}"));
    line("\n\n[[registry]]\ninsecure = true\n", "3: a registry has neither prefix nor location");
    line("[[registry]]\nprefix = '*.a.io/x'\n", "1: prefix `*.a.io/x`: only a domain may follow `*.`");
    line("[[registry]]\nlocation = 'https://a.io'\n", "1: `https://a.io`: a prefix or location has no scheme");
    line("[[registry]]\nlocation = 'a.io'\n[[registry.mirror]]\ninsecure = true\n", "3: a mirror has no location");
    line(
        "[[registry]]\nlocation = 'a.io'\n\nmirror = [{ location = 'm', pull-from-mirror = 'tags' }]\n",
        "4: pull-from-mirror is `tags`: expected all, digest-only or tag-only",
    );
    line(
        "[[registry]]\nlocation='a.io'\nmirror-by-digest-only=true\nmirror=[{location='m.io',pull-from-mirror='all'}]\n",
        "4: pull-from-mirror of a mirror and mirror-by-digest-only of its registry exclude each other",
    );
}

#[test]
fn later_files_replace_tables_of_the_same_prefix() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (system, user) = (path("system.d"), path("user.d"));
    fs::create_dir(&system).unwrap();
    fs::create_dir(&user).unwrap();
    fs::create_dir(system.join("30.conf")).unwrap();
    let table = |prefix: &str, location: &str| format!("[[registry]]\nprefix = '{prefix}'\nlocation = '{location}'\n");
    let twice = table("a.io", "main.io") + &table("a.io", "second.io") + &table("b.io", "main.io");
    fs::write(path("registries.conf"), twice + "insecure = true\n").unwrap();
    fs::write(system.join("20.conf"), table("b.io", "twenty.io") + &table("c.io", "twenty.io")).unwrap();
    fs::write(system.join("10.conf"), table("b.io", "ten.io") + &table("d.io", "ten.io")).unwrap();
    fs::write(system.join("99.toml"), "nonsense").unwrap();
    fs::write(user.join("00.conf"), table("c.io", "user.io")).unwrap();
    let dirs = [system, path("none.d"), user.clone()];
    let conf = RegistriesConf::load(Some(&path("registries.conf")), &dirs).unwrap();
    for (name, place) in
        [("a.io/x", "main.io x"), ("b.io/x", "twenty.io x"), ("c.io/x", "user.io x"), ("d.io/x", "ten.io x")]
    {
        assert_eq!(places(&conf, name), [place]);
    }
    let none = RegistriesConf::load(Some(&path("none.conf")), &[path("none.d")]).unwrap();
    assert_eq!(places(&none, "a.io/x"), ["a.io x"]);

    fs::write(user.join("01.conf"), "\n]").unwrap();
    let error = RegistriesConf::load(None, &dirs).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}, line 2: ", user.join("01.conf").display())), "{error}");
    fs::write(user.join("01.conf"), b"\xff").unwrap();
    let error = RegistriesConf::load(None, &dirs).unwrap_err().to_string();
    assert_eq!(error, format!("{}: not UTF-8", user.join("01.conf").display()));
}
