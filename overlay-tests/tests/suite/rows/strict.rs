//! Rows 15, 16, 19, 55, 94 to 96 and 102 with `--strict`: what is only warned about otherwise.

use overlay_tests::cases;
use overlay_tests::fixture::{
    Entry, Format, Header, Image, Layer, char_device, dir, encode_entry, file, pax_entry, pax_global, pax_record,
};
use overlay_tests::harness::{Case, Context};

pub fn cases() -> Vec<Case> {
    cases![rows_015_016_and_019_strict; rows_055_to_102_strict]
}

fn rows_015_016_and_019_strict(context: &Context) {
    let odd: [(Entry, &str); 4] = [
        (file(".wh.etc/f", ""), ".wh.etc/f"),
        (file(".wh.f", "data"), ".wh.f"),
        (dir(".wh.f", 0o755), ".wh.f"),
        (char_device("f", 0, 0), "`f"),
    ];
    for (entry, name) in odd {
        let layout = context.fresh("layout");
        Image::of([vec![entry]]).write_oci(&layout);
        let source = format!("oci:{}", layout.display());
        context.refuse_load(&[name], || context.rootlay(["load", "--strict", &source]));
        let warned = context.rootlay(["load", &source]);
        assert_eq!(warned.code, 0, "{}", warned.stderr);
        assert!(warned.stderr.contains("Warning: ") && warned.stderr.contains(name), "{}", warned.stderr);
    }
    // Nothing is odd about a plain layer.
    let layout = context.fresh("layout");
    Image::of([vec![dir("d", 0o755), file("d/.wh.f", "")]]).write_oci(&layout);
    context.rootlay(["load", "--strict", &format!("oci:{}", layout.display())]).ok();
}

/// What readers of archives disagree about.
fn rows_055_to_102_strict(context: &Context) {
    let plain = |entry: &Entry| encode_entry(entry, Format::Pax);
    let f = || plain(&file("f", ""));
    let odd: [(Vec<Vec<u8>>, &str); 6] = [
        (vec![plain(&file("f", "").pax("SCHILY.acl.access", "user::rw-"))], "SCHILY.acl"),
        (vec![pax_entry(&pax_record("mtime", "1")), pax_entry(&pax_record("mtime", "2")), f()], "several PAX headers"),
        (vec![pax_global(&pax_record("path", "p")), f()], "global PAX header"),
        (vec![f(), Header::ustar().name("link").typeflag(b'2').linkname("f").size(1).finish()], "`link`"),
        (vec![f(), Header::ustar().name("dir").typeflag(b'5').size(512).finish()], "`dir`"),
        (vec![f(), vec![0; 1024], b"more".to_vec()], "after the end of the archive"),
    ];
    for (pieces, words) in odd {
        let layout = context.fresh("layout");
        Image::of([Layer::raw(pieces.concat())]).write_oci(&layout);
        let source = format!("oci:{}", layout.display());
        context.refuse_load(&[words], || context.rootlay(["load", "--strict", &source]));
        let warned = context.rootlay(["load", &source]).exits(0);
        let warnings: Vec<&str> = warned.stderr.lines().filter(|line| line.contains(words)).collect();
        assert!(matches!(warnings[..], [line] if line.starts_with("Warning: ")), "{}", warned.stderr);
    }
}
