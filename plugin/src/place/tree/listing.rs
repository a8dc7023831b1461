//! What lies in a directory and below it, by several threads. Links are not
//! followed.
//!
//! A kernel's modules lie in some 900 directories. Each is opened once, and what is
//! asked of its files is asked from there, not by their paths from the root.

use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, statat};

/// Directories that a thread takes at a time: a module's own holds one or two.
const TOGETHER: usize = 8;

/// A directory.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) path: PathBuf,
    /// Its entries by name, or why it cannot be read.
    pub(super) entries: io::Result<Vec<Entry>>,
}

/// An entry of a directory.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) kind: Kind,
    /// When it was last changed, in seconds since 1970, where that was asked.
    pub(super) changed: Option<i64>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Link,
    /// Where the list has it.
    Directory(usize),
    Other,
}

/// Lists `top` and all directories below it. `times` says of which files the time
/// of their last change is wanted, `enters` which directories of `top` are entered.
/// `top` is the first of the list.
pub(super) fn list(
    top: &Path,
    times: impl Fn(&OsStr) -> bool + Sync,
    enters: impl Fn(&OsStr) -> bool,
) -> Vec<Listing> {
    let mut all = Vec::new();
    let mut ahead = vec![top.to_owned()];
    while !ahead.is_empty() {
        // Level by level, so that no depth is too deep.
        let mut level: Vec<Listing> = ahead
            .into_par_iter()
            .with_min_len(TOGETHER)
            .map(|path| Listing {
                entries: read(&path, &times),
                path,
            })
            .collect();
        ahead = Vec::new();
        let first = all.len() + level.len();
        for listing in &mut level {
            let Ok(entries) = &mut listing.entries else {
                continue;
            };
            let is_top = all.is_empty();
            for entry in entries {
                match &mut entry.kind {
                    Kind::Directory(_) if is_top && !enters(&entry.name) => {
                        entry.kind = Kind::Other
                    }
                    Kind::Directory(place) => {
                        *place = first + ahead.len();
                        ahead.push(listing.path.join(&entry.name));
                    }
                    _ => {}
                }
            }
        }
        all.append(&mut level);
    }
    all
}

fn read(path: &Path, times: impl Fn(&OsStr) -> bool) -> io::Result<Vec<Entry>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut directory = Dir::new(openat(CWD, path, flags, Mode::empty())?)?;
    let mut entries = Vec::new();
    while let Some(found) = directory.next() {
        let found = found?;
        let name = OsStr::from_bytes(found.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let (mut kind, mut changed) = (found.file_type(), None);
        if kind == FileType::Unknown || kind == FileType::RegularFile && times(name) {
            // One that is gone by now was not there.
            let Some(stat) = stat(&directory, found.file_name())? else {
                continue;
            };
            kind = FileType::from_raw_mode(stat.st_mode);
            changed = Some(stat.st_ctime);
        }
        entries.push(Entry {
            name: name.to_owned(),
            kind: match kind {
                FileType::RegularFile => Kind::File,
                FileType::Symlink => Kind::Link,
                FileType::Directory => Kind::Directory(0),
                _ => Kind::Other,
            },
            changed,
        });
    }
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

fn stat(directory: &Dir, name: &CStr) -> io::Result<Option<Stat>> {
    match statat(directory.fd()?.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn all_that_lies_below_is_listed_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for path in ["b", "a/deep/er", "skip/below", "c"] {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), "").unwrap();
        }
        symlink("a", at("link")).unwrap();
        let listings = list(dir.path(), |name| name == "b", |name| name != "skip");
        let shown: Vec<_> = listings
            .iter()
            .map(|listing| {
                let entries = listing.entries.as_ref().unwrap().iter();
                let entries = entries.map(|e| (e.name.to_str().unwrap(), e.kind, e.changed));
                let path = listing.path.strip_prefix(dir.path()).unwrap();
                (path.to_str().unwrap(), entries.collect::<Vec<_>>())
            })
            .collect();
        let changed = Some(fs::metadata(at("b")).unwrap().ctime());
        let top = vec![
            ("a", Kind::Directory(1), None),
            ("b", Kind::File, changed),
            ("c", Kind::File, None),
            ("link", Kind::Link, None),
            ("skip", Kind::Other, None),
        ];
        let expected = [
            ("", top),
            ("a", vec![("deep", Kind::Directory(2), None)]),
            ("a/deep", vec![("er", Kind::File, None)]),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_no_directory_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file, dir.path().join("none")] {
            let listings = list(&path, |_| false, |_| true);
            assert_eq!(listings.len(), 1);
            assert!(listings[0].entries.is_err());
        }
    }
}
