//! A file as it was seen: whether it can have changed since is told without
//! reading it.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::module::source::Regular;
use crate::stamp::Stamp;

/// How old the last change must be, in seconds. A file that is written twice
/// within one tick of its file system's clock has the same times both times
/// (Linux: some milliseconds; FAT: two seconds). git's index has the same problem
/// and the same answer ("racy git", Documentation/technical/racy-git.adoc).
pub(super) const SETTLED: i64 = 4;

/// What changes with every write to a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen(Stamp);

impl Seen {
    pub(super) fn of(file: &Regular) -> io::Result<Self> {
        Ok(Self(Stamp::from(&file.metadata()?)))
    }

    /// Would a change from now on show? Yes, if the last one is `settled` seconds old.
    pub(super) fn is_settled(&self, settled: i64) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.ok().and_then(|now| i64::try_from(now.as_secs()).ok());
        now.is_some_and(|now| now.saturating_sub(self.0.changed()) >= settled)
    }

    /// One word.
    pub(super) fn key(&self) -> String {
        hex::encode(Sha256::digest(format!("{self:?}")))
    }
}
