//! The `rootlay` command.

fn main() {}
