// SPDX-License-Identifier: GPL-2.0-or-later
//! Where paths lead once a transaction is done.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use btf_guard_sysroot::Root;

/// How many symbolic links one path may lead through (`MAXSYMLINKS`,
/// include/linux/namei.h).
const MAX_LINKS: usize = 40;

/// The longest target of a link, in bytes.
const MAX_TARGET: usize = 4096;

/// The parts of paths that are looked up in one transaction, those of links' targets
/// included. A package of 100,000 files takes some ten thousand.
const MAX_STEPS: usize = 1 << 20;

/// The links of the disk, and over them those that come with packages. All paths are
/// inside the root.
#[derive(Debug)]
pub(crate) struct FuturePaths {
    root: Root,
    /// What each link that comes says, by its path without links.
    coming: BTreeMap<PathBuf, PathBuf>,
    steps: AtomicUsize,
}

impl FuturePaths {
    /// Over the disk at `root` these links, each with what it says.
    pub(crate) fn new(root: &Root, mut links: Vec<(PathBuf, PathBuf)>) -> Self {
        let mut this = Self {
            root: root.clone(),
            coming: BTreeMap::new(),
            steps: AtomicUsize::new(0),
        };
        // What a link lies below comes before it.
        links.sort();
        for (path, target) in links {
            if let Some(path) = this.without_links(&path) {
                this.coming.insert(path, target);
            }
        }
        this
    }

    /// So much had to be looked up that no path is any more.
    pub(crate) fn are_given_up(&self) -> bool {
        self.steps.load(Ordering::Relaxed) > MAX_STEPS
    }

    /// The path without links in its directories: one that lies there under this name,
    /// or will. `None` for a path through too many links.
    pub(crate) fn without_links(&self, path: &Path) -> Option<PathBuf> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return self.resolve(path);
        };
        Some(self.resolve(dir)?.join(name))
    }

    /// The path as it is where no `..` is in it, and without links where one is: what
    /// a `..` leads to is a question of the links before it.
    pub(crate) fn without_parents<'p>(&self, path: Cow<'p, Path>) -> Option<Cow<'p, Path>> {
        match path.components().any(|part| part == Component::ParentDir) {
            true => self.without_links(&path).map(Cow::Owned),
            false => Some(path),
        }
    }

    /// Where the path leads, links followed. What is not there may come.
    pub(crate) fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let top = Path::new("/");
        let mut reached = top.to_owned();
        let mut links = 0_usize;
        let mut ahead: Vec<PathBuf> = vec![path.to_owned()];
        while let Some(path) = ahead.pop() {
            let mut parts = path.components();
            let Some(part) = parts.next() else { continue };
            ahead.push(parts.as_path().to_owned());
            match part {
                Component::CurDir | Component::Prefix(_) => {}
                Component::RootDir => reached = top.to_owned(),
                Component::ParentDir => drop(reached.pop()),
                Component::Normal(name) => {
                    if self.steps.fetch_add(1, Ordering::Relaxed) > MAX_STEPS {
                        return None;
                    }
                    let next = reached.join(name);
                    match self.link(&next) {
                        Some(target) => {
                            links += 1;
                            if links > MAX_LINKS {
                                return None;
                            }
                            ahead.push(target);
                        }
                        None => reached = next,
                    }
                }
            }
        }
        Some(reached)
    }

    /// What the link at a path without links says, if one is there, or will be.
    fn link(&self, path: &Path) -> Option<PathBuf> {
        // No file system takes a longer target (`PATH_MAX`, include/uapi/linux/limits.h).
        let coming = self.coming.get(path).cloned();
        let coming = coming.filter(|target| target.as_os_str().len() <= MAX_TARGET);
        coming.or_else(|| fs::read_link(self.root.outside(path)).ok())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_that_lead_through_each_other_are_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let chain = (1..39).map(|number| {
            let target = format!("{}{}", "a/../".repeat(700), number - 1);
            (PathBuf::from(format!("/{number}")), PathBuf::from(target))
        });
        let paths = FuturePaths::new(&Root::new(dir.path()).unwrap(), chain.collect());
        assert!(!paths.are_given_up());
        assert!(paths.resolve(Path::new("/3/x")).is_some());
        let through = (0..1000).map(|_| paths.resolve(Path::new("/38/x")));
        assert!(through.last().unwrap().is_none());
        assert!(paths.are_given_up());
        assert_eq!(paths.resolve(Path::new("/3/x")), None);
    }

    #[test]
    fn links_that_come_lie_over_those_of_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("usr/lib/modules/6.1")).unwrap();
        symlink("usr/lib", dir.path().join("lib")).unwrap();
        symlink(
            "../../../../srv",
            dir.path().join("usr/lib/modules/6.1/more"),
        )
        .unwrap();
        let links = [
            ("/lib/modules/6.1/extra", "/opt/kmp"),
            ("/opt/kmp", "../srv/kmp"),
            ("/lib/modules/6.1/more", "extra/sub"),
            ("/loop", "loop"),
        ];
        let links = links.map(|(path, target)| (path.into(), target.into()));
        let paths = FuturePaths::new(&Root::new(dir.path()).unwrap(), links.to_vec());
        for (path, expected) in [
            ("/lib/modules/6.1/a.ko", "/usr/lib/modules/6.1/a.ko"),
            ("/usr//lib/./modules/6.1/a.ko", "/usr/lib/modules/6.1/a.ko"),
            ("/lib/modules/6.1/extra/a.ko", "/srv/kmp/a.ko"),
            ("/lib/modules/6.1/extra/../a.ko", "/srv/a.ko"),
            ("/lib/modules/6.1/more/a.ko", "/srv/kmp/sub/a.ko"),
            ("/lib/modules/new/../6.1/a.ko", "/usr/lib/modules/6.1/a.ko"),
            ("/../../lib/x", "/usr/lib/x"),
            ("/", "/"),
        ] {
            let resolved = paths.resolve(Path::new(path));
            assert_eq!(resolved.as_deref(), Some(Path::new(expected)), "{path}");
        }
        assert_eq!(paths.resolve(Path::new("/loop/x")), None);
        let link = paths.without_links(Path::new("/lib/modules/6.1/extra"));
        assert_eq!(link.unwrap(), Path::new("/usr/lib/modules/6.1/extra"));
        for (path, expected) in [
            ("/lib/modules/6.1/x", "/lib/modules/6.1/x"),
            ("/lib/../opt/kmp", "/usr/opt/kmp"),
        ] {
            let path = paths.without_parents(Cow::Borrowed(Path::new(path)));
            assert_eq!(path.unwrap(), Path::new(expected));
        }
    }
}
