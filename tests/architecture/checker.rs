//! The checker finds what it is there to find.

use std::collections::BTreeSet;
use std::path::Path;

use super::tokens::{Token, tokens};
use super::{check, module_path, names_from_the_top};

#[test]
fn every_name_from_the_top_is_found() {
    let names = |file: &str, source: &str| -> BTreeSet<String> {
        names_from_the_top(&module_path(Path::new(file)), &tokens(source)).into_iter().map(|(name, _)| name).collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names("layer/tar.rs", "use crate::store::Store; fn f() { crate::ops::go() }"), set(&["ops", "store"]));
    assert_eq!(names("layer/tar.rs", "use crate::{sys::{Dir, xattr}, oci, Result};"), set(&["Result", "oci", "sys"]));
    assert_eq!(names("layer/mod.rs", "use super::mount;"), set(&["mount"]));
    assert_eq!(names("layer/tar.rs", "use super::index; use super::super::mount::plan;"), set(&["mount"]));
    assert_eq!(names("layer/mod.rs", "mod tests { use super::*; use super::super::mount; }"), set(&["mount"]));
    assert_eq!(names("layer/mod.rs", "mod a { } fn f() { super::ops::go() }"), set(&["ops"]));
    assert_eq!(names("layer/a.rs", "pub(super) fn f() {} pub(crate) struct S;"), set(&[]));
    assert_eq!(names("cli/mod.rs", "use rootlay::{ops, oci::Digest};"), set(&["oci", "ops"]));
    assert_eq!(names("layer/a.rs", "macro_rules! m { () => { $crate::ops::go() } }"), set(&["ops"]));
}

#[test]
fn text_is_not_code() {
    for source in [
        "// use crate::ops;\n/* unsafe /* nested */ crate::ops::x */",
        "/// [`crate::ops`] unsafe libc::x todo!()\nfn f() {}",
        r##"const A: &str = "crate::ops \" unsafe"; const B: &str = r#"todo!() " crate::ops::x"#;"##,
        r#"const A: &[u8] = b"unsafe"; const C: u8 = b'"'; const D: char = '"'; const E: char = '\''; const F: &str = "libc";"#,
        "fn f<'unsafe_>(x: &'unsafe_ str) -> char { '\\u{22}' }",
    ] {
        assert_eq!(check("layer/a.rs", source), Vec::<String>::new(), "{source}");
    }
    let after = tokens("let a = \"x\ny\"; 'q'; r\"\\\"; unsafe");
    assert_eq!(after.last(), Some(&Token { text: "unsafe".to_owned(), line: 2 }));
}

#[test]
fn each_rule_can_be_broken() {
    for (file, source, expected) in [
        ("layer/a.rs", "use crate::store::Store;", "layer/a.rs:1: layer (rank 3) names store (rank 4)"),
        ("layer/a.rs", "\nuse crate::mount;", "layer/a.rs:2: layer (rank 3) names mount (rank 3)"),
        ("progress.rs", "use crate::cancel::Cancel;", "progress.rs:1: progress (rank 0) names cancel (rank 0)"),
        ("sys/a.rs", "use crate::{error::Error, oci};", "sys/a.rs:1: sys (rank 0) names oci (rank 1)"),
        ("layer/mod.rs", "use super::ops;", "layer/mod.rs:1: layer (rank 3) names ops (rank 5)"),
        ("layer/a.rs", "use crate::*;", "layer/a.rs:1: a glob over the top of the crate hides what is named"),
        ("cli/a.rs", "use rootlay::store;", "cli/a.rs:1: cli (rank 6) names store (rank 4)"),
        ("main.rs", "use rootlay::sys;", "main.rs:1: main (rank 6) names sys (rank 0)"),
        ("ops/a.rs", "unsafe { x() }", "ops/a.rs:1: unsafe outside src/sys"),
        ("ops/a.rs", "use libc::getpid;", "ops/a.rs:1: libc outside src/sys"),
        ("error.rs", "libc::getpid();", "error.rs:1: libc outside src/sys"),
        ("ops/a.rs", "fn f() { todo!() }", "ops/a.rs:1: todo! is work left open"),
        ("ops/a.rs", "fn f() { unimplemented!(\"x\") }", "ops/a.rs:1: unimplemented! is work left open"),
        ("ops/utils.rs", "", "ops/utils.rs: a module named utils"),
        ("ops/a.rs", "mod common { }", "ops/a.rs:1: a module named common"),
        ("drawer/mod.rs", "", "drawer/mod.rs: module drawer has no rank"),
        ("lib.rs", &"\n".repeat(401), "lib.rs: 401 lines, at most 400"),
    ] {
        assert_eq!(check(file, source), [expected], "{file}: {source}");
    }
}

#[test]
fn what_the_rules_allow_passes() {
    for (file, source) in [
        ("ops/a.rs", "use crate::{store, mount, layer::x, sys, error};"),
        ("cancel.rs", "use crate::error::Error;"),
        ("error.rs", "libc::ENOENT;"),
        ("sys/a.rs", "unsafe { libc::getpid() }"),
        ("cli/a.rs", "use crate::cli::table; use rootlay::ops;"),
        ("main.rs", "mod cli; use crate::cli;"),
        ("ops/a.rs", &"\n".repeat(400)),
    ] {
        assert_eq!(check(file, source), Vec::<String>::new(), "{file}: {source}");
    }
}
