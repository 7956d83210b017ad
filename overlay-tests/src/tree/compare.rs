//! How two trees differ, in lines that name the path and both values.

use super::{Node, Tree};

/// Whether link counts are compared. Overlayfs shows the count of the layer that a file lies in, names that a higher layer
/// hides included, so a stack that deletes one of several names has no count that can be promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nlink {
    /// Where both trees know it.
    Compare,
    /// Never.
    Ignore,
}

/// One line for each difference; none if the trees are equal.
pub fn differences(expected: &Tree, actual: &Tree, nlink: Nlink) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, node) in expected {
        let shown = path.escape_ascii();
        match actual.get(path) {
            None => lines.push(format!("{shown}: missing, expected {:?}", node.kind)),
            Some(found) => lines.extend(fields(node, found, nlink).into_iter().map(|line| format!("{shown}: {line}"))),
        }
    }
    for (path, node) in actual.iter().filter(|(path, _)| !expected.contains_key(*path)) {
        lines.push(format!("{}: not expected, found {:?}", path.escape_ascii(), node.kind));
    }
    lines
}

fn fields(expected: &Node, found: &Node, nlink: Nlink) -> Vec<String> {
    let mut lines = Vec::new();
    let mut check = |what: &str, expected: String, found: String| {
        if expected != found {
            lines.push(format!("{what}: expected {expected}, got {found}"));
        }
    };
    check("kind", format!("{:?}", expected.kind), format!("{:?}", found.kind));
    check("mode", format!("{:04o}", expected.mode), format!("{:04o}", found.mode));
    check("owner", format!("{}:{}", expected.uid, expected.gid), format!("{}:{}", found.uid, found.gid));
    check("mtime", format!("{:?}", expected.mtime), format!("{:?}", found.mtime));
    check("xattrs", xattrs(expected), xattrs(found));
    let group = |node: &Node| node.group.as_ref().map_or("none".to_owned(), |path| path.escape_ascii().to_string());
    check("hard links", group(expected), group(found));
    if nlink == Nlink::Compare && expected.nlink.is_some() && found.nlink.is_some() {
        check("nlink", format!("{:?}", expected.nlink), format!("{:?}", found.nlink));
    }
    lines
}

fn xattrs(node: &Node) -> String {
    let pairs = node.xattrs.iter().map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}
