//! Rows S68 to S70: `image prune`, `system prune`, and pins.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, file};
use overlay_tests::harness::{Case, Context, Need, Output, StoreListing};
use overlay_tests::registry::Bed;

use super::{DAY, aged, fails, labelled, layers_here, named, prints, run, short, store};

pub fn cases() -> Vec<Case> {
    cases![
        s68_dangling_ones;
        s68_all_unused_ones;
        s68_nothing_to_do;
        s68_the_question => Need::Tool("script");
        s68_other_answers => Need::Tool("script");
        s68_no_terminal;
        s69_filters;
        s69_filter_errors;
        s70_digest_only => Need::Tool("docker-registry"), Need::Tool("skopeo");
        s70_images_in_use_are_kept_and_counted;
        prune_dry_run;
        prune_by_size;
        prune_by_last_use;
        pinned_images_stay;
        system_prune_takes_debris
    ]
}

/// One image without a name and one with.
fn dangling(context: &Context) -> (String, String) {
    let old = store(context, &aged(&"x".repeat(1_234_500), 2 * DAY), &["a:1"]);
    (old, store(context, &aged("new", DAY), &["a:1"]))
}

fn s68_dangling_ones(context: &Context) {
    let (old, _) = dangling(context);
    let stdout = prints(context, "image prune -f");
    assert!(stdout.starts_with(&format!("Deleted Images:\ndeleted: {old}\ndeleted: sha256:")), "{stdout}");
    let (_, total) = stdout.split_once("\n\nTotal reclaimed space: ").unwrap_or_else(|| panic!("{stdout}"));
    let number = total.trim_end().trim_end_matches(|c: char| c.is_ascii_alphabetic());
    assert!(number.len() <= 5 && total.ends_with("MB\n"), "{total}");
    assert_eq!(named(context, &[]), ["a:1"]);
}

fn s68_all_unused_ones(context: &Context) {
    let (_, new) = dangling(context);
    store(context, &aged("used", DAY), &["used:1"]);
    let merged = context.mount(["used:1"]);
    let stdout = prints(context, "image prune --all --force");
    assert!(stdout.contains("untagged: a:1\n") && stdout.contains(&format!("deleted: {new}\n")), "{stdout}");
    assert_eq!(named(context, &[]), ["used:1"]);
    context.umount(&merged);
    prints(context, "image prune -af");
    assert_eq!(layers_here(context), 0);
}

fn s68_nothing_to_do(context: &Context) {
    store(context, &aged("a", DAY), &["a:1"]);
    assert_eq!(prints(context, "image prune -f"), "Total reclaimed space: 0B\n");
    assert_eq!(named(context, &[]), ["a:1"]);
}

/// What the terminal shows when this is typed.
fn on_a_terminal(context: &Context, typed: &str, line: &str) -> Output {
    let typed = format!("(sleep 0.5; printf '{typed}'; sleep 0.5)");
    context.shell(&format!("{typed} | script -qec 'rootlay {line}' /dev/null"))
}

fn s68_the_question(context: &Context) {
    let (old, _) = dangling(context);
    let output = on_a_terminal(context, "y\\n", "image prune").exits(0);
    for text in [
        "WARNING! This will remove all dangling images.",
        "Are you sure you want to continue? [y/N] ",
        &format!("deleted: {old}"),
        "Total reclaimed space: ",
    ] {
        assert!(output.stdout.contains(text), "`{text}` is not in {}", output.stdout);
    }
    let before = output.stdout.split("Are you sure").next().unwrap();
    assert!(before.contains(short(&old)), "what will go is not listed before the question: {}", output.stdout);
    assert_eq!(named(context, &[]), ["a:1"]);
    let output = on_a_terminal(context, "Y\\n", "image prune -a").exits(0);
    assert!(output.stdout.contains("WARNING! This will remove all images without at least one "), "{}", output.stdout);
    assert_eq!(layers_here(context), 0);
}

fn s68_other_answers(context: &Context) {
    dangling(context);
    for typed in ["\\n", "n\\n", "yes\\n", "\\004"] {
        let output = on_a_terminal(context, typed, "image prune").exits(0);
        assert!(output.stdout.contains("[y/N] "), "{typed}: {}", output.stdout);
        assert!(output.stdout.lines().any(|line| line.starts_with("Total reclaimed ")), "{typed}: {}", output.stdout);
        assert_eq!(named(context, &[]).len(), 2, "{typed}");
    }
}

fn s68_no_terminal(context: &Context) {
    dangling(context);
    for line in ["image prune", "image prune -a", "system prune"] {
        let output = run(context, line);
        assert_ne!(output.code, 0, "{line}");
        assert!(output.stderr.contains("-f"), "{line}: {}", output.stderr);
        assert_eq!(named(context, &[]).len(), 2, "{line}");
    }
}

fn s69_filters(context: &Context) {
    let four = |context: &Context| {
        store(context, &labelled(aged("1", DAY), &[("env", "prod"), ("keep", "")]), &["n:1"]);
        store(context, &labelled(aged("2", 3 * DAY), &[("env", "test")]), &["n:2"]);
        store(context, &labelled(aged("3", 5 * DAY), &[("env", "prod")]), &["n:3"]);
        store(context, &aged("4", 7 * DAY), &["n:4"]);
    };
    for (filters, left) in [
        (&["until=48h"][..], &["n:1"][..]),
        (&["label=env"], &["n:4"]),
        (&["label=env=prod"], &["n:2", "n:4"]),
        (&["label!=env=prod"], &["n:1", "n:3"]),
        (&["label!=keep"], &["n:1"]),
        (&["label=env=prod", "label=keep"], &["n:2", "n:3", "n:4"]),
        (&["label=env", "until=96h"], &["n:1", "n:2", "n:4"]),
    ] {
        prints(context, "image prune -a -f");
        four(context);
        let arguments: Vec<&str> = filters.iter().flat_map(|filter| ["--filter", *filter]).collect();
        context.rootlay([&["image", "prune", "-a", "-f"][..], &arguments].concat()).ok();
        assert_eq!(named(context, &[]), left, "{filters:?}");
    }
}

fn s69_filter_errors(context: &Context) {
    store(context, &aged("1", DAY), &["n:1"]);
    let prune = ["image", "prune", "-a", "-f"];
    for (filters, says) in [
        (&["--filter", "until=1h", "--filter", "until=2h"][..], "more than one until filter specified"),
        (&["--filter", "until=nonsense"], "nonsense"),
        (&["--filter", "nonsense=1"], "invalid filter 'nonsense'"),
    ] {
        fails(context, &[&prune[..], filters].concat(), 1, &[says]);
    }
    let words = "invalid argument \"x\" for \"--filter\" flag: bad format of filter (expected name=value)";
    let _ = run(context, "image prune -af --filter x").exits(125).says(words);
    // Docker takes no filter for no filter.
    prints(context, "image prune -f --filter=");
    assert_eq!(named(context, &[]), ["n:1"]);
}

/// An image that was pulled by its digest has a name, if no tag.
fn s70_digest_only(context: &Context) {
    let (bed, registry, _proxy) = Bed::open(context);
    let written = registry.publish(&aged("x", DAY), "app:1");
    let digest = written.manifest["digest"].as_str().unwrap();
    bed.pull(&registry.name(&format!("app@{digest}")));
    prints(context, "image prune -f");
    assert_eq!(layers_here(context), 1);
    prints(context, "image prune -a -f");
    assert_eq!(layers_here(context), 0);
}

fn s70_images_in_use_are_kept_and_counted(context: &Context) {
    // Each some minutes older than the one before: the newest is listed first.
    for (name, age) in [("a", DAY), ("b", DAY + 300), ("c", DAY + 600)] {
        store(context, &aged(name, age), &[&format!("{name}:1")]);
    }
    prints(context, "mount --name live a:1");
    prints(context, "mount -w --name saved b:1");
    prints(context, "umount saved");
    let output = run(context, "image prune -a -f").exits(0);
    assert!(format!("{}{}", output.stdout, output.stderr).contains("2 images in use"), "{output:?}");
    assert_eq!(named(context, &[]), ["a:1", "b:1"]);
    prints(context, "umount live");
    prints(context, "rm saved");
}

fn prune_dry_run(context: &Context) {
    let (old, new) = dangling(context);
    let before = StoreListing::read(&context.root());
    let stdout = prints(context, "image prune --dry-run");
    assert!(stdout.contains(short(&old)) && !stdout.contains(short(&new)) && stdout.contains("MB"), "{stdout}");
    let stdout = prints(context, "image prune -a --dry-run");
    assert!(stdout.contains(short(&old)) && stdout.contains("a:1"), "{stdout}");
    prints(context, "system prune --dry-run");
    before.assert_unchanged(&context.root());
}

/// Those that were used longest ago go first, until the rest fits.
fn prune_by_size(context: &Context) {
    for name in ["a", "b", "c"] {
        store(context, &aged(&name.repeat(1_000_000), DAY), &[&format!("{name}:1")]);
    }
    // Used last, though it came first.
    context.tree_of_loaded("a:1");
    prints(context, "image prune -a -f --keep-size 100MB");
    assert_eq!(named(context, &[]).len(), 3);
    prints(context, "image prune -a -f --keep-size 5MB");
    assert_eq!(named(context, &["--sort", "repository"]), ["a:1", "c:1"]);
    prints(context, "image prune -a -f --keep-size 0");
    assert_eq!(layers_here(context), 0);
    let _ = run(context, "image prune -a -f --keep-size nonsense").exits(125);
}

fn prune_by_last_use(context: &Context) {
    store(context, &aged("a", 30 * DAY), &["a:1"]);
    prints(context, "image prune -a -f --unused-for 7d");
    assert_eq!(named(context, &[]), ["a:1"]);
    std::thread::sleep(std::time::Duration::from_millis(1200));
    context.tree_of_loaded("a:1");
    store(context, &aged("b", 30 * DAY), &["b:1"]);
    prints(context, "image prune -a -f --unused-for 1h");
    assert_eq!(named(context, &[]).len(), 2);
    std::thread::sleep(std::time::Duration::from_millis(1200));
    prints(context, "image prune -a -f --unused-for 1s");
    assert_eq!(named(context, &[]), [""; 0]);
    let _ = run(context, "image prune -a -f --unused-for nonsense").exits(125);
}

fn pinned_images_stay(context: &Context) {
    store(context, &aged("a", DAY), &["a:1"]);
    store(context, &aged("b", DAY), &["b:1"]);
    prints(context, "pin a:1");
    prints(context, "pin a:1");
    prints(context, "image prune -a -f");
    prints(context, "image prune -a -f --keep-size 0");
    prints(context, "system prune -a -f");
    assert_eq!(named(context, &[]), ["a:1"]);
    prints(context, "unpin a:1");
    prints(context, "image prune -a -f");
    assert_eq!(named(context, &[]), [""; 0]);
    for line in ["pin gone:1", "unpin gone:1"] {
        fails(context, &line.split(' ').collect::<Vec<_>>(), 1, &["No such image: gone:1"]);
    }
}

/// What crashes leave: staging, unfinished downloads, layers and blobs of no image.
fn system_prune_takes_debris(context: &Context) {
    let id = context.load(&Image::of([vec![file("keep", "keep")]]).tag("keep:1")).image_id;
    let before = StoreListing::read(&context.root());
    let root = context.root();
    let zeros = "0".repeat(64);
    for dir in ["staging/load-1-stale", &format!("layers/sha256/{zeros}/diff")] {
        fs::create_dir_all(root.join(dir)).unwrap();
        fs::write(root.join(dir).join("f"), "left behind").unwrap();
    }
    for path in [format!("partial/sha256/{zeros}"), format!("blobs/sha256/{zeros}")] {
        fs::create_dir_all(root.join(&path).parent().unwrap()).unwrap();
        fs::write(root.join(&path), "left behind").unwrap();
    }
    let stdout = prints(context, "system prune -f");
    assert!(stdout.contains("Total reclaimed space: "), "{stdout}");
    let after = StoreListing::read(&context.root());
    assert!(!after.paths().contains(&zeros) && after.children("staging").is_empty(), "{}", after.paths());
    assert_eq!((after.layers(), after.blobs()), (before.layers(), before.blobs()));
    assert_eq!(context.tree_of_loaded(&id).len(), 2);
}
