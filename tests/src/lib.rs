//! What the end-to-end tests share: BTF, modules and kernels made to measure,
//! real packages, a scratch root for the real rpm, and test doubles for a judge
//! that fails.
//!
//! Everything panics on surprise: a set-up that does not work is a failed test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod artifacts;
pub mod bpf;
pub mod btf;
pub mod client;
pub mod elf;
mod extracted;
pub mod fetched;
pub mod image;
mod judge;
pub mod mutate;
mod package;
pub mod parts;
mod root;
pub mod skip;
mod snapshot;

pub use artifacts::{committer, fetcher, kernels, plugin, program, shim};
pub use extracted::Extracted;
pub use judge::Judge;
pub use package::Package;
pub use root::{Outcome, Root};
pub use snapshot::Snapshot;
