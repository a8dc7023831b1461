// SPDX-License-Identifier: GPL-2.0-or-later
//! Bindings to what an rpm plugin needs of librpm, and nothing else.
//!
//! librpm's functions are not linked but found at run time ([`Table`]): a
//! plugin that names one soname of librpm breaks every installation the moment
//! rpm moves to the next, and one that leaves the symbols undefined does not
//! load where librpm itself was loaded `RTLD_LOCAL` (dnf).
//!
//! Functions, types and constants are generated from librpm's public headers.
//! The one declaration of our own is [`PluginHooks`].

#![allow(unsafe_code)]

use std::ffi::c_void;

#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}
pub use bindings::*;

mod hooks;
pub use hooks::{PluginHooks, UnusedHook};

/// librpm's sonames, most likely first: rpm 4.14 is 8, 4.15 to 4.18 are 9, 4.19
/// to 6.1 are 10.
pub const SONAMES: [&str; 3] = include!(concat!(env!("OUT_DIR"), "/sonames.rs"));

unsafe extern "C" {
    /// The C library's `free()`, for what [`Table::rpmExpand`] returns.
    ///
    /// Taken from the process, not from librpm's dependencies: where an
    /// allocator is preloaded, that one allocated it.
    pub fn free(memory: *mut c_void);
}
