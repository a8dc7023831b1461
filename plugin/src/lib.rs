//! btf-guard: predicts, when a package is installed, what a kernel will do
//! with a module's BTF.
//!
//! The library judges; it never prints, never exits and never reads the
//! environment. [`btf`] knows nothing of files, [`module`] and [`kernel`]
//! nothing of packages, and only [`place`] knows that transactions exist.

pub mod btf;
pub mod clock;
pub mod compression;
pub mod config;
pub mod counters;
mod error;
pub mod fetch;
pub mod judge;
pub mod kernel;
pub mod module;
pub mod overrides;
pub mod place;
pub mod policy;
pub mod record;
pub mod replace_file;
pub mod report;
pub mod stamp;
pub mod standing;
pub mod terminal;
pub mod verdict;
pub mod wish;

pub use error::Malformed;
