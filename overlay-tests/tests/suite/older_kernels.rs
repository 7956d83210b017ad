//! The mount in every way that it can be made: on a new kernel the older ones have to be forced.
//!
//! Rows 152, 153 and 155: `mount(2)` cuts its options at one page, `fsconfig` its strings at 255 bytes, and each has its own
//! characters to escape.

use std::fs;

use overlay_tests::fixture::{Entry, Image, file, opaque, whiteout};
use overlay_tests::harness::{Case, Context, Denied, Need, Output};
use overlay_tests::oracle::apply_stack;
use overlay_tests::tree::{Nlink, differences, names};

use crate::rows::places::{DEMANDED, demanding, works_on};

pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, function) in [
        ("row_152_with_mount_2", (|context| everything(context, &[Denied::MOUNT_API])) as fn(&Context)),
        ("row_153_with_strings", |context| everything(context, &[Denied::LAYERS_BY_DESCRIPTOR])),
        ("row_167_without_openat2", row_167_without_openat2),
        ("row_021_store_on_an_overlay_without_marks", row_021_store_on_an_overlay_without_marks),
    ] {
        all.push(Case::new(module_path!(), name, function).minutes(10));
    }
    all.push(
        Case::new(module_path!(), "row_022_as_root_of_a_user_namespace", user_namespace)
            .needs(Need::Tool("unshare"))
            .needs(Need::UserNamespaces),
    );
    all
}

fn everything(context: &Context, denied: &[Denied]) {
    context.deny(denied);
    context.row(&demanding()).shows(&DEMANDED);
    // Where the store lies at the end of a long path, or of one with every character that means something.
    let deep = context.dir().join(vec!["p".repeat(200); 10].join("/"));
    let odd = context.dir().join("a:b,c\\d e\"f'g\nh");
    for parent in [deep, odd] {
        fs::create_dir_all(&parent).unwrap();
        works_on(context, &parent.join("root"));
    }
    // Many layers: their names alone fill more than one page.
    for layers in [30, 200, 500, 520] {
        let layer = |n: usize| -> Vec<Entry> {
            let mut entries = vec![file(format!("d/{n}"), n.to_string()), file("last", n.to_string())];
            if n % 9 == 8 {
                entries.push(whiteout(format!("d/{}", n - 1)));
            }
            if n == 5 {
                entries.push(opaque("d"));
            }
            entries
        };
        let stack: Vec<Vec<Entry>> = (0..layers).map(layer).collect();
        let expected = apply_stack(&stack).unwrap();
        let lines = differences(&expected, &context.tree_of(&Image::of(stack)), Nlink::Compare);
        assert!(lines.is_empty(), "{layers} layers: {}", lines.join("\n"));
    }
}

/// Works or says that the kernel is too old: nothing in between.
fn row_167_without_openat2(context: &Context) {
    context.deny(&[Denied::OPENAT2]);
    let (written, output) = context.try_load(&Image::of(demanding()));
    if output.code == 0 {
        assert_eq!(names(&context.tree_of_loaded(&written.image_id)), DEMANDED);
    } else {
        output.exits(4).one_line();
    }
}

/// As before Linux 6.7. Nothing is unpacked, and a store of a newer kernel is not mounted either.
fn row_021_store_on_an_overlay_without_marks(context: &Context) {
    let root = context.mount_overlay().join("root");
    let layout = context.fresh("layout");
    let id = Image::of(demanding()).write_oci(&layout).image_id;
    let source = format!("oci:{}", layout.display());
    let run = |arguments: &[&str]| context.output(&mut context.command_on(&root, arguments));
    let load = || run(&["load", &source]);
    let says = |output: Output| {
        let output = output.exits(4);
        let line = output.one_line();
        assert!(line.contains("overlay") && line.contains("Linux 6.8"), "{line}");
    };
    context.deny(&[Denied::ATTRIBUTES]);
    says(load());
    assert_eq!(run(&["images", "-q"]).ok(), "");
    context.deny(&[]);
    if load().code == 0 {
        context.deny(&[Denied::ATTRIBUTES]);
        says(run(&["mount", &id]));
    }
}

/// Row 22: root in a user namespace has all capabilities there, but neither devices nor `trusted` attributes.
fn user_namespace(context: &Context) {
    let layout = context.fresh("layout");
    let id = Image::of(demanding()).write_oci(&layout).image_id;
    let (program, root) = (context.program(), context.root());
    let run = |arguments: &[&str]| {
        let program = ["-Urm", program.to_str().unwrap(), "--progress", "none", "--root", root.to_str().unwrap()];
        context.run("unshare", &[&program[..], arguments].concat())
    };
    let output = run(&["load", &format!("oci:{}", layout.display())]);
    if output.code != 0 {
        output.exits(4).one_line();
        return;
    }
    let script = format!(
        "{0} --root {1} mount --name v {id} && ls {1}/views/v/merged && {0} --root {1} umount v",
        program.display(),
        root.display()
    );
    let output = context.run("unshare", &["-Urm", "sh", "-c", &script]);
    if output.code == 0 {
        assert!(output.stdout.contains("base\nc\nd\nln\no\nplain\n"), "{}", output.stdout);
    } else {
        output.exits(4).one_line();
    }
}
