//! A tree as text: twelve columns, one line a path, bytewise order.
//!
//! The format of the `.truth` files that come with the official images: path, type, mode, uid, gid, size, SHA-256, target,
//! device, xattrs, whole seconds of the mtime, first path of the hard-link group; `-` where a column does not apply.

use super::{Node, NodeKind, Tree};
use crate::fixture::hex;

/// The whole listing.
pub fn listing(tree: &Tree) -> String {
    tree.iter().map(|(path, node)| line(path, node)).collect()
}

fn line(path: &[u8], node: &Node) -> String {
    let none = || "-".to_owned();
    let (letter, size, hash, target, device) = match &node.kind {
        NodeKind::File(size, hash) => ('f', size.to_string(), hash.clone(), none(), none()),
        NodeKind::Dir => ('d', none(), none(), none(), none()),
        NodeKind::Symlink(target) => ('l', none(), none(), escape(target), none()),
        NodeKind::Char(major, minor) => ('c', none(), none(), none(), format!("{major}:{minor}")),
        NodeKind::Block(major, minor) => ('b', none(), none(), none(), format!("{major}:{minor}")),
        NodeKind::Fifo => ('p', none(), none(), none(), none()),
        NodeKind::Socket => ('s', none(), none(), none(), none()),
    };
    let xattrs: Vec<String> =
        node.xattrs.iter().map(|(name, value)| format!("{}={}", escape(name), hex(value))).collect();
    let xattrs = if xattrs.is_empty() { none() } else { xattrs.join(",") };
    let group = node.group.as_deref().map_or_else(none, escape);
    format!(
        "{}\t{letter}\t{:04o}\t{}\t{}\t{size}\t{hash}\t{target}\t{device}\t{xattrs}\t{}\t{group}\n",
        escape(path),
        node.mode,
        node.uid,
        node.gid,
        node.mtime.0,
    )
}

/// Every byte outside `!`..`~`, and backslash, comma and `=`, as `\xHH`; a lone `-` too.
fn escape(raw: &[u8]) -> String {
    use std::fmt::Write as _;
    if raw == b"-" {
        return r"\x2d".to_owned();
    }
    raw.iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'\\' | b',' | b'=' => write!(text, "\\x{byte:02x}").unwrap(),
            0x21..=0x7e => text.push(char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}").unwrap(),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn escapes_are_unambiguous() {
        assert_eq!(escape(b"-"), r"\x2d");
        assert_eq!(escape(b"a-b c\\,=\xff"), r"a-b\x20c\x5c\x2c\x3d\xff");
    }

    #[test]
    fn a_line_has_twelve_columns() {
        let node = Node {
            kind: NodeKind::Symlink(b"t".to_vec()),
            mode: 0o777,
            uid: 1,
            gid: 2,
            mtime: (3, 4),
            xattrs: BTreeMap::from([(b"trusted.a".to_vec(), b"\x01".to_vec())]),
            nlink: Some(2),
            group: Some(b"/a".to_vec()),
        };
        assert_eq!(line(b"/b", &node), "/b\tl\t0777\t1\t2\t-\t-\tt\t-\ttrusted.a=01\t3\t/a\n");
    }
}
