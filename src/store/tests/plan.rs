//! The plan of a stack is believed only where it is whole and of this stack.

use super::*;
use crate::sys::dir::Dir;

fn written(layers: &[&str]) -> (Root, Dir, ChainId, PlanRecord) {
    let root = Root::new();
    let store = root.open();
    let staging = store.stage().unwrap();
    let (name, dir) = staging.new_dir("made", 0o700).unwrap();
    let stack: Vec<DiffId> = layers.iter().map(|text| layer(text)).collect();
    let chain = ChainId::of(&stack).unwrap();
    let record = PlanRecord::new(chain.clone(), layers.len(), BTreeSet::from([1, 12]), BTreeSet::from([0]));
    record.write(&staging, &dir).unwrap();
    drop(dir);
    assert!(store.commit(&staging, &name, Kind::Correction, &chain.0).unwrap());
    let dir = store.open_committed(Kind::Correction, &chain.0).unwrap().unwrap();
    drop(staging);
    drop(store);
    (root, dir, chain, record)
}

fn rewrite(dir: &Dir, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = dir.read(b"plan.json", 1 << 20).unwrap();
    change(&mut content);
    dir.remove_file(b"plan.json").unwrap();
    dir.write_new(b"plan.json", 0o600, &content).unwrap();
}

#[test]
fn a_plan_is_read_as_it_was_written() {
    let (_root, dir, chain, record) = written(&["a", "b"]);
    assert_eq!(PlanRecord::read(&dir, &chain, 2), Some(record));
}

#[test]
fn the_plan_of_another_stack_is_not_taken() {
    let (_root, dir, chain, _) = written(&["a", "b"]);
    assert_eq!(PlanRecord::read(&dir, &ChainId(digest("other")), 2), None);
    assert_eq!(PlanRecord::read(&dir, &chain, 3), None);
}

#[test]
fn no_flipped_bit_and_no_cut_passes() {
    let (_root, dir, chain, record) = written(&["a", "b"]);
    let whole = dir.read(b"plan.json", 1 << 20).unwrap();
    for at in 0..whole.len() - 1 {
        rewrite(&dir, |content| {
            content.clone_from(&whole);
            content[at] ^= 1;
        });
        assert_eq!(PlanRecord::read(&dir, &chain, 2), None, "byte {at}");
        rewrite(&dir, |content| content.truncate(at));
        assert_eq!(PlanRecord::read(&dir, &chain, 2), None, "cut at {at}");
        rewrite(&dir, |content| *content = vec![0; at]);
        assert_eq!(PlanRecord::read(&dir, &chain, 2), None, "{at} zeros");
    }
    rewrite(&dir, |content| content.clone_from(&whole));
    assert_eq!(PlanRecord::read(&dir, &chain, 2), Some(record));
}

#[test]
fn a_plan_of_a_later_format_is_not_taken() {
    let (_root, dir, chain, _) = written(&["a", "b"]);
    rewrite(&dir, |content| {
        let text = String::from_utf8(content.clone()).unwrap();
        let line = text.lines().next().unwrap().replace("\"format\":1", "\"format\":2");
        *content = format!("{line}\n{:016x}\n", xxhash_rust::xxh3::xxh3_64(line.as_bytes())).into_bytes();
    });
    assert_eq!(PlanRecord::read(&dir, &chain, 2), None);
    dir.remove_file(b"plan.json").unwrap();
    assert_eq!(PlanRecord::read(&dir, &chain, 2), None);
}
