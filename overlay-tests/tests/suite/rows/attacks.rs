//! Section H: the triggers of known holes that no row has. The others stand with their rows:
//!
//! * CVE-2014-6407, -9356, -9357, RUSTSEC-2018-0002, -2021-0080, CVE-2026-17106: rows 70 to 79 (`link_targets`, `resolution`)
//! * CVE-2014-9358, CVE-2024-3727: row 120 (`documents`)
//! * CVE-2018-15664, CVE-2019-10152, CVE-2020-1726, CVE-2023-0778: row 78, and row 170 for who could swap anything (row 83)
//! * CVE-2020-15157: row 129; CVE-2021-41190: row 123; CVE-2023-25153: row 124 (`documents`)
//! * CVE-2021-21284, -41091, -41103, CVE-2024-25621: row 170 (`places`)
//! * CVE-2021-29136: row 35 (`root_and_names`); CVE-2021-32760: row 73 (`link_targets`)
//! * CVE-2022-2879: row 98, CVE-2025-58183: row 97 (`tar_streams`)
//! * CVE-2025-62518, CVE-2026-33055: row 90, GHSA-3cv2-h65g-fgmm: row 91, CVE-2025-59825: row 92 (`tar_headers`)
//! * CVE-2026-33056, RUSTSEC-2026-0113: row 42 (`replaced`); device numbers: row 62 (`numbers`)
//! * CVE-2021-3493 and the other copy-up holes: the flags of mounts (`views`)

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use overlay_tests::cases;
use overlay_tests::fixture::{Compression, DockerArchive, Entry, Image, Layer, dir, fifo, file, symlink};
use overlay_tests::harness::{Case, Context, Denied, Need};
use overlay_tests::tree::{Nlink, differences, names, read_tree};
use serde_json::json;

use crate::hostile::Canary;

pub fn cases() -> Vec<Case> {
    cases![
        malformed_xz => Need::Tool("xz");
        removal_follows_no_symlinks => Need::WritableViews;
        removal_enters_no_mounts => Need::WritableViews;
        paths_in_configs_name_nothing => Need::WritableViews;
        files_of_an_image_are_only_content => Need::WritableViews
    ]
}

/// CVE-2021-20291: the decompressor waits for a reader that has gone, and the lock is held for ever. The next load would wait
/// for it until the case is ended.
fn malformed_xz(context: &Context) {
    let noise: Vec<u8> = (0..300_000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    let good = Layer::of(&[file("noise", noise)]).tar().to_vec();
    let packed = Compression::Xz.apply(&good);
    let mut flipped = packed.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    let garbage = [&packed[..], b"garbage"].concat();
    for bytes in [packed[..packed.len() / 2].to_vec(), packed[..30].to_vec(), flipped, garbage] {
        let mut archive = DockerArchive::default();
        let layer = Layer::raw(bytes).claiming(overlay_tests::fixture::sha256(&good));
        archive.add_old(&Image::of([layer]), &["x:1"]);
        let path = context.fresh("archive");
        archive.write(&path);
        context.refuse_load(&[], || context.rootlay(["load", &format!("docker-archive:{}", path.display())]));
    }
}

/// CVE-2024-23651, -23652: what cleans up must not follow what an image, or a container, has put there.
fn removal_follows_no_symlinks(context: &Context) {
    let outside = context.fresh_dir("outside");
    fs::create_dir(outside.join("d")).unwrap();
    fs::write(outside.join("d/f"), "alive").unwrap();
    let before = read_tree(&outside).unwrap();
    let out = outside.to_str().unwrap();
    let links = || -> Vec<Entry> {
        vec![
            symlink("a", out),
            dir("d", 0o755),
            symlink("d/b", format!("../../../../../../../..{out}")),
            symlink("d/c", "/"),
        ]
    };
    let id = context.load(&Image::of([links()])).image_id;
    let merged = context.mount(["-w", "--name", "w", &id]);
    for name in ["x", "d/y"] {
        std::os::unix::fs::symlink(&outside, merged.join(name)).unwrap();
    }
    context.umount(&merged);
    context.rootlay(["rm", "w"]).ok();
    context.rootlay(["rmi", &id]).ok();
    // Staging of a refused layer.
    let bad = [links(), vec![file("../bad", "")]].concat();
    context.refuse(&Image::of([bad]), &[]);
    // Debris of a killed run, which the next one removes.
    let debris = context.root().join("staging/debris/diff");
    fs::create_dir_all(&debris).unwrap();
    std::os::unix::fs::symlink(&outside, debris.join("link")).unwrap();
    std::os::unix::fs::symlink(&outside, context.root().join("staging/link")).unwrap();
    context.load(&Image::of([vec![file("f", "")]]));
    let lines = differences(&before, &read_tree(&outside).unwrap(), Nlink::Compare);
    assert!(lines.is_empty(), "{lines:?}");
}

/// CVE-2024-23652: what is mounted below something that is removed belongs to somebody else, and stays as it is.
fn removal_enters_no_mounts(context: &Context) {
    for denied in [&[][..], &[Denied::OPENAT2]] {
        context.deny(denied);
        removal_beside_mounts(context);
    }
}

fn removal_beside_mounts(context: &Context) {
    let outside = context.fresh_dir("outside");
    fs::create_dir(outside.join("d")).unwrap();
    fs::write(outside.join("d/f"), "alive").unwrap();
    let before = read_tree(&outside).unwrap();
    let id = context.load(&Image::of([vec![file("f", "")]])).image_id;
    let merged = context.mount(["-w", "--name", "w", &id]);
    fs::create_dir_all(merged.join("x/y")).unwrap();
    context.umount(&merged);
    let root = context.root();
    let debris = root.join("staging/debris");
    let below_root = format!(" {}/", root.display());
    for place in [root.join("views/w/upper/x/y"), debris.clone(), debris.join("diff")] {
        fs::create_dir_all(&place).unwrap();
        mount(Some(&outside), &place, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        // What cannot be removed is left to the next command.
        let what = if place.starts_with(&debris) { &["image", "prune", "-f"][..] } else { &["rm", "w"] };
        context.rootlay(what).ok();
        context.load(&Image::of([vec![file("g", "")]]));
        let lines = differences(&before, &read_tree(&outside).unwrap(), Nlink::Compare);
        assert!(lines.is_empty(), "below {}: {lines:?}", place.display());
        // The view lies in staging by now.
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        for line in table.lines().filter(|line| line.contains(&below_root)) {
            umount2(line.split(' ').nth(4).unwrap(), MntFlags::MNT_DETACH).unwrap();
        }
    }
    context.rootlay(["image", "prune", "-f"]).ok();
    context.load(&Image::of([vec![file("h", "")]]));
    assert_eq!(fs::read_dir(root.join("staging")).unwrap().count(), 0);
}

/// CVE-2022-23648, CVE-2022-24769, CVE-2022-2990, CVE-2023-25173, CVE-2024-40635: nothing that a config says becomes a path
/// or an ID of the host.
fn paths_in_configs_name_nothing(context: &Context) {
    let canary = Canary::over_etc(context);
    let user = "4294967296:99999999999999999999";
    let image = Image::of([vec![file("f", "")]]).config(move |config| {
        config["config"] = json!({
            "User": user,
            "WorkingDir": "/../../../../etc",
            "Volumes": {"/../../etc": {}, "../x": {}, "": {}, "\u{0}": {}},
            "Env": ["PATH=../..", "=", "A\nB=c"],
            "Labels": {"org.opencontainers.image.ref.name": "../../escape"},
            "StopSignal": "not a signal",
        });
    });
    let id = context.load(&image).image_id;
    assert_eq!(names(&context.tree_of_loaded(&id)), ["f"]);
    assert_eq!(context.rootlay(["inspect", "--format", "{{.Config.User}}", &id]).ok().trim_end(), user);
    let merged = context.mount(["-w", &id]);
    assert_eq!(names(&read_tree(&merged).unwrap()), ["f"]);
    context.umount(&merged);
    canary.is_untouched();
}

/// CVE-2019-14271, CVE-2024-1753, -9341, -9407, -9675, -9676, -11218: no library, user database or pipe of an image is opened.
fn files_of_an_image_are_only_content(context: &Context) {
    let canary = context.fresh("canary");
    fs::write(&canary, "alive").unwrap();
    let target = canary.to_str().unwrap();
    let layer = vec![
        dir("etc", 0o755),
        fifo("etc/passwd"),
        fifo("etc/group"),
        symlink("etc/hosts", target),
        symlink("etc/resolv.conf", target),
        symlink("etc/mtab", "/proc/self/mounts"),
        symlink("proc", "/proc"),
        dir("lib/x86_64-linux-gnu", 0o755),
        fifo("lib/x86_64-linux-gnu/libnss_files.so.2"),
        fifo("rootlay"),
    ];
    let before = fs::metadata(&canary).unwrap();
    let id = context.load(&Image::of([layer, vec![file("etc/new", "")]]).config(|config| {
        config["config"]["User"] = "user:group".into();
    }));
    let id = id.image_id;
    for arguments in
        [vec!["inspect", &id], vec!["mount", "-w", "--name", "w", &id], vec!["umount", "w"], vec!["rm", "w"]]
    {
        context.rootlay(arguments).ok();
    }
    context.rootlay(["rmi", &id]).ok();
    let after = fs::metadata(&canary).unwrap();
    assert_eq!((before.atime(), before.mtime(), before.nlink()), (after.atime(), after.mtime(), after.nlink()));
}
