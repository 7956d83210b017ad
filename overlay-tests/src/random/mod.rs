//! Random stacks of layers for the property test: reproducible from a number, printable, shrinkable.

mod generate;
mod rng;
mod shrink;

pub use generate::random_stack;
pub use rng::Rng;
pub use shrink::shrink;

use crate::fixture::Entry;

/// A stack, base first.
pub type Stack = Vec<Vec<Entry>>;

/// A stack in the syntax of [`crate::fixture`], to be pasted into a test.
pub fn to_source(stack: &[Vec<Entry>]) -> String {
    let layer = |entries: &Vec<Entry>| {
        let lines: Vec<String> = entries.iter().map(|entry| format!("        {},\n", entry.to_source())).collect();
        format!("    vec![\n{}    ],\n", lines.concat())
    };
    format!("[\n{}]", stack.iter().map(layer).collect::<Vec<_>>().concat())
}
