// SPDX-License-Identifier: GPL-2.0-or-later
//! libzypp, the library under zypper, by way of a C shim.
//!
//! The shim (`shim/`, built as `libbtf_guard_zypp.so`) is C++ against one
//! version of libzypp. It is loaded at run time, so that everything else
//! builds without libzypp, one program serves every version of it, and a shim
//! that does not fit costs a message instead of a program that does not start.
//!
//! libzypp has one pool and one target a process and no protection against
//! threads: [`Zypp`] exists once a process, and stays on the thread that made
//! it. libzypp may also hang, or crash on a broken database: use it in a
//! process of its own.

#![allow(unsafe_code)]

#[allow(
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    clippy::all,
    clippy::indexing_slicing,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

mod catch_panic;
mod error;
mod loader;
mod step;
mod text;
mod zypp;

pub use error::Error;
pub use step::{SolverStep, StepAction, WordKind};
pub use zypp::{Lock, SolverVerb, WantedStep, Zypp};
