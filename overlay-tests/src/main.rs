//! Privileged integration tests of rootlay on the real kernel.

fn main() {}
