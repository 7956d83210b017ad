//! Rows 47 to 57: modes, capabilities, extended attributes.

use overlay_tests::cases;
use overlay_tests::fixture::{Image, block, dir, fifo, file, hardlink, symlink, whiteout};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::tree::{NodeKind, names};

use super::{acl, node};

pub fn cases() -> Vec<Case> {
    cases![
        row_047_mode_bits;
        row_048_capabilities_survive;
        row_049_capabilities_of_a_namespace;
        row_050_selinux_labels_are_dropped;
        row_051_trusted_attributes;
        row_052_overlay_attributes_do_nothing;
        row_052_overlay_attributes_are_content => Need::Kernel(6, 7);
        row_053_attributes_of_everything_else;
        row_055_acl_after_mode;
        row_056_libarchive_attributes;
        row_057_keys_of_attributes
    ]
}

fn row_047_mode_bits(context: &Context) {
    let modes = [0o4755, 0o2755, 0o1755, 0o6777, 0o7777, 0o0000, 0o0200];
    let files = modes.map(|mode| file(format!("f{mode:o}"), "x").mode(mode).uid(5).gid(6));
    let dirs = modes.map(|mode| dir(format!("d{mode:o}"), mode).uid(5).gid(6));
    let layer = [files.to_vec(), dirs.to_vec()].concat();
    context.row(&[layer]).also_nested().does_as_the_model_says();
    // Type bits in the mode, as old archives have them.
    let layer = vec![file("f", "x").mode(0o100_755), dir("d", 0o40_711), file("g", "").mode(0o177_777)];
    let tree = context.tree_of(&Image::of([layer]));
    let mode = |path| node(&tree, path).mode;
    assert_eq!((mode("/f"), mode("/d"), mode("/g")), (0o755, 0o711, 0o7777));
}

/// `cap_net_raw=ep` as the kernel's xattr, version 2.
fn capability() -> Vec<u8> {
    [&[1, 0, 0, 2, 0, 0x20][..], &[0; 14]].concat()
}

fn row_048_capabilities_survive(context: &Context) {
    let ping = || file("ping", "elf").mode(0o755).uid(5).xattr("security.capability", capability());
    context.row(&[vec![ping()]]).also_nested().shows(&["ping"]);
    // Copied into the correction layer too.
    let relocated = [vec![dir("bin", 0o755), symlink("sbin", "bin")], vec![ping().below("sbin")]];
    context.row(&relocated).shows(&["bin/", "bin/ping", "sbin -> bin"]);
    context.row(&[vec![ping()], vec![hardlink("pong", "ping")]]).shows(&["ping", "pong"]);
}

/// Version 3, with the root of a user namespace: stored as it came.
fn row_049_capabilities_of_a_namespace(context: &Context) {
    let mut version_3 = capability();
    version_3[3] = 3;
    version_3.extend(100_000_u32.to_le_bytes());
    let tree = context.tree_of(&Image::of([vec![file("ping", "elf").xattr("security.capability", &version_3)]]));
    assert_eq!(node(&tree, "/ping").xattrs[b"security.capability".as_slice()], version_3);
}

fn row_050_selinux_labels_are_dropped(context: &Context) {
    let label = "system_u:object_r:bin_t:s0\0";
    let layer = vec![
        file("f", "").xattr("security.selinux", label),
        dir("d", 0o755).xattr("security.selinux", label).xattr("user.kept", "1"),
    ];
    context.row(&[layer]).also_nested().shows(&["d/", "f"]);
}

fn row_051_trusted_attributes(context: &Context) {
    let layer = vec![
        file("f", "").xattr("trusted.foo", "bar").xattr("trusted.empty", ""),
        dir("d", 0o755).xattr("trusted.overlayfs", "1").xattr("trusted.binary", b"\0\xff\n="),
        symlink("s", "f").xattr("trusted.on_link", "1"),
    ];
    context.row(&[layer]).also_nested().shows(&["d/", "f", "s -> f"]);
}

/// What the kernel would do with each of these if they reached it.
fn row_052_overlay_attributes_do_nothing(context: &Context) {
    for space in ["trusted", "user"] {
        let key = |name: &str| format!("{space}.overlay.{name}");
        for opaque in ["y", "x"] {
            let top = vec![dir("d", 0o711).xattr(key("opaque"), opaque)];
            let tree = context.tree_of(&Image::of([vec![dir("d", 0o755), file("d/x", "")], top]));
            assert_eq!(names(&tree), ["d/", "d/x"], "opaque={opaque}");
        }
        let hidden = vec![dir("hidden", 0o755), file("hidden/secret", "s"), file("secret", "s")];
        let top = vec![
            whiteout("hidden"),
            whiteout("secret"),
            dir("d", 0o755).xattr(key("redirect"), "/hidden").xattr(key("origin"), ""),
            file("f", "own").xattr(key("metacopy"), "").xattr(key("redirect"), "/secret"),
            file("w", "").xattr(key("whiteout"), ""),
            dir("i", 0o755).xattr(key("impure"), "y").xattr(key("nlink"), "U+5"),
        ];
        let tree = context.tree_of(&Image::of([hidden, top]));
        assert_eq!(names(&tree), ["d/", "f", "i/", "w"], "{space}");
        assert!(matches!(&node(&tree, "/f").kind, NodeKind::File(3, _)));
        // The same name twice, once escaped by hand.
        let twice = dir("d", 0o755).xattr(key("opaque"), "y").xattr(key("overlay.opaque"), "y");
        let tree = context.tree_of(&Image::of([vec![file("d/x", "")], vec![twice]]));
        assert_eq!(names(&tree), ["d/", "d/x"]);
    }
}

fn row_052_overlay_attributes_are_content(context: &Context) {
    let mut layer = Vec::new();
    for space in ["trusted", "user"] {
        for name in ["opaque", "redirect", "metacopy", "origin", "whiteout", "overlay.x", "unknown"] {
            layer.push(file(format!("{space}-{name}"), "x").xattr(format!("{space}.overlay.{name}"), "y"));
        }
        layer.push(dir(format!("{space}-dir"), 0o755).xattr(format!("{space}.overlay.opaque"), "y"));
    }
    context.row(&[layer.clone()]).also_nested().does_as_the_model_says();
    // In the correction layer: implied directories and relocated files.
    let below = vec![dir("real", 0o755).xattr("trusted.overlay.opaque", "y"), symlink("ln", "real")];
    let top = vec![file("ln/f", "").xattr("trusted.overlay.metacopy", ""), file("real/g", "")];
    context.row(&[below, top]).shows(&["ln -> real", "real/", "real/f", "real/g"]);
}

/// `user.*` exists on files and directories only; everything else is kept where the kernel keeps it.
fn row_053_attributes_of_everything_else(context: &Context) {
    let layer: Vec<_> = [symlink("s", "x"), fifo("p"), block("b", 7, 0), file("f", ""), dir("d", 0o755)]
        .into_iter()
        .map(|entry| entry.xattr("user.u", "1").xattr("trusted.t", "2"))
        .collect();
    context.row(&[layer]).also_nested().shows(&["b", "d/", "f", "p", "s -> x"]);
}

/// The ACL is as in the archive, whatever mode the header has.
fn row_055_acl_after_mode(context: &Context) {
    let layer = vec![
        file("f", "").mode(0o640).xattr("system.posix_acl_access", acl()),
        dir("d", 0o750).xattr("system.posix_acl_default", acl()),
    ];
    for layers in [vec![layer.clone()], vec![layer, vec![file("d/x", "")]]] {
        let tree = context.tree_of(&Image::of(layers));
        assert_eq!(node(&tree, "/f").xattrs[b"system.posix_acl_access".as_slice()], acl());
        assert_eq!(node(&tree, "/d").xattrs[b"system.posix_acl_default".as_slice()], acl());
        assert_eq!(node(&tree, "/d").mode, 0o750);
    }
    // star's text form is not understood, which is worth a word.
    let layer = vec![file("f", "").pax("SCHILY.acl.access", "user::rw-,user:5:r--,group::r--,mask::r--,other::---")];
    let (_, output) = context.try_load(&Image::of([layer]));
    let output = output.exits(0);
    assert!(output.stderr.to_lowercase().contains("acl"), "no warning: {}", output.stderr);
}

/// Names are URL-encoded and values base64; they count where the other form is absent.
fn row_056_libarchive_attributes(context: &Context) {
    let layer = vec![
        file("f", "").pax("LIBARCHIVE.xattr.user.a%25b", "dmFsdWU").pax("LIBARCHIVE.xattr.user.c", "dmFsdWU="),
        file("g", "").pax("LIBARCHIVE.xattr.user.a", "dmFsdWU").xattr("user.a", "schily"),
        dir("d", 0o755).pax("LIBARCHIVE.xattr.trusted.overlay.opaque", "eQ"),
    ];
    let tree = context.tree_of(&Image::of([vec![file("d/x", "")], layer]));
    assert_eq!(names(&tree), ["d/", "d/x", "f", "g"]);
    assert_eq!(node(&tree, "/f").xattrs[b"user.a%b".as_slice()], b"value");
    assert_eq!(node(&tree, "/f").xattrs[b"user.c".as_slice()], b"value");
    assert_eq!(node(&tree, "/g").xattrs[b"user.a".as_slice()], b"schily");
}

/// A record's key ends at the first `=`; a NUL in it cannot be a name.
fn row_057_keys_of_attributes(context: &Context) {
    let tree = context.tree_of(&Image::of([vec![file("f", "").pax("SCHILY.xattr.user.a", "b=v")]]));
    assert_eq!(node(&tree, "/f").xattrs[b"user.a".as_slice()], b"b=v");
    for key in ["SCHILY.xattr.user.a\0b", "SCHILY.xattr."] {
        context.refuse(&Image::of([vec![file("f", "").pax(key, "value")]]), &[]);
    }
}
