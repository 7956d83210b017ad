//! A smaller stack that fails in the same way.

use super::Stack;
use crate::fixture::{Kind, MTIME};

/// Removes layers and entries and drops metadata as long as the stack still fails, for at most so many attempts.
pub fn shrink(stack: &Stack, attempts: usize, mut fails: impl FnMut(&Stack) -> bool) -> Stack {
    let mut smallest = stack.clone();
    let mut left = attempts;
    'again: loop {
        for candidate in smaller(&smallest) {
            if left == 0 {
                return smallest;
            }
            left -= 1;
            if fails(&candidate) {
                smallest = candidate;
                continue 'again;
            }
        }
        return smallest;
    }
}

/// Everything that is one step smaller, the large steps first.
fn smaller(stack: &Stack) -> Vec<Stack> {
    let mut candidates = Vec::new();
    for layer in 0..stack.len() {
        let mut candidate = stack.clone();
        candidate.remove(layer);
        candidates.push(candidate);
    }
    for (layer, entries) in stack.iter().enumerate() {
        for index in 0..entries.len() {
            let mut candidate = stack.clone();
            candidate[layer].remove(index);
            candidates.push(candidate);
        }
    }
    for (layer, entries) in stack.iter().enumerate() {
        for (index, entry) in entries.iter().enumerate() {
            let mut plain = entry.clone().uid(0).gid(0).mtime(MTIME, 0);
            plain.xattrs.clear();
            if !matches!(plain.kind, Kind::Dir) {
                plain.mode = 0o644;
            }
            if plain != *entry {
                let mut candidate = stack.clone();
                candidate[layer][index] = plain;
                candidates.push(candidate);
            }
        }
    }
    candidates.retain(|candidate| !candidate.is_empty());
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::file;

    #[test]
    fn only_what_matters_remains() {
        let stack = vec![vec![file("a", ""), file("b", "").uid(4)], vec![], vec![file("c", "")]];
        let fails = |stack: &Stack| stack.iter().flatten().any(|entry| entry.name == b"b");
        assert_eq!(shrink(&stack, 1000, fails), vec![vec![file("b", "")]]);
    }
}
