//! What comes from whoever starts the program, and what goes on to those that it starts.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, file};
use overlay_tests::harness::{Case, Context, StoreListing};
use overlay_tests::oracle::apply_stack;
use overlay_tests::registry::{Bed, PROXY, USER};
use overlay_tests::tree::{Nlink, differences};
use serde_json::json;

use super::{layers, load, write};

pub fn cases() -> Vec<Case> {
    cases![
        helpers_get_the_limit_of_open_files_back;
        helpers_inherit_no_capability;
        closed_descriptors_do_not_become_files_of_the_store;
        the_umask_has_no_effect_on_the_store;
        ignored_signals_do_no_harm
    ]
}

/// A helper that writes down what it was started with, and has the credentials.
fn witness(bed: &Bed<'_>) -> std::path::PathBuf {
    let seen = bed.home().join("seen");
    let answer = json!({"ServerURL": PROXY, "Username": USER.0, "Secret": USER.1});
    let script = format!(
        "#!/bin/sh\ncat >/dev/null\n{{ ulimit -Sn; ulimit -Hn; cat /proc/self/status; ls -l /proc/$$/fd; }} > '{}'\n\
         echo '{answer}'\n",
        seen.display()
    );
    let path = bed.write_home("bin/docker-credential-witness", script);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    bed.set("PATH", format!("{}:{}", path.parent().unwrap().display(), std::env::var("PATH").unwrap()));
    bed.write_home(".docker/config.json", json!({"credsStore": "witness"}).to_string());
    seen
}

/// Pulls from a registry that wants a password, with these limits of open files.
fn pull_with_limits(bed: &Bed<'_>, name: &str) {
    let line = format!(
        "ulimit -Sn 777; ulimit -Hn 4000; exec '{}' --root '{}' --progress none pull {name}",
        bed.context().program().display(),
        bed.root().display()
    );
    let inner = bed.command(["version"]);
    let mut command = std::process::Command::new("sh");
    let variables = inner.get_envs().filter_map(|(name, value)| Some((name, value?)));
    bed.output(command.args(["-c", &line]).envs(variables)).ok();
}

fn helpers_get_the_limit_of_open_files_back(context: &Context) {
    let (bed, registry, proxy) = Bed::htpasswd(context);
    registry.publish(&Image::of([vec![file("f", "")]]), "app:1");
    let seen = witness(&bed);
    pull_with_limits(&bed, &proxy.name("app:1"));
    let text = fs::read_to_string(seen).unwrap();
    assert_eq!(text.lines().take(2).collect::<Vec<_>>(), ["777", "4000"]);
}

fn helpers_inherit_no_capability(context: &Context) {
    let (bed, registry, proxy) = Bed::htpasswd(context);
    registry.publish(&Image::of([vec![file("f", "")]]), "app:1");
    let seen = witness(&bed);
    pull_with_limits(&bed, &proxy.name("app:1"));
    let text = fs::read_to_string(seen).unwrap();
    for line in ["CapInh:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t0"] {
        assert!(text.lines().any(|own| own == line), "{line} is not in {text}");
    }
    // Nothing of ours is open in it.
    let state = bed.root();
    assert!(!text.contains(state.to_str().unwrap()) && !text.contains("socket:"), "{text}");
}

/// Everything in the state root, as bytes: a text that should have been printed must be nowhere.
fn contains(dir: &Path, text: &[u8]) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let found = path.symlink_metadata().unwrap();
        if found.is_dir() {
            contains(&path, text)
        } else {
            found.is_file() && fs::read(&path).unwrap().windows(text.len()).any(|window| window == text)
        }
    })
}

fn closed_descriptors_do_not_become_files_of_the_store(context: &Context) {
    let id = load(context);
    let source = write(context);
    let expected = StoreListing::read(&context.root()).modes();
    for closed in ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-", ">&- 2>&-"] {
        for (line, code) in [
            ("images", 0),
            (&format!("inspect {id}"), 0),
            (&format!("load {source}"), 0),
            (&format!("mount --name v {id}"), 0),
            ("mounts", 0),
            ("umount v", 0),
            ("rmi no-such-image-anywhere", 1),
            ("tag no-such-image-anywhere x", 1),
            ("load /no/such/image-anywhere", 1),
            ("system df", 0),
            ("info", 0),
        ] {
            let output = context.shell(&format!("rootlay {line} {closed}")).exits(code);
            if closed.starts_with("<&- >&- 2") {
                assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
            }
        }
        assert_eq!(StoreListing::read(&context.root()).modes(), expected, "{closed}");
    }
    for text in [&b"no-such-image-anywhere"[..], b"Loaded image", b"/no/such/image", b"Error:", b"File system:"] {
        assert!(!contains(&context.root(), text), "{}", text.escape_ascii());
    }
    let expected = apply_stack(&layers()).unwrap();
    let lines = differences(&expected, &context.tree_of_loaded(&id), Nlink::Compare);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

fn the_umask_has_no_effect_on_the_store(context: &Context) {
    let source = write(context);
    let id = load(context);
    let listing = |umask: u32| {
        let root = context.root();
        let old = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(umask));
        context.rootlay(["load", &source]).ok();
        context.rootlay(["mount", "-w", "--name", "w", &id]).ok();
        context.rootlay(["umount", "w"]).ok();
        nix::sys::stat::umask(old);
        assert_eq!(fs::metadata(&root).unwrap().mode() & 0o7777, 0o700, "{umask:o}");
        let listing = StoreListing::read(&root);
        fs::remove_dir_all(&root).unwrap();
        listing
    };
    let expected = modes(&listing(0o022));
    for umask in [0o000, 0o027, 0o077, 0o777] {
        let found = modes(&listing(umask));
        let other: Vec<_> = found.lines().zip(expected.lines()).filter(|(one, other)| one != other).collect();
        assert!(other.is_empty() && found.len() == expected.len(), "{umask:o}: {other:#?}");
    }
}

/// Paths with kind and mode, a line each; content has times in it.
fn modes(listing: &StoreListing) -> String {
    listing.modes()
}

/// As `nohup` and background jobs of scripts start it.
fn ignored_signals_do_no_harm(context: &Context) {
    let id = load(context);
    for signals in ["HUP", "INT", "TERM PIPE", "HUP INT QUIT USR1 USR2 TERM PIPE CHLD"] {
        let line =
            format!("trap '' {signals}; rootlay mount --name v {id} && rootlay umount v && rootlay images | head -c 1");
        context.shell(&line).ok();
    }
}
