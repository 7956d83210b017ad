//! Names of entries, and the kernel's table of mounts.

/// A cleaned name has only components that a file can have, cleans to itself, and stays below the root.
pub fn whiteout(input: &[u8]) {
    let mut depth = 0_usize;
    let mut escapes = false;
    for component in input.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if depth == 0 => escapes = true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    let Ok(name) = rootlay::fuzzing::name(input) else { return };
    assert!(!escapes, "a path that leaves the root");
    assert_eq!(name.components.len(), depth);
    for component in &name.components {
        assert!(!matches!(&component[..], b"" | b"." | b".."), "{name:?}");
        assert!(!component.contains(&b'/') && !component.contains(&0), "{name:?}");
    }
    assert_eq!(rootlay::fuzzing::name(&name.components.join(&b'/')).ok().as_ref(), Some(&name));
    let base = name.components.last().map_or(&b""[..], Vec::as_slice);
    assert_eq!(name.opaque, base == b".wh..wh..opq" && !below_reserved(&name.components));
    if let Some(gone) = &name.whiteout {
        assert!(!matches!(&gone[..], b"" | b"." | b".."), "{name:?}");
        assert_eq!([&b".wh."[..], gone].concat(), base);
    }
}

/// Whether the path lies in something of AUFS.
fn below_reserved(components: &[Vec<u8>]) -> bool {
    components.iter().rev().skip(1).any(|component| component.starts_with(b".wh..wh."))
}

/// A table that is taken has a mount for every line.
pub fn mountinfo(input: &[u8]) {
    let Ok(mounts) = rootlay::fuzzing::mountinfo(input) else { return };
    let lines = input.strip_suffix(b"\n").unwrap_or(input);
    let expected = if lines.is_empty() { 0 } else { lines.split(|&byte| byte == b'\n').count() };
    assert_eq!(mounts, expected);
}
