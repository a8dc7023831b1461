// SPDX-License-Identifier: GPL-2.0-or-later
//! The file system after a transaction: the disk, minus what is erased, plus
//! what is installed, as far as modules and kernel images go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use btf_guard_sysroot::Root;
use btf_guard_sysroot::module_tree::WalkBudget;

use super::changes::{Change, Transaction};
use crate::depmod::{NamedFile, ReleaseModules};

/// The disk under a transaction. Each module tree is walked once, when it is first
/// asked for.
#[derive(Debug)]
pub(crate) struct FsView<'t> {
    pub(crate) transaction: &'t Transaction,
    pub(crate) root: &'t Root,
    /// All walks before a transaction share it.
    pub(super) walks: WalkBudget,
    trees: Mutex<BTreeMap<String, Option<Arc<ReleaseModules>>>>,
    touched: OnceLock<BTreeMap<PathBuf, &'t Path>>,
}

impl<'t> FsView<'t> {
    /// The disk at `root`, before the transaction.
    pub(crate) fn new(transaction: &'t Transaction, root: &'t Root) -> Self {
        Self {
            transaction,
            root,
            walks: WalkBudget::default(),
            trees: Mutex::default(),
            touched: OnceLock::new(),
        }
    }

    /// The modules of a release before the transaction, if it has a directory.
    pub(crate) fn tree(&self, release: &str) -> Option<Arc<ReleaseModules>> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        let tree = trees.entry(release.to_owned()).or_insert_with(|| {
            let modules = ReleaseModules::read(self.root, release, &self.walks);
            modules.map(Arc::new)
        });
        tree.clone()
    }

    /// A module of the disk, or the path by which a release has it, comes or goes.
    ///
    /// What a link leads to may come or go while the link stays, as those in
    /// `weak-updates/` to another release's modules.
    pub(crate) fn touches(&self, release: &str, (below, file): &NamedFile<'_>) -> bool {
        let change = self.transaction.releases.get(release);
        let is_named =
            |change: &Change| change.installed.contains(*below) || change.erased.contains(*below);
        // A link may go, and the file stays.
        self.touched().contains_key(&file.file) || change.is_some_and(is_named)
    }

    /// The transaction takes modules of the release away and leaves it without any.
    pub(crate) fn loses_all_modules(&self, release: &str) -> bool {
        let change = self.transaction.releases.get(release);
        change.is_some_and(|change| change.erases_modules() && !change.installs_modules())
            && self.tree(release).is_none_or(|modules| {
                let mut all = modules.all();
                modules.cut.is_empty()
                    && all.all(|file| file.0.is_absolute() || self.touches(release, &file))
            })
    }

    /// The files of the disk that come or go, without links in their directories, each
    /// with its path in the transaction.
    pub(crate) fn touched(&self) -> &BTreeMap<PathBuf, &'t Path> {
        self.touched.get_or_init(|| {
            let mut dirs: BTreeMap<&Path, Option<PathBuf>> = BTreeMap::new();
            let mut files = BTreeMap::new();
            for path in &self.transaction.touched {
                if let (Some(dir), Some(name)) = (path.parent(), path.file_name())
                    && let Some(dir) = dirs
                        .entry(dir)
                        .or_insert_with(|| self.transaction.paths.resolve(dir))
                {
                    files.insert(self.root.outside(dir).join(name), path.as_path());
                }
            }
            files
        })
    }
}

#[cfg(test)]
mod tests;
