// SPDX-License-Identifier: GPL-2.0-or-later
//! The module files that a root has for one release.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::Root;
use btf_guard_sysroot::module_tree::{self, ModuleFile, WalkBudget};

use super::SearchOrder;
use super::modules_dep::ModulesDep;
use crate::module::name_of_file;

/// A module file, and the path that depmod compares: below the release's directory, or,
/// in a directory of an `external` line, inside the root.
pub(crate) type NamedFile<'f> = (&'f Path, &'f ModuleFile);

/// By name, the files that are loaded: one, or several of which it cannot be told which.
pub(crate) type LoadedFiles<'f> = BTreeMap<String, Vec<NamedFile<'f>>>;

/// Directories outside of the release's own that are searched.
const MAX_EXTERNAL: usize = 16;

/// The module files of one release.
#[derive(Debug)]
pub(crate) struct ReleaseModules {
    /// The release's directory, links followed.
    pub(crate) dir: PathBuf,
    /// Those in it: as in [`module_tree::ModuleTree`].
    pub(crate) modules: Vec<ModuleFile>,
    other_paths: Vec<ModuleFile>,
    /// Those in directories outside of it, with the paths that depmod compares.
    external: Vec<(PathBuf, ModuleFile)>,
    /// What could not be read, and why: directories, and the configuration of depmod.
    pub(crate) unreadable: Vec<(PathBuf, String)>,
    /// Among that, where the search was ended because there was too much.
    pub(crate) cut: Vec<(PathBuf, String)>,
    pub(crate) order: SearchOrder,
}

/// A file that has the name of another one, which is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShadowedFile {
    pub(crate) path: PathBuf,
    /// `None` where depmod passes over the directory.
    pub(crate) by: Option<PathBuf>,
}

impl ReleaseModules {
    /// Finds those of a release in its own directory and where depmod is told to look, within
    /// what other walks have left.
    pub(crate) fn read(root: &Root, release: &str, walks: &WalkBudget) -> Option<Self> {
        let dir = root.module_dir(release)?;
        Some(Self::below(root, release, dir, walks))
    }

    /// The same where the module directory is known.
    pub(crate) fn below(root: &Root, release: &str, dir: PathBuf, walks: &WalkBudget) -> Self {
        let order = SearchOrder::read(root, release);
        let tree = module_tree::walk_sharing(&dir, root, walks);
        let (mut unreadable, mut cut) = (tree.unreadable, tree.cut);
        let mut external = Vec::new();
        let mut entered = HashSet::new();
        for configured in order.external() {
            // "ignore external dir absence" (depmod_modules_search()).
            let Some(outside) = root.resolve(configured).ok().filter(|dir| dir.is_dir()) else {
                continue;
            };
            if !entered.insert(outside.clone()) {
                continue;
            }
            if entered.len() > MAX_EXTERNAL || dir.starts_with(&outside) {
                let why = format!(
                    "no more than {MAX_EXTERNAL} directories are searched, and none around this one"
                );
                unreadable.push((outside, why));
                continue;
            }
            let tree = module_tree::walk_sharing(&outside, root, walks);
            unreadable.extend(tree.unreadable);
            cut.extend(tree.cut);
            for file in tree.modules.into_iter().chain(tree.other_paths) {
                let below = file.path.strip_prefix(&outside).unwrap_or(&file.path);
                external.push((configured.join(below), file));
            }
        }
        unreadable.extend(order.unreadable.iter().cloned());
        Self {
            dir,
            modules: tree.modules,
            other_paths: tree.other_paths,
            external,
            unreadable,
            cut,
            order,
        }
    }

    /// Those among files that were found otherwise, in the directory of a release.
    pub(crate) fn of(root: &Root, release: &str, dir: PathBuf, modules: Vec<ModuleFile>) -> Self {
        let order = SearchOrder::read(root, release);
        Self {
            dir,
            modules,
            other_paths: Vec::new(),
            external: Vec::new(),
            unreadable: order.unreadable.clone(),
            cut: Vec::new(),
            order,
        }
    }

    /// No file is there at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.modules.is_empty() && self.external.is_empty()
    }

    /// Every file; one that several paths lead to, by each.
    pub(crate) fn all(&self) -> impl Iterator<Item = NamedFile<'_>> {
        let inside = self.modules.iter().chain(&self.other_paths);
        let inside = inside.map(|file| (self.below_dir(file), file));
        let external = self.external.iter();
        inside.chain(external.map(|(path, file)| (path.as_path(), file)))
    }

    /// The path of a file below the release's directory.
    pub(crate) fn below_dir<'f>(&self, file: &'f ModuleFile) -> &'f Path {
        file.path.strip_prefix(&self.dir).unwrap_or(&file.path)
    }

    /// Of the files of each name, those that `modprobe` would load: one, or several of
    /// which it cannot be told which. What `modules.dep` says is what it does, as long
    /// as nothing has changed since.
    pub(crate) fn loaded(&self) -> LoadedFiles<'_> {
        self.loaded_where(|_| true)
    }

    /// The same for the names of the files that this holds for; for one name it is the
    /// same for each file.
    pub(crate) fn loaded_where(&self, is_asked: impl Fn(&Path) -> bool) -> LoadedFiles<'_> {
        let files = self.all();
        let files = files.filter(|(path, _)| is_asked(path) && !self.order.excludes(path));
        let mut by_name = by_name(files);
        let mut dep = None;
        for files in by_name.values_mut().filter(|files| files.len() > 1) {
            let dep = dep.get_or_insert_with(|| ModulesDep::read(&self.dir));
            let on_disk = files
                .iter()
                .map(|(path, file)| (*path, file.path.as_path()));
            if dep.is_newer_than(&self.dir, on_disk) {
                // A path that is not known here, by a link: then it may be any of them.
                if files.iter().any(|(path, _)| dep.names(path)) {
                    files.retain(|(path, _)| dep.names(path));
                }
            } else {
                self.order.keep_highest(files);
            }
            // Of several paths to one file it does not matter which.
            let mut seen = HashSet::new();
            files.retain(|(_, file)| seen.insert(&file.file));
        }
        by_name
    }

    /// The files that are not loaded, given those that are.
    pub(crate) fn shadowed<'a>(&self, loaded: &'a LoadedFiles<'a>) -> Vec<ShadowedFile> {
        let mut shadowed = Vec::new();
        let of_name = |(name, files): (&'a String, &'a Vec<NamedFile<'a>>)| {
            let files = files.iter();
            files.map(move |(_, file)| (name.as_str(), file.file.as_path()))
        };
        let is_loaded: HashSet<(&str, &Path)> = loaded.iter().flat_map(of_name).collect();
        for (path, file) in self.all() {
            let name = name_of_file(path);
            let files = loaded.get(&name).map(Vec::as_slice).unwrap_or_default();
            if !is_loaded.contains(&(name.as_str(), file.file.as_path())) {
                shadowed.push(ShadowedFile {
                    path: file.path.clone(),
                    by: files.first().map(|(_, loaded)| loaded.path.clone()),
                });
            }
        }
        shadowed
    }
}

/// Files by the names of their modules, in their order.
pub(crate) fn by_name<'f, T>(
    files: impl IntoIterator<Item = (&'f Path, T)>,
) -> BTreeMap<String, Vec<(&'f Path, T)>> {
    let mut by_name: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (path, file) in files {
        by_name
            .entry(name_of_file(path))
            .or_default()
            .push((path, file));
    }
    by_name
}

/// The module directory of a release, and the directories and links in it that lie beside
/// `kernel/`: that has thousands of modules, and nobody puts links or other packages'
/// modules there.
pub(crate) fn added_directories(root: &Root, release: &str) -> Option<(PathBuf, Vec<PathBuf>)> {
    let dir = root.module_dir(release)?;
    let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
    let added = entries.filter(|entry| {
        let name = entry.file_name();
        !["kernel", "build", "source"].iter().any(|own| name == *own)
            && entry.file_type().is_ok_and(|kind| !kind.is_file())
    });
    let added = added.map(|entry| entry.path()).collect();
    Some((dir, added))
}
