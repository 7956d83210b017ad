//! Rows 137 to 160: many layers, repeated layers, what the kernel is asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Image, chain_id, dir, file, hardlink, opaque, whiteout};
use overlay_tests::harness::{Case, Context, Need, StoreListing};
use overlay_tests::oracle::apply_stack;
use overlay_tests::tree::{Nlink, differences};

pub fn cases() -> Vec<Case> {
    let mut all = cases![
        row_137_chain_ids;
        row_150_repeated_layers;
        row_156_one_layer_with_whiteouts;
        row_157_read_only;
        row_160_mount_options => Need::WritableViews;
    ];
    for (name, function) in [
        ("row_154_127_layers", (|context| row_154(context, 127)) as fn(&Context)),
        ("row_154_200_layers", |context| row_154(context, 200)),
        ("row_154_499_layers", |context| row_154(context, 499)),
        ("row_154_500_layers", |context| row_154(context, 500)),
        ("row_154_501_layers", |context| row_154(context, 501)),
        ("row_154_700_layers", |context| row_154(context, 700)),
    ] {
        all.push(Case::new(module_path!(), name, function).minutes(10));
    }
    all
}

fn row_137_chain_ids(context: &Context) {
    let written = context.load(&Image::of([vec![file("a", "")], vec![file("b", "")], vec![dir("c", 0o700)]]));
    let chain = chain_id(&written.diff_ids);
    let paths = StoreListing::read(&context.root()).paths();
    assert!(paths.contains(&format!("/corrections/{}", chain.replace(':', "/"))), "{chain} is not in\n{paths}");
}

fn row_150_repeated_layers(context: &Context) {
    let x = || vec![dir("d", 0o700), file("d/x", "x"), file("f", "from x")];
    let a = || vec![whiteout("d/x"), file("d/a", ""), file("f", "from a"), dir("d", 0o711)];
    let b = || vec![whiteout("d"), file("e/g", "")];
    let o = || vec![opaque("d"), file("d/o", "")];
    let empty = Vec::new;
    let stacks = [
        vec![x(), a(), x()],
        vec![a(), x(), a()],
        vec![x(), x()],
        vec![x(), b(), x(), b()],
        vec![b(), x(), b(), a(), x()],
        vec![o(), x(), o()],
        vec![x(), o(), a(), o(), x()],
        vec![empty(), x(), empty()],
        vec![empty(), empty(), empty()],
        vec![empty(), a(), empty(), x(), empty()],
    ];
    for stack in stacks {
        context.row(&stack).also_nested().does_as_the_model_says();
    }
    context.row(&[x(), b(), x()]).shows(&["d/", "d/x", "e/", "e/g", "f"]);
}

/// Every layer has a say: in a directory of its own, in one that all share, and over its neighbour.
fn row_154(context: &Context, layers: usize) {
    let layer = |n: usize| -> Vec<Entry> {
        let mut entries = vec![
            file(format!("shared/{n}"), n.to_string()),
            file("last", n.to_string()),
            dir(format!("own{}", n / 7), 0o700 + n as u64 % 8).mtime(i64::try_from(n).unwrap(), 0),
        ];
        if n % 5 == 4 {
            entries.push(whiteout(format!("shared/{}", n - 2)));
        }
        if n % 100 == 99 {
            entries.push(opaque(format!("own{}", n / 7)));
            entries.push(hardlink(format!("shared/link{n}"), format!("shared/{}", n - 3)));
        }
        entries
    };
    let stack: Vec<Vec<Entry>> = (0..layers).map(layer).collect();
    let expected = apply_stack(&stack).unwrap();
    let lines = differences(&expected, &context.tree_of(&Image::of(stack)), Nlink::Compare);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// The kernel wants two lower directories; a bind mount would show whiteouts as devices.
fn row_156_one_layer_with_whiteouts(context: &Context) {
    let layer = vec![whiteout("gone"), dir("d", 0o755), whiteout("d/gone"), opaque("o"), file("f", "")];
    context.row(&[layer]).in_both_orders().shows(&["d/", "f", "o/"]);
}

fn row_157_read_only(context: &Context) {
    let id = context.load(&Image::of([vec![file("f", "x"), dir("d", 0o777)]])).image_id;
    let merged = context.mount([&id]);
    let read_only = |result: std::io::Result<()>| assert_eq!(result.unwrap_err().raw_os_error(), Some(30));
    read_only(fs::write(merged.join("new"), ""));
    read_only(fs::write(merged.join("f"), ""));
    read_only(fs::remove_file(merged.join("f")));
    read_only(fs::create_dir(merged.join("d/new")));
    read_only(fs::set_permissions(merged.join("f"), fs::Permissions::from_mode(0o777)));
    context.umount(&merged);
}

fn row_160_mount_options(context: &Context) {
    let id = context.load(&Image::of(super::places::demanding())).image_id;
    for (access, flags, name) in [(None, &["ro", "nosuid", "nodev"][..], "r"), (Some("-w"), &["rw", "nodev"], "w")] {
        let merged = context.mount(access.into_iter().chain(["--name", name, &id]));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = mounts.lines().find(|line| line.contains(" - overlay ")).unwrap();
        let options: Vec<&str> = line.split(' ').nth(5).unwrap().split(',').collect();
        assert!(flags.iter().all(|flag| options.contains(flag)), "{name}: {line}");
        assert_eq!(options.contains(&"nosuid"), flags.contains(&"nosuid"), "{line}");
        assert!(line.contains(&format!("overlay rootlay:{name} ")), "{line}");
        for wrong in ["index=on", "metacopy=on", "redirect_dir=on", "redirect_dir=follow", "nfs_export=on", "volatile"]
        {
            assert!(!line.contains(wrong), "{line}");
        }
        context.umount(&merged);
    }
}
