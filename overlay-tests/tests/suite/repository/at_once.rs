//! Many processes on one store: names, removal and pruning at once, and none of them fails for the others.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, Layer, file};
use overlay_tests::harness::{Case, Context, StoreListing};
use overlay_tests::random::Rng;

use super::{DAY, aged, archive, inspected, named, prints, store};

pub fn cases() -> Vec<Case> {
    cases![
        tags_at_once;
        one_tag_moved_by_many;
        removals_of_one_image_at_once;
        an_image_that_is_mounted_in_that_moment_stays;
        everything_at_once;
        killed_while_changing_names
    ]
}

fn spawn(context: &Context, line: &str) -> Child {
    let mut command = context.command(line.split_whitespace());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The exit code and both outputs.
fn end(child: Child) -> (i32, String) {
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

fn tags_at_once(context: &Context) {
    store(context, &aged("a", DAY), &["a:1"]);
    let children: Vec<Child> = (0..12).map(|n| spawn(context, &format!("tag a:1 t{}:{n}", n % 3))).collect();
    for child in children {
        assert_eq!(end(child), (0, String::new()));
    }
    assert_eq!(named(context, &[]).len(), 13);
    let children: Vec<Child> = (0..12).map(|n| spawn(context, &format!("rmi t{}:{n}", n % 3))).collect();
    for (n, child) in children.into_iter().enumerate() {
        assert_eq!(end(child), (0, format!("Untagged: t{}:{n}\n", n % 3)));
    }
    assert_eq!(named(context, &[]), ["a:1"]);
}

fn one_tag_moved_by_many(context: &Context) {
    let ids = [0, 1, 2].map(|n| store(context, &aged(&n.to_string(), DAY), &[&format!("n:{n}")]));
    let children: Vec<Child> = (0..12).map(|n| spawn(context, &format!("tag n:{} moved:1", n % 3))).collect();
    for child in children {
        assert_eq!(end(child).0, 0);
    }
    let now = inspected(context, "moved:1")["Id"].as_str().unwrap().to_owned();
    assert!(ids.contains(&now));
    let owners = named(context, &[]).into_iter().filter(|name| name == "moved:1").count();
    assert_eq!(owners, 1);
}

/// One removes it, the others say that it is not here.
fn removals_of_one_image_at_once(context: &Context) {
    for round in 0..4 {
        let id = store(context, &aged(&round.to_string(), DAY), &["a:1"]);
        let children: Vec<Child> = (0..5).map(|_| spawn(context, &format!("rmi {id}"))).collect();
        let ends: Vec<(i32, String)> = children.into_iter().map(end).collect();
        assert_eq!(ends.iter().filter(|(code, _)| *code == 0).count(), 1, "{ends:?}");
        for (code, text) in &ends {
            assert!(*code == 0 || text.contains("No such image"), "{ends:?}");
        }
    }
    let left = StoreListing::read(&context.root());
    assert!(left.layers().is_empty() && left.blobs().is_empty(), "{}", left.paths());
}

/// Images that share layers come, get names, are mounted and go, all at the same time.
/// The removers read what views use before they have the store lock, which is kept from them until there is a view more.
fn an_image_that_is_mounted_in_that_moment_stays(context: &Context) {
    let id = store(context, &aged("a", DAY), &["a:1"]);
    let removers =
        [(format!("rmi {id}"), 2), ("image prune -a -f".to_owned(), 0), ("system prune -a -f".to_owned(), 0)];
    for (line, code) in removers {
        let lock = File::open(context.root().join("locks/store")).unwrap();
        lock.lock_shared().unwrap();
        let remover = spawn(context, &line);
        let waits = format!(" {} ", remover.id());
        let is_waiting =
            || fs::read_to_string("/proc/locks").unwrap().lines().any(|at| at.contains("->") && at.contains(&waits));
        assert!((0..1000).any(|_| is_waiting() || (sleep(Duration::from_millis(10)), false).1), "{line}");
        prints(context, "mount --name v a:1");
        drop(lock);
        let (got, text) = end(remover);
        assert_eq!(got, code, "{line}: {text}");
        assert_eq!(named(context, &[]), ["a:1"], "{line}: {text}");
        prints(context, "umount v");
    }
}

fn everything_at_once(context: &Context) {
    let shared = Layer::of(&(0..40).map(|n| file(format!("s{n}"), "x")).collect::<Vec<_>>());
    let images: Vec<Image> =
        (0..3).map(|n| Image::of([shared.clone(), Layer::of(&[file(format!("own{n}"), "")])])).collect();
    let archives: Vec<String> = images
        .iter()
        .enumerate()
        .map(|(n, image)| archive(context, &[(image, &[&format!("i{n}:1")])]).0.display().to_string())
        .collect();
    store(context, &aged("keep", DAY), &["keep:1"]);
    let merged = context.mount(["--name", "live", "keep:1"]);
    let mut rng = Rng::new(4);
    for _ in 0..6 {
        let mut children = Vec::new();
        for (n, path) in archives.iter().enumerate() {
            children.push((spawn(context, &format!("load -i {path}")), &[0][..]));
            children.push((spawn(context, &format!("tag i{n}:1 other{n}:1")), &[0, 1]));
            children.push((spawn(context, &format!("rmi -f i{n}:1 other{n}:1")), &[0]));
        }
        for line in ["images", "image prune -f", "system df", "images -q --filter dangling=true", "inspect keep:1"] {
            children.push((spawn(context, line), &[0]));
            sleep(Duration::from_micros(rng.below(3000) as u64));
        }
        for (child, codes) in children {
            let id = child.id();
            let (code, text) = end(child);
            assert!(codes.contains(&code), "process {id}: exit code {code}: {text}");
        }
        assert_eq!(std::fs::read(merged.join("says")).unwrap(), b"keep");
    }
    context.umount(&merged);
    for path in &archives {
        prints(context, &format!("load -i {path}"));
    }
    let expected: BTreeSet<String> = (0..3).map(|n| format!("i{n}:1")).chain(["keep:1".to_owned()]).collect();
    let now: BTreeSet<String> = named(context, &[]).into_iter().filter(|name| !name.starts_with("other")).collect();
    assert!(now.is_superset(&expected), "{now:?}");
    for n in 0..3 {
        assert_eq!(context.tree_of_loaded(&format!("i{n}:1")).len(), 1 + 41);
    }
    prints(context, "image prune -a -f");
    let left = StoreListing::read(&context.root());
    assert!(left.layers().is_empty() && left.blobs().is_empty(), "{}", left.paths());
}

/// A name is the old one or the new one; an image without a name is dangling and can go.
fn killed_while_changing_names(context: &Context) {
    let ids = [1, 2].map(|n| store(context, &aged(&n.to_string(), DAY), &[&format!("n:{n}")]));
    prints(context, "tag n:1 moved:1");
    let mut rng = Rng::new(9);
    for round in 0..30 {
        let mut child = spawn(context, &format!("tag n:{} moved:1", 1 + round % 2));
        sleep(Duration::from_micros(rng.below(8000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = inspected(context, "moved:1")["Id"].as_str().unwrap().to_owned();
        assert!(ids.contains(&now), "{now}");
    }
    for round in 0..15 {
        let id = store(context, &aged("gone", DAY), &["gone:1"]);
        let line = if round % 2 == 0 { format!("rmi {id}") } else { "image prune -a -f --filter until=1h".to_owned() };
        prints(context, "pin n:1");
        prints(context, "pin n:2");
        let mut child = spawn(context, &line);
        sleep(Duration::from_micros(rng.below(12_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        prints(context, "images");
        prints(context, "rmi -f gone:1");
    }
    prints(context, "system prune -f");
    assert_eq!(super::layers_here(context), 2);
    assert_eq!(named(context, &[]), ["moved:1", "n:1", "n:2"]);
}
