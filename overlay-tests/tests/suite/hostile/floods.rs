//! Layers of very many, very long or very deep things.

use overlay_tests::cases;
use overlay_tests::fixture::{
    Compression, END_OF_ARCHIVE, Entry, Format, Header, Image, Layer, SparseMap, dir, encode_entry, file, gnu_sparse,
    gzip, hardlink, opaque, pad_to_block, pax_entry, pax_global, pax_record, pax_sparse_0_0, pax_sparse_1_0, symlink,
    whiteout,
};
use overlay_tests::harness::{Case, Context, StoreListing};
use overlay_tests::tree::names;

use super::{MEMORY, load_bounded, write};

pub fn cases() -> Vec<Case> {
    cases![
        flood_of_entries;
        flood_of_one_path;
        flood_of_hard_links;
        flood_of_whiteouts;
        flood_of_pax_records;
        flood_of_headers;
        flood_of_attributes;
        flood_of_sparse_pieces;
        flood_of_names;
        flood_of_symlinks;
        row_082_the_longest_names;
        row_082_the_deepest_paths;
        flood_beyond_the_limit
    ]
}

const MANY: usize = 8_000;

/// What an entry, or a path, may cost (docs/performance.md, "Memory").
fn for_entries(entries: usize) -> u64 {
    MEMORY + 200 * entries as u64
}

/// Loads the layer within its memory and gives the names of its tree.
#[track_caller]
fn shows(context: &Context, layers: Vec<Layer>, memory: u64) -> Vec<String> {
    let source = write(context, &Image::of(layers));
    let stdout = load_bounded(context, &[&source], memory).ok();
    let id = stdout.trim_end().rsplit(' ').next().unwrap();
    let shown = names(&context.tree_of_loaded(id));
    let (output, used) = context.measured(["rmi", id]);
    output.ok();
    assert!(used < memory, "rmi took {used} bytes, the limit is {memory}");
    shown
}

/// It is refused, the store is as it was, and the memory is bounded.
#[track_caller]
fn refused(context: &Context, layers: Vec<Layer>, says: &str) {
    context.load(&Image::of([vec![file("keep", "")]]));
    let before = StoreListing::read(&context.root());
    let source = write(context, &Image::of(layers));
    let output = load_bounded(context, &[&source], MEMORY).exits(3);
    let line = output.one_line();
    assert!(line.contains(says) && line.len() < 4096, "`{says}` is not in: {line}");
    before.assert_unchanged(&context.root());
}

/// The same bytes over and over, and the end of an archive.
fn repeated(unit: &[u8], times: usize, last: &[u8]) -> Layer {
    Layer::raw([&unit.repeat(times)[..], last, &END_OF_ARCHIVE].concat())
}

fn pax(entry: &Entry) -> Vec<u8> {
    encode_entry(entry, Format::Pax)
}

fn flood_of_entries(context: &Context) {
    let files: Vec<Entry> = (0..MANY).map(|n| file(format!("d{}/f{n}", n % 50), "")).collect();
    let shown = shows(context, vec![Layer::of(&files)], for_entries(MANY));
    assert_eq!(shown.len(), MANY + 50);
}

/// Each replaces the one before it: a file, a directory, a file over a full directory, a hard link.
fn flood_of_one_path(context: &Context) {
    let memory = for_entries(3 * MANY);
    let layer = repeated(&pax(&file("f", "")), MANY, &pax(&file("f", "last")));
    assert_eq!(shows(context, vec![layer], memory), ["f"]);
    let layer = repeated(&pax(&dir("d", 0o700)), MANY, &pax(&file("d/x", "")));
    assert_eq!(shows(context, vec![layer], memory), ["d/", "d/x"]);
    let unit = [pax(&dir("d", 0o755)), pax(&file("d/x", "x")), pax(&file("d", ""))].concat();
    assert_eq!(shows(context, vec![repeated(&unit, MANY / 4, b"")], memory), ["d"]);
    let layer = [pax(&file("a", "x")), pax(&hardlink("b", "a")).repeat(MANY), END_OF_ARCHIVE.to_vec()].concat();
    assert_eq!(shows(context, vec![Layer::raw(layer)], memory), ["a", "b"]);
    let unit = [pax(&symlink("s", "/etc")), pax(&dir("s", 0o755))].concat();
    assert_eq!(shows(context, vec![repeated(&unit, MANY / 4, b"")], memory), ["s/"]);
}

/// To one file, those that wait for it too, and in a chain that waits for its end.
fn flood_of_hard_links(context: &Context) {
    let links = || (0..MANY).map(|n| hardlink(format!("l{n}"), "f"));
    let memory = for_entries(MANY);
    let after: Vec<Entry> = std::iter::once(file("f", "x")).chain(links()).collect();
    assert_eq!(shows(context, vec![Layer::of(&after)], memory).len(), MANY + 1);
    let before: Vec<Entry> = links().chain([file("f", "x")]).collect();
    assert_eq!(shows(context, vec![Layer::of(&before)], memory).len(), MANY + 1);
    let chain: Vec<Entry> = (0..MANY)
        .map(|n| hardlink(format!("l{n}"), format!("l{}", n + 1)))
        .chain([file(format!("l{MANY}"), "")])
        .collect();
    assert_eq!(shows(context, vec![Layer::of(&chain)], memory).len(), MANY + 1);
    // Into a lower layer.
    let lower = Layer::of(&[file("f", "x")]);
    assert_eq!(shows(context, vec![lower, Layer::of(&links().collect::<Vec<_>>())], memory).len(), MANY + 1);
}

/// Of names that are there, of names that are not, of one name, and opaque marks.
fn flood_of_whiteouts(context: &Context) {
    let lower: Vec<Entry> = (0..MANY / 4).map(|n| file(format!("d/f{n}"), "")).collect();
    let marks: Vec<Entry> = (0..MANY).map(|n| whiteout(format!("d/f{n}"))).collect();
    let memory = for_entries(2 * MANY);
    assert_eq!(shows(context, vec![Layer::of(&lower), Layer::of(&marks)], memory), ["d/"]);
    let same = |mark: Entry| repeated(&pax(&mark), MANY, b"");
    assert_eq!(shows(context, vec![Layer::of(&[file("d/f", "")]), same(whiteout("d/f"))], memory), ["d/"]);
    assert_eq!(shows(context, vec![Layer::of(&[file("d/f", "")]), same(opaque("d"))], memory), ["d/"]);
    let deep: Vec<Entry> = (0..MANY / 8).map(|n| opaque(format!("d/o{n}"))).collect();
    assert_eq!(shows(context, vec![Layer::of(&lower), Layer::of(&deep)], memory).len(), 1 + MANY / 4 + MANY / 8);
    // Below a symlink of the layer, so that every mark has to be looked up again.
    let through: Vec<Entry> =
        std::iter::once(symlink("s", "d")).chain((0..MANY / 4).map(|n| whiteout(format!("s/f{n}")))).collect();
    assert_eq!(shows(context, vec![Layer::of(&lower), Layer::of(&through)], memory), ["d/", "s -> d"]);
}

/// Many records in one header, many headers in a row for one entry, records of which the last counts.
fn flood_of_pax_records(context: &Context) {
    let records = pax_entry(&pax_record("comment", "").repeat(20_000));
    let one = [records.clone(), pax(&file("f", ""))].concat();
    assert_eq!(shows(context, vec![repeated(&one, 8, b"")], MEMORY), ["f"]);
    // All headers of one entry count together.
    refused(context, vec![repeated(&records, 8, &pax(&file("f", "")))], "tar extension headers");
    let same = pax_entry(&pax_record("mtime", "1.5"));
    assert_eq!(shows(context, vec![repeated(&same, 2000, &pax(&file("f", "")))], MEMORY), ["f"]);
    // Different attributes for one entry, more than a header may have, in headers that are small enough.
    let headers: Vec<u8> =
        (0..100).flat_map(|n| pax_entry(&pax_record(format!("SCHILY.xattr.user.a{n}"), "v".repeat(900_000)))).collect();
    refused(context, vec![Layer::pieces(&[headers, pax(&file("f", ""))])], "layer ");
}

/// Global headers, and long names, for entries that never come or that come after all.
fn flood_of_headers(context: &Context) {
    let global = pax_global(&pax_record("comment", "c"));
    assert_eq!(shows(context, vec![repeated(&global, MANY, &pax(&file("f", "")))], MEMORY), ["f"]);
    let huge = pax_global(&pax_record("comment", "c".repeat(900_000)));
    let one = [huge.clone(), pax(&file("f", ""))].concat();
    assert_eq!(shows(context, vec![repeated(&one, 32, b"")], MEMORY), ["f"]);
    refused(context, vec![repeated(&huge, 32, &pax(&file("f", "")))], "tar extension headers");
    let mut long = Header::gnu().name("././@LongLink").typeflag(b'L').size(6).finish();
    long.extend(b"longer");
    pad_to_block(&mut long);
    let layer = repeated(&long, MANY, &encode_entry(&file("f", ""), Format::Gnu));
    assert_eq!(shows(context, vec![layer], MEMORY), ["longer"]);
}

/// Attributes cost memory until the layer is done: each entry has as many as a header may hold.
fn flood_of_attributes(context: &Context) {
    let records: Vec<u8> =
        (0..200).flat_map(|n| pax_record(format!("SCHILY.xattr.user.a{n}"), "v".repeat(300))).collect();
    let unit = [pax_entry(&records), pax(&file("f", ""))].concat();
    // One path again and again: the disk holds one file, and so should the memory hold not much more.
    let layer = repeated(&unit, 300, b"").compressed(Compression::Gzip);
    let (_, output) = measured_image(context, layer);
    assert!(matches!(output.code, 0 | 1 | 3), "{output:?}");
}

fn measured_image(context: &Context, layer: Layer) -> (u64, overlay_tests::harness::Output) {
    let source = write(context, &Image::of([layer]));
    let (output, used) = context.measured(["load", &source]);
    assert!(used < 3 * MEMORY, "{used} bytes");
    (used, output)
}

/// CVE-2025-58183: maps of very many pieces are read in bounded memory or refused, and sizes beyond what a file may have
/// are an error.
fn flood_of_sparse_pieces(context: &Context) {
    let pieces =
        |count: u64| SparseMap { pieces: (0..count).map(|n| (n * 1024, Vec::new())).collect(), size: count * 1024 };
    for stream in
        [gnu_sparse("f", &pieces(150_000)), pax_sparse_1_0("f", &pieces(150_000)), pax_sparse_0_0("f", &pieces(10_000))]
    {
        assert_eq!(shows(context, vec![Layer::pieces(&[stream])], MEMORY), ["f"]);
    }
    // More than all headers of an entry may have.
    refused(context, vec![Layer::pieces(&[pax_sparse_0_0("f", &pieces(40_000))])], "tar extension headers");
    refused(context, vec![Layer::pieces(&[pax_sparse_1_0("f", &pieces(1_200_000))])], "sparse");
    let before = StoreListing::read(&context.root());
    let huge = SparseMap { pieces: vec![(0, b"x".to_vec())], size: 1 << 32 };
    let mut header = gnu_sparse("f", &huge);
    // The largest number that eleven octal digits cannot say: base-256, 2^63 - 1.
    let size = Header::gnu()
        .name("f")
        .typeflag(b'S')
        .size(1)
        .base256(overlay_tests::fixture::Field::GNU_REAL_SIZE, i128::from(i64::MAX));
    header.splice(
        ..512,
        size.octal(overlay_tests::fixture::Field(386, 12), 0).octal(overlay_tests::fixture::Field(398, 12), 1).finish(),
    );
    let (_, output) = context.try_load(&Image::of([Layer::pieces(&[header])]));
    if output.code != 0 {
        assert!(matches!(output.code, 1 | 3), "{output:?}");
        output.one_line();
        before.assert_unchanged(&context.root());
    }
}

/// Long paths that share nothing: each of a mebibyte, thousands of directories deep.
fn flood_of_names(context: &Context) {
    let entries: Vec<Entry> =
        (0..3).map(|n| file(vec![format!("{n}{}", "n".repeat(254)); 2000].join("/"), "")).collect();
    let paths = 3 * 2000;
    // The names are in memory, and each path is also once in the buffers.
    let memory = for_entries(paths) + 255 * paths as u64 * 2;
    let source = write(
        context,
        &Image::of([
            Layer::of(&entries).compressed(Compression::Custom("application/vnd.oci.image.layer.v1.tar+gzip", gzip))
        ]),
    );
    let stdout = load_bounded(context, &[&source], memory).ok();
    let id = stdout.trim_end().rsplit(' ').next().unwrap();
    let (output, used) = context.measured(["rmi", id]);
    output.ok();
    assert!(used < memory, "rmi took {used} bytes");
}

/// Chains, circles and fans of symlinks that every entry has to be looked up through.
fn flood_of_symlinks(context: &Context) {
    let chain = (0..39).map(|n| symlink(format!("s{n}"), format!("s{}", n + 1)));
    let files = (0..MANY / 8).map(|n| file(format!("s0/f{n}"), ""));
    let layer: Vec<Entry> = [dir("s39", 0o755)].into_iter().chain(chain).chain(files).collect();
    assert_eq!(shows(context, vec![Layer::of(&layer)], for_entries(MANY)).len(), 40 + MANY / 8);
    let circle = vec![symlink("a", "b"), symlink("b", "a"), file("a/f", "")];
    refused(context, vec![Layer::of(&circle)], "a/f");
    // Each target is as long as a path may be, and goes to and fro.
    let target = "d/../".repeat(800) + "d";
    let layer: Vec<Entry> = [dir("d", 0o755), symlink("s", &target)]
        .into_iter()
        .chain((0..MANY / 8).map(|n| file(format!("s/f{n}"), "")))
        .collect();
    assert_eq!(shows(context, vec![Layer::of(&layer)], for_entries(MANY)).len(), 2 + MANY / 8);
}

/// 255 bytes are a name, 256 are not; a whiteout may be of the longest name, and a symlink's target has 4,095 bytes.
fn row_082_the_longest_names(context: &Context) {
    let [longest, longer] = [255, 256].map(|length| "n".repeat(length));
    let layers = || [vec![file(&longest, ""), file("keep", "")], vec![whiteout(&longest)]];
    context.row(&layers()[..1]).shows(&["keep", &longest]);
    context.row(&layers()).also_nested().shows(&["keep"]);
    for entry in [file(&longer, ""), file(format!("d/{longer}/f"), ""), dir(&longer, 0o755), symlink(&longer, "x")] {
        let output = context.refuse(&Image::of([vec![entry]]), &["layer "]);
        assert!(output.one_line().len() < 2048, "{}", output.stderr);
    }
    let target = "t".repeat(4095);
    assert_eq!(shows(context, vec![Layer::of(&[symlink("s", &target)])], MEMORY), [format!("s -> {target}")]);
    context.refuse(&Image::of([vec![symlink("s", target + "t")]]), &["layer ", "`s`"]);
}

/// 4,096 directories in each other are unpacked and removed; one more is refused. No path of them fits into `PATH_MAX`.
fn row_082_the_deepest_paths(context: &Context) {
    let deep = |depth: usize| vec!["d"; depth].join("/");
    let image = || {
        Image::of([
            vec![dir(deep(4096), 0o755), file(deep(4095) + "/f", "")],
            vec![file(deep(4095) + "/g", ""), whiteout(deep(4095) + "/f"), opaque(deep(2000))],
        ])
    };
    let source = write(context, &image());
    let memory = for_entries(3 * 4096);
    let stdout = load_bounded(context, &[&source], memory).ok();
    let id = stdout.trim_end().rsplit(' ').next().unwrap();
    let merged = context.mount(["-w", "--name", "w", id]);
    context.umount(&merged);
    context.rootlay(["rm", "w"]).ok();
    let (output, used) = context.measured(["rmi", id]);
    output.ok();
    assert!(used < memory, "rmi took {used} bytes");
    assert_eq!(StoreListing::read(&context.root()).layers().len(), 0);
    refused(context, vec![Layer::of(&[file(deep(4097), "")])], "4096");
}

/// A layer of more entries than the limit says, whatever they are.
fn flood_beyond_the_limit(context: &Context) {
    context.load(&Image::of([vec![file("keep", "")]]));
    let before = StoreListing::read(&context.root());
    let units = [file("f", ""), dir("d", 0o755), whiteout("f"), opaque("d"), hardlink("f", "f")];
    for unit in units.iter().map(pax) {
        let layer = repeated(&unit, 5000, b"");
        let source = write(context, &Image::of([layer]));
        let output = load_bounded(context, &["--limit", "entries=4000", &source], MEMORY).exits(3);
        assert!(output.one_line().contains("4000 entries"), "{}", output.stderr);
        before.assert_unchanged(&context.root());
    }
}
