use super::*;
use crate::oci::{DiffId, Digest};

/// A layer of these lines of its index.
fn layer(lines: &[&str]) -> LayerIndex {
    let summary = format!(
        r#"{{"format":1,"diff_id":"{}","entries":{},"bytes":0,"marks":0,"opaque_root":false,"empty":false}}"#,
        DiffId(Digest::of(lines.concat().as_bytes())),
        lines.len()
    );
    let text = [&[summary.as_str()], lines].concat().join("\n");
    LayerIndex::read_from(&mut text.as_bytes()).unwrap()
}

fn counts(layers: &[&[&str]]) -> Vec<(u64, u64, u64)> {
    let layers: Vec<LayerIndex> = layers.iter().map(|lines| layer(lines)).collect();
    let changes = count_changes(&layers, &Cancel::new()).unwrap();
    changes.iter().map(|changes| (changes.added, changes.changed, changes.deleted)).collect()
}

const ETC: &str = r#"["d","etc",493,0,0,1,0]"#;

#[test]
fn names_are_added_changed_and_deleted() {
    let base = [
        ETC,
        r#"["f","etc/a",420,0,0,1,0,1,"01"]"#,
        r#"["f","etc/b",420,0,0,1,0,1,"02"]"#,
        r#"["l","l",511,0,0,1,0,"etc"]"#,
    ];
    let top = [
        // The directory moved in time only, and `b` came again as it was.
        r#"["d","etc",493,0,0,2,0]"#,
        r#"["f","etc/a",420,0,0,1,0,1,"03"]"#,
        r#"["f","etc/b",420,0,0,1,0,1,"02"]"#,
        r#"["f","etc/c",420,0,0,1,0,0,"00"]"#,
        r#"["w","l"]"#,
    ];
    assert_eq!(counts(&[&base, &top]), [(4, 0, 0), (1, 1, 1)]);
}

#[test]
fn what_is_in_a_directory_goes_with_it_and_a_mark_can_do_nothing() {
    let base = [ETC, r#"["f","etc/a",420,0,0,1,0,1,"01"]"#, r#"["f","etc/b",420,0,0,1,0,1,"02"]"#];
    assert_eq!(counts(&[&base, &[r#"["w","etc"]"#], &[r#"["w","etc"]"#]]), [(3, 0, 0), (0, 0, 3), (0, 0, 0)]);
    assert_eq!(
        counts(&[&base, &[ETC, r#"["o","etc"]"#, r#"["f","etc/a",420,0,0,1,0,1,"01"]"#]]),
        [(3, 0, 0), (0, 0, 1)]
    );
}

#[test]
fn modes_kinds_and_targets_are_changes_and_implied_directories_count() {
    let base = [r#"["f","usr/bin/a",420,0,0,1,0,1,"01"]"#, r#"["l","l",511,0,0,1,0,"usr"]"#];
    let top = [r#"["d","usr",448,0,0,1,0]"#, r#"["l","l",511,0,0,1,0,"bin"]"#, r#"["d","usr/bin/a",493,0,0,1,0]"#];
    assert_eq!(counts(&[&base, &top]), [(4, 0, 0), (0, 3, 0)]);
    let links = [r#"["f","a",420,0,0,1,0,1,"01"]"#, r#"["h","b","a"]"#];
    assert_eq!(counts(&[&links, &links]), [(2, 0, 0), (0, 0, 0)]);
}
