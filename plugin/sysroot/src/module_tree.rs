// SPDX-License-Identifier: GPL-2.0-or-later
//! Module files below a directory.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::file_role::{in_module_dir, is_module_name};
use crate::{Root, counters};

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
}

/// Collects the module files below `dir`.
///
/// Symbolic links are followed as far as they stay inside `root` (or inside
/// `dir`, where `dir` is not in `root`); a link that leads nowhere is not a
/// module. `build` and `source` right below `dir` are links that every module
/// directory has to whole source trees: they are not entered.
pub fn walk(dir: &Path, root: &Root) -> ModuleTree {
    counters::count("walk", dir.display());
    let mut tree = ModuleTree::default();
    let (top, boundary) = match boundary(dir, root) {
        Ok(both) => both,
        Err(error) => {
            tree.unreadable.push((dir.to_owned(), error.to_string()));
            return tree;
        }
    };
    let mut entered = HashSet::from([top.clone()]);
    let mut links = Vec::new();
    let mut directories = vec![Reached {
        path: dir.to_owned(),
        real: top.clone(),
    }];
    while let Some(directory) = directories.pop() {
        let entries = list(&directory.real).unwrap_or_else(|error| {
            let unreadable = (directory.real.clone(), error.to_string());
            tree.unreadable.push(unreadable);
            Vec::new()
        });
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
    tree
}

/// Where the links right in the module directories lead, as far as that is outside of
/// them: paths inside the root, as the links say them. It need not be there.
pub fn linked_outside(root: &Root) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in root
        .module_releases()
        .iter()
        .filter_map(|release| root.module_dir(release))
    {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
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

fn list(dir: &Path) -> io::Result<Vec<DirEntry>> {
    fs::read_dir(dir)?.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::tests::touch;

    fn names(tree: &ModuleTree, dir: &Path) -> Vec<String> {
        tree.modules
            .iter()
            .map(|m| m.path.strip_prefix(dir).unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn links_inside_are_followed_and_others_are_not() {
        let outer = tempfile::tempdir().unwrap();
        touch(outer.path().join("outside/evil.ko"));
        let base = outer.path().join("root");
        let dir = base.join("lib/modules/6.1");
        touch(dir.join("kernel/b.ko.xz"));
        touch(dir.join("kernel/a.ko"));
        touch(dir.join("kernel/a.txt"));
        touch(dir.join("build/scripts/host.ko"));
        touch(base.join("lib/modules/6.0/extra/kmp.ko.zst"));
        touch(base.join("srv/more/c.ko"));
        fs::create_dir(dir.join("weak-updates")).unwrap();
        symlink(
            "/lib/modules/6.0/extra/kmp.ko.zst",
            dir.join("weak-updates/kmp.ko.zst"),
        )
        .unwrap();
        symlink("/srv/more", dir.join("more")).unwrap();
        symlink("../../../srv", dir.join("source")).unwrap();
        symlink(".", dir.join("kernel/loop")).unwrap();
        symlink("/nowhere.ko", dir.join("dangling.ko")).unwrap();
        symlink(outer.path().join("outside"), dir.join("absolute")).unwrap();
        symlink("../../../../outside/evil.ko", dir.join("evil.ko")).unwrap();

        let root = Root::new(&base).unwrap();
        let tree = walk(&dir, &root);
        assert_eq!(tree.unreadable, []);
        assert_eq!(
            names(&tree, &dir),
            [
                "kernel/a.ko",
                "kernel/b.ko.xz",
                "more/c.ko",
                "weak-updates/kmp.ko.zst"
            ]
        );
    }

    #[test]
    fn a_directory_that_is_not_in_the_root_is_its_own_boundary() {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("root")).unwrap();
        touch(outer.path().join("x.ko"));
        touch(outer.path().join("dir/y.ko"));
        symlink("../x.ko", outer.path().join("dir/x.ko")).unwrap();
        symlink("y.ko", outer.path().join("dir/0.ko")).unwrap();

        let root = Root::new(&outer.path().join("root")).unwrap();
        let dir = outer.path().join("dir");
        let tree = walk(&dir, &root);
        assert_eq!(names(&tree, &dir), ["0.ko"]);
        let other: Vec<_> = tree.other_paths.iter().map(|found| &found.path).collect();
        assert_eq!(other, [&dir.join("y.ko")]);
    }

    #[test]
    fn links_out_of_module_directories_are_known_by_their_words() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("usr/lib/modules/6.1");
        touch(base.join("kernel/a.ko"));
        touch(base.join("modules.dep"));
        symlink("usr/lib", dir.path().join("lib")).unwrap();
        for (name, target) in [
            ("build", "/usr/src/linux"),
            ("extra", "/opt/kmp"),
            ("other", "../6.0/updates"),
            ("updates", "../../../../srv/./kmp/"),
        ] {
            symlink(target, base.join(name)).unwrap();
        }
        let mut found = linked_outside(&Root::new(dir.path()).unwrap());
        found.sort();
        assert_eq!(found, [Path::new("/opt/kmp"), Path::new("/srv/kmp")]);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let root = Root::new(Path::new("/")).unwrap();
        let tree = walk(Path::new("/no/such/directory"), &root);
        assert_eq!(tree.modules, []);
        assert_eq!(tree.unreadable.len(), 1);
    }
}
