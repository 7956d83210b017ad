//! Hard links whose target comes later, perhaps as such a link itself: in which order they can be made.

use std::collections::HashMap;

use super::paths::PathId;
use crate::error::Result;

/// What the target of a waiting link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A file.
    Ready,
    /// Another link that waits, by its path.
    Waits(PathId),
    /// Nothing.
    Nowhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Entered,
    Made,
    Left,
}

/// Puts links into an order in which each has its target; the second list is of those that never will. `waiting` are
/// their paths. Every target is looked at once.
pub fn order(waiting: &[PathId], mut target: impl FnMut(usize) -> Result<Target>) -> Result<(Vec<usize>, Vec<usize>)> {
    let by_path: HashMap<PathId, usize> = waiting.iter().copied().zip(0..).collect();
    let mut states = vec![State::New; waiting.len()];
    let (mut made, mut left) = (Vec::new(), Vec::new());
    for start in 0..waiting.len() {
        let mut chain = Vec::new();
        let mut here = start;
        let ends_well = loop {
            match states[here] {
                State::Made => break true,
                // A link that leads to itself in the end has no target.
                State::Left | State::Entered => break false,
                State::New => {}
            }
            states[here] = State::Entered;
            chain.push(here);
            match target(here)? {
                Target::Ready => break true,
                Target::Nowhere => break false,
                Target::Waits(path) => match by_path.get(&path) {
                    Some(&next) => here = next,
                    None => break false,
                },
            }
        };
        for link in chain.into_iter().rev() {
            states[link] = if ends_well { State::Made } else { State::Left };
            if ends_well { &mut made } else { &mut left }.push(link);
        }
    }
    left.sort_unstable();
    Ok((made, left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::paths::PathTable;

    #[test]
    fn row_071_chains_are_made_from_their_end_and_circles_never() {
        let mut table = PathTable::new(10);
        let paths: Vec<PathId> =
            [b"a", b"b", b"c", b"d", b"e"].iter().map(|name| table.child(PathId::ROOT, *name).unwrap()).collect();
        let targets = [
            Target::Waits(paths[1]),
            Target::Waits(paths[2]),
            Target::Ready,
            Target::Waits(paths[4]),
            Target::Waits(paths[3]),
        ];
        let (made, left) = order(&paths, |link| Ok(targets[link])).unwrap();
        assert_eq!((made, left), (vec![2, 1, 0], vec![3, 4]));
    }
}
