// SPDX-License-Identifier: GPL-2.0-or-later
//! The file system after a transaction: the disk, minus what is erased, plus
//! what is installed, as far as modules and kernel images go.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::is_module_name;
use btf_guard_sysroot::module_tree::{self, ModuleFile, ReleaseTree};

use super::changes::Transaction;
use crate::rpm::kernel_files::{PackagedLink, ReleasePath};

/// Modules behind links of one transaction: more are more than anybody makes.
const MAX_LINKED: usize = 1 << 16;

/// Directories of the disk that links which come lead to.
const MAX_DIRECTORIES: usize = 64;

/// The disk under a transaction. Each module tree is walked once, when it is first
/// asked for.
#[derive(Debug)]
pub(crate) struct FsView<'t> {
    transaction: &'t Transaction,
    pub(crate) root: &'t Root,
    trees: RefCell<BTreeMap<String, Option<Rc<ReleaseTree>>>>,
    /// The files of the disk that come or go, without links in their directories, each
    /// with its path in the transaction.
    touched: OnceCell<BTreeMap<PathBuf, &'t Path>>,
}

impl<'t> FsView<'t> {
    /// The disk at `root`, before the transaction.
    pub(crate) fn new(transaction: &'t Transaction, root: &'t Root) -> Self {
        Self {
            transaction,
            root,
            trees: RefCell::default(),
            touched: OnceCell::new(),
        }
    }

    /// The module tree of a release before the transaction, if it has one.
    pub(crate) fn tree(&self, release: &str) -> Option<Rc<ReleaseTree>> {
        let mut trees = self.trees.borrow_mut();
        let tree = trees
            .entry(release.to_owned())
            .or_insert_with(|| ReleaseTree::read(self.root, release).map(Rc::new));
        tree.clone()
    }

    /// The links of releases to modules outside of their module directories: those of the
    /// disk, mostly in `weak-updates/`, to modules that come with this transaction, and
    /// those that come with it.
    ///
    /// On the disk only what lies beside `kernel/` is looked at: that has thousands of
    /// modules, and nobody puts links there. One is noticed when the transaction is done.
    pub(crate) fn links(&self) -> ModuleLinks {
        let packages = self.transaction.packages.iter();
        let modules = packages.flat_map(|incoming| &incoming.files.modules);
        let coming: HashSet<&Path> = modules.map(|module| module.place.as_path()).collect();
        let mut links = ModuleLinks::default();
        if !coming.is_empty() {
            self.links_on_disk(&coming, &mut links);
        }
        self.links_that_come(&coming, &mut links);
        // Of several links to one file, the first names it.
        links.coming.sort();
        links
            .coming
            .dedup_by(|one, other| (&one.release, &one.path) == (&other.release, &other.path));
        links
    }

    fn links_on_disk(&self, coming: &HashSet<&Path>, links: &mut ModuleLinks) {
        for release in self.root.module_releases() {
            let Some(dir) = self.root.module_dir(&release) else {
                continue;
            };
            let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
            let added = entries.filter(|entry| {
                !["kernel", "build", "source"]
                    .iter()
                    .any(|name| entry.file_name() == *name)
                    && entry.file_type().is_ok_and(|kind| !kind.is_file())
            });
            for entry in added {
                let path = entry.path();
                let below = |path: &Path| path.strip_prefix(&dir).unwrap_or(path).to_owned();
                for found in module_tree::walk(&path, self.root).modules {
                    if !found.file.starts_with(&dir)
                        && let Some(path) = self.touched().get(&found.file)
                        && coming.contains(path)
                    {
                        links.coming.push(WeakUpdate {
                            path: path.to_path_buf(),
                            release: release.clone(),
                            below: below(&found.path),
                        });
                    }
                }
                // What a directory will hold is not in it yet.
                let end = self.root.inside(&path);
                let end = end.and_then(|inside| self.transaction.paths.resolve(&inside));
                if path.is_symlink()
                    && let Some(end) = end
                {
                    self.coming_below(&end, &release, &below(&path), coming, links);
                }
            }
        }
    }

    fn links_that_come(&self, coming: &HashSet<&Path>, links: &mut ModuleLinks) {
        let packages = self.transaction.packages.iter();
        let mut directories = 0;
        for PackagedLink { place, own } in packages.flat_map(|incoming| &incoming.files.links) {
            let Some(end) = self.transaction.paths.resolve(place) else {
                continue;
            };
            let ReleasePath { release, below } = own;
            self.coming_below(&end, release, below, coming, links);
            let file = self.root.outside(&end);
            let found = match place.file_name().is_some_and(is_module_name) {
                true if file.is_file() => vec![ModuleFile {
                    path: file.clone(),
                    file: file.clone(),
                    changed: None,
                }],
                false if file.is_dir() && directories < MAX_DIRECTORIES => {
                    directories += 1;
                    module_tree::walk(&file, self.root).modules
                }
                is_module => {
                    links.are_cut |= !is_module && file.is_dir();
                    Vec::new()
                }
            };
            let dir = self.dir(release);
            for found in found {
                if found.file.starts_with(&dir) || self.touched().contains_key(&found.file) {
                    continue;
                }
                if links.staying.len() >= MAX_LINKED {
                    links.are_cut = true;
                    return;
                }
                let rest = found.path.strip_prefix(&file).unwrap_or(Path::new(""));
                let below = joined(below, rest);
                let path = self.root.outside(&joined(place, rest));
                let file = found.file;
                links.staying.push(StayingLink {
                    release: release.clone(),
                    below,
                    file: ModuleFile {
                        path,
                        file,
                        changed: None,
                    },
                });
            }
        }
    }

    /// The modules that come as `end`, or below it, are a release's by a link at `below`.
    fn coming_below(
        &self,
        end: &Path,
        release: &str,
        below: &Path,
        coming: &HashSet<&Path>,
        links: &mut ModuleLinks,
    ) {
        let end = self.root.outside(end);
        let dir = self.dir(release);
        let from = self.touched().range(end.clone()..);
        for (file, path) in from.take_while(|(file, _)| file.starts_with(&end)) {
            if file.starts_with(&dir) || !coming.contains(path) {
                continue;
            }
            if links.coming.len() >= MAX_LINKED {
                links.are_cut = true;
                return;
            }
            let rest = file.strip_prefix(&end).unwrap_or(file);
            links.coming.push(WeakUpdate {
                path: path.to_path_buf(),
                release: release.to_owned(),
                below: joined(below, rest),
            });
        }
    }

    /// The modules on the disk that a release keeps as they are, links followed.
    ///
    /// What a link leads to may come or go while the link stays, as those in
    /// `weak-updates/` to another release's modules: that module does not stay.
    /// Each with its path below the module directory.
    pub(crate) fn modules_that_stay(&self, release: &str) -> Vec<(PathBuf, ModuleFile)> {
        let Some(tree) = self.tree(release).filter(|tree| !tree.modules.is_empty()) else {
            return Vec::new();
        };
        let change = self.transaction.releases.get(release);
        let touched = self.touched();
        let stays = |file: &ModuleFile| {
            // Of a file in here, a link to it may go: the file itself stays.
            let is_own = file.file.starts_with(&tree.dir);
            let below = tree.below(file);
            let named = change.is_some_and(|change| {
                change.installed.contains(below) || change.erased.contains(below)
            });
            !touched.contains_key(&file.file) && (is_own || !named)
        };
        let modules = tree.modules.iter();
        modules
            .filter(|file| stays(file))
            .map(|file| (tree.below(file).to_owned(), file.clone()))
            .collect()
    }

    /// The transaction takes modules of the release away and leaves it without any.
    pub(crate) fn loses_all_modules(&self, release: &str) -> bool {
        let change = self.transaction.releases.get(release);
        change.is_some_and(|change| change.erases_modules() && !change.installs_modules())
            && self.modules_that_stay(release).is_empty()
    }

    /// The module directory of a release, as it is or will be.
    fn dir(&self, release: &str) -> PathBuf {
        let dir = Path::new("/lib/modules").join(release);
        let resolved = || {
            self.root
                .outside(&self.transaction.paths.resolve(&dir).unwrap_or(dir))
        };
        self.root.module_dir(release).unwrap_or_else(resolved)
    }

    fn touched(&self) -> &BTreeMap<PathBuf, &'t Path> {
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

/// Links to modules outside of their release's module directory.
#[derive(Debug, Default)]
pub(crate) struct ModuleLinks {
    /// To modules that come.
    pub(crate) coming: Vec<WeakUpdate>,
    /// That come, to modules that stay.
    pub(crate) staying: Vec<StayingLink>,
    /// They are not all: there are more than are looked at.
    pub(crate) are_cut: bool,
}

/// A link that comes, to a module on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StayingLink {
    pub(crate) release: String,
    /// The link, below the release's module directory.
    pub(crate) below: PathBuf,
    pub(crate) file: ModuleFile,
}

/// A module that comes, and that another release reaches by a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WeakUpdate {
    /// The path under which it comes.
    pub(crate) path: PathBuf,
    pub(crate) release: String,
    /// The link, below the other release's module directory.
    pub(crate) below: PathBuf,
}

/// A path, and what is below it, if anything.
fn joined(path: &Path, below: &Path) -> PathBuf {
    match below.as_os_str().is_empty() {
        true => path.to_owned(),
        false => path.join(below),
    }
}

#[cfg(test)]
mod tests;
