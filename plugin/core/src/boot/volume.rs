// SPDX-License-Identifier: GPL-2.0-or-later
//! File systems that boot loaders read, and paths on them.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use btf_guard_sysroot::Root;

use super::BootProblem;
use crate::module::Error;
use crate::module::source::Regular;

/// The most files of one directory that are looked at.
pub(crate) const MAX_FILES: usize = 10_000;

/// Which file or directory it is, whatever path leads there: device and inode.
pub(crate) type Identity = (u64, u64);

/// The identity of what is at `path`.
pub(crate) fn identity(path: &Path) -> io::Result<Identity> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// A file that a boot loader finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoaderFile {
    /// Its path, links not followed, for a report.
    pub(crate) shown: PathBuf,
    /// The file that it leads to.
    pub(crate) file: PathBuf,
}

/// A directory whose entries a boot loader reads: a mounted EFI system
/// partition, or a directory `/boot` of the root's own file system.
#[derive(Debug)]
pub(crate) struct Volume {
    /// What no path and no link leads out of.
    boundary: Root,
    /// The directory, inside the boundary.
    base: PathBuf,
    /// True if it is on the root's own file system.
    in_root: bool,
    /// The directory as a report shows it.
    shown: PathBuf,
}

impl Volume {
    /// The file system that is mounted at `dir`.
    pub(crate) fn mounted(dir: &Path) -> io::Result<Self> {
        Ok(Self {
            boundary: Root::new(dir)?,
            base: "/".into(),
            in_root: false,
            shown: dir.to_owned(),
        })
    }

    /// The directory `base` of a root, on the root's own file system.
    pub(crate) fn part_of(root: &Root, base: &Path) -> Self {
        Self {
            boundary: root.clone(),
            base: base.to_owned(),
            in_root: true,
            shown: root.outside(base),
        }
    }

    /// True if this is where a report shows it.
    pub(crate) fn is_shown_at(&self, path: &Path) -> bool {
        self.shown == path
    }

    /// A path of this volume, as a report shows it.
    pub(crate) fn show(&self, path: &str) -> PathBuf {
        self.shown.join(relative(path))
    }

    /// The file that a boot loader finds under `path`.
    ///
    /// Case is ignored, as FAT does. Where the volume is part of a larger file
    /// system, the path may also start at the root of that, or with the name of
    /// a btrfs subvolume.
    ///
    /// # Errors
    /// What was expected instead of what is there.
    pub(crate) fn find(&self, path: &str) -> Result<LoaderFile, String> {
        let path = path.replace('\\', "/");
        let inside = Path::new(relative(&path));
        if leaves(inside) {
            return Err(
                "a path that stays on its file system, not one that leaves it by ..".into(),
            );
        }
        let mut places = vec![self.base.join(inside)];
        if self.in_root {
            let root = Path::new("/");
            places.push(root.join(inside));
            let mut parts = inside.components();
            parts.next();
            let below = parts.as_path();
            if !below.as_os_str().is_empty() {
                places.extend([self.base.join(below), root.join(below)]);
            }
        }
        let shown = self.show(&path);
        for place in &places {
            match self.resolve(place) {
                Ok(file) if file.is_file() => {
                    let shown = match self.in_root {
                        true => self.boundary.outside(place),
                        false => shown,
                    };
                    return Ok(LoaderFile { shown, file });
                }
                Ok(_) => return Err(format!("a regular file at {}", shown.display())),
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(format!("a readable {}: {error}", shown.display())),
            }
        }
        Err(format!("{}, which does not exist", shown.display()))
    }

    /// Reads the file under `path`, links followed; `None` if there is none.
    pub(crate) fn read(&self, path: &str, cap: u64) -> Result<Option<String>, BootProblem> {
        let problem = |what: String| BootProblem::new(&self.show(path), what);
        let unreadable = |error: io::Error| problem(format!("a readable file: {error}"));
        let file = match self.resolve(&self.base.join(relative(path))) {
            Err(error) if is_missing(&error) => return Ok(None),
            resolved => resolved.map_err(unreadable)?,
        };
        let mut bytes = Vec::new();
        let file = Regular::open(&file).map_err(unreadable)?;
        match file.read_all(cap, &mut bytes) {
            Ok(()) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(Error::Io(error)) => Err(unreadable(error)),
            Err(Error::Malformed(_)) => Err(problem(format!("at most {cap} bytes"))),
        }
    }

    /// The names in the directory `path` that are `wanted`, sorted; none if it
    /// does not exist.
    pub(crate) fn list(
        &self,
        path: &str,
        wanted: impl Fn(&str) -> bool,
        problems: &mut Vec<BootProblem>,
    ) -> Vec<String> {
        let mut names = BTreeSet::new();
        let place = self.base.join(relative(path));
        let dir = match self.resolve(&place).and_then(fs::read_dir) {
            Ok(dir) => dir,
            Err(error) => {
                if !is_missing(&error) {
                    let what = format!("a readable directory: {error}");
                    problems.push(BootProblem::new(&self.show(path), what));
                }
                return Vec::new();
            }
        };
        for name in dir.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            if !wanted(&name) {
                continue;
            }
            if names.len() == MAX_FILES {
                let what = format!("at most {MAX_FILES} files; the others are not read");
                problems.push(BootProblem::new(&self.show(path), what));
                break;
            }
            names.insert(name);
        }
        names.into_iter().collect()
    }

    /// Where a path inside the boundary leads to, the case of its names ignored
    /// where it is not met.
    fn resolve(&self, inside: &Path) -> io::Result<PathBuf> {
        let exact = self.boundary.resolve(inside);
        if !exact.as_ref().is_err_and(is_missing) {
            return exact;
        }
        let mut reached = PathBuf::from("/");
        for part in inside.components() {
            let Component::Normal(name) = part else {
                reached.push(part);
                continue;
            };
            let plain = reached.join(name);
            reached = match self.boundary.resolve(&plain) {
                Ok(_) => plain,
                Err(error) if is_missing(&error) => {
                    let name = name.to_str().ok_or(io::ErrorKind::NotFound)?;
                    let other = self.any_case(&reached, name)?;
                    reached.join(other.ok_or(io::ErrorKind::NotFound)?)
                }
                Err(error) => return Err(error),
            };
        }
        self.boundary.resolve(&reached)
    }

    /// The first name in a directory that differs from `name` in case only.
    fn any_case(&self, dir: &Path, name: &str) -> io::Result<Option<String>> {
        let entries = fs::read_dir(self.boundary.resolve(dir)?)?.take(MAX_FILES);
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter(|known| known.eq_ignore_ascii_case(name)).min())
    }
}

fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// A path of a boot loader, which starts at the root of a file system whether
/// it says so or not.
fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// True of a path that leads out of where it starts, by its `..` alone.
fn leaves(path: &Path) -> bool {
    let mut depth = 0_usize;
    for part in path.components() {
        match part {
            Component::ParentDir if depth == 0 => return true,
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            _ => {}
        }
    }
    false
}

/// The volumes of a root: `/efi`, `/boot/efi` and `/boot`, and the directories
/// `more`, which need not be in it. One that is reached twice is one volume.
///
/// `/boot` is a volume of its own if something is mounted there; an EFI system
/// partition always is, also where a copy of one lies in a directory.
pub(crate) fn volumes(
    root: &Root,
    more: &[PathBuf],
    problems: &mut Vec<BootProblem>,
) -> Vec<Volume> {
    let mut volumes = Vec::new();
    let mut seen = BTreeSet::new();
    let mut offer = |shown: &Path, dir: io::Result<PathBuf>, mounted: bool| {
        // One that this process may not look into is told once, here.
        let volume = dir.and_then(|dir| {
            fs::read_dir(&dir)?;
            let volume = match mounted {
                true => Volume::mounted(&dir)?,
                false => Volume::part_of(root, Path::new("/boot")),
            };
            Ok((identity(&dir)?, volume))
        });
        match volume {
            Ok((identity, volume)) if seen.insert(identity) => volumes.push(Volume {
                shown: shown.to_owned(),
                ..volume
            }),
            Ok(_) => {}
            Err(error) => {
                let what = format!("a readable directory: {error}");
                problems.push(BootProblem::new(shown, what));
            }
        }
    };
    for dir in more {
        offer(dir, Ok(dir.clone()), true);
    }
    let boot = root.path().join("boot");
    let own_device = fs::metadata(root.path()).map(|m| m.dev()).ok();
    for inside in ["/efi", "/boot/efi", "/boot"].map(Path::new) {
        let dir = root.resolve(inside);
        if dir.as_ref().is_err_and(is_missing) {
            continue;
        }
        let device = |dir: &PathBuf| fs::metadata(dir).map(|m| m.dev()).ok();
        let mounted = dir
            .as_ref()
            .is_ok_and(|dir| device(dir) != own_device || *dir != boot);
        offer(&root.outside(inside), dir, mounted);
    }
    volumes
}

#[cfg(test)]
mod tests;
