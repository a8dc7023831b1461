// SPDX-License-Identifier: GPL-2.0-or-later
//! Where packages lie until they are judged.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use walkdir::WalkDir;

/// Only root can write it. What a killed preflight left there is removed by the next.
const PLACE: &str = "/var/cache/btf-guard/dnf";

/// Packages of one transaction; a distribution has some thousands.
const MAX_FILES: usize = 100_000;

/// An empty directory for one preflight, and gone with it.
#[derive(Debug)]
pub(super) struct Store {
    place: PathBuf,
    _lock: File,
}

impl Store {
    /// Makes it, if no other preflight is at work.
    pub(super) fn open() -> anyhow::Result<Self> {
        Self::at(Path::new(PLACE))
    }

    pub(super) fn at(place: &Path) -> anyhow::Result<Self> {
        // Whoever can open it can hold its lock.
        let own = Permissions::from_mode(0o700);
        let opened = DirBuilder::new().recursive(true).create(place);
        let opened = opened.and_then(|()| fs::set_permissions(place, own));
        let lock = opened.and_then(|()| File::open(place)).with_context(|| {
            format!("{}: dnf downloads packages for root only", place.display())
        })?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => bail!("another preflight of dnf is at work"),
            Err(error) => return Err(error).with_context(|| place.display().to_string()),
        }
        let store = Self {
            place: place.to_owned(),
            _lock: lock,
        };
        store.empty().with_context(|| place.display().to_string())?;
        Ok(store)
    }

    /// Where the client is to put the packages; it makes this directory itself.
    pub(super) fn directory(&self) -> PathBuf {
        self.place.join("packages")
    }

    pub(super) fn packages(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut packages = Vec::new();
        let directory = self.directory();
        if !directory.exists() {
            return Ok(packages);
        }
        for entry in WalkDir::new(&directory).max_depth(3) {
            let entry = entry.with_context(|| directory.display().to_string())?;
            let is_package = entry.path().extension().is_some_and(|end| end == "rpm");
            if is_package && entry.file_type().is_file() {
                packages.push(entry.into_path());
            }
            if packages.len() > MAX_FILES {
                bail!("more than {MAX_FILES} packages");
            }
        }
        Ok(packages)
    }

    fn empty(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.place)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.empty() {
            log::warn!("{}: {error}: packages are left there", self.place.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_goes_and_nothing_is_left() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().join("dnf");
        fs::create_dir_all(place.join("packages/deep")).unwrap();
        fs::write(place.join("packages/deep/left.rpm"), "").unwrap();
        fs::write(place.join("stray"), "").unwrap();
        let store = Store::at(&place).unwrap();
        assert!(store.packages().unwrap().is_empty());
        fs::create_dir(store.directory()).unwrap();
        let package = store.directory().join("a.rpm");
        fs::write(&package, "").unwrap();
        fs::write(store.directory().join("a.txt"), "").unwrap();
        assert_eq!(store.packages().unwrap(), [package]);
        drop(store);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    }

    #[test]
    fn nobody_else_can_open_what_is_locked() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().join("made/dnf");
        fs::create_dir_all(&place).unwrap();
        fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
        let _store = Store::at(&place).unwrap();
        let mode = fs::metadata(&place).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn there_is_one_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::at(place.path()).unwrap();
        let second = Store::at(place.path()).unwrap_err().to_string();
        assert_eq!(second, "another preflight of dnf is at work");
        drop(store);
        Store::at(place.path()).unwrap();
    }
}
