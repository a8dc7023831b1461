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

mod commit;
mod harness;
mod once;
