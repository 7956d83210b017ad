//! Stacks over a tiny alphabet, so that entries collide in every way that the rules have a row for.

use super::{Rng, Stack};
use crate::fixture::{Entry, MTIME, block, char_device, dir, fifo, file, hardlink, opaque, root, symlink, whiteout};
use crate::oracle::apply_stack;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const MODES: [u64; 5] = [0o644, 0o755, 0o4755, 0o1777, 0o600];
const MTIMES: [(i64, u32); 4] = [(MTIME, 0), (0, 0), (MTIME, 123_000_000), (-2, 500_000_000)];
const TARGETS: [&str; 12] = ["a", "b", "c", "d", "/a", "/b/c", "../a", "../../b", "a/b", ".", "/", "no/where"];

/// The stack of a seed.
pub fn random_stack(seed: u64) -> Stack {
    let mut rng = Rng::new(seed);
    let mut stack: Stack = Vec::new();
    let mut used: Vec<String> = Vec::new();
    for _ in 0..=rng.below(4) {
        // The same diff ID twice in one image (row 150).
        if !stack.is_empty() && rng.percent(8) {
            stack.push(rng.pick(&stack).clone());
            continue;
        }
        stack.push(Vec::new());
        for _ in 0..rng.below(9) {
            let entry = random_entry(&mut rng, &mut used);
            stack.last_mut().unwrap().push(entry);
            // Most entries that end the stack here are taken back: a longer story is worth more.
            if rng.percent(80) && apply_stack(&stack).is_err() {
                stack.last_mut().unwrap().pop();
            }
        }
        // Hard links may wait for an entry that never came.
        if rng.percent(80) && apply_stack(&stack).is_err() {
            stack.pop();
        }
    }
    if stack.is_empty() { vec![Vec::new()] } else { stack }
}

fn random_entry(rng: &mut Rng, used: &mut Vec<String>) -> Entry {
    let name = random_name(rng, used);
    let kind = rng.below(100);
    if kind < 15 {
        return whiteout(&name);
    }
    if kind < 22 {
        return opaque(if rng.percent(12) { "" } else { &name });
    }
    if !(85..94).contains(&kind) {
        used.push(name.clone());
    }
    let spelled = match rng.below(20) {
        0 => format!("./{name}"),
        1 => format!("/{name}"),
        2 => name.replace('/', "//./"),
        _ => name.clone(),
    };
    let entry = match kind {
        22..48 => file(spelled, ["", "x", "yy", "zzz"][rng.below(4)]),
        48..70 => dir(spelled, 0o755),
        70..84 => symlink(spelled, rng.pick(&TARGETS)),
        84 => return root(*rng.pick(&[0o755, 0o711, 0o1777])).mtime(5, 6),
        85..94 => {
            let target = if used.is_empty() || rng.percent(6) { name } else { rng.pick(used).clone() };
            return hardlink(spelled, if rng.percent(10) { format!("/{target}") } else { target });
        }
        94..96 => fifo(spelled),
        96..98 => block(spelled, 7, 1),
        // Which is not created (row 19).
        98 => return char_device(spelled, 0, 0),
        _ => char_device(spelled, 1, 3),
    };
    with_metadata(rng, entry)
}

/// A name of up to three components; often one that the stack has used, or one below it.
fn random_name(rng: &mut Rng, used: &[String]) -> String {
    if !used.is_empty() && rng.percent(45) {
        let name = rng.pick(used).clone();
        if rng.percent(40) && name.matches('/').count() < 3 {
            return format!("{name}/{}", rng.pick(&NAMES));
        }
        return name;
    }
    let depth = 1 + rng.below(3);
    (0..depth).map(|_| *rng.pick(&NAMES)).collect::<Vec<_>>().join("/")
}

fn with_metadata(rng: &mut Rng, entry: Entry) -> Entry {
    let entry = if rng.percent(30) { entry.mode(*rng.pick(&MODES)) } else { entry };
    let entry = if rng.percent(20) { entry.uid([0, 1, 70_000][rng.below(3)]).gid(2) } else { entry };
    let (seconds, nanoseconds) = *rng.pick(&MTIMES);
    let entry = if rng.percent(30) { entry.mtime(seconds, nanoseconds) } else { entry };
    let entry = if rng.percent(10) { entry.xattr("user.x", [*rng.pick(b"12")]) } else { entry };
    if rng.percent(8) { entry.xattr("trusted.t", "w") } else { entry }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Stop;

    /// The generator is of use only as long as most of what it makes is decided by the rules, and some of it refused.
    #[test]
    fn most_stacks_are_decided() {
        let mut counts = [0; 3];
        for seed in 0..3000 {
            match apply_stack(&random_stack(seed)) {
                Ok(_) => counts[0] += 1,
                Err(Stop::Refused(_)) => counts[1] += 1,
                Err(Stop::Open(_)) => counts[2] += 1,
            }
        }
        assert!(counts[0] > 2400 && counts[1] > 100 && counts[2] < 300, "{counts:?}");
    }
}
