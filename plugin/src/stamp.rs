//! What a file looked like.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What tells that a file is the one it was. Whoever writes can set the time of
/// modification as he likes, but not that of the last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The same of its inode.
    changed: (i64, i64),
}

impl Stamp {
    /// Of the file that `path` leads to.
    ///
    /// # Errors
    /// Those of the system.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&fs::metadata(path)?))
    }

    /// When it was last changed, in seconds since 1970.
    pub fn changed(&self) -> i64 {
        self.changed.0
    }

    /// Was it changed after this time (seconds since 1970), or so shortly before that
    /// it cannot be told? FAT keeps even seconds.
    pub fn is_later_than(&self, time: u64) -> bool {
        let time = i64::try_from(time).unwrap_or(i64::MAX);
        self.changed.0.saturating_add(2) >= time
    }
}

impl From<&Metadata> for Stamp {
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
