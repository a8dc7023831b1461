// SPDX-License-Identifier: GPL-2.0-or-later
//!

pub(crate) mod fnmatch;
pub mod vercmp;
