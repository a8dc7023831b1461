// SPDX-License-Identifier: GPL-2.0-or-later
//! The packages that `make rpm` builds: what is in them, and their life in real
//! roots, from the installation to the removal.
//!
//! Needs to be root, and a machine that permits mounts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod built;
mod content;
mod interrupted;
mod life;
