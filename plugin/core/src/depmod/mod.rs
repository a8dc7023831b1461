// SPDX-License-Identifier: GPL-2.0-or-later
//! Which of several files of one name `modprobe` loads.
//!
//! A module is a name; `depmod` decides which file of a release has it, and writes that
//! into `modules.dep`. The rules are those of kmod 34 (tools/depmod.c).

mod modules_dep;
mod release_modules;
mod search_order;

pub(crate) use release_modules::{
    LoadedFiles, NamedFile, ReleaseModules, added_directories, by_name,
};
pub(crate) use search_order::SearchOrder;
