//! Rows S58 to S67: `rmi`.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, Layer, chain_id, file};
use overlay_tests::harness::{Case, Context, Need, StoreListing};
use overlay_tests::registry::Bed;

use super::{DAY, aged, fails, layers_here, named, prints, rows, run, short, store};

pub fn cases() -> Vec<Case> {
    cases![
        s58_all_images;
        s58_an_id_twice;
        s59_spellings;
        s60_several_names;
        s61_output;
        s61_layers_that_others_have_stay;
        s63_by_name_only_untags;
        s63_by_id;
        s64_digests_leave_with_the_last_tag => Need::Tool("docker-registry"), Need::Tool("skopeo");
        s64_a_digest_alone => Need::Tool("docker-registry"), Need::Tool("skopeo");
        s65_a_mounted_view;
        s65_a_saved_view;
        s65_two_images_of_which_one_is_in_use;
        s66_forced_by_name_under_a_mount;
        s66_forced_by_id_under_a_mount;
        s66_forced_over_a_saved_view;
        s67_no_dependent_children;
        rmi_dry_run;
        rmi_all_and_ignore;
        rmi_frees_what_it_says
    ]
}

fn s58_all_images(context: &Context) {
    store(context, &aged("a", DAY), &["a:1", "b:1", "quay.io/org/c:2"]);
    store(context, &aged("b", 2 * DAY), &["d:1"]);
    let output = context.shell("rootlay rmi $(rootlay images -q) -f").exits(0);
    assert!(output.stderr.contains("No such image"), "the second time an ID comes: {}", output.stderr);
    assert_eq!(prints(context, "images -q"), "");
    assert_eq!(layers_here(context), 0);
    // Nothing is left to name.
    let _ = context.shell("rootlay rmi $(rootlay images -q) -f").exits(125);
}

fn s58_an_id_twice(context: &Context) {
    let id = store(context, &aged("a", DAY), &["a:1"]);
    let output = context.rootlay(["rmi", short(&id), short(&id)]).exits(1);
    assert!(output.stdout.contains(&format!("Deleted: {id}\n")), "{}", output.stdout);
    assert!(output.one_line().contains(&format!("No such image: {}", short(&id))), "{}", output.stderr);
    let output = context.rootlay(["rmi", "-f", "gone"]).exits(0);
    assert!(output.stdout.is_empty() && output.stderr.contains("No such image: gone"), "{output:?}");
}

fn s59_spellings(context: &Context) {
    for line in ["rmi a:1", "image rm a:1", "image remove a:1", "rmi a:1 --force", "rmi -f a:1", "rmi --force=true a:1"]
    {
        let id = store(context, &aged("a", DAY), &["a:1"]);
        let stdout = prints(context, line);
        assert!(
            stdout.starts_with("Untagged: a:1\n") && stdout.contains(&format!("Deleted: {id}\n")),
            "{line}: {stdout}"
        );
    }
    let _ = run(context, "rmi").exits(125);
    fails(context, &["rmi", "gone"], 1, &["No such image: gone"]);
}

fn s60_several_names(context: &Context) {
    let ids = [3, 2, 1].map(|days| store(context, &aged(&days.to_string(), days * DAY), &[&format!("n:{days}")]));
    store(context, &aged("kept", DAY), &["kept:1"]);
    let output = context.rootlay(["rmi", "n:3", "gone:1", short(&ids[1]), "also:gone", &ids[2]]).exits(1);
    for id in &ids {
        assert!(output.stdout.contains(&format!("Deleted: {id}\n")), "{}", output.stdout);
    }
    for name in ["gone:1", "also:gone"] {
        assert!(output.stderr.contains(&format!("No such image: {name}")), "{}", output.stderr);
    }
    assert_eq!(named(context, &[]), ["kept:1"]);
}

/// The names, the image, and then each layer by the digest of the chain that ends there.
fn s61_output(context: &Context) {
    let image = Image::of([vec![file("f", "")], vec![file("g", "")], vec![file("h", "")]]);
    let written = context.load(&image.tag("a:1"));
    let chains: Vec<String> =
        (1..=3).rev().map(|n| format!("Deleted: {}\n", chain_id(&written.diff_ids[..n]))).collect();
    let expected = format!("Untagged: a:1\nDeleted: {}\n{}", written.image_id, chains.concat());
    assert_eq!(prints(context, "rmi a:1"), expected);
}

fn s61_layers_that_others_have_stay(context: &Context) {
    let with = |name: &str| Image::of([Layer::of(&[file("shared", "")]), Layer::of(&[file(name, "")])]);
    let [a, b] = ["a", "b"].map(|name| context.load(&with(name).tag(&format!("{name}:1"))));
    let expected = format!("Untagged: a:1\nDeleted: {}\nDeleted: {}\n", a.image_id, chain_id(&a.diff_ids));
    assert_eq!(prints(context, "rmi a:1"), expected);
    assert_eq!(layers_here(context), 2);
    assert_eq!(context.tree_of_loaded(&b.image_id).len(), 3);
}

fn s63_by_name_only_untags(context: &Context) {
    store(context, &aged("a", DAY), &["a:1", "a:2", "quay.io/x/b:1"]);
    assert_eq!(prints(context, "rmi a:1"), "Untagged: a:1\n");
    assert_eq!(prints(context, "rmi -f quay.io/x/b:1"), "Untagged: quay.io/x/b:1\n");
    assert_eq!(named(context, &[]), ["a:2"]);
}

fn s63_by_id(context: &Context) {
    for names in [&["a:1", "b:1"][..], &["a:1", "a:2"]] {
        let id = store(context, &aged("a", DAY), names);
        let text = format!(
            "conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories",
            short(&id)
        );
        for name in [&id, short(&id)] {
            fails(context, &["rmi", name], 1, &[&text]);
            assert_eq!(named(context, &[]), names);
        }
        let stdout = context.rootlay(["rmi", "-f", short(&id)]).ok();
        let expected = format!("Untagged: {}\nUntagged: {}\nDeleted: {id}\n", names[0], names[1]);
        assert!(stdout.starts_with(&expected), "{stdout}");
        assert_eq!(layers_here(context), 0);
    }
}

fn s64_digests_leave_with_the_last_tag(context: &Context) {
    let (bed, registry, _proxy) = Bed::open(context);
    let written = registry.publish(&aged("x", DAY), "app:1");
    let digest = written.manifest["digest"].as_str().unwrap();
    let [tag, by_digest] = [registry.name("app:1"), registry.name(&format!("app@{digest}"))];
    bed.pull(&tag);
    bed.pull(&by_digest);
    prints(context, &format!("tag {tag} other:1"));
    assert_eq!(prints(context, &format!("rmi {tag}")), format!("Untagged: {tag}\nUntagged: {by_digest}\n"));
    assert_eq!(named(context, &[]), ["other:1"]);
    // All in one repository, with one tag: the ID is enough.
    prints(context, "rmi other:1");
    bed.pull(&tag);
    bed.pull(&by_digest);
    let stdout = prints(context, &format!("rmi {}", short(&written.image_id)));
    let expected = format!("Untagged: {tag}\nUntagged: {by_digest}\nDeleted: {}\n", written.image_id);
    assert!(stdout.starts_with(&expected), "{stdout}");
}

fn s64_a_digest_alone(context: &Context) {
    let (bed, registry, _proxy) = Bed::open(context);
    let written = registry.publish(&aged("x", DAY), "app:1");
    let digest = written.manifest["digest"].as_str().unwrap();
    let [tag, by_digest] = [registry.name("app:1"), registry.name(&format!("app@{digest}"))];
    bed.pull(&tag);
    bed.pull(&by_digest);
    assert_eq!(prints(context, &format!("rmi {by_digest}")), format!("Untagged: {by_digest}\n"));
    assert_eq!(named(context, &[]), [&*tag]);
    prints(context, &format!("rmi {tag}"));
    bed.pull(&by_digest);
    let stdout = prints(context, &format!("rmi {by_digest}"));
    assert!(stdout.starts_with(&format!("Untagged: {by_digest}\nDeleted: {}\n", written.image_id)), "{stdout}");
}

fn s65_a_mounted_view(context: &Context) {
    let id = store(context, &aged("a", DAY), &["a:1", "b:1"]);
    for access in ["--name=box", "--name=box -w"] {
        prints(context, &format!("mount {access} a:1"));
        // With another name left, a name may go.
        assert_eq!(prints(context, "rmi b:1"), "Untagged: b:1\n");
        let text = format!(
            "conflict: unable to remove repository reference \"a:1\" (must force) - view box is using its referenced image {}",
            short(&id)
        );
        fails(context, &["rmi", "a:1"], 2, &[&text]);
        let text = format!(
            "conflict: unable to delete {} (cannot be forced) - image is being used by running view box",
            short(&id)
        );
        fails(context, &["rmi", &id], 2, &[&text]);
        assert_eq!(named(context, &[]), ["a:1"]);
        prints(context, "umount box");
        prints(context, "tag a:1 b:1");
    }
    prints(context, "rm box");
    prints(context, "rmi b:1");
    prints(context, "rmi a:1");
    assert_eq!(layers_here(context), 0);
}

fn s65_a_saved_view(context: &Context) {
    let id = store(context, &aged("a", DAY), &["a:1"]);
    prints(context, "mount -w --name box a:1");
    prints(context, "umount box");
    let text = format!(
        "conflict: unable to remove repository reference \"a:1\" (must force) - view box is using its referenced image {}",
        short(&id)
    );
    fails(context, &["rmi", "a:1"], 2, &[&text]);
    let text =
        format!("conflict: unable to delete {} (must be forced) - image is being used by stopped view box", short(&id));
    fails(context, &["rmi", short(&id)], 2, &[&text]);
    prints(context, "rm box");
    prints(context, "rmi a:1");
}

fn s65_two_images_of_which_one_is_in_use(context: &Context) {
    for name in ["a", "b"] {
        store(context, &aged(name, DAY), &[&format!("{name}:1")]);
    }
    let merged = context.mount(["a:1"]);
    let output = run(context, "rmi a:1 b:1").exits(2);
    assert!(output.stdout.starts_with("Untagged: b:1\n"), "{}", output.stdout);
    assert_eq!(named(context, &[]), ["a:1"]);
    // A view that was unmounted and keeps nothing is in nobody's way.
    context.umount(&merged);
    prints(context, "rmi a:1");
}

fn s66_forced_by_name_under_a_mount(context: &Context) {
    let id = store(context, &aged("a", DAY), &["a:1"]);
    let merged = context.mount(["--name", "box", "a:1"]);
    assert_eq!(prints(context, "rmi -f a:1"), "Untagged: a:1\n");
    assert_eq!(rows(context, &[], "{{.Repository}}:{{.Tag}} {{.ID}}"), [format!("<none>:<none> {}", short(&id))]);
    assert_eq!(fs::read(merged.join("says")).unwrap(), b"a");
    // Neither does a prune take it.
    prints(context, "image prune -f");
    prints(context, "image prune -a -f");
    prints(context, "system prune -f");
    assert_eq!(fs::read(merged.join("says")).unwrap(), b"a");
    assert_eq!(layers_here(context), 1);
    prints(context, "umount box");
    prints(context, "image prune -f");
    assert_eq!(layers_here(context), 0);
}

fn s66_forced_by_id_under_a_mount(context: &Context) {
    let id = store(context, &aged("a", DAY), &["a:1", "b:1"]);
    let merged = context.mount(["--name", "box", "a:1"]);
    let text = format!("unable to delete {} (cannot be forced) - image is being used by running view box", short(&id));
    fails(context, &["rmi", "-f", &id], 2, &[&text]);
    assert_eq!(named(context, &[]), ["a:1", "b:1"]);
    assert_eq!(fs::read(merged.join("says")).unwrap(), b"a");
    let _ = context.shell("rootlay rmi $(rootlay images -q) -f").exits(2);
    assert_eq!(named(context, &[]), ["a:1", "b:1"]);
    context.umount(&merged);
    prints(context, "rmi a:1");
    prints(context, "rmi b:1");
}

/// Docker removes the image, and the container keeps its layers: what was written is never lost.
fn s66_forced_over_a_saved_view(context: &Context) {
    for by_id in [false, true] {
        let id = store(context, &aged("a", DAY), &["a:1"]);
        let name = if by_id { id.as_str() } else { "a:1" };
        let merged = context.mount(["-w", "--name", "box", "a:1"]);
        fs::write(merged.join("written"), "x").unwrap();
        context.umount(&merged);
        let stdout = context.rootlay(["rmi", "-f", name]).ok();
        assert!(stdout.starts_with("Untagged: a:1\n"), "{name}: {stdout}");
        assert_eq!(named(context, &["a"]), [""; 0]);
        prints(context, "image prune -a -f");
        prints(context, "system prune -f");
        let merged = context.mount(["--name", "box"]);
        assert_eq!(fs::read(merged.join("says")).unwrap(), b"a", "{name}");
        assert_eq!(fs::read(merged.join("written")).unwrap(), b"x", "{name}");
        context.umount(&merged);
        prints(context, "rm box");
        prints(context, "image prune -a -f");
        prints(context, "system prune -f");
        assert_eq!(layers_here(context), 0, "{name}");
    }
}

fn s67_no_dependent_children(context: &Context) {
    let base = || Layer::of(&[file("base", "")]);
    let parent = context.load(&Image::of([base()]).tag("base:1"));
    let child = context.load(&Image::of([base(), Layer::of(&[file("top", "")])]).tag("child:1"));
    prints(context, &format!("rmi {}", parent.image_id));
    assert_eq!(context.tree_of_loaded(&child.image_id).len(), 3);
}

fn rmi_dry_run(context: &Context) {
    let id = store(context, &aged(&"x".repeat(50_000), DAY), &["a:1"]);
    let before = StoreListing::read(&context.root());
    let stdout = prints(context, "rmi --dry-run a:1");
    assert!(stdout.contains("a:1") && stdout.contains(&id[7..19]), "{stdout}");
    assert!(stdout.contains("kB") || stdout.contains("KB") || stdout.contains("bytes"), "no size in {stdout}");
    before.assert_unchanged(&context.root());
    let merged = context.mount(["a:1"]);
    let _ = run(context, "rmi --dry-run a:1").exits(2);
    context.umount(&merged);
    fails(context, &["rmi", "--dry-run", "gone"], 1, &["No such image: gone"]);
}

/// As Podman has it.
fn rmi_all_and_ignore(context: &Context) {
    store(context, &aged("a", DAY), &["a:1", "b:1"]);
    store(context, &aged("b", DAY), &["c:1"]);
    let _ = run(context, "rmi --ignore gone").exits(0);
    prints(context, "rmi --all --force");
    assert_eq!(prints(context, "images -q"), "");
}

/// Everything that the store holds belongs to an image: without images there is nothing.
fn rmi_frees_what_it_says(context: &Context) {
    store(context, &aged("keep", DAY), &["keep:1"]);
    let before = StoreListing::read(&context.root());
    store(context, &Image::of([vec![file("f", "1")], vec![file("g", "2")]]), &["a:1"]);
    prints(context, "rmi a:1");
    let after = StoreListing::read(&context.root());
    assert_eq!((after.layers(), after.blobs()), (before.layers(), before.blobs()));
    prints(context, "rmi keep:1");
    let after = StoreListing::read(&context.root());
    assert!(after.layers().is_empty() && after.blobs().is_empty(), "{}", after.paths());
}
