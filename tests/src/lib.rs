// SPDX-License-Identifier: GPL-2.0-or-later
//! What the end-to-end tests share: BTF, modules and kernels made to measure,
//! real packages, roots that can boot, a scratch root for the real rpm, and test doubles for a judge
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
pub mod bootable;
pub mod borrowed;
pub mod bpf;
pub mod btf;
pub mod client;
mod compressor;
pub mod elf;
mod extracted;
pub mod fetched;
pub mod guest;
pub mod image;
pub mod initrd;
mod judge;
pub mod mutate;
mod package;
pub mod parts;
mod root;
pub mod seeds;
pub mod skip;
mod snapshot;

pub use artifacts::{committer, fetcher, init, kernels, oracle, plugin, program, rpms, shim};
pub use compressor::{COMPRESSORS, Compressor};
pub use extracted::{Extracted, Foreign};
pub use judge::Judge;
pub use package::Package;
pub use root::{Outcome, Root};
pub use snapshot::Snapshot;
