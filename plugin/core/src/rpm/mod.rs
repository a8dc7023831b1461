// SPDX-License-Identifier: GPL-2.0-or-later
//! rpm: package headers, payloads, the database, and what a package provides.

pub mod capabilities;
pub(crate) mod file_list;
mod header;
pub mod kernel_files;
pub mod module_owners;
pub mod package;
mod payload;
pub mod rpmdb;
