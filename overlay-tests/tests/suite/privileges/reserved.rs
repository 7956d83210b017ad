//! Where the disk is full for everybody else, root still writes: what a file system reserves is for it.

use std::fs;

use overlay_tests::cases;
use overlay_tests::fixture::{Image, Layer, dir, file};
use overlay_tests::harness::{Case, Context, Need};
use rustix::fs::statvfs;

use super::confined;

pub fn cases() -> Vec<Case> {
    cases![
        root_writes_where_the_disk_is_full_for_others =>
            Need::FileSystem("ext4"), Need::Tool("setpriv"), Need::Capability("CAP_SYS_RESOURCE", super::SYS_RESOURCE)
    ]
}

fn run(context: &Context, program: &str, arguments: &[&str]) {
    context.run(program, arguments).ok();
}

/// Half of the file system is reserved, for a user who is not root: root has it by `CAP_SYS_RESOURCE` alone, as it has what
/// lies beyond a quota.
fn root_writes_where_the_disk_is_full_for_others(context: &Context) {
    let place = context.root().parent().unwrap().to_path_buf();
    let (place_text, image) = (place.to_str().unwrap(), context.fresh("image"));
    let image = image.to_str().unwrap();
    run(context, "truncate", &["-s", "64M", image]);
    run(context, "mkfs.ext4", &["-q", "-m", "50", image]);
    run(context, "mount", &["-o", "loop,resuid=65534", image, place_text]);
    let layout = context.fresh("layout");
    let entries = [dir("d", 0o755), file("d/f", vec![7; 300_000]), file("g", "g")];
    Image::of([Layer::of(&entries)]).tag("app:1").write_oci(&layout);
    let source = format!("oci:{}", layout.display());
    // The state root is made while there is room.
    context.rootlay(["images"]).ok();
    let free = || statvfs(&place).map(|stat| stat.f_bavail * stat.f_frsize).unwrap();
    let ballast = place.join("ballast");
    run(context, "fallocate", &["-l", &free().to_string(), ballast.to_str().unwrap()]);
    for more in 0.. {
        if free() == 0 {
            break;
        }
        fs::write(place.join(format!("ballast-{more}")), vec![1; usize::try_from(free()).unwrap()]).unwrap();
    }
    let output = context.output(&mut confined(context, "-sys_resource", &["load", &source])).exits(1);
    assert!(output.one_line().to_lowercase().contains("no space left"), "{}", output.stderr);
    run(context, "cp", &["-r", layout.to_str().unwrap(), place_text]);
    context.rootlay(["load", &source]).ok();
    let merged = context.mount(["-w", "--name", "w", "app:1"]);
    assert_eq!(fs::read(merged.join("d/f")).unwrap(), vec![7; 300_000]);
    for line in [
        &["tag", "app:1", "other:1"][..],
        &["save", "-o", place.join("saved").to_str().unwrap(), "app:1"],
        &["umount", "w"],
        &["rm", "w"],
        &["rmi", "app:1", "other:1"],
        &["system", "prune", "-a", "-f"],
    ] {
        context.rootlay(line).ok();
    }
    run(context, "umount", &[place_text]);
}
