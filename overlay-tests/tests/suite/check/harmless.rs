//! No false alarm.

use std::fs;
use std::process::{Child, Stdio};

use nix::mount::{MsFlags, mount};
use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Image, Layer, SparseMap, dir, file, gnu_sparse};
use overlay_tests::harness::{Case, Context, StoreListing};
use overlay_tests::random::random_stack;
use overlay_tests::tree::read_tree;

use serde_json::{Value, json};

use super::damage::{Damage, damage};
use super::{Bench, check, findings, stack};

pub fn cases() -> Vec<Case> {
    let mut all = cases![
        using_images_is_no_damage;
        random_stacks;
        metadata_that_file_systems_change;
        a_store_on_overlayfs;
        a_read_only_file_system;
        sparse_files;
        sparse_files_of_the_first_versions;
        a_missing_blob_of_a_layer_is_no_damage;
        a_stack_of_4096_layers_takes_little_memory;
        other_commands_at_the_same_time
    ];
    for (name, file_system) in [
        ("using_images_is_no_damage_on_ext4", "ext4"),
        ("using_images_is_no_damage_on_xfs", "xfs"),
        ("using_images_is_no_damage_on_btrfs", "btrfs"),
    ] {
        all.push(Case::new(module_path!(), name, using_images_is_no_damage).on(file_system));
    }
    all
}

fn using_images_is_no_damage(context: &Context) {
    let bench = Bench::new(context);
    bench.is_sound("loaded");
    let read_only = context.mount(["--name", "r", "damaged:1"]);
    read_tree(&read_only).unwrap();
    bench.is_sound("mounted and read");
    let writable = context.mount(["-w", "--name", "w", "damaged:1"]);
    fs::write(writable.join("d/f"), "changed").unwrap();
    fs::set_permissions(writable.join("d"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    fs::remove_dir_all(writable.join("o")).unwrap();
    fs::rename(writable.join("d/last"), writable.join("renamed")).unwrap();
    bench.is_sound("a writable view");
    context.mount(["--upto", "2", "--name", "part", "damaged:1"]);
    bench.is_sound("a part of the stack");
    context.rootlay(["umount", "-a"]).ok();
    bench.is_sound("unmounted");
    context.rootlay(["tag", "damaged:1", "new:2"]).ok();
    context.rootlay(["rmi", "damaged:1"]).ok();
    bench.is_sound("another name");
    context.mount(["--name", "w"]);
    context.rootlay(["rmi", "--force", "new:2"]);
    context.rootlay(["rmi", "other:1"]).ok();
    bench.is_sound("without its image");
    context.rootlay(["umount", "-a"]).ok();
    context.rootlay(["rm", "w"]).ok();
    context.rootlay(["system", "prune", "-af"]).ok();
    bench.is_sound("pruned");
}

/// What unpacking made of them is what their records say.
fn random_stacks(context: &Context) {
    for seed in 0..60 {
        let stack = random_stack(seed);
        let (_, output) = context.try_load(&Image::of(stack.iter().cloned()));
        assert!(matches!(output.code, 0 | 3), "{}", output.stderr);
        if seed % 10 == 9 {
            let output = check(context, &["--deep"]);
            assert!(output.code == 0 && output.stdout.is_empty(), "{}{}", output.stdout, output.stderr);
        }
    }
}

/// ACLs that are a mode, capabilities, times before 1970 and far in the future, odd names.
fn metadata() -> Vec<Entry> {
    // Version 2; user::rwx, group::r-x, other::r-x (acl(5), linux/posix_acl_xattr.h).
    let acl = |group: u8| {
        let entry = |tag: u8, permissions: u8| [tag, 0, permissions, 0, 0xff, 0xff, 0xff, 0xff];
        [&[2, 0, 0, 0][..], &entry(1, 7), &entry(4, group), &entry(0x10, group), &entry(0x20, 5)].concat()
    };
    // VFS_CAP_REVISION_2 with CAP_NET_RAW, effective (linux/capability.h).
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    vec![
        file("acl", "").mode(0o755).xattr("system.posix_acl_access", acl(5)),
        file("mask", "").mode(0o700).xattr("system.posix_acl_access", acl(7)),
        dir("default", 0o755).xattr("system.posix_acl_default", acl(5)),
        file("default/child", ""),
        file("ping", "x").mode(0o755).xattr("security.capability", capability),
        file("old", "").mtime(-2_000_000_000, 1),
        file("future", "").mtime(20_000_000_000, 0),
        file("label", "").xattr("security.selinux", "system_u:object_r:bin_t:s0"),
        file(b"\xff\n %41", "").xattr("user.\u{e4}", ""),
    ]
}

fn metadata_that_file_systems_change(context: &Context) {
    for place in ["tmpfs", "ext4", "xfs", "btrfs"] {
        let root = if place == "tmpfs" {
            context.root()
        } else if std::path::Path::new(&format!("/sbin/mkfs.{place}")).exists() {
            context.mount_image(place, "512M").join("root")
        } else {
            continue;
        };
        let layout = context.fresh("layout");
        Image::of([metadata()]).write_oci(&layout);
        let mut load = context.command_on(&root, ["load", &format!("oci:{}", layout.display())]);
        context.output(&mut load).ok();
        let output = context.output(&mut context.command_on(&root, ["system", "check", "--deep"]));
        assert!(output.code == 0 && output.stdout.is_empty(), "{place}: {}{}", output.stdout, output.stderr);
    }
}

/// Nothing is written, and nothing is found that was not there before: on a file system of seconds of 32 bits, and on one
/// that can be written to through another mount.
fn a_read_only_file_system(context: &Context) {
    let bound = context.fresh_dir("bound");
    mount(Some(&bound), &bound, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    let small = context.mount_image_with("ext4", &["-I", "128"], "64M");
    for (place, flags) in [(bound, MsFlags::MS_BIND), (small, MsFlags::empty())] {
        let root = place.join("root");
        let run = |arguments: &[&str]| context.output(&mut context.command_on(&root, arguments));
        let remount = |access: MsFlags| {
            mount(None::<&str>, &place, None::<&str>, flags | access | MsFlags::MS_REMOUNT, None::<&str>).unwrap();
        };
        let layout = context.fresh("layout");
        let written = Image::of([stack(), vec![metadata()]].concat()).tag("a:1").write_oci(&layout);
        run(&["load", &format!("oci:{}", layout.display())]).ok();
        remount(MsFlags::MS_RDONLY);
        for arguments in [&["system", "check"][..], &["system", "check", "--deep"]] {
            let output = run(arguments).exits(0);
            assert_eq!(output.stdout, "", "{}", place.display());
            assert!(output.stderr.contains("nothing is wrong"), "{}", output.stderr);
        }
        remount(MsFlags::empty());
        let layer = root.join("layers").join(written.diff_ids[0].replace(':', "/"));
        damage(&layer.join("diff/d/f"), Damage::Flip);
        damage(&layer.join("diff/empty"), Damage::Mode);
        remount(MsFlags::MS_RDONLY);
        let before = StoreListing::read(&root);
        let output = run(&["system", "check", "--deep", "--quiet"]).exits(1);
        let named: Vec<&str> =
            output.stdout.lines().filter_map(|line| line.rsplit_once("/diff/")).map(|(_, file)| file).collect();
        assert_eq!(named, ["d/f", "empty"], "{}", output.stdout);
        let refused = run(&["system", "check", "--repair"]).exits(1);
        assert!(refused.one_line().contains("EROFS"), "{}", refused.stderr);
        before.assert_unchanged(&root);
        remount(MsFlags::empty());
        run(&["system", "check", "--deep", "--repair"]).ok();
        assert_eq!(run(&["system", "check", "--deep"]).ok(), "");
    }
}

/// There whiteouts are files with an attribute, and inode numbers are made up.
fn a_store_on_overlayfs(context: &Context) {
    let place = context.fresh_dir("overlay");
    mount(Some("tmpfs"), &place, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(place.join(name)).unwrap();
    }
    let options = ["lower", "upper", "work"].map(|name| format!("{name}dir={}", place.join(name).display()));
    let merged = place.join("merged");
    mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.join(",").as_str())).unwrap();
    let root = merged.join("root");
    let layout = context.fresh("layout");
    let written = Image::of(stack()).tag("a:1").write_oci(&layout);
    let run = |arguments: &[&str]| context.output(&mut context.command_on(&root, arguments));
    run(&["load", &format!("oci:{}", layout.display())]).ok();
    let sound = |what: &str| {
        let output = run(&["system", "check", "--deep"]);
        assert!(output.code == 0 && output.stdout.is_empty(), "{what}: {}{}", output.stdout, output.stderr);
    };
    sound("loaded");
    let view = run(&["mount", "a:1"]).ok();
    read_tree(view.trim_end().as_ref()).unwrap();
    sound("mounted");
    run(&["umount", "-a"]).ok();
    let layer = |number: usize| root.join("layers").join(written.diff_ids[number].replace(':', "/"));
    for (file, one) in [
        ("diff/empty", Damage::Plain),
        ("diff/o", Damage::Unmark("trusted.overlay.opaque")),
        ("diff/s/x", Damage::Flip),
    ] {
        damage(&layer(1).join(file), one);
        let _ = run(&["system", "check", "--deep"]).exits(1);
        run(&["system", "check", "--deep", "--repair"]).ok();
        sound(file);
    }
}

fn sparse_files(context: &Context) {
    let map = SparseMap { size: 8_000_000_000, pieces: vec![(5_000, b"data".to_vec()), (1 << 32, vec![7; 10_000])] };
    let layer = Layer::pieces(&[gnu_sparse("sparse", &map)]);
    let written = context.load(&Image::of([layer]));
    assert_eq!(check(context, &["--deep"]).ok(), "");
    let layer = context.root().join("layers").join(written.diff_ids[0].replace(':', "/"));
    let sparse = fs::File::options().write(true).open(layer.join("diff/sparse")).unwrap();
    let modified = sparse.metadata().unwrap().modified().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"x", 1 << 32).unwrap();
    sparse.set_modified(modified).unwrap();
    drop(sparse);
    assert_eq!(check(context, &[]).ok(), "");
    let found = findings(context, &["--deep"], 1);
    assert!(super::text(&found[0], "Problem").starts_with("content: "), "{found:?}");
    check(context, &["--deep", "--repair"]).ok();
    assert_eq!(check(context, &["--deep"]).ok(), "");
}

/// Their hash was made of the pieces in the archive, and the record does not say so.
fn sparse_files_of_the_first_versions(context: &Context) {
    let map = SparseMap { size: 1_000_000, pieces: vec![(5_000, b"data".to_vec()), (600_000, vec![7; 10_000])] };
    let dense = Layer::of(&[file("dense", "some\0bytes\0"), file("text", "some text")]);
    let written = context.load(&Image::of([Layer::pieces(&[gnu_sparse("sparse", &map)]), dense]));
    let layer = |number: usize| context.root().join("layers").join(written.diff_ids[number].replace(':', "/"));
    for number in 0..2 {
        let record = layer(number).join("layer.json");
        let text = fs::read_to_string(&record).unwrap();
        let (summary, entries) = text.split_once('\n').unwrap();
        let older = summary.replace(",\"sparse\":\"blocks\"", "");
        assert_ne!(older, summary);
        let mut entries = entries.to_owned();
        if number == 0 {
            let mut entry: serde_json::Value = serde_json::from_str(&entries).unwrap();
            // Whatever it was: neither the file nor the record has what it was made of.
            entry[8] = "0123456789abcdef".into();
            entries = format!("{entry}\n");
        }
        fs::write(&record, format!("{older}\n{entries}")).unwrap();
    }
    assert_eq!(check(context, &["--deep"]).ok(), "");
    damage(&layer(1).join("diff/dense"), Damage::Flip);
    let text = fs::File::options().write(true).open(layer(1).join("diff/text")).unwrap();
    let modified = text.metadata().unwrap().modified().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&text, &[0; 9], 0).unwrap();
    text.set_modified(modified).unwrap();
    drop(text);
    let found = findings(context, &["--deep"], 1);
    let mut paths: Vec<_> = found.iter().map(|finding| super::text(finding, "Path")).collect();
    paths.sort_unstable();
    assert!(paths.len() == 2 && paths[0].ends_with("diff/dense") && paths[1].ends_with("diff/text"), "{found:?}");
    // A size is a size by any rule.
    fs::File::options().write(true).open(layer(0).join("diff/sparse")).unwrap().set_len(999_999).unwrap();
    assert_eq!(findings(context, &["--deep"], 1).len(), 4, "the size and the time of one, the content of the others");
    check(context, &["--deep", "--repair"]).ok();
    assert_eq!(check(context, &["--deep"]).ok(), "");
}

/// A pulled image may lack it: what is unpacked is not fetched again.
fn a_missing_blob_of_a_layer_is_no_damage(context: &Context) {
    let bench = Bench::new(context);
    fs::remove_file(bench.blob(&bench.written.layers[1])).unwrap();
    bench.is_sound("without the blob of a layer");
}

/// As many layers as a stack may have: empty ones, written as docs/on-disk.md says, because loading them takes long.
fn a_stack_of_4096_layers_takes_little_memory(context: &Context) {
    use overlay_tests::fixture::{chain_id, sha256};
    let root = context.root();
    context.load(&Image::of([Layer::of(&[])]));
    let make = |folder: &str, digest: &str| {
        let dir = root.join(folder).join(digest.replace(':', "/"));
        fs::create_dir_all(dir.join("diff")).unwrap();
        fs::File::open(dir.join("diff")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        fs::write(dir.join("commit.json"), r#"{"boot":""}"#).unwrap();
        dir
    };
    let ids: Vec<String> = (0..4096).map(|number| sha256(format!("layer {number}").as_bytes())).collect();
    for id in &ids {
        let summary = json!({
            "format": 1, "diff_id": id, "entries": 0, "bytes": 0, "marks": 0, "opaque_root": false, "empty": true,
        });
        fs::write(make("layers", id).join("layer.json"), format!("{summary}\n")).unwrap();
    }
    make("corrections", &chain_id(&ids));
    let blob = |document: &Value| {
        let bytes = document.to_string();
        let digest = sha256(bytes.as_bytes());
        fs::write(root.join("blobs").join(digest.replace(':', "/")), &bytes).unwrap();
        (digest, bytes.len())
    };
    let (config, manifest) = ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.manifest.v1+json");
    let (image, size) =
        blob(&json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}}));
    let layer =
        |id: &String| json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": id, "size": 1024});
    let (digest, length) = blob(&json!({
        "schemaVersion": 2,
        "mediaType": manifest,
        "config": {"mediaType": config, "digest": image, "size": size},
        "layers": ids.iter().map(layer).collect::<Vec<_>>(),
    }));
    let from = json!({
        "media_type": manifest, "digest": digest, "size": length, "indexes": [], "layers": ids, "origin": "-",
        "added": "2024-01-01T00:00:00Z",
    });
    let record = json!({
        "id": image, "platform": {"os": "linux", "architecture": "amd64"}, "diff_ids": ids, "created": null, "size": 0,
        "manifests": [from], "names": [],
    });
    fs::write(root.join("images").join(format!("{}.json", image.replace(':', "/"))), record.to_string()).unwrap();
    let (output, bytes) = context.measured(["system", "check"]);
    assert_eq!(output.stdout, "", "{}", output.stderr);
    assert!(output.stderr.contains("4097 layers"), "{}", output.stderr);
    assert!(bytes < 96 << 20, "{bytes} bytes");
}

fn other_commands_at_the_same_time(context: &Context) {
    let bench = Bench::new(context);
    let layouts: Vec<String> = (0..3)
        .map(|number| {
            let layout = context.fresh("layout");
            let entries: Vec<_> = (0..50).map(|n| file(format!("{number}/{n}"), n.to_string())).collect();
            Image::of([stack()[0].clone(), entries]).tag(&format!("busy:{number}")).write_oci(&layout);
            format!("oci:{}", layout.display())
        })
        .collect();
    let script = layouts.iter().zip(0..).map(|(layout, number)| {
        format!(
            "for i in 1 2 3 4 5 6; do rootlay load {layout} && V=$(rootlay mount busy:{number}) && \
             find $V >/dev/null; rootlay mount -w --name w{number}-$i busy:{number}; rootlay umount w{number}-$i; \
             rootlay rm w{number}-$i; rootlay umount $V; rootlay rmi -f busy:{number}; rootlay system prune -f; done"
        )
    });
    let mut busy: Vec<Child> = script
        .map(|line| context.shell_command(&line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
        .collect();
    let mut checks = 0;
    while busy.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        let arguments: &[&str] = if checks % 2 == 0 { &["--deep"] } else { &["--repair"] };
        let output = check(context, arguments);
        assert_eq!(output.code, 0, "check {checks}: {}{}", output.stdout, output.stderr);
        checks += 1;
    }
    assert!(checks > 1, "no check ran beside other commands");
    for mut child in busy {
        child.wait().unwrap();
    }
    bench.is_as_the_model_says("afterwards");
    let output = check(context, &["--deep"]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
}
