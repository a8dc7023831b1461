//! What the end-to-end tests share.

pub mod bpf;
pub mod btf;
pub mod elf;
pub mod mutate;
pub mod skip;
