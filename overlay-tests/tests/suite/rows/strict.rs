//! Rows 15, 16, 19 and 96 with `--strict`: what is only warned about otherwise.

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, Image, char_device, dir, file};
use overlay_tests::harness::{Case, Context};

pub fn cases() -> Vec<Case> {
    cases![rows_015_016_and_019_strict]
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
