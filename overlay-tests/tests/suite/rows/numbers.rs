//! Rows 58 to 62: times, owners, device numbers.

use std::os::unix::fs::MetadataExt as _;

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Field, Header, Image, Layer, MTIME, block, char_device, dir, file, root, symlink};
use overlay_tests::harness::{Case, Context, Need};

use super::node;

pub fn cases() -> Vec<Case> {
    let mut all = cases![
        row_058_times;
        row_058_times_in_headers;
        row_058_broken_times;
        row_059_access_times;
        row_060_owners;
        row_060_owners_in_headers;
        row_060_impossible_owners;
        row_061_names_of_owners;
        row_062_device_numbers;
        row_062_impossible_device_numbers;
        row_063_devices_of_an_inspected_image
    ];
    // The limits of a file system that stores 34 bits of seconds.
    all.push(Case::new(module_path!(), "row_058_times_on_ext4", row_058_times).on("ext4"));
    all.push(
        Case::new(module_path!(), "row_058_clamped_times", row_058_clamped_times).on("ext4").needs(Need::Kernel(5, 4)),
    );
    all
}

fn row_058_times(context: &Context) {
    let times = [
        (0, 0),
        (1, 123_456_789),
        (-2, 500_000_000),
        (-1, 999_999_999),
        (-1001, 500_000_000),
        (9_000_000_000, 1),
        (-2_147_483_648, 0),
        (15_032_385_535, 0),
        (MTIME, 999_999_999),
    ];
    let all = |(index, time): (usize, &(i64, u32))| {
        let with = |entry: Entry| entry.mtime(time.0, time.1);
        [
            with(file(format!("f{index}"), "x")),
            with(dir(format!("d{index}"), 0o755)),
            with(symlink(format!("s{index}"), "x")),
        ]
    };
    let layer: Vec<Entry> = times.iter().enumerate().flat_map(all).collect();
    context.row(&[layer]).does_as_the_model_says();
    context.row(&[vec![root(0o755).mtime(-2, 500_000_000)]]).shows(&[]);
}

fn row_058_clamped_times(context: &Context) {
    let (written, output) = context.try_load(&Image::of([vec![file("f", "").mtime(20_000_000_000, 0)]]));
    let output = output.exits(0);
    assert!(!output.stderr.is_empty(), "no warning");
    assert_eq!(node(&context.tree_of_loaded(&written.image_id), "/f").mtime.0, 15_032_385_535);
}

fn row_058_times_in_headers(context: &Context) {
    let pieces = [
        Header::gnu().name("negative").base256(Field::MTIME, -1000).finish(),
        Header::gnu().name("late").base256(Field::MTIME, 9_000_000_000).finish(),
        Header::ustar().name("spaces").raw(Field::MTIME, b"       1750 ").finish(),
        Header::ustar().name("blank").raw(Field::MTIME, &[0; 12]).finish(),
    ];
    let tree = context.tree_of(&Image::of([Layer::pieces(&pieces)]));
    for (path, seconds) in [("/negative", -1000), ("/late", 9_000_000_000), ("/spaces", 1000), ("/blank", 0)] {
        assert_eq!(node(&tree, path).mtime, (seconds, 0), "{path}");
    }
    // More digits than nanoseconds have.
    let tree = context.tree_of(&Image::of([vec![file("f", "").pax("mtime", "1.12345678987654321")]]));
    assert_eq!(node(&tree, "/f").mtime, (1, 123_456_789));
}

/// An empty value takes the record back, as POSIX says: the header counts.
fn row_058_broken_times(context: &Context) {
    for text in ["garbage", "1.x", "1.2.3", "99999999999999999999999", "-", "."] {
        context.refuse(&Image::of([vec![file("f", "").pax("mtime", text)]]), &[]);
    }
    let tree = context.tree_of(&Image::of([vec![file("f", "").mtime(77, 0).pax("mtime", "")]]));
    assert_eq!(node(&tree, "/f").mtime, (77, 0));
    let header = Header::ustar().name("f").raw(Field::MTIME, b"12345678x90\0").finish();
    context.refuse(&Image::of([Layer::pieces(&[header])]), &[]);
}

fn row_059_access_times(context: &Context) {
    let layer = vec![file("with", "").mtime(500, 0).pax("atime", "1000.5"), file("without", "").mtime(500, 7)];
    let id = context.load(&Image::of([layer])).image_id;
    let merged = context.mount([&id]);
    let atime = |name: &str| {
        let metadata = merged.join(name).symlink_metadata().unwrap();
        (metadata.atime(), metadata.atime_nsec())
    };
    assert_eq!((atime("with"), atime("without")), ((1000, 500_000_000), (500, 7)));
    context.umount(&merged);
}

fn row_060_owners(context: &Context) {
    let ids = [0, 1, 0o7_777_777, 0o10_000_000, 3_000_000_000, 4_294_967_294];
    let both = |(index, id): (usize, &i128)| {
        let with = |entry: Entry| entry.uid(*id).gid(*id);
        [
            with(file(format!("f{index}"), "")),
            with(dir(format!("d{index}"), 0o755)),
            with(symlink(format!("s{index}"), "x")),
        ]
    };
    let layer: Vec<Entry> = ids.iter().enumerate().flat_map(both).collect();
    context.row(&[layer]).also_nested().does_as_the_model_says();
}

fn row_060_owners_in_headers(context: &Context) {
    let pieces =
        [Header::gnu().name("f").base256(Field::UID, 3_000_000_000).base256(Field::GID, 4_294_967_294).finish()];
    let tree = context.tree_of(&Image::of([Layer::pieces(&pieces)]));
    assert_eq!((node(&tree, "/f").uid, node(&tree, "/f").gid), (3_000_000_000, 4_294_967_294));
    // PAX counts, the header does not.
    let tree = context.tree_of(&Image::of([vec![file("f", "").uid(7).gid(8).pax("uid", "9").pax("gid", "10")]]));
    assert_eq!((node(&tree, "/f").uid, node(&tree, "/f").gid), (9, 10));
}

/// 4294967295 is "do not change" to the kernel: root would stay the owner.
fn row_060_impossible_owners(context: &Context) {
    for id in [4_294_967_295, 4_294_967_296, 1 << 40, -1, -2] {
        context.refuse(&Image::of([vec![file("f", "").uid(id)]]), &["f"]);
        context.refuse(&Image::of([vec![dir("d", 0o755).gid(id)]]), &["d"]);
        let header = Header::gnu().name("f").base256(Field::UID, id).finish();
        context.refuse(&Image::of([Layer::pieces(&[header])]), &[]);
    }
    for text in ["garbage", "1.5"] {
        context.refuse(&Image::of([vec![file("f", "").pax("uid", text)]]), &[]);
    }
}

fn row_061_names_of_owners(context: &Context) {
    let header = Header::ustar().name("f").raw(Field::UNAME, b"root").raw(Field::GNAME, b"root");
    let pieces = [header.octal(Field::UID, 1000).octal(Field::GID, 1001).finish()];
    let tree = context.tree_of(&Image::of([Layer::pieces(&pieces)]));
    assert_eq!((node(&tree, "/f").uid, node(&tree, "/f").gid), (1000, 1001));
    let tree = context.tree_of(&Image::of([vec![file("f", "").uid(5).pax("uname", "root").pax("gname", "b\u{e4}r")]]));
    assert_eq!(node(&tree, "/f").uid, 5);
}

fn row_062_device_numbers(context: &Context) {
    let layer = vec![
        char_device("null", 1, 3).mode(0o666),
        char_device("largest", 4095, 1_048_575),
        block("disk", 8, 300),
        block("minor", 0, 1_048_575),
        char_device("zero-one", 0, 1),
        char_device("one-zero", 1, 0),
    ];
    context.row(&[layer]).also_nested().does_as_the_model_says();
}

fn row_062_impossible_device_numbers(context: &Context) {
    for (major, minor) in [(4096, 0), (0, 1 << 20), (1 << 32, 3), (1, (1 << 32) + 3), (1 << 40, 1 << 40)] {
        context.refuse(&Image::of([vec![char_device("dev", major, minor)]]), &["dev"]);
        context.refuse(&Image::of([vec![block("dev", major, minor)]]), &["dev"]);
    }
    let negative = Header::ustar().name("dev").typeflag(b'3').base256(Field::DEVMAJOR, -1).finish();
    context.refuse(&Image::of([Layer::pieces(&[negative])]), &[]);
}

/// Read-only views are for inspection: their devices are names only. A runtime asks for more (`--dev`).
fn row_063_devices_of_an_inspected_image(context: &Context) {
    let id = context.load(&Image::of([vec![char_device("null", 1, 3).mode(0o666)]])).image_id;
    let opens = |arguments: &[&str]| {
        let merged = context.mount([arguments, &[&id]].concat());
        let result = std::fs::File::open(merged.join("null")).map(drop).map_err(|error| error.raw_os_error());
        context.umount(&merged);
        result
    };
    assert_eq!(opens(&[]), Err(Some(13)));
    assert_eq!(opens(&["--dev"]), Ok(()));
}
