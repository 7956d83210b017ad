//! Every row of `docs/layer-semantics.md`, by number.
//!
//! The names that a row shows are written by hand from the rule; the metadata comes from the model.

mod attacks;
mod compression;
mod directories;
mod docker_archives;
mod documents;
mod hard_links;
mod implied;
mod kernel;
mod link_targets;
mod mark_names;
mod numbers;
mod opaque;
pub mod places;
mod platforms;
mod replaced;
mod resolution;
mod root_and_names;
mod stacks;
mod strict;
mod tar_headers;
mod tar_streams;
mod whiteouts;
mod without_counterpart;
mod xattrs;

use overlay_tests::fixture::{Entry, dir, file, symlink};
use overlay_tests::harness::Case;
use overlay_tests::tree::{Node, Tree, names};

pub fn cases() -> Vec<Case> {
    [
        whiteouts::cases(),
        without_counterpart::cases(),
        opaque::cases(),
        mark_names::cases(),
        implied::cases(),
        root_and_names::cases(),
        directories::cases(),
        replaced::cases(),
        xattrs::cases(),
        attacks::cases(),
        numbers::cases(),
        hard_links::cases(),
        link_targets::cases(),
        kernel::cases(),
        strict::cases(),
        resolution::cases(),
        tar_headers::cases(),
        tar_streams::cases(),
        compression::cases(),
        documents::cases(),
        platforms::cases(),
        docker_archives::cases(),
        stacks::cases(),
        places::cases(),
    ]
    .concat()
}

fn old_foo() -> Vec<Entry> {
    vec![
        dir("foo", 0o700).uid(3),
        file("foo/old", "old"),
        dir("foo/sub", 0o755),
        file("foo/sub/x", "x"),
        file("other", ""),
    ]
}

fn usrmerge(target: &str) -> Vec<Entry> {
    vec![symlink("lib", target), dir("usr", 0o755), dir("usr/lib", 0o755), file("usr/lib/ld.so", "ld")]
}

fn node<'t>(tree: &'t Tree, path: &str) -> &'t Node {
    tree.get(path.as_bytes()).unwrap_or_else(|| panic!("{path} is missing: {:?}", names(tree)))
}

/// An ACL: `u::rwx, u:5:rw-, g::r-x, m::rwx, o::---`, as the kernel's xattr (version 2).
fn acl() -> Vec<u8> {
    let entry = |tag: u16, permissions: u16, id: u32| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let none = u32::MAX;
    let entries = [entry(1, 7, none), entry(2, 6, 5), entry(4, 5, none), entry(16, 7, none), entry(32, 0, none)];
    [2_u32.to_le_bytes().to_vec(), entries.concat()].concat()
}
