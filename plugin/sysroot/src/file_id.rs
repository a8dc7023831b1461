// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether a file is the one it was, by what the system keeps of it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// How much earlier than it was made a change may be dated, in whole seconds.
///
/// FAT rounds times down to even seconds (`fat_truncate_time()`, fs/fat/misc.c of
/// the kernel), and every file system takes them from a clock that is late by up to
/// a tick (`ktime_get_coarse_real_ts64_mg()`, kernel/time/timekeeping.c).
const SLACK: i64 = 2;

/// May a file whose status was last changed at `ctime` have been changed at or after
/// `since`? Both are in seconds since 1970.
///
/// Package managers and archivers set a file's modification time; nobody can set the
/// time of its last change. git has the same trouble with its index, and the same
/// answer ("racy git", Documentation/technical/racy-git.adoc).
pub fn changed_since(ctime: i64, since: u64) -> bool {
    let since = i64::try_from(since).unwrap_or(i64::MAX);
    ctime.saturating_add(SLACK) >= since
}

/// What changes with every write to a file, and with every other file in its place.
/// Two writes within the [slack](changed_since) of a file system's clock may leave
/// the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The same of its inode.
    changed: (i64, i64),
}

impl FileId {
    /// Of the file that `path` leads to.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&fs::metadata(path)?))
    }

    /// May it have been changed at or after this time? As [`changed_since`].
    pub fn changed_since(&self, since: u64) -> bool {
        changed_since(self.changed.0, since)
    }
}

impl From<&Metadata> for FileId {
    fn from(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_may_be_dated_two_seconds_early() {
        for (ctime, since, changed) in [
            (10, 9, true),
            (10, 10, true),
            (10, 12, true),
            (10, 13, false),
            (-1, 0, true),
            (-9, 0, false),
            (i64::MAX, u64::MAX, true),
            (0, u64::MAX, false),
            (i64::MIN, 0, false),
        ] {
            assert_eq!(changed_since(ctime, since), changed, "{ctime} {since}");
        }
    }

    #[test]
    fn an_id_tells_one_file_from_another() {
        let dir = tempfile::tempdir().unwrap();
        let (file, other) = (dir.path().join("a.ko"), dir.path().join("b"));
        fs::write(&file, "one").unwrap();
        let first = FileId::of(&file).unwrap();
        assert_eq!(FileId::of(&file).unwrap(), first);
        fs::write(&other, "two").unwrap();
        fs::rename(&other, &file).unwrap();
        assert_ne!(FileId::of(&file).unwrap(), first);
        assert!(first.changed_since(0));
        assert!(!first.changed_since(u64::MAX));
        assert!(FileId::of(&other).is_err());
    }
}
