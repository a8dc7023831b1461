// SPDX-License-Identifier: GPL-2.0-or-later
//! The modules of an initrd once it is unpacked: which file has which name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use btf_guard_sysroot::file_role::Role;

/// How many links one name may lead through (`MAXSYMLINKS`,
/// include/linux/namei.h).
const MAX_LINKS: usize = 40;

/// The name of a module inside an initrd, whichever way to it is written:
/// where there is a `lib` beside `usr/lib`, it is a link to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModulePath {
    release: String,
    /// Below the release's module directory.
    below: PathBuf,
}

impl ModulePath {
    /// The name that a path is; `None` for what is no module.
    pub(crate) fn of(path: &str) -> Option<Self> {
        match Role::of(&Path::new("/").join(path))? {
            Role::Module { release, below } => Some(Self {
                release: release.to_owned(),
                below: below.to_owned(),
            }),
            _ => None,
        }
    }

    /// The name that a link at `path` leads to.
    fn of_target(path: &str, target: &str) -> Option<Self> {
        let dir = Path::new(path).parent()?;
        let mut reached = PathBuf::from("/");
        for part in dir.join(target).components() {
            match part {
                Component::ParentDir => {
                    reached.pop();
                }
                Component::Normal(name) => reached.push(name),
                _ => {}
            }
        }
        Self::of(reached.to_str()?)
    }
}

/// A path without the `/` and `./` in front, which say no more than that it
/// starts at the root.
pub(crate) fn bare(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"/").or_else(|| path.strip_prefix(b"./")) {
        path = rest;
    }
    path
}

/// What became of each module file, by its name.
#[derive(Debug, Default)]
pub struct Contents<T> {
    files: BTreeMap<ModulePath, (String, T)>,
    /// A link's path, and the name that it leads to.
    links: BTreeMap<ModulePath, (String, ModulePath)>,
}

impl<T> Contents<T> {
    /// Puts the file at `path`, in place of what was there.
    pub fn file(&mut self, path: String, what: T) {
        if let Some(name) = ModulePath::of(&path) {
            self.links.remove(&name);
            self.files.insert(name, (path, what));
        }
    }

    /// Puts a link at `path`, in place of what was there.
    pub fn link(&mut self, path: String, target: &str) {
        let Some(name) = ModulePath::of(&path) else {
            return;
        };
        self.files.remove(&name);
        match ModulePath::of_target(&path, target) {
            Some(target) => self.links.insert(name, (path, target)),
            None => self.links.remove(&name),
        };
    }

    /// The files that a kernel of this release finds under its module directory,
    /// each once, with the path that it finds them under.
    pub fn of_release(&self, release: &str) -> Vec<(&str, &T)> {
        let own = self
            .files
            .iter()
            .filter(|(name, _)| name.release == release);
        let mut found: Vec<(&str, &T)> =
            own.map(|(_, (path, what))| (path.as_str(), what)).collect();
        let mut seen = BTreeSet::new();
        for (name, (path, target)) in &self.links {
            let end = self.follow(target);
            if name.release == release
                && end.release != release
                && seen.insert(end)
                && let Some((_, what)) = self.files.get(end)
            {
                found.push((path, what));
            }
        }
        found
    }

    /// Where a name leads to.
    fn follow<'a>(&'a self, mut name: &'a ModulePath) -> &'a ModulePath {
        for _ in 0..MAX_LINKS {
            match self.links.get(name) {
                Some((_, target)) => name = target,
                None => break,
            }
        }
        name
    }
}
