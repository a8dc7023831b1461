// SPDX-License-Identifier: GPL-2.0-or-later
//! Real clients in real roots: what they do, say and leave behind when a
//! transaction brings kernel modules.
//!
//! Needs to be root, and a machine that permits mounts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod client;
mod commit;
mod desk;
mod dnf4;
mod dnf5;
mod full_disk;
mod harness;
mod hooks;
mod idle;
mod journal;
mod once;
mod packagekit;
mod planted;
mod policy;
mod preflight;
mod preflight_trouble;
mod rpm;
mod scenarios;
mod scene;
mod service;
mod shelf;
mod slow;
mod standing;
mod transactional;
mod trouble;
mod zypp_ask;
mod zypp_fetch;
mod zypper;
