// SPDX-License-Identifier: GPL-2.0-or-later
//! A root directory: which kernels and module directories it holds, and what each of
//! its paths is.

pub mod counters;
pub mod file_id;
pub mod file_role;
pub mod host;
pub mod module_tree;

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use file_role::is_release;

/// How many symbolic links one path may lead through: the kernel's own limit
/// (`MAXSYMLINKS`, include/linux/namei.h).
const MAX_LINKS: usize = 40;

/// A root: `/`, or the directory that a chroot or an image will have as `/`.
///
/// Symbolic links are followed as they will be once this is `/`: an absolute
/// one starts here, and none leads out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    path: PathBuf,
}

impl Root {
    /// A root at `path`.
    ///
    /// # Errors
    /// If `path` is not a directory that can be reached.
    pub fn new(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        if path.is_dir() {
            Ok(Self { path })
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Is it this machine's own `/`?
    pub fn is_system(&self) -> bool {
        self.path == Path::new("/")
    }

    /// Where a path inside this root lies for this process, without following links.
    pub fn outside(&self, inside: &Path) -> PathBuf {
        self.path.join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// The path inside this root of a path of this process, if it is in here.
    pub fn inside(&self, outside: &Path) -> Option<PathBuf> {
        let below = outside.strip_prefix(&self.path).ok()?;
        Some(Path::new("/").join(below))
    }

    /// Follows every link of a path inside this root and returns where it ends,
    /// as a path of this process that holds no link any more.
    ///
    /// # Errors
    /// If something on the way does not exist or cannot be read, or there are
    /// too many links.
    pub fn resolve(&self, inside: &Path) -> io::Result<PathBuf> {
        let mut reached = self.path.clone();
        let mut depth = 0_usize;
        let mut links = 0_usize;
        let mut ahead: Vec<PathBuf> = vec![inside.to_owned()];
        while let Some(path) = ahead.pop() {
            let mut parts = path.components();
            let Some(part) = parts.next() else { continue };
            ahead.push(parts.as_path().to_owned());
            match part {
                Component::CurDir | Component::Prefix(_) => {}
                Component::RootDir => {
                    reached.clone_from(&self.path);
                    depth = 0;
                }
                Component::ParentDir if depth == 0 => {}
                Component::ParentDir => {
                    reached.pop();
                    depth -= 1;
                }
                Component::Normal(name) => {
                    reached.push(name);
                    if fs::symlink_metadata(&reached)?.is_symlink() {
                        links += 1;
                        if links > MAX_LINKS {
                            return Err(io::Error::other("too many symbolic links"));
                        }
                        ahead.push(fs::read_link(&reached)?);
                        reached.pop();
                    } else {
                        depth += 1;
                    }
                }
            }
        }
        Ok(reached)
    }

    /// The module directory of a release, links followed; none for what is no
    /// release ([`is_release`]).
    pub fn module_dir(&self, release: &str) -> Option<PathBuf> {
        if !is_release(release) {
            return None;
        }
        ["/lib/modules", "/usr/lib/modules"]
            .into_iter()
            .filter_map(|base| self.resolve(&Path::new(base).join(release)).ok())
            .find(|dir| dir.is_dir())
    }

    /// The kernel images of a release, where they are looked for now: its module
    /// directory and `/boot`. Each as its path inside the root and the file that
    /// it leads to, in a fixed order; a file is named once. None for what is no
    /// release ([`is_release`]).
    pub fn images(&self, release: &str) -> Vec<ImageFile> {
        let mut images: Vec<ImageFile> = Vec::new();
        if !is_release(release) {
            return images;
        }
        for inside in image_paths(release) {
            let Ok(file) = self.resolve(&inside) else {
                continue;
            };
            if file.is_file() && !images.iter().any(|image| image.file == file) {
                images.push(ImageFile { inside, file });
            }
        }
        images
    }

    /// Every release that has an image here, sorted.
    pub fn releases(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        for base in ["/lib/modules", "/usr/lib/modules"] {
            names.extend(self.names_in(base));
        }
        names.extend(
            self.names_in("/boot")
                .into_iter()
                .filter_map(|name| Some(name.strip_prefix("vmlinuz-")?.to_owned())),
        );
        names.retain(|release| !self.images(release).is_empty());
        names.into_iter().collect()
    }

    /// Every release that has a module directory here, sorted.
    pub fn module_releases(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        for base in ["/lib/modules", "/usr/lib/modules"] {
            names.extend(self.names_in(base));
        }
        names.retain(|release| self.module_dir(release).is_some());
        names.into_iter().collect()
    }

    fn names_in(&self, dir: &str) -> Vec<String> {
        let Ok(entries) = self.resolve(Path::new(dir)).and_then(fs::read_dir) else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect()
    }
}

/// A kernel image of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Its path inside the root, links not followed.
    pub inside: PathBuf,
    /// The file that it leads to, as a path of this process.
    pub file: PathBuf,
}

/// The places of a release's images, inside a root.
fn image_paths(release: &str) -> [PathBuf; 5] {
    [
        format!("/usr/lib/modules/{release}/vmlinux").into(),
        format!("/usr/lib/modules/{release}/vmlinuz").into(),
        format!("/lib/modules/{release}/vmlinux").into(),
        format!("/lib/modules/{release}/vmlinuz").into(),
        format!("/boot/vmlinuz-{release}").into(),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use crate::*;

    pub(crate) fn touch(path: PathBuf) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    #[test]
    fn links_are_followed_inside_only() {
        let outer = tempfile::tempdir().unwrap();
        touch(outer.path().join("secret"));
        let dir = outer.path().join("root");
        touch(dir.join("usr/lib/modules/6.1/vmlinuz"));
        symlink("usr/lib", dir.join("lib")).unwrap();
        symlink("/usr/lib/modules/6.1/vmlinuz", dir.join("absolute")).unwrap();
        symlink("../../../../secret", dir.join("out")).unwrap();
        symlink("loop", dir.join("loop")).unwrap();

        let root = Root::new(&dir).unwrap();
        let real = root.path().join("usr/lib/modules/6.1/vmlinuz");
        assert_eq!(root.resolve(Path::new("/absolute")).unwrap(), real);
        assert_eq!(
            root.resolve(Path::new("/lib/modules/6.1/../6.1/./vmlinuz"))
                .unwrap(),
            real
        );
        assert_eq!(
            root.resolve(Path::new("/out")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        assert_eq!(
            root.resolve(Path::new("/loop")).unwrap_err().to_string(),
            "too many symbolic links"
        );
    }

    #[test]
    fn what_is_no_release_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path().join("usr/lib/modules/6.1/vmlinuz"));
        touch(dir.path().join("usr/lib/modules/vmlinuz"));
        touch(dir.path().join("boot/vmlinuz-"));
        touch(dir.path().join("boot/vmlinuz-.."));
        symlink("usr/lib", dir.path().join("lib")).unwrap();
        let root = Root::new(dir.path()).unwrap();
        assert_eq!(root.releases(), ["6.1"]);
        for name in ["", ".", "..", "../modules", "6.1/..", "/lib", "6.1/"] {
            assert_eq!(root.images(name), [], "{name}");
            assert_eq!(root.module_dir(name), None, "{name}");
        }
    }

    #[test]
    fn kernels_are_found_once() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path().join("usr/lib/modules/6.1/vmlinuz"));
        touch(dir.path().join("usr/lib/modules/6.2/kernel/x.ko"));
        touch(dir.path().join("boot/vmlinuz-6.3"));
        symlink("usr/lib", dir.path().join("lib")).unwrap();
        symlink(
            "../usr/lib/modules/6.1/vmlinuz",
            dir.path().join("boot/vmlinuz-6.1"),
        )
        .unwrap();

        let root = Root::new(dir.path()).unwrap();
        assert_eq!(root.releases(), ["6.1", "6.3"]);
        let images: Vec<_> = root
            .images("6.1")
            .into_iter()
            .map(|image| image.inside)
            .collect();
        assert_eq!(images, [Path::new("/usr/lib/modules/6.1/vmlinuz")]);
        assert_eq!(
            root.module_dir("6.2"),
            Some(root.path().join("usr/lib/modules/6.2"))
        );
        assert_eq!(root.module_dir("6.3"), None);
    }
}
