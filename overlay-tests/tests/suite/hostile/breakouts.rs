//! What containerd's `TestBreakouts` tries, case by case, with the outcome that the image-spec's model has: links are
//! resolved inside the root, and what leaves it by `..` is refused (rows 36 and 76) where containerd clamps it.

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, dir, file, hardlink, symlink};
use overlay_tests::harness::{Case, Context};

use super::Attack;

pub fn cases() -> Vec<Case> {
    cases![
        breakout_symlinks_to_directories;
        breakout_symlink_to_an_emptied_file;
        breakout_hard_links_through_symlinks;
        breakout_hard_links_straight_out;
        breakout_symlinks_with_odd_names;
        breakout_overridden_directories;
        breakout_overridden_symlinks;
        breakout_whiteouts_of_no_name;
        breakout_whiteouts_and_symlinks;
        breakout_overridden_path;
        breakout_hard_links_to_symlinks;
        breakout_chmod_through_a_symlink
    ]
}

const INSIDE: &str = "inside";

fn etc() -> Vec<Entry> {
    vec![dir("etc", 0o770), file("/etc/passwd", INSIDE)]
}

fn with(mut base: Vec<Entry>, more: Vec<Entry>) -> Vec<Entry> {
    base.extend(more);
    base
}

/// `SymlinkAbsolute`, `SymlinkUpAndOut`, `SymlinkMultipleAbsolute`, `SymlinkMultipleRelative`.
fn breakout_symlinks_to_directories(context: &Context) {
    let attack = Attack::new(context);
    let layer = vec![dir("etc", 0o755), symlink("localetc", "/etc"), file("/localetc/unbroken", "unbroken")];
    attack.shows(&[layer], &["etc/", "etc/unbroken", "localetc -> /etc"]);
    let layer = vec![
        dir("etc", 0o755),
        dir("dummy", 0o755),
        symlink("localetc", "/dummy/../etc"),
        file("/localetc/unbroken", "unbroken"),
    ];
    attack.shows(&[layer], &["dummy/", "etc/", "etc/unbroken", "localetc -> /dummy/../etc"]);
    for second in ["/dummy/etc", "./dummy/etc"] {
        let layer = vec![
            dir("etc", 0o755),
            dir("dummy", 0o755),
            symlink("/dummy/etc", "/etc"),
            symlink("localetc", second),
            file("/dummy/etc/unbroken", "unbroken"),
        ];
        let localetc = format!("localetc -> {second}");
        attack.shows(&[layer], &["dummy/", "dummy/etc -> /etc", "etc/", "etc/unbroken", &localetc]);
    }
}

/// `SymlinkEmptyFile`: the file outside, of the same name, is not emptied.
fn breakout_symlink_to_an_emptied_file(context: &Context) {
    let attack = Attack::new(context);
    let layer = vec![
        dir("etc", 0o755),
        file("etc/emptied", "notempty"),
        symlink("localetc", "/etc"),
        file("/localetc/emptied", ""),
    ];
    attack.shows(&[layer], &["etc/", "etc/emptied", "localetc -> /etc"]);
}

/// `HardlinkRelative`, `HardlinkDownAndOut`, `HardlinkAbsolute`, `HardlinkRelativeLong`, `HardlinkRelativeUpAndOut`. The
/// model says that the names are one inode.
fn breakout_hard_links_through_symlinks(context: &Context) {
    let attack = Attack::new(context);
    for (target, more) in [("../../etc", None), ("../downandout/../../etc", Some(dir("downandout", 0o755)))] {
        let mut layer = with(etc(), vec![dir("breakouts", 0o755)]);
        layer.extend(more.clone());
        layer.push(symlink("breakouts/d1", target));
        layer.push(hardlink("breakouts/mypasswd", "/breakouts/d1/passwd"));
        let link = format!("breakouts/d1 -> {target}");
        let mut names = vec!["breakouts/", &link, "breakouts/mypasswd"];
        names.extend(more.map(|_| "downandout/"));
        names.extend(["etc/", "etc/passwd"]);
        attack.shows(&[layer], &names);
    }
    for target in ["/etc", "../../../../../../../etc"] {
        let layer = with(etc(), vec![symlink("localetc", target), hardlink("localpasswd", "/localetc/passwd")]);
        attack.shows(&[layer], &["etc/", "etc/passwd", &format!("localetc -> {target}"), "localpasswd"]);
    }
    // The kernel would not find this either: `..` behind a directory that is not there.
    let target = "upandout/../../../etc";
    let layer = with(etc(), vec![symlink("localetc", target), hardlink("localpasswd", "/localetc/passwd")]);
    attack.refused(&[layer], "localpasswd");
}

/// `HardlinkDirectRelative`, `HardlinkDirectAbsolute`.
fn breakout_hard_links_straight_out(context: &Context) {
    let attack = Attack::new(context);
    attack.refused(&[with(etc(), vec![hardlink("localpasswd", "../../../../../etc/passwd")])], "localpasswd");
    let layer = with(etc(), vec![hardlink("localpasswd", "/etc/passwd")]);
    attack.shows(&[layer], &["etc/", "etc/passwd", "localpasswd"]);
    // Only outside.
    attack.refused(&[vec![dir("etc", 0o755), hardlink("localpasswd", "/etc/passwd")]], "localpasswd");
}

/// `SymlinkParentDirectory`, `SymlinkEmptyFilename`, `SymlinkParentRelative`, `SymlinkSlashEnded`.
fn breakout_symlinks_with_odd_names(context: &Context) {
    let attack = Attack::new(context);
    for name in ["..", ""] {
        attack.refused(&[with(etc(), vec![symlink(name, "/etc/"), hardlink("localpasswd", "/etc/passwd")])], name);
    }
    let link = hardlink("/localetc/localpasswd", "/etc/passwd");
    let layer = with(etc(), vec![symlink("localetc/sub/..", "/etc/"), link.clone()]);
    attack.shows(&[layer], &["etc/", "etc/localpasswd", "etc/passwd", "localetc -> /etc/"]);
    let layer = with(etc(), vec![dir("localetc/", 0o770), link]);
    attack.shows(&[layer], &["etc/", "etc/passwd", "localetc/", "localetc/localpasswd"]);
}

/// `SymlinkOverrideDirectory`, `SymlinkOverrideDirectoryRelative`.
fn breakout_overridden_directories(context: &Context) {
    let attack = Attack::new(context);
    for target in ["/etc", "../../etc"] {
        let base = with(etc(), vec![dir("localetc", 0o755)]);
        let top = vec![symlink("localetc", target), hardlink("/localetc/localpasswd", "/etc/passwd")];
        let link = format!("localetc -> {target}");
        attack.shows(&[base, top], &["etc/", "etc/localpasswd", "etc/passwd", &link]);
    }
}

/// `DirectoryOverrideSymlink`, `DirectoryOverrideSymlinkAndHardlink`.
fn breakout_overridden_symlinks(context: &Context) {
    let attack = Attack::new(context);
    let base = with(etc(), vec![symlink("localetc", "/etc")]);
    let top = vec![dir("/localetc/", 0o755), hardlink("/localetc/localpasswd", "/etc/passwd")];
    attack.shows(&[base, top], &["etc/", "etc/passwd", "localetc/", "localetc/localpasswd"]);
    let base = with(etc(), vec![symlink("localetc", "etc"), hardlink("/localetc/localpasswd", "/etc/passwd")]);
    let top = vec![dir("/localetc/", 0o755), file("/localetc/localpasswd", "different")];
    let names = ["etc/", "etc/localpasswd", "etc/passwd", "localetc/", "localetc/localpasswd"];
    attack.shows(&[base, top], &names);
}

/// `WhiteoutRootParent`, `WhiteoutParent`, `WhiteoutRoot`, `WhiteoutCurrentDirectory`.
fn breakout_whiteouts_of_no_name(context: &Context) {
    let attack = Attack::new(context);
    for name in [".wh...", "etc/.wh...", ".wh..", "etc/.wh.."] {
        attack.refused(&[etc(), vec![file(name, "")]], name);
    }
}

/// `WhiteoutSymlink`, `WhiteoutSymlinkPath`, `WhiteoutDirectoryName`, `WhiteoutDeadSymlinkParent`,
/// `WhiteoutRelativePath`.
fn breakout_whiteouts_and_symlinks(context: &Context) {
    let attack = Attack::new(context);
    let base = || with(etc(), vec![file("etc/whitedout", "ahhhh whiteout"), symlink("localetc", "/etc")]);
    attack.shows(&[base(), vec![file(".wh.localetc", "")]], &["etc/", "etc/passwd", "etc/whitedout"]);
    let top = vec![file("localetc/.wh.whitedout", "")];
    attack.shows(&[base(), top], &["etc/", "etc/passwd", "localetc -> /etc"]);
    let names = [".wh.etc/", ".wh.etc/somefile", "etc/", "etc/passwd", "etc/whitedout", "localetc -> /etc"];
    attack.shows(&[base(), vec![file(".wh.etc/somefile", "non-empty")]], &names);
    let dead = || with(etc(), vec![symlink("localetc", "/dne")]);
    attack.shows(&[dead(), vec![file("localetc/.wh.etc", "")]], &["etc/", "etc/passwd", "localetc -> /dne"]);
    attack.shows(&[dead(), vec![file("dne/../.wh.etc", "")]], &["localetc -> /dne"]);
}

/// `SymlinkOverridePath`: a directory, then a symlink to `/` in its place, and again a directory.
fn breakout_overridden_path(context: &Context) {
    let attack = Attack::new(context);
    for (first, second) in [("tmp", "breakout-of-overlay-tests"), ("etc", "passwd")] {
        let directory = format!("foo/{first}");
        let path = format!("{directory}/{second}");
        let layer = vec![
            dir("foo", 0o755),
            dir(&directory, 0o755),
            file(&path, [0, 1, 2]),
            symlink("foo", "/"),
            file(&path, [3, 4, 5]),
            dir("foo", 0o755),
            dir(&directory, 0o755),
            file(&path, [6, 7, 8]),
        ];
        let (outer, inner) = (format!("{first}/"), format!("{first}/{second}"));
        let (nested, path) = (format!("{directory}/"), path);
        let mut names = vec!["foo/", &nested, &path, &outer, &inner];
        names.sort_unstable();
        attack.shows(&[layer], &names);
    }
    assert!(!std::path::Path::new("/tmp/breakout-of-overlay-tests").exists());
}

/// `HardlinkSymlinkBeforeCreateTarget`, `HardlinkSymlinkRelative`, `HardlinkSymlinkAbsolute`.
fn breakout_hard_links_to_symlinks(context: &Context) {
    let attack = Attack::new(context);
    let layer = vec![
        dir("etc", 0o770),
        symlink("localpasswd", "/etc/passwd"),
        hardlink("localpasswd-dup", "localpasswd"),
        file("/etc/passwd", "after"),
    ];
    let names = ["etc/", "etc/passwd", "localpasswd -> /etc/passwd", "localpasswd-dup -> /etc/passwd"];
    attack.shows(&[layer], &names);
    for target in ["../../../../../etc/passwd", "/etc/passwd"] {
        let layer = with(etc(), vec![symlink("passwdlink", target), hardlink("localpasswd", "/passwdlink")]);
        let [link, source] = ["localpasswd", "passwdlink"].map(|name| format!("{name} -> {target}"));
        attack.shows(&[layer], &["etc/", "etc/passwd", &link, &source]);
    }
}

/// `HardlinkSymlinkChmod`: names that exist outside too, and a hard link whose mode must not reach through.
fn breakout_chmod_through_a_symlink(context: &Context) {
    let attack = Attack::new(context);
    let layer = vec![
        symlink("/etc/also-exists-outside-root", "/etc/perm400").uid(3),
        hardlink("sketchylink", "/etc/also-exists-outside-root").mode(0o7777).uid(9).mtime(1, 0),
    ];
    let names = ["etc/", "etc/also-exists-outside-root -> /etc/perm400", "sketchylink -> /etc/perm400"];
    attack.shows(&[layer], &names);
}
