// SPDX-License-Identifier: GPL-2.0-or-later
//! The packages of modules that are none of a kernel's own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use btf_guard_sysroot::module_tree::WalkBudget;
use btf_guard_sysroot::{Root, module_tree};

use super::rpmdb::{FileOwner, Rpm};
use crate::depmod::added_directories;

/// A database that does not answer in this time is not waited for: without it findings
/// do not name packages.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The installed packages of all modules that lie beside the kernels' own, by file. rpm
/// is asked only where there are any.
pub fn owners_of_added_modules(root: &Root, rpm: Rpm<'_>) -> BTreeMap<PathBuf, String> {
    let releases = root.module_releases().into_iter();
    let added = releases.filter_map(|release| added_directories(root, &release));
    let trees = added.flat_map(|(_, added)| added);
    let walks = WalkBudget::default();
    let modules = trees.flat_map(|dir| module_tree::walk_sharing(&dir, root, &walks).modules);
    let files: BTreeSet<PathBuf> = modules.map(|module| module.file).collect();
    owners(rpm, files)
}

/// The installed packages of these files, by file, with what they were built from.
pub(crate) fn owners_and_sources(
    rpm: Rpm<'_>,
    files: impl IntoIterator<Item = PathBuf>,
) -> BTreeMap<PathBuf, FileOwner> {
    match rpm.program.exists() {
        true => rpm.file_owners(files, TIMEOUT),
        false => BTreeMap::new(),
    }
}

/// The installed packages of these files, by file.
pub(crate) fn owners(
    rpm: Rpm<'_>,
    files: impl IntoIterator<Item = PathBuf>,
) -> BTreeMap<PathBuf, String> {
    match rpm.program.exists() {
        true => rpm.owners(files, TIMEOUT),
        false => BTreeMap::new(),
    }
}
