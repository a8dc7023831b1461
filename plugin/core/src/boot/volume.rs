// SPDX-License-Identifier: GPL-2.0-or-later
//! File systems that boot loaders read, and paths on them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use btf_guard_sysroot::{Root, is_missing};

use super::BootProblem;
use crate::module::Error;
use crate::module::source::Regular;

/// The most files of one directory that are looked at.
pub(crate) const MAX_FILES: usize = 10_000;

/// The most parts of a path that is looked for: each is looked for by itself.
const MAX_PARTS: usize = 128;

/// Which file or directory it is, whatever path leads there: device and inode.
pub(crate) type Identity = (u64, u64);

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
    pub(crate) shown: PathBuf,
    /// The names in directories that were listed.
    listed: RefCell<BTreeMap<PathBuf, Vec<OsString>>>,
}

impl Volume {
    /// The file system that is mounted at `dir`.
    pub(crate) fn mounted(dir: &Path) -> io::Result<Self> {
        Ok(Self {
            boundary: Root::new(dir)?,
            base: "/".into(),
            in_root: false,
            shown: dir.to_owned(),
            listed: RefCell::default(),
        })
    }

    /// The directory `base` of a root, on the root's own file system.
    pub(crate) fn part_of(root: &Root, base: &Path) -> Self {
        Self {
            boundary: root.clone(),
            base: base.to_owned(),
            in_root: true,
            shown: root.outside(base),
            listed: RefCell::default(),
        }
    }

    /// A path of this volume, as a report shows it.
    pub(crate) fn show(&self, path: &str) -> PathBuf {
        self.shown.join(relative(path))
    }

    /// The file that a boot loader finds under `path`, or what was expected there.
    ///
    /// Case is ignored, as FAT does. Where the volume is part of a larger file
    /// system, the path may also start at the root of that, or with the name of
    /// a btrfs subvolume.
    pub(crate) fn find(&self, path: &str) -> Result<LoaderFile, String> {
        let path = path.replace('\\', "/");
        let inside = Path::new(relative(&path));
        if leaves(inside) {
            let what = "a path that stays on its file system, not one that leaves it by ..";
            return Err(what.to_owned());
        }
        if inside.components().count() > MAX_PARTS {
            return Err(format!("a path of at most {MAX_PARTS} parts"));
        }
        let mut places = vec![self.base.join(inside)];
        if self.in_root {
            let below: PathBuf = inside.components().skip(1).collect();
            let root = Path::new("/");
            places.push(root.join(inside));
            if !below.as_os_str().is_empty() {
                places.extend([self.base.join(&below), root.join(&below)]);
            }
        }
        let mut shown = self.show(&path);
        if self.in_root && Path::new("/").join(inside).starts_with(&self.base) {
            shown = self.boundary.outside(inside);
        }
        for place in &places {
            match self.resolve(place) {
                Ok(file) if file.is_file() => {
                    if self.in_root {
                        shown = self.boundary.outside(place);
                    }
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
        let unreadable = |error: io::Error| {
            BootProblem::hiding(&self.show(path), format!("a readable file: {error}"))
        };
        let file = match self.resolve(&self.base.join(relative(path))) {
            Err(error) if is_missing(&error) => return Ok(None),
            resolved => resolved.map_err(unreadable)?,
        };
        let mut bytes = Vec::new();
        let file = Regular::open(&file).map_err(unreadable)?;
        match file.read_all(cap, &mut bytes) {
            Ok(()) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(Error::Io(error)) => Err(unreadable(error)),
            Err(Error::Malformed(_)) => {
                let what = format!("at most {cap} bytes");
                Err(BootProblem::hiding(&self.show(path), what))
            }
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
        let place = self.base.join(relative(path));
        let dir = match self.resolve(&place).and_then(fs::read_dir) {
            Ok(dir) => dir,
            Err(error) => {
                if !is_missing(&error) {
                    let what = format!("a readable directory: {error}");
                    problems.push(BootProblem::hiding(&self.show(path), what));
                }
                return Vec::new();
            }
        };
        let names = dir.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let names = names.filter(|name| wanted(name));
        let mut names: Vec<String> = names.take(MAX_FILES + 1).collect();
        if names.len() > MAX_FILES {
            let what = format!("at most {MAX_FILES} files; the others are not read");
            problems.push(BootProblem::hiding(&self.show(path), what));
            names.truncate(MAX_FILES);
        }
        names.sort();
        names
    }

    /// Where a path inside the boundary leads to, the case of its names ignored
    /// where it is not met.
    fn resolve(&self, inside: &Path) -> io::Result<PathBuf> {
        let exact = self.boundary.resolve(inside);
        if !exact.as_ref().is_err_and(is_missing) {
            return exact;
        }
        let mut reached = PathBuf::new();
        for part in inside.components() {
            let dir = reached.clone();
            reached.push(part);
            if self
                .boundary
                .resolve(&reached)
                .is_err_and(|error| is_missing(&error))
            {
                reached = dir.join(self.any_case(&dir, part.as_os_str())?);
            }
        }
        self.boundary.resolve(&reached)
    }

    /// The first name in a directory that differs from `name` in case only.
    fn any_case(&self, dir: &Path, name: &OsStr) -> io::Result<OsString> {
        let mut listed = self.listed.borrow_mut();
        if !listed.contains_key(dir) {
            let entries = fs::read_dir(self.boundary.resolve(dir)?)?.take(MAX_FILES);
            let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
            listed.insert(dir.to_owned(), names.collect());
        }
        let names = listed.get(dir).into_iter().flatten();
        let found = names.filter(|known| known.eq_ignore_ascii_case(name)).min();
        found.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
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
    let boot = root.path().join("boot");
    let more = more.iter().map(|dir| (dir.clone(), Ok(dir.clone()), false));
    let own = ["/efi", "/boot/efi", "/boot"].map(Path::new);
    let own = own.map(|inside| (root.outside(inside), root.resolve(inside), true));
    let own = own.into_iter();
    let own = own.filter(|(_, dir, _)| !dir.as_ref().is_err_and(is_missing));

    let mut volumes = Vec::new();
    let mut seen = BTreeSet::new();
    for (shown, dir, is_own) in more.chain(own) {
        let volume = dir.and_then(|dir| {
            // One that this process may not look into is told once, here.
            fs::read_dir(&dir)?;
            let (device, inode) = identity(&dir)?;
            let is_part = is_own && dir == boot && device == identity(root.path())?.0;
            let volume = match is_part {
                true => Volume::part_of(root, Path::new("/boot")),
                false => Volume::mounted(&dir)?,
            };
            Ok(((device, inode), volume))
        });
        match volume {
            Ok((identity, volume)) if seen.insert(identity) => {
                volumes.push(Volume { shown, ..volume });
            }
            Ok(_) => {}
            Err(error) => {
                let what = format!("a readable directory: {error}");
                problems.push(BootProblem::hiding(&shown, what));
            }
        }
    }
    volumes
}

#[cfg(test)]
mod tests;
