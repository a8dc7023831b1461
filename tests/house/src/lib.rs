// SPDX-License-Identifier: GPL-2.0-or-later
//! Checks of the sources themselves. `tests/house.rs` applies them to the workspace.
//!
//! Rust's tokens come from the crate `proc-macro2`. What is not needed here is not
//! understood: macros are read as the tokens they are given, globs as an import of
//! the module alone, and re-exports are not followed: whoever imports a name from a
//! module depends on that module's file.

pub mod arrows;
pub mod circles;
pub mod crates;
pub mod modules;
pub mod tokens;
pub mod type_names;
