//! The `btf-guard` program.

fn main() {}
