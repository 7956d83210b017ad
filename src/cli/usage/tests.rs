use super::super::grammar::{Action, LogLevel};
use super::*;

fn args(line: &str) -> Vec<OsString> {
    std::iter::once("rootlay").chain(line.split_whitespace()).map(OsString::from).collect()
}

fn action(line: &str) -> Action {
    match parse(&args(line)) {
        Ok(cli) => cli.command.into(),
        Err(answer) => panic!("{line}: {answer:?}"),
    }
}

fn wrong(line: &str) -> String {
    match parse(&args(line)) {
        Err(Answer::Wrong(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_grammar_is_consistent() {
    Cli::command().debug_assert();
    lenient(Cli::command()).debug_assert();
}

#[test]
fn flat_and_grouped_spellings_are_the_same() {
    for line in ["images -a", "image ls -a", "image list -a"] {
        assert!(matches!(action(line), Action::Images(_)), "{line}");
    }
    for line in [
        "rmi -f x",
        "rmi x -f",
        "rmi a b -f --no-prune",
        "rmi -a",
        "rmi -fi x --dry-run",
        "rmi x --platform linux/arm64",
        "image rm x -f",
        "image remove --force x",
    ] {
        assert!(matches!(action(line), Action::Rmi(_)), "{line}");
    }
    for line in ["umount x", "unmount x", "image umount x", "image unmount x"] {
        assert!(matches!(action(line), Action::Umount(_)), "{line}");
    }
    for line in ["inspect x", "image inspect x"] {
        assert!(matches!(action(line), Action::Inspect(..)), "{line}");
    }
    for line in ["info", "system info"] {
        assert!(matches!(action(line), Action::Info(_)), "{line}");
    }
    for line in ["pull x", "image pull x", "pull -aq x y", "pull --platform linux/arm64 x --jobs 3 --retry-delay 2s"] {
        assert!(matches!(action(line), Action::Pull(_)), "{line}");
    }
    for line in ["push x", "image push x localhost:5000/y:1", "push x --tls-verify=false --creds a:b"] {
        assert!(matches!(action(line), Action::Push(_)), "{line}");
    }
    for line in
        ["save x", "image save x y -o f", "save --without b --without c --format oci-archive --platform linux/arm64 x"]
    {
        assert!(matches!(action(line), Action::Save(_)), "{line}");
    }
    for line in ["search x", "image search x", "search -f stars=3 --filter is-official=true x --limit -1"] {
        assert!(matches!(action(line), Action::Search(_)), "{line}");
    }
    for line in ["manifest inspect x", "manifest inspect -v x", "manifest inspect x --insecure --format pretty"] {
        assert!(matches!(action(line), Action::ManifestInspect(_)), "{line}");
    }
    for line in ["login", "login -u x -p y quay.io", "login --username x --password-stdin --authfile f"] {
        assert!(matches!(action(line), Action::Login(_)), "{line}");
    }
    assert!(matches!(action("logout quay.io"), Action::Logout(_)));
    assert!(matches!(action("tags quay.io/x"), Action::Tags(_)));
    assert!(matches!(
        action("digest x@sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        Action::Digest(_)
    ));
    for line in ["tag x y", "image tag x y", "tag x y z:1", "tag --history x", "tag x@{1} y"] {
        assert!(matches!(action(line), Action::Tag(_)), "{line}");
    }
    for line in ["pin x y", "image pin x"] {
        assert!(matches!(action(line), Action::Pin(_)), "{line}");
    }
    assert!(matches!(action("unpin x"), Action::Unpin(_)));
    assert!(matches!(action("image prune"), Action::Prune(_)));
    assert!(matches!(
        action("image prune -af --filter until=24h --filter label!=keep --keep-size 10GB --unused-for 30d"),
        Action::Prune(_)
    ));
    assert!(matches!(action("system prune -a --dry-run"), Action::SystemPrune(_)));
    for line in ["untag x", "image untag x y z"] {
        assert!(matches!(action(line), Action::Untag(_)), "{line}");
    }
    assert!(matches!(action("image exists x"), Action::Exists(_)));
    assert!(matches!(action("load -i x"), Action::Load(_)));
    assert!(matches!(action("image load"), Action::Load(_)));
}

#[test]
fn global_flags_stand_anywhere() {
    for line in ["--root /r -q images", "images --root /r -q", "images --root=/r --quiet", "image --root /r ls -q"] {
        let cli = parse(&args(line)).unwrap();
        assert_eq!(cli.global.root.as_deref(), Some(std::path::Path::new("/r")), "{line}");
        assert!(cli.global.quiet, "{line}");
    }
}

#[test]
fn booleans_take_values_and_short_flags_combine() {
    let quiet = |line: &str| parse(&args(line)).unwrap().global.quiet;
    assert!(!quiet("load --quiet=false"));
    assert!(quiet("load --quiet=1"));
    assert!(quiet("load -q=t"));
    assert!(!quiet("load -q --quiet=F"));
    assert!(quiet("load --quiet=false -q"));
    let Action::Images(images) = action("images -aq --no-trunc=true") else { panic!("not images") };
    assert_eq!(format!("{images:?}").matches("true").count(), 3, "{images:?}");
    assert!(wrong("load --quiet=maybe").contains("expected `true` or `false`"));
}

#[test]
fn repeated_flags_are_no_error_and_the_last_wins() {
    let cli = parse(&args("--root /a images --root /b")).unwrap();
    assert_eq!(cli.global.root.as_deref(), Some(std::path::Path::new("/b")));
}

#[test]
fn a_flag_that_has_its_own_meaning_here_keeps_the_global_one_elsewhere() {
    let cli = parse(&args("manifest inspect -v x")).unwrap();
    let Action::ManifestInspect(inspect) = cli.command.into() else { panic!("not manifest inspect") };
    assert!(format!("{inspect:?}").contains("verbose: true"), "{inspect:?}");
    assert!(matches!(parse(&args("-v manifest inspect x")), Err(Answer::Help(text)) if text.starts_with("rootlay ")));
    assert!(parse(&args("pull -q x")).unwrap().global.quiet);
    let Action::Pull(pull) = action("-q pull x") else { panic!("not pull") };
    assert!(format!("{pull:?}").contains("quiet: true"), "{pull:?}");
}

#[test]
fn developers_ask_for_more_as_with_docker() {
    let level = |line: &str| parse(&args(line)).unwrap().global.log_level();
    assert_eq!(level("images"), LogLevel::Warn);
    for line in ["-D images", "images --debug", "--log-level debug images", "-D images --log-level error"] {
        assert_eq!(level(line), LogLevel::Debug, "{line}");
    }
    assert_eq!(level("-D --log-level trace images"), LogLevel::Trace);
    assert_eq!(level("--debug=false images"), LogLevel::Warn);
    for (name, meant) in [("warning", LogLevel::Warn), ("fatal", LogLevel::Error), ("panic", LogLevel::Error)] {
        assert_eq!(level(&format!("--log-level {name} images")), meant);
    }
}

#[test]
fn explanations_are_asked_for() {
    for line in ["pull --explain x", "push x --explain", "tags --explain x", "digest x --explain", "login --explain"] {
        assert!(action(line).explains(), "{line}");
    }
    for line in ["pull x", "pull --explain=false x", "images", "logout"] {
        assert!(!action(line).explains(), "{line}");
    }
}

#[test]
fn secrets_of_the_command_line_are_not_repeated() {
    for line in ["pull --creds :swordfish --unknown x", "pull --creds a:swordfish", "login -p swordfish a b"] {
        assert!(!wrong(line).contains("swordfish"), "{line}");
    }
}

#[test]
fn two_dashes_end_the_flags() {
    assert!(matches!(action("rmi -- -f"), Action::Rmi(_)));
}

#[test]
fn unknown_commands_get_a_suggestion() {
    let text = wrong("imagse");
    assert!(text.starts_with("Error: unrecognized subcommand 'imagse'\n"), "{text}");
    assert!(text.contains("hint: "), "{text}");
    assert!(text.contains("'images'"), "{text}");
    assert!(text.contains("Usage: rootlay"), "{text}");
    assert!(!text.contains("For more information"), "{text}");
}

#[test]
fn s59_argument_counts_get_the_usage_line() {
    for line in ["pull", "push", "push a b c", "search", "search a b", "tags", "digest", "digest a b", "login a b"] {
        assert!(wrong(line).contains("Usage: rootlay "), "{line}");
    }
    for line in [
        "rmi",
        "inspect",
        "rm",
        "umount",
        "import",
        "image exists",
        "image exists a b",
        "completion",
        "tag",
        "tag x",
        "untag",
    ] {
        let text = wrong(line);
        assert!(text.starts_with("Error: "), "{text}");
        assert!(text.contains("Usage: rootlay "), "{text}");
    }
}

#[test]
fn s59_the_number_of_arguments_is_told_in_dockers_words() {
    for (line, words) in [
        ("rmi", "'rootlay rmi' requires at least 1 argument"),
        ("image rm -f", "'rootlay image rm' requires at least 1 argument"),
        ("umount", "'rootlay umount' requires at least 1 argument"),
        ("history", "'rootlay history' requires 1 argument"),
        ("history a b", "'rootlay history' requires 1 argument"),
        ("images a b", "'rootlay images' requires at most 1 argument"),
        ("push", "'rootlay push' requires at least 1 and at most 2 arguments"),
        ("push a b c", "'rootlay push' requires at least 1 and at most 2 arguments"),
        ("tag", "'rootlay tag' requires at least 2 arguments"),
        ("tag x", "'rootlay tag' requires at least 2 arguments"),
        ("info x", "'rootlay info' accepts no arguments"),
    ] {
        let text = wrong(line);
        assert!(text.starts_with(&format!("Error: {words}\n\nUsage: rootlay ")), "{line}: {text}");
    }
}

#[test]
fn a_mistake_is_told_in_one_line_and_names_flags_as_the_help_does() {
    for (line, words) in [
        (
            "--progress x images",
            "invalid value 'x' for '--progress <HOW>' [possible values: auto, tty, plain, json, none]",
        ),
        ("images --tree -q", "the argument '--tree' cannot be used with '--quiet'"),
        ("manifest inspect -v --format pretty x", "the argument '--verbose' cannot be used with '--format <FORMAT>'"),
        ("pull --tls-verify=x y", "invalid value 'x' for '--tls-verify': expected `true` or `false`"),
    ] {
        let text = wrong(line);
        assert!(text.starts_with(&format!("Error: {words}\n\nUsage: rootlay ")), "{line}: {text}");
    }
}

#[test]
fn an_unknown_command_of_a_group_leads_to_the_help_of_the_group() {
    assert!(wrong("image zzzzzz").ends_with("\nhint: `rootlay image --help` lists the commands\n"));
    assert!(wrong("zzzzzz").ends_with("\nhint: `rootlay --help` lists the commands\n"));
}

#[test]
fn a_group_with_flags_alone_is_a_usage_error() {
    for (line, name) in [("image -q", "image"), ("image --root /r", "image"), ("--root /r system -q", "system")] {
        let text = wrong(line);
        let start = format!("Error: 'rootlay {name}' requires a command\n\nUsage: rootlay {name} ");
        assert!(text.starts_with(&start), "{line}: {text}");
        assert!(text.ends_with(&format!("\nhint: `rootlay {name} --help` lists the commands\n")), "{line}: {text}");
    }
}

#[test]
fn contradictions_are_usage_errors() {
    for line in [
        "load -i a b",
        "umount -a x",
        "mount --format json x",
        "images --tree -q",
        "images --sort colour",
        "inspect --type layer x",
        "load --limit size=1",
        "load --name UPPER",
        "--progress sometimes images",
        "load --unknown",
        "pull --dry-run --check x",
        "pull UPPER",
        "pull --jobs 0 x",
        "images --threads 0",
        "pull --retry-delay soon x",
        "pull --platform toaster x",
        "mount --pull sometimes x",
        "manifest inspect -v --format pretty x",
        "tag --history x y",
        "rmi -a x",
        "image prune x",
        "image prune --keep-size much",
        "system prune --unused-for 1y",
        "rmi --platform toaster x",
        "tag x UPPER",
        "tag --format json x y",
        "import --name x f y",
    ] {
        assert!(wrong(line).starts_with("Error: "), "{line}");
    }
}

#[test]
fn help_is_asked_for_or_given_instead() {
    for line in ["--help", "-h", "images --help", "help images", "image ls -h", "load -q=false --help"] {
        assert!(matches!(parse(&args(line)), Err(Answer::Help(text)) if text.contains("Usage: rootlay")), "{line}");
    }
    for line in ["", "image", "--root /r image", "--root /r", "-q", "-D"] {
        assert!(
            matches!(parse(&args(line)), Err(Answer::HelpInstead(text)) if text.contains("Usage: rootlay")),
            "{line}"
        );
    }
    let Err(Answer::Help(text)) = parse(&args("images --help")) else { panic!("no help") };
    assert!(!text.contains("BOOL") && !text.contains("[=<"), "{text}");
}

/// The words of a line as a shell reads it, without what it redirects.
fn words(line: &str) -> Vec<OsString> {
    let line = line.split(['<', '|']).next().unwrap();
    let quoted = |(place, part): (usize, &str)| -> Vec<OsString> {
        if place % 2 == 1 { vec![part.into()] } else { part.split_whitespace().map(OsString::from).collect() }
    };
    line.split('\'').enumerate().flat_map(quoted).collect()
}

#[test]
fn the_examples_of_the_help_are_commands() {
    let mut root = Cli::command();
    root.build();
    let commands = root.get_subcommands();
    let helps = commands.filter_map(|command| Some((command.get_name(), command.get_after_help()?.to_string())));
    let mut count = 0;
    for (name, help) in helps {
        for example in help.lines().skip(1) {
            let parsed = parse(&words(example));
            assert!(parsed.is_ok(), "{example}: {parsed:?}");
            assert!(example.starts_with(&format!("  rootlay {name}")) && example.len() <= 79, "{example}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn the_version_is_that_of_the_package() {
    for line in ["--version", "-v", "load --version"] {
        let Err(Answer::Help(text)) = parse(&args(line)) else { panic!("{line}") };
        assert_eq!(text, concat!("rootlay ", env!("CARGO_PKG_VERSION"), "\n"), "{line}");
    }
}

#[test]
fn every_mistake_ends_with_the_usage_line_of_its_command() {
    for (input, usage) in [
        ("imagse", "\n\nUsage: rootlay [OPTIONS] <COMMAND>\n"),
        ("--progress x load", "\n\nUsage: rootlay load [OPTIONS] [SOURCE]\n"),
        ("image ls --sort x", "\n\nUsage: rootlay image ls [OPTIONS] [REPOSITORY[:TAG]]\n"),
        ("unmount", "\n\nUsage: rootlay umount [OPTIONS] "),
    ] {
        let text = wrong(input);
        assert!(text.contains(usage), "{text}");
    }
    assert!(wrong("zzzzzz").contains("hint: "));
}
