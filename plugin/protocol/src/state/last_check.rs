// SPDX-License-Identifier: GPL-2.0-or-later
//! When the disk was judged for a client's transaction, and what was reported, for
//! the hooks that run in it or after it: nothing is to be reported twice.
//!
//! One file, `state.json` in [`trusted_dir::RUN`](super::trusted_dir::RUN), is about the last
//! transaction with modules or kernels. It is void for any other process than the one
//! that it names.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::trusted_dir::{NotTrusted, Private};
use crate::plan::Message;
use crate::procfs::Process;

/// The version of [`ReportedState`].
pub(crate) const SCHEMA: u32 = 1;

const NAME: &str = "state.json";

/// The longest that is read, in bytes: tens of thousands of keys.
const MAX_STATE: u64 = 8 << 20;

/// What is known of one process's transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedState {
    pub(crate) schema: u32,
    /// The process whose transaction it is, by its number…
    pub pid: u32,
    /// …and when it started, in the kernel's clock ticks since boot.
    pub started: u64,
    /// The root that the transaction works on.
    pub root: PathBuf,
    /// The transaction is under way, and the disk will be judged at its end. What a
    /// hook sees in the midst of it is half done, and some clients hide what a
    /// scriptlet prints.
    pub pending: bool,
    /// When the disk was judged last, in seconds since 1970: what changed later has
    /// not been judged. While [`Self::pending`], when the packages were.
    pub looked: u64,
    /// What was reported of it: for [`Plan::reported_keys`](crate::plan::Plan::reported_keys).
    pub reported: Vec<String>,
    /// Lines that the client would have hidden, for its own hook to show.
    #[serde(default)]
    pub unshown: Vec<Message>,
}

impl ReportedState {
    /// Of a process whose disk was judged at `looked`, in seconds since 1970.
    pub fn of(process: Process, root: PathBuf, looked: u64, reported: Vec<String>) -> Self {
        Self {
            schema: SCHEMA,
            pid: process.pid,
            started: process.started,
            root,
            pending: false,
            looked,
            reported,
            unshown: Vec::new(),
        }
    }

    /// Writes it in place of what was known of an earlier transaction.
    pub fn write(&self, dir: &Private) -> io::Result<()> {
        dir.write(NAME, &serde_json::to_vec(self)?)
    }

    /// Reads it. `None` where there is none, or one of another version.
    pub fn read(dir: &Private) -> Result<Option<Self>, NotTrusted> {
        let text = dir.read(NAME, MAX_STATE)?;
        let state = text.and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        Ok(state.filter(|state| state.schema == SCHEMA))
    }

    /// Removes it, if it is about this process.
    pub fn remove(dir: &Private, process: Process) -> Result<(), NotTrusted> {
        if Self::read(dir)?.is_some_and(|state| state.is_of(process)) {
            dir.remove(NAME)?;
        }
        Ok(())
    }

    /// It is about this process.
    pub fn is_of(&self, process: Process) -> bool {
        (self.pid, self.started) == (process.pid, process.started)
    }

    /// The transaction is under way, and this process descends from the one that
    /// does it.
    pub fn is_pending_for_this_process(&self) -> bool {
        let process = self.pending.then(|| Process::find(self.pid).ok()).flatten();
        process.is_some_and(|process| {
            self.is_of(process) && process.is_ancestor_of_mine().unwrap_or(false)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn own() -> Process {
        Process::find(std::process::id()).unwrap()
    }

    fn pending(process: Process) -> ReportedState {
        ReportedState {
            pending: true,
            ..ReportedState::of(process, "/".into(), 7, vec!["a".to_owned()])
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let dir = Private::create(&path).unwrap();
        assert_eq!(ReportedState::read(&dir).unwrap(), None);
        let state = pending(own());
        state.write(&dir).unwrap();
        assert_eq!(ReportedState::read(&dir).unwrap().as_ref(), Some(&state));
        let init = Process::find(1).unwrap();
        ReportedState::remove(&dir, init).unwrap();
        assert_eq!(ReportedState::read(&dir).unwrap(), Some(state.clone()));
        ReportedState::remove(&dir, own()).unwrap();
        assert_eq!(ReportedState::read(&dir).unwrap(), None);

        let newer = serde_json::to_string(&state).unwrap();
        let newer = newer.replace("schema\":1", "schema\":2");
        for text in ["", "{}", &newer] {
            fs::write(path.join(NAME), text).unwrap();
            assert_eq!(ReportedState::read(&dir).unwrap(), None, "{text}");
        }
        fs::remove_file(path.join(NAME)).unwrap();
        symlink("/etc/passwd", path.join(NAME)).unwrap();
        assert!(ReportedState::read(&dir).is_err());
    }

    #[test]
    fn a_transaction_is_pending_for_the_descendants_of_its_process() {
        assert!(pending(own()).is_pending_for_this_process());
        let done = ReportedState {
            pending: false,
            ..pending(own())
        };
        assert!(!done.is_pending_for_this_process());
        let dead = ReportedState {
            started: own().started - 1,
            ..pending(own())
        };
        assert!(!dead.is_pending_for_this_process());
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let stranger = Process::find(child.id()).unwrap();
        assert!(!pending(stranger).is_pending_for_this_process());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
