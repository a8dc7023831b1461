// SPDX-License-Identifier: GPL-2.0-or-later
//! Module files below a directory.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{FsWord, PROC_SUPER_MAGIC, statfs};

use crate::file_role::{in_module_dir, is_module_name};
use crate::{Root, counters};

/// `SYSFS_MAGIC` (include/uapi/linux/magic.h).
const SYSFS_MAGIC: FsWord = 0x6265_6572;

/// Links out of module directories are looked for among so many entries of those.
const MAX_TOP_ENTRIES: usize = 1 << 16;

/// How many files and directories a walk looks at. The largest module directories have some
/// ten thousand; a link may lead to the whole disk.
#[derive(Debug, Clone, Copy)]
struct EntryBudget {
    all: usize,
    /// Of these, outside of the directory that was asked for.
    outside: usize,
}

const BUDGET: EntryBudget = EntryBudget {
    all: 1 << 18,
    outside: 1 << 14,
};

/// How many files and directories several walks look at together. Links lead any number
/// of them to the same large trees.
#[derive(Debug)]
pub struct WalkBudget {
    left: AtomicUsize,
}

impl Default for WalkBudget {
    fn default() -> Self {
        Self {
            left: AtomicUsize::new(BUDGET_OF_ALL),
        }
    }
}

/// Some five times what a large machine's walks look at.
const BUDGET_OF_ALL: usize = 1 << 20;

/// A module file that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModuleFile {
    /// The path it was found under, links not followed: what a report shows.
    pub path: PathBuf,
    /// The file it leads to.
    pub file: PathBuf,
}

/// What lies below a directory.
#[derive(Debug, Default)]
pub struct ModuleTree {
    /// The module files, sorted by the bytes of their paths; a file is named once, by
    /// the first path.
    pub modules: Vec<ModuleFile>,
    /// Other paths that lead to one of these files.
    pub other_paths: Vec<ModuleFile>,
    /// What could not be read, and why.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Among that, where a walk was ended because there was too much.
    pub cut: Vec<(PathBuf, String)>,
}

/// Collects the module files below `dir`.
///
/// Symbolic links are followed as far as they stay inside `root` (or inside
/// `dir`, where `dir` is not in `root`); a link that leads nowhere is not a
/// module. `build` and `source` right below `dir` are links that every module
/// directory has to whole source trees: they are not entered. No more files and directories
/// than [`BUDGET`] says are looked at; where there are more, that is said among what is
/// unreadable.
pub fn walk(dir: &Path, root: &Root) -> ModuleTree {
    walk_sharing(dir, root, &WalkBudget::default())
}

/// The same within what other walks have left.
pub fn walk_sharing(dir: &Path, root: &Root, shared: &WalkBudget) -> ModuleTree {
    counters::count("walk", dir.display());
    let left = shared.left.load(Ordering::Relaxed);
    let budget = EntryBudget {
        all: BUDGET.all.min(left),
        outside: BUDGET.outside.min(left),
    };
    let (tree, looked_at) = walk_within(dir, root, budget);
    let less = |left: usize| Some(left.saturating_sub(looked_at));
    // Whoever walks at the same time may go beyond it by one walk.
    let _ = (shared.left).fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    tree
}

/// What was found, and at how many files and directories was looked.
fn walk_within(dir: &Path, root: &Root, budget: EntryBudget) -> (ModuleTree, usize) {
    let mut tree = ModuleTree::default();
    let (top, boundary) = match boundary(dir, root) {
        Ok(both) => both,
        Err(error) => {
            tree.unreadable.push((dir.to_owned(), error.to_string()));
            return (tree, 0);
        }
    };
    let mut entered = HashSet::from([top.clone()]);
    let mut links = Vec::new();
    let mut directories = vec![Reached {
        path: dir.to_owned(),
        real: top.clone(),
    }];
    let (mut left, mut is_outside_cut) = (budget, false);
    while let Some(directory) = directories.pop() {
        let is_outside = !directory.real.starts_with(&top);
        if is_outside && (is_outside_cut || has_no_files(&directory.real)) {
            continue;
        }
        let most = match is_outside {
            true => left.all.min(left.outside),
            false => left.all,
        };
        let (entries, is_cut) = list(&directory.real, most).unwrap_or_else(|error| {
            let unreadable = (directory.real.clone(), error.to_string());
            tree.unreadable.push(unreadable);
            (Vec::new(), false)
        });
        left.all -= entries.len();
        if is_outside {
            left.outside -= entries.len();
        }
        for entry in entries {
            let name = entry.file_name();
            let has_sources = directory.real == top && (name == "build" || name == "source");
            // One that is gone by now was not there.
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let path = directory.path.join(&name);
            let real = entry.path();
            if kind.is_file() && is_module_name(&name) {
                tree.modules.push(ModuleFile { path, file: real });
            } else if kind.is_symlink() && !has_sources {
                links.push(Reached { path, real });
            } else if kind.is_dir() && !has_sources && entered.insert(real.clone()) {
                directories.push(Reached { path, real });
            }
        }
        if is_cut {
            let (most, place) = match left.all {
                0 => (budget.all, "below"),
                _ => (budget.outside, "outside of"),
            };
            let dir = dir.display();
            let why = format!(
                "more than {most} files and directories {place} {dir}; the others are not looked at"
            );
            tree.cut.push((directory.path.clone(), why.clone()));
            tree.unreadable.push((directory.path, why));
            if left.all == 0 {
                break;
            }
            is_outside_cut = true;
        }
        if !directories.is_empty() {
            continue;
        }
        // Links come last: what lies in the directory itself is shown by its own path.
        for Reached { path, real } in links.drain(..) {
            let inside = boundary.inside(&real);
            let Some(Ok(real)) = inside.map(|inside| boundary.resolve(&inside)) else {
                continue;
            };
            if real.is_dir() {
                if entered.insert(real.clone()) {
                    directories.push(Reached { path, real });
                }
            } else if real.is_file() && path.file_name().is_some_and(is_module_name) {
                tree.modules.push(ModuleFile { path, file: real });
            }
        }
    }
    let modules = &mut tree.modules;
    modules.sort_unstable_by(|a, b| {
        let by_file = bytes(&a.file).cmp(bytes(&b.file));
        by_file.then_with(|| bytes(&a.path).cmp(bytes(&b.path)))
    });
    modules.dedup_by(|a, b| {
        let is_same = bytes(&a.file) == bytes(&b.file);
        if is_same {
            tree.other_paths.push(a.clone());
        }
        is_same
    });
    modules.sort_unstable_by(|a, b| bytes(&a.path).cmp(bytes(&b.path)));
    (tree, budget.all - left.all)
}

/// Where the links right in the module directories lead, as far as that is outside of
/// them: paths inside the root, as the links say them. It need not be there. Where the
/// directories have too many entries to look at, `/` is among these paths: whatever is
/// below it may be linked to.
pub fn linked_outside(root: &Root) -> Vec<PathBuf> {
    linked_outside_within(root, MAX_TOP_ENTRIES)
}

fn linked_outside_within(root: &Root, mut left: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in root
        .module_releases()
        .iter()
        .filter_map(|release| root.module_dir(release))
    {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            if left == 0 {
                found.push(PathBuf::from("/"));
                return found;
            }
            left -= 1;
            let name = entry.file_name();
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if !is_link || name == "build" || name == "source" {
                continue;
            }
            let (Ok(target), Some(mut reached)) = (fs::read_link(entry.path()), root.inside(&dir))
            else {
                continue;
            };
            for part in target.components() {
                match part {
                    Component::ParentDir => drop(reached.pop()),
                    part => reached.push(part),
                }
            }
            if in_module_dir(&reached).is_none() {
                found.push(reached);
            }
        }
    }
    found
}

/// A file or directory under the path that led to it.
struct Reached {
    path: PathBuf,
    real: PathBuf,
}

/// Where `dir` is, and the root that links below it stay inside.
fn boundary(dir: &Path, root: &Root) -> io::Result<(PathBuf, Root)> {
    let real = fs::canonicalize(dir)?;
    let boundary = match root.inside(&real) {
        Some(_) => root.clone(),
        None => Root::new(&real)?,
    };
    Ok((real, boundary))
}

/// Comparing the parts of thousands of paths takes as long as the walk itself.
fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// The entries of a directory, so many at most, and whether there are more.
fn list(dir: &Path, most: usize) -> io::Result<(Vec<DirEntry>, bool)> {
    let mut all = fs::read_dir(dir)?;
    let entries = all.by_ref().take(most).collect::<io::Result<_>>()?;
    Ok((entries, all.next().is_some()))
}

/// `/proc` and `/sys`, which a link to `/` leads into: no module is a file of theirs.
fn has_no_files(dir: &Path) -> bool {
    statfs(dir).is_ok_and(|fs| [PROC_SUPER_MAGIC, SYSFS_MAGIC].contains(&fs.f_type))
}

#[cfg(test)]
mod tests;
