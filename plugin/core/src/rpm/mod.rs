// SPDX-License-Identifier: GPL-2.0-or-later
//! rpm.
pub mod capabilities;
pub(crate) mod file_list;
mod header;
pub mod kernel_files;
pub mod package;
mod payload;
pub mod rpmdb;
