//! Section H of the rules: the exact input of each known hole that a layer can have, in every variant. Those that need
//! documents, registries or other processes stand in `papers`, `rows` and `rival`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use overlay_tests::cases;
use overlay_tests::fixture::{
    Compression, Entry, Field, Format, Header, Image, Layer, block, char_device, dir, encode_entry, file, hardlink,
    pad_to_block, pax_entry, pax_record, pax_records, symlink,
};
use overlay_tests::harness::{Case, Context, Need};
use overlay_tests::tree::names;

use super::Attack;

pub fn cases() -> Vec<Case> {
    cases![
        cve_2014_6407_and_9356_links_that_leave;
        cve_2014_9357_no_helper_is_run => Need::Tool("xz");
        cve_2021_29136_root_that_is_a_symlink;
        cve_2021_32760_hard_link_to_a_symlink;
        cve_2025_59825_and_rustsec_2021_0080_entries_behind_symlinks;
        cve_2026_17106_and_rustsec_2018_0002_overwritten_links;
        cve_2026_33056_directory_over_a_symlink;
        cve_2025_62518_and_2026_33055_sizes_that_differ;
        ghsa_3cv2_h65g_fgmm_pax_before_a_long_name;
        device_numbers_that_are_too_large
    ]
}

fn cve_2014_6407_and_9356_links_that_leave(context: &Context) {
    let attack = Attack::new(context);
    for target in ["/etc", "../../../../../../../../../etc"] {
        let link = format!("door -> {target}");
        let layer = vec![symlink("door", target), file("door/passwd", "pwned"), hardlink("stolen", "door/passwd")];
        attack.shows(&[layer], &[&link, "etc/", "etc/passwd", "stolen"]);
        // What is only outside is nowhere.
        attack.refused(&[vec![symlink("door", target), hardlink("stolen", "door/shadow")]], "stolen");
        attack.refused(&[vec![symlink("door", target)], vec![hardlink("stolen", "door/shadow")]], "stolen");
    }
    attack.refused(&[vec![hardlink("stolen", "/etc/shadow")]], "stolen");
    attack.refused(&[vec![hardlink("stolen", "../../../../../../../../../etc/shadow")]], "stolen");
}

/// A decompressor in `PATH` that is not one.
fn cve_2014_9357_no_helper_is_run(context: &Context) {
    let layer = || Layer::of(&[file("f", "")]);
    let images: Vec<_> = [Compression::Gzip, Compression::Zstd, Compression::Xz, Compression::Bzip2]
        .map(|compression| super::write(context, &Image::of([layer().compressed(compression)])))
        .into();
    let bin = context.fresh_dir("bin");
    let proof = context.fresh("proof");
    for name in
        ["xz", "unxz", "gzip", "gunzip", "unpigz", "pigz", "igzip", "zstd", "unzstd", "bzip2", "tar", "cp", "mount"]
    {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\ntouch '{}'\nexec cat\n", proof.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for source in images {
        let mut command = context.command(["load", &source]);
        command.env("PATH", &bin);
        let id = context.output(&mut command).ok();
        assert_eq!(names(&context.tree_of_loaded(id.trim_end().rsplit(' ').next().unwrap())), ["f"]);
    }
    assert!(!proof.exists(), "a program of PATH was run");
}

fn cve_2021_29136_root_that_is_a_symlink(context: &Context) {
    let attack = Attack::new(context);
    for name in [".", "./", "/", "//", "./.", "a/.."] {
        for target in ["/", "../../../../../../etc"] {
            attack.refused(&[vec![symlink(name, target), file("passwd", "pwned"), file("etc/passwd", "pwned")]], name);
        }
    }
    for entry in [file(".", ""), hardlink("./", "f"), char_device("/", 1, 3)] {
        attack.refused(&[vec![file("f", ""), entry.clone()]], std::str::from_utf8(&entry.name).unwrap());
    }
}

fn cve_2021_32760_hard_link_to_a_symlink(context: &Context) {
    let attack = Attack::new(context);
    for target in ["/etc/perm400", "/etc/setuid", "../../../../../../../../etc/perm400", "/etc/d", "/etc/pipe"] {
        let layer = || vec![symlink("s", target).uid(3), hardlink("sketchylink", "s").mode(0o7777).uid(9).mtime(1, 0)];
        let [link, sketchy] = ["s", "sketchylink"].map(|name| format!("{name} -> {target}"));
        attack.shows(&[layer()], &[&link, &sketchy]);
        let [first, second] = <[Entry; 2]>::try_from(layer()).unwrap();
        attack.shows(&[vec![first], vec![second]], &[&link, &sketchy]);
    }
}

fn cve_2025_59825_and_rustsec_2021_0080_entries_behind_symlinks(context: &Context) {
    let attack = Attack::new(context);
    for target in ["/etc", "../../../../../../../etc"] {
        let entries: [Entry; 6] = [
            dir("door/d", 0o777),
            dir("door/new", 0o777).uid(9),
            file("door/passwd", "pwned").mode(0o666),
            symlink("door/link", "/"),
            block("door/file", 7, 0),
            dir("door/", 0o777).uid(9),
        ];
        for entry in entries {
            attack.variants(&[vec![symlink("door", target)], vec![entry]]);
        }
    }
}

/// What is written over a link must not be written through it.
fn cve_2026_17106_and_rustsec_2018_0002_overwritten_links(context: &Context) {
    let attack = Attack::new(context);
    for target in ["/etc/passwd", "../../../../../../../etc/passwd", "/etc/nothing-yet"] {
        attack.shows(&[vec![symlink("f", target), file("f", "pwned").mode(0o777).uid(9)]], &["f"]);
        attack.shows(&[vec![symlink("f", target)], vec![file("f", "pwned").mode(0o777).uid(9)]], &["f"]);
        let layer = vec![symlink("s", target), hardlink("f", "s"), file("f", "pwned"), file("s", "pwned")];
        attack.shows(&[layer], &["f", "s"]);
    }
    // A chain that leaves with its second step.
    let layer =
        vec![symlink("a", ".."), symlink("b", "a/../etc"), file("b/passwd", "pwned"), hardlink("h", "b/shadow")];
    attack.refused(&[layer], "h");
}

/// The mode of a directory that is a symlink.
fn cve_2026_33056_directory_over_a_symlink(context: &Context) {
    let attack = Attack::new(context);
    for name in ["foo", "foo/", "foo/.", "./foo/./", "x/../foo"] {
        for target in ["/etc/d", "../../../../../../../../etc/passwd"] {
            let entries = || [symlink("foo", target), dir(name, 0o777).uid(9).mtime(1, 0)];
            context.row(&[entries().to_vec()]).shows(&["foo/"]);
            attack.shows(&entries().map(|entry| vec![entry]), &["foo/"]);
        }
    }
}

/// Shows these names, whatever lies in the data of the entries.
#[track_caller]
fn shows_raw(context: &Context, pieces: &[Vec<u8>], expected: &[&str]) {
    assert_eq!(names(&context.tree_of(&Image::of([Layer::pieces(pieces)]))), expected);
    let twice = [pieces, pieces].concat();
    assert_eq!(names(&context.tree_of(&Image::of([Layer::pieces(&twice)]))), expected);
    let below = Layer::of(&[file("below", "")]);
    let shown = names(&context.tree_of(&Image::of([below, Layer::pieces(pieces)])));
    assert_eq!(shown.len(), expected.len() + 1, "{shown:?}");
}

/// An archive in the data of an entry; which of both is read is a matter of which size counts: that of PAX does.
fn cve_2025_62518_and_2026_33055_sizes_that_differ(context: &Context) {
    let smuggled =
        [encode_entry(&file("smuggled", ""), Format::Ustar), encode_entry(&file("more", ""), Format::Ustar)].concat();
    let size = smuggled.len() as u64;
    let after = encode_entry(&file("after", ""), Format::Ustar);
    let outer = |header: u64, pax: u64, data: &[u8]| {
        let mut bytes = pax_entry(&pax_record("size", pax.to_string()));
        bytes.extend(Header::ustar().name("outer").size(header).finish());
        bytes.extend_from_slice(data);
        pad_to_block(&mut bytes);
        bytes
    };
    shows_raw(context, &[outer(0, size, &smuggled), after.clone()], &["after", "outer"]);
    shows_raw(context, &[outer(512, size, &smuggled), after.clone()], &["after", "outer"]);
    shows_raw(context, &[outer(size, 0, &smuggled), after], &["after", "more", "outer", "smuggled"]);
}

/// PAX records wait for the entry that they are for; the long name in between has its own size.
fn ghsa_3cv2_h65g_fgmm_pax_before_a_long_name(context: &Context) {
    let smuggled = encode_entry(&file("smuggled", ""), Format::Gnu);
    let long = |name: &str| {
        let mut bytes = Header::gnu().name("././@LongLink").typeflag(b'L').size(name.len() as u64).finish();
        bytes.extend(name.as_bytes());
        pad_to_block(&mut bytes);
        bytes
    };
    let pax = pax_entry(&pax_records(&[("size", smuggled.len().to_string()), ("comment", "x".to_owned())]));
    let header = Header::ustar().name("short").size(0).finish();
    let after = encode_entry(&file("after", ""), Format::Gnu);
    shows_raw(
        context,
        &[pax.clone(), long("name"), header.clone(), smuggled.clone(), after.clone()],
        &["after", "name"],
    );
    shows_raw(context, &[long("name"), pax, header, smuggled, after], &["after", "name"]);
}

/// Numbers that are cut off to others: a device of the host, instead of one that does not exist.
fn device_numbers_that_are_too_large(context: &Context) {
    for (major, minor) in [(4096, 0), (1, 1 << 20), ((1 << 32) + 1, 3), (1, (1 << 32) + 3), (u64::MAX >> 1, 3)] {
        for device in [char_device("null", major, minor), block("null", major, minor)] {
            for entry in [device.clone(), device.clone().below("n/e")] {
                for layer in [vec![entry.clone()], vec![file("f", ""), entry.clone(), entry.clone()]] {
                    context.refuse(&Image::of([layer]), &["layer ", "null`"]);
                }
            }
        }
    }
    let negative = Header::ustar().name("null").typeflag(b'3').base256(Field::DEVMAJOR, -1).octal(Field::DEVMINOR, 3);
    context.refuse(&Image::of([Layer::pieces(&[negative.finish()])]), &["layer "]);
}
