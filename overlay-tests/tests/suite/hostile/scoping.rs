//! What umoci's tests of scoping and of whiteouts try, with the outcome that the image-spec's model has.

use overlay_tests::cases;
use overlay_tests::fixture::{Entry, dir, fifo, file, hardlink, opaque, symlink, whiteout};
use overlay_tests::harness::{Case, Context};

use super::Attack;

pub fn cases() -> Vec<Case> {
    cases![
        scoping_of_names;
        scoping_of_symlinks;
        scoping_parent_that_is_a_file;
        scoping_parents_that_are_missing;
        scoping_whiteouts;
        scoping_opaque_marks;
        scoping_opaque_marks_and_whiteouts;
        scoping_opaque_marks_without_directories;
        scoping_nested_opaque_marks;
        scoping_hard_links;
        scoping_directories_over_symlinks
    ]
}

/// `SanitiseScoping`.
fn scoping_of_names(context: &Context) {
    let attack = Attack::new(context);
    for prefix in ["/..", "..", "a/../..", "/a/.././../.", "./.."] {
        let name = format!("{prefix}/file");
        attack.refused(&[vec![file(&name, "container content")]], &name);
        let name = format!("{prefix}/etc/file");
        attack.refused(&[vec![file(&name, "container content")]], &name);
    }
}

/// `SymlinkScoping`, the symlink in the layer below and in the same one.
fn scoping_of_symlinks(context: &Context) {
    let attack = Attack::new(context);
    let long = "/../".to_owned() + &"../".repeat(14);
    let dotted = "/./../".to_owned() + &"./../".repeat(8) + "../";
    for prefix in ["/", "/../", &long, &dotted, ".."] {
        let link = format!("link -> {prefix}");
        let layers = [vec![symlink("link", prefix)], vec![file("link/file", "container content")]];
        attack.shows(&layers, &["file", &link]);
        let layers = [vec![symlink("link", prefix)], vec![file("link/etc/passwd", "container content")]];
        attack.shows(&layers, &["etc/", "etc/passwd", &link]);
    }
}

/// `NonDirParent`: refused in one layer (row 46); over a file of a lower layer the directory replaces it.
fn scoping_parent_that_is_a_file(context: &Context) {
    let attack = Attack::new(context);
    let entries = || [file("nondir", ""), file("nondir/foo/bar/baz", "")];
    attack.refused(&[entries().to_vec()], "nondir/foo/bar/baz");
    let names = ["nondir/", "nondir/foo/", "nondir/foo/bar/", "nondir/foo/bar/baz"];
    attack.shows(&entries().map(|entry| vec![entry]), &names);
}

/// `ParentDir`.
fn scoping_parents_that_are_missing(context: &Context) {
    let attack = Attack::new(context);
    attack.shows(&[vec![file("a/b/c/file", "creating parentdirs")]], &["a/", "a/b/", "a/b/c/", "a/b/c/file"]);
}

/// `Whiteout`: the time of the directory stays as well, which the model says.
fn scoping_whiteouts(context: &Context) {
    let attack = Attack::new(context);
    for parent in ["", "some/path"] {
        let mark = [parent, ".wh."].join(if parent.is_empty() { "" } else { "/" });
        attack.refused(&[vec![file("some/path/f", "")], vec![file(&mark, "")]], &mark);
    }
    for path in ["rootpath", ".hiddenroot", "some/path/file", "another/path/.hiddenfile"] {
        let parents: Vec<Entry> = path
            .match_indices('/')
            .map(|(at, _)| dir(&path[..at], 0o755).mtime(123, 456))
            .chain([dir("./", 0o755).mtime(123, 456)])
            .collect();
        let shown: Vec<String> = path.match_indices('/').map(|(at, _)| format!("{}/", &path[..at])).collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        let below = ["file1", "file2", ".subdir/file3"].map(|name| file(format!("{path}/{name}"), "some value"));
        for gone in [vec![file(path, "some value")], [&[dir(path, 0o755)][..], &below].concat()] {
            attack.shows(&[[&parents[..], &gone].concat(), vec![whiteout(path)]], &shown);
        }
    }
}

/// One path of a table of umoci: in the lower layer, and perhaps also in the one with the mark.
fn table(paths: &[(&str, char, bool)]) -> [Vec<Entry>; 2] {
    let entry = |(path, kind, upper): &(&str, char, bool)| {
        let path = format!("sub/{path}");
        let content = if *upper { "upper" } else { "lower" };
        match kind {
            'd' => dir(path, 0o755),
            'l' => symlink(path, ".."),
            'b' => symlink(path, "./nothing"),
            'v' => symlink(path, "../../../../../../../../../../../../etc/shadow"),
            'w' => symlink(path, "/../../../../../../../../../../../../etc/shadow"),
            'p' => fifo(path),
            _ => file(path, content),
        }
    };
    let lower = paths.iter().map(|(path, kind, _)| entry(&(path, *kind, false)));
    let upper = paths.iter().filter(|(_, _, upper)| *upper).map(entry);
    [std::iter::once(dir("sub", 0o755)).chain(lower).collect(), upper.chain([opaque("sub")]).collect()]
}

/// `OpaqueWhiteout`: the first six tables. What the layer of the mark has survives, and nothing else.
fn scoping_opaque_marks(context: &Context) {
    let attack = Attack::new(context);
    attack.shows(&table(&[]), &["sub/"]);
    let one = [("file", 'f', false), ("link", 'l', true), ("badlink", 'b', true), ("fifo", 'p', false)];
    attack.shows(&table(&one), &["sub/", "sub/badlink -> ./nothing", "sub/link -> .."]);
    let two = [
        ("file", 'f', true),
        ("link", 'l', false),
        ("badlink", 'b', false),
        ("dir", 'd', true),
        ("dir/file", 'f', true),
        ("dir/link", 'b', false),
        ("dir/verybadlink", 'v', true),
        ("dir/verybadlink2", 'w', false),
    ];
    let shadow = "../../../../../../../../../../../../etc/shadow";
    let verybad = format!("sub/dir/verybadlink -> {shadow}");
    attack.shows(&table(&two), &["sub/", "sub/dir/", "sub/dir/file", &verybad, "sub/file"]);
    let many = [
        ("level1_file", 'f', true),
        ("level1_link", 'l', false),
        ("level1a", 'd', true),
        ("level1a/level2_file", 'f', false),
        ("level1a/level2_link", 'l', true),
        ("level1a/level2a", 'd', false),
        ("level1a/level2a/level3_fileA", 'f', false),
        ("level1a/level2b", 'd', true),
        ("level1a/level2b/level3_fileA", 'f', true),
        ("level1a/level2b/level3_fileB", 'f', false),
        ("level1a/level2b/level3", 'd', false),
        ("level1a/level2b/level3/level4", 'd', false),
        ("level1a/level2b/level3/level4", 'd', false),
        ("level1a/level2b/level3_fileA", 'f', true),
        ("level1b", 'd', false),
        ("level1b/level2", 'd', false),
        ("level1b/level2/level3_file", 'f', false),
    ];
    let names = [
        "sub/",
        "sub/level1_file",
        "sub/level1a/",
        "sub/level1a/level2_link -> ..",
        "sub/level1a/level2b/",
        "sub/level1a/level2b/level3_fileA",
    ];
    attack.shows(&table(&many), &names);
    // Nothing of any table in the layer of the mark.
    for all in [&one[..], &two, &many] {
        let none: Vec<_> = all.iter().map(|(path, kind, _)| (*path, *kind, false)).collect();
        attack.shows(&table(&none), &["sub/"]);
    }
}

/// `OpaqueWhiteout`: `MissingUpperAncestor`, `UpperWhiteout`, `UpperDirWhiteout`. A whiteout never touches its own layer.
fn scoping_opaque_marks_and_whiteouts(context: &Context) {
    let attack = Attack::new(context);
    let missing = [
        ("some", 'd', false),
        ("some/dir", 'd', false),
        ("some/dir/somewhere", 'f', true),
        ("another", 'd', false),
        ("another/dir", 'd', false),
        ("another/dir/somewhere", 'f', false),
    ];
    attack.shows(&table(&missing), &["sub/", "sub/some/", "sub/some/dir/", "sub/some/dir/somewhere"]);
    let lower = || ["fileA", "fileB", "fileC"].map(|name| file(format!("sub/{name}"), "lower")).to_vec();
    let upper = vec![
        whiteout("sub/fileB"),
        file("sub/fileA", "upper"),
        file("sub/fileB", "upper"),
        whiteout("sub/fileA"),
        whiteout("sub/fileC"),
        opaque("sub"),
    ];
    attack.shows(&[lower(), upper], &["sub/", "sub/fileA", "sub/fileB"]);
    let lower = vec![
        file("sub/file", ""),
        dir("sub/dir1", 0o755),
        symlink("sub/dir1/link", "../badlink"),
        symlink("sub/dir1/verybadlink2", "/../../../../../../etc/shadow"),
        dir("sub/dir2", 0o755),
        symlink("sub/dir2/link", "../badlink"),
    ];
    let upper = vec![
        whiteout("sub/dir2"),
        dir("sub/dir1", 0o755),
        file("sub/dir1/file", "upper"),
        symlink("sub/dir1/verybadlink", "../../../../../../etc/shadow"),
        whiteout("sub/dir1"),
        dir("sub/dir2", 0o755),
        file("sub/dir2/file", "upper"),
        opaque("sub"),
    ];
    let names = [
        "sub/",
        "sub/dir1/",
        "sub/dir1/file",
        "sub/dir1/verybadlink -> ../../../../../../etc/shadow",
        "sub/dir2/",
        "sub/dir2/file",
    ];
    attack.shows(&[lower, upper], &names);
}

/// `MissingDirs`: rows 10, 24 and 25.
fn scoping_opaque_marks_without_directories(context: &Context) {
    let attack = Attack::new(context);
    attack.shows(&[vec![opaque("a/b/c")]], &["a/", "a/b/", "a/b/c/"]);
    attack.shows(&[vec![file("keep", "")], vec![whiteout("a/b/c")]], &["keep"]);
    attack.refused(&[vec![file("nondir", ""), opaque("nondir")]], "nondir/.wh..wh..opq");
    let lower = vec![file("d/old", "")];
    attack.shows(&[lower, vec![whiteout("d"), opaque("d")]], &["d/"]);
}

/// `Nested`, `OpaqueWhiteoutConvert`.
fn scoping_nested_opaque_marks(context: &Context) {
    let attack = Attack::new(context);
    let lower = || vec![file("in/foo/bar/baz/before", ""), file("in/a/b/c/d/e/f/after", ""), file("in/old", "")];
    let upper = vec![
        whiteout("in/foo/bar/baz/before"),
        file("in/regfile", ""),
        opaque("in"),
        whiteout("in/a/b/c/d/e/f/after"),
        file("in/a/b/c/d/regfile", ""),
    ];
    let names = ["in/", "in/a/", "in/a/b/", "in/a/b/c/", "in/a/b/c/d/", "in/a/b/c/d/regfile", "in/regfile"];
    attack.shows(&[lower(), upper], &names);
    let nested = vec![opaque("n/a/b/c/d"), opaque("n/a/b"), opaque("n")];
    let names = ["n/", "n/a/", "n/a/b/", "n/a/b/c/", "n/a/b/c/d/"];
    attack.shows(&[vec![file("n/a/b/c/d/x", ""), file("n/y", "")], nested], &names);
    let upper = vec![whiteout("d"), file("d/foo/bar", ""), file("d/abc/def", "")];
    attack.shows(&[vec![file("d/before", "")], upper], &["d/", "d/abc/", "d/abc/def", "d/foo/", "d/foo/bar"]);
}

/// `Hardlink`: the owner of a hard-link entry is ignored, and a target that leaves the root by `..` is refused (row 76).
fn scoping_hard_links(context: &Context) {
    let attack = Attack::new(context);
    let entries = |target: &str| {
        vec![
            file("regular", "some content"),
            hardlink("hard link", "/regular").uid(1337).gid(2020),
            symlink("link", "../../../regular"),
            hardlink("hard link to symlink", target).uid(1337).gid(2020),
        ]
    };
    let link = "../../../regular";
    let names = ["hard link", &format!("hard link to symlink -> {link}"), &format!("link -> {link}"), "regular"];
    attack.shows(&[entries("/link")], &names);
    attack.refused(&[entries("../../../link")], "hard link to symlink");
}

/// `IsDirlink`: without `--keep-dirlinks`, which does not exist here, a directory replaces every symlink (row 32).
fn scoping_directories_over_symlinks(context: &Context) {
    let attack = Attack::new(context);
    for target in ["test_dir", "test_file", "nothing", "/etc", "/etc/passwd"] {
        let lower = vec![dir("test_dir", 0o755), file("test_file", ""), symlink("link", target)];
        let upper = vec![dir("link", 0o700).uid(9), file("link/passwd", "")];
        attack.shows(&[lower, upper], &["link/", "link/passwd", "test_dir/", "test_file"]);
    }
}
