// SPDX-License-Identifier: GPL-2.0-or-later
//! A root directory: which kernels and module directories it holds, and what each of
//! its paths is.

pub mod counters;
pub mod file_id;
pub mod file_role;
pub mod host;
pub mod module_tree;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use file_role::{Directory, is_release, release_of_boot_image};

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
    /// A root at `path`, which must be a directory.
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
        self.find_module_dir(release).ok().flatten()
    }

    /// The same, or the path that could not be looked at.
    pub fn find_module_dir(&self, release: &str) -> Result<Option<PathBuf>, (PathBuf, io::Error)> {
        let mut unseen = None;
        for base in ["/lib/modules", "/usr/lib/modules"].map(Path::new) {
            let dir = base.join(release);
            match self.resolve(&dir) {
                _ if !is_release(release) => {}
                Ok(dir) if dir.is_dir() => return Ok(Some(dir)),
                Ok(_) => {}
                Err(error) if is_missing(&error) => {}
                Err(error) => unseen = Some((self.outside(&dir), error)),
            }
        }
        unseen.map_or(Ok(None), Err)
    }

    /// The kernel images of a release in its module directory and in `/boot`, each as
    /// its path inside the root and the file that it leads to, in a fixed order; a
    /// file is named once. As of a package's, those under [other](file_role::Role::OtherImage)
    /// names are taken where a directory has no usual one. None for what is no
    /// release ([`is_release`]).
    pub fn images(&self, release: &str) -> Vec<ImageFile> {
        let mut images: Vec<ImageFile> = Vec::new();
        if !is_release(release) {
            return images;
        }
        for (directory, dir) in [
            (Directory::Release, format!("/usr/lib/modules/{release}")),
            (Directory::Release, format!("/lib/modules/{release}")),
            (Directory::Boot, "/boot".to_owned()),
        ] {
            let mut names = self.names_in(&dir);
            if directory == Directory::Boot {
                names.retain(|name| release_of_boot_image(name) == Some(release));
            }
            let ranked = names
                .iter()
                .filter_map(|name| directory.image_rank(name).zip(Some(name)));
            let mut has_usual = false;
            for ((is_other, _), name) in ranked.collect::<BTreeMap<_, _>>() {
                let inside = Path::new(&dir).join(name);
                let file = self.resolve(&inside).ok().filter(|file| file.is_file());
                let Some(file) = file.filter(|_| !(is_other && has_usual)) else {
                    continue;
                };
                has_usual |= !is_other;
                if !images.iter().any(|image| image.file == file) {
                    images.push(ImageFile { inside, file });
                }
            }
        }
        images
    }

    /// Every release that has an image here, sorted.
    pub fn releases(&self) -> Vec<String> {
        let in_boot = self.names_in("/boot");
        let in_boot = in_boot
            .iter()
            .filter_map(|name| release_of_boot_image(name));
        let mut names = self.module_dir_names();
        names.extend(in_boot.map(str::to_owned));
        names.sort_unstable();
        names.dedup();
        names.retain(|release| !self.images(release).is_empty());
        names
    }

    /// Every release that has a module directory here, sorted.
    pub fn module_releases(&self) -> Vec<String> {
        let mut names = self.module_dir_names();
        names.sort_unstable();
        names.dedup();
        names.retain(|release| self.module_dir(release).is_some());
        names
    }

    fn module_dir_names(&self) -> Vec<String> {
        let mut names = self.names_in("/lib/modules");
        names.append(&mut self.names_in("/usr/lib/modules"));
        names
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

/// Nothing is there: all other errors keep from knowing whether something is.
pub fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// A kernel image of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Its path inside the root, links not followed.
    pub inside: PathBuf,
    /// The file that it leads to, as a path of this process.
    pub file: PathBuf,
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
        for path in ["/absolute", "/lib/modules/6.1/../6.1/./vmlinuz"] {
            assert_eq!(root.resolve(Path::new(path)).unwrap(), real, "{path}");
        }
        let [out, endless] = ["/out", "/loop"].map(|path| root.resolve(Path::new(path)));
        assert_eq!(out.unwrap_err().kind(), io::ErrorKind::NotFound);
        let endless = endless.unwrap_err().to_string();
        assert_eq!(endless, "too many symbolic links");
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
        for path in [
            "usr/lib/modules/6.1/vmlinuz",
            "usr/lib/modules/6.1/vmlinux",
            "usr/lib/modules/6.1/vmlinux.xz",
            "usr/lib/modules/6.2/kernel/x.ko",
            "boot/vmlinuz-6.3",
            "usr/lib/modules/6.4/vmlinuz-virt.efi",
            "usr/lib/modules/6.4/modules.dep",
            "boot/image-6.4",
            "boot/config-6.5",
        ] {
            touch(dir.path().join(path));
        }
        symlink("usr/lib", dir.path().join("lib")).unwrap();
        let link = dir.path().join("boot/vmlinuz-6.1");
        symlink("../usr/lib/modules/6.1/vmlinuz", link).unwrap();
        symlink("gone", dir.path().join("usr/lib/modules/6.4/vmlinuz")).unwrap();

        let root = Root::new(dir.path()).unwrap();
        assert_eq!(root.releases(), ["6.1", "6.3", "6.4"]);
        let images = |release| {
            let images = root.images(release).into_iter();
            images.map(|image| image.inside).collect::<Vec<_>>()
        };
        let modules = Path::new("/usr/lib/modules");
        let of_module_dir = ["6.1/vmlinuz", "6.1/vmlinux"].map(|path| modules.join(path));
        assert_eq!(images("6.1"), of_module_dir);
        let virt = modules.join("6.4/vmlinuz-virt.efi");
        assert_eq!(images("6.4"), [virt, "/boot/image-6.4".into()]);
        let dir = root.path().join("usr/lib/modules/6.2");
        assert_eq!(root.module_dir("6.2"), Some(dir));
        assert_eq!(root.module_dir("6.3"), None);
    }
}
