// SPDX-License-Identifier: GPL-2.0-or-later
//! The modules of an initrd once it is unpacked: which file has which name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use btf_guard_sysroot::file_role::Role;

/// How many links one name may lead through (`MAXSYMLINKS`,
/// include/linux/namei.h).
const MAX_LINKS: usize = 40;

/// The name of a module inside an initrd, whichever way to it is written (where
/// there is a `lib` beside `usr/lib`, it is a link to it): its release, and the path
/// below the release's module directory.
type ModuleName = (String, PathBuf);

/// The name that a path is; `None` for what is no module.
pub(crate) fn module_name(path: &str) -> Option<ModuleName> {
    match Role::of(&Path::new("/").join(path))? {
        Role::Module { release, below } => Some((release.to_owned(), below.to_owned())),
        _ => None,
    }
}

/// The name that a link at `path` leads to.
fn name_of_target(path: &str, target: &str) -> Option<ModuleName> {
    let mut reached = PathBuf::new();
    for part in Path::new("/")
        .join(path)
        .parent()?
        .join(target)
        .components()
    {
        match part {
            Component::ParentDir => drop(reached.pop()),
            part => reached.push(part),
        }
    }
    module_name(reached.to_str()?)
}

/// What became of each module file, by its name.
#[derive(Debug, Default)]
pub struct Contents<T> {
    files: BTreeMap<ModuleName, (String, T)>,
    /// A link's path, and the name that it leads to.
    links: BTreeMap<ModuleName, (String, ModuleName)>,
}

impl<T> Contents<T> {
    /// Puts the file at `path`, in place of what was there.
    pub fn file(&mut self, path: String, what: T) {
        if let Some(name) = module_name(&path) {
            self.links.remove(&name);
            self.files.insert(name, (path, what));
        }
    }

    /// Puts a link at `path`, in place of what was there.
    pub fn link(&mut self, path: String, target: &str) {
        let Some(name) = module_name(&path) else {
            return;
        };
        self.files.remove(&name);
        match name_of_target(&path, target) {
            Some(target) => self.links.insert(name, (path, target)),
            None => self.links.remove(&name),
        };
    }

    /// The files that a kernel of this release finds under its module directory,
    /// each once, with the path that it finds them under.
    pub fn of_release(&self, release: &str) -> Vec<(&str, &T)> {
        let own = self.files.iter().filter(|(name, _)| name.0 == release);
        let own = own.map(|(_, (path, what))| (path.as_str(), what));
        let mut seen = BTreeSet::new();
        let links = self.links.iter().filter(|(name, _)| name.0 == release);
        let others = links.filter_map(|(_, (path, target))| {
            let end = self.follow(target);
            let is_new = end.0 != release && seen.insert(end);
            let (_, what) = self.files.get(end).filter(|_| is_new)?;
            Some((path.as_str(), what))
        });
        own.chain(others).collect()
    }

    /// Where a name leads to.
    fn follow<'a>(&'a self, mut name: &'a ModuleName) -> &'a ModuleName {
        for _ in 0..MAX_LINKS {
            match self.links.get(name) {
                Some((_, target)) => name = target,
                None => break,
            }
        }
        name
    }
}
