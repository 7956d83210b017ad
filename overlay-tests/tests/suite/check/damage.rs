//! One kind of file after the other, one kind of damage after the other.

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, SFlag, UtimensatFlags, mknod, utimensat};
use nix::sys::time::TimeSpec;
use overlay_tests::cases;
use overlay_tests::harness::{Case, Context};

use super::{Bench, check, findings, text};

pub fn cases() -> Vec<Case> {
    let mut all = cases![
        files_of_layers;
        other_entries_of_layers;
        records_of_layers;
        records_of_layers_without_an_end;
        what_was_computed;
        blobs;
        files_for_other_tools;
        long_stacks
    ];
    all.push(Case::new(module_path!(), "a_file_of_a_layer_on_ext4", a_file_of_a_layer).on("ext4"));
    all
}

/// One kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// A byte in the middle, with the times as they were: only the content tells.
    Flip,
    /// The second half is gone.
    Truncate,
    Remove,
    Directory,
    Symlink,
    Plain,
    /// A pipe, which nobody writes to.
    Pipe,
    /// A device whose content has no end.
    Device,
    /// Ten gigabytes without a newline, in a hole.
    Endless,
    Mode,
    Owner,
    Time,
    Attribute,
    /// One more file in a directory.
    Extra,
    /// A copy in the place of a hard link.
    Copied,
    /// An attribute of overlayfs is gone.
    Unmark(&'static str),
    /// Another number of a device.
    Renumber,
}

use Damage::{
    Attribute, Copied, Device, Directory, Endless, Extra, Flip, Mode as ModeOf, Owner, Pipe, Plain, Remove, Renumber,
    Symlink, Time, Truncate, Unmark,
};

const ANY: [Damage; 9] = [Flip, Truncate, Remove, Directory, Symlink, ModeOf, Owner, Time, Attribute];
const RECORD: [Damage; 7] = [Flip, Truncate, Remove, Directory, Symlink, Pipe, Endless];

fn gone(path: &Path) {
    if fs::symlink_metadata(path).unwrap().is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

pub fn damage(path: &Path, damage: Damage) {
    let before = fs::symlink_metadata(path).unwrap();
    match damage {
        Flip => {
            let mut file = File::options().read(true).write(true).open(path).unwrap();
            let middle = before.len() / 2;
            let mut byte = [0];
            file.seek(SeekFrom::Start(middle)).unwrap();
            file.read_exact(&mut byte).unwrap();
            file.seek(SeekFrom::Start(middle)).unwrap();
            file.write_all(&[byte[0] ^ 0x80]).unwrap();
            file.set_modified(before.modified().unwrap()).unwrap();
        }
        Truncate => File::options().write(true).open(path).unwrap().set_len(before.len() / 2).unwrap(),
        Remove => gone(path),
        Directory => {
            gone(path);
            fs::create_dir(path).unwrap();
            fs::write(path.join("inside"), "x").unwrap();
        }
        Symlink => {
            gone(path);
            symlink("/etc", path).unwrap();
        }
        Plain => {
            gone(path);
            fs::write(path, "a file").unwrap();
        }
        Pipe => {
            gone(path);
            mknod(path, SFlag::S_IFIFO, Mode::from_bits_truncate(0o600), 0).unwrap();
        }
        Device => {
            gone(path);
            // As /dev/zero.
            mknod(path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), nix::sys::stat::makedev(1, 5)).unwrap();
        }
        Endless => {
            gone(path);
            File::create(path).unwrap().set_len(10_000_000_000).unwrap();
        }
        ModeOf => fs::set_permissions(path, Permissions::from_mode(before.mode() ^ 0o001)).unwrap(),
        Owner => lchown(path, Some(before.uid() + 1), None).unwrap(),
        Time => {
            let modified = TimeSpec::new(before.mtime(), before.mtime_nsec() ^ 1);
            let flags = UtimensatFlags::NoFollowSymlink;
            utimensat(nix::fcntl::AT_FDCWD, path, &TimeSpec::UTIME_OMIT, &modified, flags).unwrap();
        }
        Attribute => {
            rustix::fs::lsetxattr(path, "trusted.extra", b"x", rustix::fs::XattrFlags::empty()).unwrap();
        }
        Extra => fs::write(path.join("extra"), "").unwrap(),
        Copied => {
            let content = fs::read(path).unwrap();
            gone(path);
            fs::write(path, content).unwrap();
        }
        Unmark(name) => rustix::fs::lremovexattr(path, name).unwrap(),
        Renumber => {
            gone(path);
            mknod(path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), nix::sys::stat::makedev(1, 5)).unwrap();
        }
    }
}

/// Does each damage, one at a time, to a file: it is found and named, other images work, it is repaired, a second check
/// finds nothing, and the image is right.
fn each(bench: &Bench<'_>, file: &Path, all: &[Damage]) {
    let context = bench.context;
    let name = file.strip_prefix(context.root()).unwrap().to_str().unwrap();
    for &one in all {
        let what = format!("{name}: {one:?}");
        damage(file, one);
        let found = findings(context, &["--deep"], 1);
        let expected = if one == Extra { format!("{name}/extra") } else { name.to_owned() };
        // Of a directory that lost what was in it, its parts are named.
        let is_it = |path: &str| path == expected || one == Directory && path.starts_with(&format!("{expected}/"));
        let named = found.iter().any(|finding| is_it(text(finding, "Path")) && text(finding, "Severity") == "wrong");
        assert!(named, "{what}: not named in {found:#?}");
        // Where a file is not even what it was, whoever reads it may stumble.
        if matches!(one, Truncate | Remove | Directory | Symlink | Plain | Pipe | Endless) {
            bench.others_work(&what);
        }
        let repaired = check(context, &["--deep", "--repair"]);
        assert_eq!(repaired.code, 0, "{what}: {}{}", repaired.stdout, repaired.stderr);
        bench.is_sound(&what);
        bench.is_as_the_model_says(&what);
    }
}

fn a_file_of_a_layer(context: &Context) {
    let bench = Bench::new(context);
    each(&bench, &bench.layer(0).join("diff/d/f"), &ANY);
}

fn files_of_layers(context: &Context) {
    a_file_of_a_layer(context);
    let bench = Bench::new(context);
    bench.is_sound("a new store");
    each(&bench, &bench.layer(0).join("diff/d"), &[Remove, Symlink, Plain, ModeOf, Owner, Time, Attribute, Extra]);
    each(&bench, &bench.layer(0).join("diff/h"), &[Copied, Remove]);
    each(&bench, &bench.layer(1).join("diff/empty"), &[Remove, Directory, Plain]);
}

fn kept(bench: &Bench<'_>) -> PathBuf {
    let is_kept = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("kept-");
    let mut kept = fs::read_dir(bench.layer(1)).unwrap().map(|entry| entry.unwrap().path()).filter(is_kept);
    kept.next().expect("the layer keeps content that only its stack shows")
}

fn other_entries_of_layers(context: &Context) {
    let bench = Bench::new(context);
    let diff = bench.layer(0).join("diff");
    each(&bench, &diff.join("l"), &[Remove, Directory, Symlink, Owner, Time, Attribute]);
    each(&bench, &diff.join("p"), &[Remove, ModeOf, Time]);
    each(&bench, &diff.join("c"), &[Renumber, Plain, Owner]);
    each(&bench, &diff, &[Remove, Directory, Symlink, Plain, ModeOf, Owner, Time, Attribute, Extra]);
    each(&bench, &bench.layer(1).join("diff/o"), &[Unmark("trusted.overlay.opaque")]);
    each(&bench, &bench.layer(1).join("diff"), &[Unmark("trusted.overlay.origin")]);
    each(&bench, &kept(&bench), &ANY);
}

fn records_of_layers(context: &Context) {
    let bench = Bench::new(context);
    each(&bench, &bench.layer(0).join("layer.json"), &RECORD);
    each(&bench, &bench.layer(0).join("commit.json"), &RECORD);
    each(&bench, &bench.layer(1), &[Remove, Directory, Symlink, Plain]);
}

/// Whoever reads them takes neither all memory nor for ever.
fn records_of_layers_without_an_end(context: &Context) {
    let bench = Bench::new(context);
    for one in [Pipe, Device, Endless] {
        damage(&bench.layer(0).join("layer.json"), one);
        // So the layers are read for a mount.
        fs::remove_dir_all(bench.correction()).unwrap();
        for (line, codes) in [
            ("mount damaged:1", &[1][..]),
            ("history damaged:1", &[0, 1]),
            ("image tree damaged:1", &[0, 1]),
            ("system check", &[1]),
        ] {
            // A gigabyte and a half, of addresses.
            let output = context.shell(&format!("ulimit -v 1500000; timeout 60 rootlay {line}"));
            assert!(codes.contains(&output.code), "{one:?}: {line}: {} {}", output.code, output.stderr);
        }
        check(context, &["--repair"]).ok();
        bench.is_sound(&format!("{one:?}"));
        bench.is_as_the_model_says(&format!("{one:?}"));
    }
}

fn what_was_computed(context: &Context) {
    let bench = Bench::new(context);
    let correction = bench.correction();
    each(&bench, &correction.join("diff/e/x"), &ANY);
    each(&bench, &correction.join("diff"), &[Remove, Symlink, ModeOf, Time, Extra]);
    // A mount does not believe these.
    for one in [Flip, Truncate, Directory, Symlink, Pipe, Endless] {
        damage(&correction.join("plan.json"), one);
        let found = findings(context, &[], 0);
        assert!(found.len() == 1 && text(&found[0], "File") == "plan.json", "{one:?}: {found:?}");
        check(context, &["--repair"]).ok();
        bench.is_sound("with a plan again");
        bench.is_as_the_model_says("with a plan again");
    }
    each(&bench, &correction.join("commit.json"), &RECORD);
    each(&bench, &correction, &[Remove, Directory, Symlink, Plain]);
}

fn blobs(context: &Context) {
    let bench = Bench::new(context);
    let config = bench.written.image_id.clone();
    let manifest = bench.manifest();
    for digest in [&config, &manifest] {
        each(&bench, &bench.blob(digest), &RECORD);
    }
    each(&bench, &bench.blob(&bench.written.layers[0]), &[Flip, Truncate, Directory, Symlink]);
}

fn files_for_other_tools(context: &Context) {
    let bench = Bench::new(context);
    each(&bench, &context.root().join("index.json"), &RECORD);
    each(&bench, &context.root().join("oci-layout"), &[Flip, Truncate, Directory, Symlink]);
}

/// The lowest layers of a stack beyond the kernel's limit, as one directory.
fn long_stacks(context: &Context) {
    use overlay_tests::fixture::{Entry, Image, file};
    use overlay_tests::oracle::apply_stack;
    use overlay_tests::tree::{Nlink, differences};
    let stack: Vec<Vec<Entry>> = (0..501).map(|n| vec![file(format!("f{n}"), n.to_string())]).collect();
    let id = context.load(&Image::of(stack.clone())).image_id;
    let expected = apply_stack(&stack).unwrap();
    let is_right = |what: &str| {
        let lines = differences(&expected, &context.tree_of_loaded(&id), Nlink::Compare);
        assert!(lines.is_empty(), "{what}: {}", lines.join("\n"));
    };
    is_right("sound");
    let algorithm = context.root().join("merged/sha256");
    let merged = fs::read_dir(&algorithm).unwrap().next().unwrap().unwrap().path();
    for (file, one) in [("diff/f0", Flip), ("diff/f0", Remove), ("diff", Extra)] {
        damage(&merged.join(file), one);
        let found = findings(context, &["--deep"], 1);
        assert!(found.iter().all(|finding| text(finding, "Kind") == "stack"), "{found:?}");
        check(context, &["--deep", "--repair"]).ok();
        assert_eq!(check(context, &["--deep"]).ok(), "", "{file} {one:?}");
        is_right(file);
    }
    // Without the boot it may be of an earlier one; nothing durable names it, so it is only made anew.
    damage(&merged.join("commit.json"), Truncate);
    assert_eq!(text(&findings(context, &[], 0)[0], "Severity"), "debris");
    check(context, &["--repair"]).ok();
    assert!(!merged.exists());
    is_right("made anew");
}
