// SPDX-License-Identifier: GPL-2.0-or-later
//! Links of a release to module files, mostly to those of another one, or of none, as in
//! `weak-updates/`.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use btf_guard_sysroot::file_role::is_module_name;
use btf_guard_sysroot::module_tree::{self, ModuleFile};

use super::fs_view::FsView;
use crate::depmod::added_directories;
use crate::rpm::kernel_files::{PackagedLink, ReleasePath};

/// Modules behind links of one transaction: more are more than anybody makes.
const MAX_LINKED: usize = 1 << 16;

/// Directories of the disk that links which come lead to.
const MAX_DIRECTORIES: usize = 64;

/// Links of releases to modules.
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

/// A module that comes, and that a release reaches by a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WeakUpdate {
    /// The path under which it comes.
    pub(crate) path: PathBuf,
    pub(crate) release: String,
    /// The link, below the release's module directory.
    pub(crate) below: PathBuf,
}

impl FsView<'_> {
    /// The links of releases to modules that are found elsewhere as well, or nowhere else:
    /// those of the disk, mostly in `weak-updates/`, to modules that come with this
    /// transaction, and those that come with it.
    ///
    /// On the disk only what lies beside `kernel/` is looked at. A link elsewhere is
    /// noticed when the transaction is done.
    pub(crate) fn links(&self) -> ModuleLinks {
        let coming = self.coming();
        let mut links = ModuleLinks::default();
        self.links_on_disk(&coming, &mut links);
        self.links_that_come(&coming, &mut links);
        links.coming.sort();
        links.coming.dedup();
        links
    }

    /// The releases that lose such links, because the files go.
    pub(crate) fn releases_losing_links(&self) -> BTreeSet<String> {
        let coming = self.coming();
        let going = self.transaction.erased_added.iter().map(PathBuf::as_path);
        let going = going.filter(|path| !coming.contains(path)).collect();
        let mut links = ModuleLinks::default();
        self.links_on_disk(&going, &mut links);
        links.coming.into_iter().map(|link| link.release).collect()
    }

    fn coming(&self) -> HashSet<&Path> {
        let packages = self.transaction.packages.iter();
        let modules = packages.flat_map(|incoming| &incoming.files.modules);
        modules.map(|module| module.place.as_path()).collect()
    }

    /// The links of releases on the disk to files of these paths in the transaction.
    fn links_on_disk(&self, paths: &HashSet<&Path>, links: &mut ModuleLinks) {
        if paths.is_empty() {
            return;
        }
        for release in self.root.module_releases() {
            let Some((dir, added)) = added_directories(self.root, &release) else {
                continue;
            };
            for path in added {
                let below = |path: &Path| path.strip_prefix(&dir).unwrap_or(path).to_owned();
                let tree = module_tree::walk_sharing(&path, self.root, &self.walks);
                links.are_cut |= !tree.cut.is_empty();
                for found in tree.modules {
                    let is_own = found.file.starts_with(&dir) && !found.path.is_symlink();
                    if !is_own
                        && let Some(path) = self.touched().get(&found.file)
                        && paths.contains(path)
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
                    self.linked_below(&end, &release, &below(&path), paths, links);
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
            self.linked_below(&end, release, below, coming, links);
            let file = self.root.outside(&end);
            let found = match place.file_name().is_some_and(is_module_name) {
                true if file.is_file() => vec![ModuleFile {
                    path: file.clone(),
                    file: file.clone(),
                }],
                false
                    if file.is_dir()
                        && directories < MAX_DIRECTORIES
                        && !self.dir(release).starts_with(&file) =>
                {
                    directories += 1;
                    let tree = module_tree::walk_sharing(&file, self.root, &self.walks);
                    links.are_cut |= !tree.cut.is_empty();
                    tree.modules
                }
                is_module => {
                    links.are_cut |= !is_module && file.is_dir();
                    Vec::new()
                }
            };
            let dir = self.dir(release);
            for found in found {
                // A directory has one path by which it is walked.
                let is_own = found.file.starts_with(&dir) && found.path != file;
                if is_own || self.touched().contains_key(&found.file) {
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
                    file: ModuleFile { path, file },
                });
            }
        }
    }

    /// Those of `paths` that lie as `end`, or below it, are a release's by a link at
    /// `below`.
    fn linked_below(
        &self,
        end: &Path,
        release: &str,
        below: &Path,
        paths: &HashSet<&Path>,
        links: &mut ModuleLinks,
    ) {
        let end = self.root.outside(end);
        let dir = self.dir(release);
        let from = self.touched().range(end.clone()..);
        let all = from.take_while(|(file, _)| file.starts_with(&end));
        for (count, (file, path)) in all.enumerate() {
            if count >= MAX_LINKED {
                links.are_cut = true;
                return;
            }
            let is_own = file.starts_with(&dir) && *file != end;
            if is_own || !paths.contains(path) {
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

    /// The module directory of a release, as it is or will be.
    fn dir(&self, release: &str) -> PathBuf {
        let dir = Path::new("/lib/modules").join(release);
        let resolved = || {
            self.root
                .outside(&self.transaction.paths.resolve(&dir).unwrap_or(dir))
        };
        self.root.module_dir(release).unwrap_or_else(resolved)
    }
}

/// A path, and what is below it, if anything.
fn joined(path: &Path, below: &Path) -> PathBuf {
    match below.as_os_str().is_empty() {
        true => path.to_owned(),
        false => path.join(below),
    }
}
