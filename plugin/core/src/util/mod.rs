// SPDX-License-Identifier: GPL-2.0-or-later
//! What the standard library lacks: matching with shell patterns, and the order of
//! versions.

pub(crate) mod fnmatch;
pub mod vercmp;
