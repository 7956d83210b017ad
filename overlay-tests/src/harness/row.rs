//! One row of the rules: a stack, its variants, and what has to be seen.

use super::context::Context;
use crate::fixture::{Entry, Image};
use crate::oracle::{Stop, apply_stack};
use crate::random::to_source;
use crate::tree::{Nlink, Tree, differences, names};

/// A stack with its variants: other orders of the top layer, and the whole stack below a directory.
#[derive(Debug)]
pub struct Row<'c> {
    context: &'c Context,
    variants: Vec<Vec<Vec<Entry>>>,
    nested: bool,
}

impl<'c> Row<'c> {
    pub(super) fn new(context: &'c Context, layers: &[Vec<Entry>]) -> Self {
        Self { context, variants: vec![layers.to_vec()], nested: false }
    }

    /// In every order of the top layer's entries.
    #[must_use]
    pub fn in_any_order(mut self) -> Self {
        let all = self.variants.iter().flat_map(|layers| {
            let (top, below) = layers.split_last().unwrap();
            permutations(top).into_iter().map(|top| [below, &[top]].concat()).collect::<Vec<_>>()
        });
        self.variants = all.collect();
        self
    }

    /// Also in the reverse order of the top layer's entries.
    #[must_use]
    pub fn in_both_orders(mut self) -> Self {
        let reversed = self.variants.iter().map(|layers| {
            let mut layers = layers.clone();
            layers.last_mut().unwrap().reverse();
            layers
        });
        self.variants = self.variants.iter().cloned().chain(reversed).collect();
        self
    }

    /// Also with everything two directories deeper, where only the model says what has to be seen.
    #[must_use]
    pub fn also_nested(self) -> Self {
        Self { nested: true, ..self }
    }

    /// Every variant shows exactly these names (`d/`, `f`, `l -> target`), with the metadata that the model says.
    #[track_caller]
    pub fn shows(self, expected: &[&str]) {
        for layers in &self.variants {
            let model = apply_stack(layers).unwrap_or_else(|stop| panic!("{stop}\n{}", to_source(layers)));
            assert_eq!(names(&model), expected, "the model itself is wrong:\n{}", to_source(layers));
        }
        for layers in self.everything() {
            check(self.context, &layers);
        }
    }

    /// Every variant is refused with one line that names the layer and this entry.
    #[track_caller]
    pub fn refused(self, entry: &str) {
        for layers in &self.variants {
            let stop = apply_stack(layers).err();
            assert!(matches!(stop, Some(Stop::Refused(_))), "the model itself is wrong: {stop:?}");
        }
        for layers in self.everything() {
            let output = self.context.refuse(&Image::of(layers), &["layer "]);
            let named = [format!("{entry}`"), format!("{entry}/`")];
            assert!(named.iter().any(|name| output.stderr.contains(name)), "`{entry}` is not in {}", output.stderr);
        }
    }

    /// Every variant is shown or refused as the model says; where the rules are open, either is fine.
    #[track_caller]
    pub fn does_as_the_model_says(self) {
        for layers in self.everything() {
            match apply_stack(&layers) {
                Ok(_) => check(self.context, &layers),
                Err(Stop::Refused(_)) => {
                    self.context.refuse(&Image::of(layers), &[]);
                }
                Err(Stop::Open(_)) => {
                    let (_, output) = self.context.try_load(&Image::of(layers));
                    assert!(matches!(output.code, 0 | 3), "exit code {}: {}", output.code, output.stderr);
                }
            }
        }
    }

    fn everything(&self) -> Vec<Vec<Vec<Entry>>> {
        let deeper = |layers: &Vec<Vec<Entry>>| -> Vec<Vec<Entry>> {
            layers.iter().map(|entries| entries.iter().map(|entry| entry.clone().below("n/e")).collect()).collect()
        };
        let nested = self.variants.iter().filter(|_| self.nested).map(deeper);
        self.variants.iter().cloned().chain(nested).collect()
    }
}

/// Loads and mounts a stack of which the model has a tree, and compares both.
#[track_caller]
fn check(context: &Context, layers: &[Vec<Entry>]) {
    let expected = apply_stack(layers).unwrap_or_else(|stop| panic!("{stop}\n{}", to_source(layers)));
    let actual = context.tree_of(&Image::of(layers.iter().cloned()));
    assert_same(&expected, &actual, &to_source(layers));
}

/// Fails with all differences.
#[track_caller]
fn assert_same(expected: &Tree, actual: &Tree, what: &str) {
    let lines = differences(expected, actual, Nlink::Compare);
    assert!(lines.is_empty(), "{}\n{what}", lines.join("\n"));
}

fn permutations(entries: &[Entry]) -> Vec<Vec<Entry>> {
    let Some((first, rest)) = entries.split_first() else {
        return vec![Vec::new()];
    };
    let mut all = Vec::new();
    for shorter in permutations(rest) {
        for at in 0..=shorter.len() {
            let mut longer = shorter.clone();
            longer.insert(at, first.clone());
            all.push(longer);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::file;

    #[test]
    fn three_entries_have_six_orders() {
        let mut orders = permutations(&[file("a", ""), file("b", ""), file("c", "")]);
        orders.sort_by_key(|order| order.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>());
        orders.dedup();
        assert_eq!(orders.len(), 6);
    }
}
