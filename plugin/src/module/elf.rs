//! Module files: ELF relocatables, plain or compressed.

/// Caps.
#[derive(Debug, Clone, Copy)]
pub struct Limits {}
/// Stub.
pub fn open() {}
/// Stub.
pub fn parse() {}
