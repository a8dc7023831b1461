// SPDX-License-Identifier: GPL-2.0-or-later
//! Real package managers in real roots.
//!
//! `tests/setup/roots.sh` builds a root for each suite of Debian, once. A
//! [`ClientRoot`] is a layer above one of them, gone with the test: in it run
//! that suite's own rpm, zypper and dnf, with btf-guard installed as `make
//! install` does it, against repositories of packages that the test made.

mod client_root;
mod fetch;
mod layer;
mod namespace;
mod packagekit;
mod repository;
mod run;
mod running_machine;
mod shared;
mod suite;
mod terminal;
mod workshop;
mod wrapped;

pub use client_root::ClientRoot;
pub use fetch::{FETCHER, Fetched, SHIM, has_fetcher};
pub use run::Run;
pub use running_machine::RunningMachine;
pub use suite::Suite;
pub use workshop::{Workshop, packages, repository, rpmbuild, sarif_schema, settle};
pub use wrapped::{Build, KMP, kernel, kmp, kmp_for, kmp_in, module, release};
