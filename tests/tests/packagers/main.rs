// SPDX-License-Identifier: GPL-2.0-or-later
//! Packages of modules, built by the real rpmbuild for real kernels: what the check
//! in their build finds, and what the kernels do with them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod builds;
mod document;
mod generated;
mod places;
