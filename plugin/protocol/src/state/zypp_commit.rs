// SPDX-License-Identifier: GPL-2.0-or-later
//! The hand-off: what zypper's commit plugin leaves for the rpm plugin.
//!
//! zypper's classic back end starts one rpm process for each package, so that
//! the rpm plugin sees a part of the commit each time. The commit plugin sees
//! all of it, but cannot stop it: it has the commit judged, and leaves the
//! decision where the rpm plugin finds it.
//!
//! Files in [`trusted_dir::RUN`], all named after the process
//! that commits, by its number and start time:
//!
//! | name | made by | meaning |
//! |---|---|---|
//! | `zypp-PID-START.watched` | commit plugin | it is at work on this commit |
//! | `zypp-PID-START.json` | commit plugin | the [`Handoff`] |
//! | `zypp-PID-START.begun` | rpm plugin | a call of this commit was let through: the system may have changed, no later call may block |
//! | `zypp-PID-START.reported` | rpm plugin | the hand-off's messages were shown |

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::trusted_dir::{self, Private};
use crate::clock::now;
use crate::decision::Decision;
use crate::nevra::same_package;
use crate::plan::{Answer, Message};
use crate::procfs::{self, Process};

/// The version of [`Handoff`].
pub const SCHEMA: u32 = 1;

/// The longest hand-off that is read, in bytes: thousands of lines and names.
const MAX_HANDOFF: u64 = 8 << 20;

/// No commit takes a day, and a clock that jumped is not to be relied on.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The decision on a whole commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handoff {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The process that commits.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since boot.
    pub started: u64,
    /// The boot that this was in.
    pub boot: String,
    /// When it was written, in seconds since 1970.
    pub written: u64,
    /// The root that the commit works on.
    pub root: PathBuf,
    /// What becomes of the commit.
    pub decision: Decision,
    /// What to tell the admin, a line each, ready to print.
    pub messages: Vec<Message>,
    /// What the messages are about: for [`Plan::reported_keys`](crate::plan::Plan::reported_keys).
    pub keys: Vec<String>,
    /// The packages that were judged, by name, epoch, version, release,
    /// architecture: those that come and those that go.
    pub judged: Vec<String>,
}

impl Handoff {
    /// Was this package judged?
    pub fn has_judged(&self, nevra: &str) -> bool {
        self.judged.iter().any(|judged| same_package(judged, nevra))
    }
}

/// Why a hand-off is not believed.
#[derive(Debug, thiserror::Error)]
pub enum HandoffError {
    /// The file or its directory.
    #[error(transparent)]
    File(#[from] trusted_dir::NotTrusted),
    /// What it says: it is not what the commit plugin writes, or not for this commit.
    #[error("{0}")]
    Content(String),
}

impl From<io::Error> for HandoffError {
    fn from(error: io::Error) -> Self {
        Self::File(error.into())
    }
}

/// One commit's place among the files.
#[derive(Debug)]
pub struct CommitFiles<'d> {
    dir: &'d Private,
    process: Process,
}

impl<'d> CommitFiles<'d> {
    /// The commit that `process` does.
    pub fn of(dir: &'d Private, process: Process) -> Self {
        Self { dir, process }
    }

    fn name(&self, suffix: &str) -> String {
        let Process { pid, started, .. } = self.process;
        format!("zypp-{pid}-{started}.{suffix}")
    }

    /// Notes that a commit plugin is at work on this commit.
    pub fn watch(&self) -> io::Result<()> {
        self.dir.mark(&self.name("watched")).map(drop)
    }

    /// Is a commit plugin at work on this commit?
    pub fn is_watched(&self) -> Result<bool, trusted_dir::NotTrusted> {
        Ok(self.dir.read(&self.name("watched"), 0)?.is_some())
    }

    /// Leaves the judge's answer on `judged`, the packages of a commit on `root`.
    pub fn hand_over(&self, root: PathBuf, answer: &Answer, judged: Vec<String>) -> io::Result<()> {
        let handoff = Handoff {
            schema: SCHEMA,
            pid: self.process.pid,
            started: self.process.started,
            boot: procfs::boot_id()?,
            written: now(),
            root,
            decision: answer.decision,
            messages: answer.messages.clone(),
            keys: answer.keys.clone(),
            judged,
        };
        let text = serde_json::to_vec(&handoff)?;
        if text.len() as u64 > MAX_HANDOFF {
            return Err(io::Error::other("the judge's answer is too long"));
        }
        self.dir.write(&self.name("json"), &text)
    }

    /// Reads the hand-off; `None` where none was left. One that is not believed
    /// is removed: nobody is to meet it again.
    pub fn handed_over(&self) -> Result<Option<Handoff>, HandoffError> {
        let name = self.name("json");
        let handoff = match self.dir.read(&name, MAX_HANDOFF) {
            Ok(None) => return Ok(None),
            Ok(Some(text)) => self.check(&text),
            Err(refused) => Err(refused.into()),
        };
        if handoff.is_err() {
            self.dir.remove(&name)?;
        }
        handoff.map(Some)
    }

    fn check(&self, text: &[u8]) -> Result<Handoff, HandoffError> {
        let refused = |why: String| Err(HandoffError::Content(why));
        let handoff: Handoff = match serde_json::from_slice(text) {
            Ok(handoff) => handoff,
            Err(error) => return refused(format!("it is not understood: {error}")),
        };
        let Process { pid, started, .. } = self.process;
        let age = now().checked_sub(handoff.written);
        if handoff.schema != SCHEMA {
            return refused(format!("it is not understood: schema {}", handoff.schema));
        }
        if handoff.decision == Decision::Block && handoff.messages.is_empty() {
            return refused("it is not understood: a block without a reason".to_owned());
        }
        if (handoff.pid, handoff.started) != (pid, started) {
            return refused(format!("it is for another process ({})", handoff.pid));
        }
        if handoff.boot != procfs::boot_id()? {
            return refused("it is from before the last boot".to_owned());
        }
        if age.is_none_or(|age| age > MAX_AGE.as_secs()) {
            return refused("it is not of today".to_owned());
        }
        if !self.process.is_ancestor_of_mine()? {
            return refused(format!("this process does not descend from process {pid}"));
        }
        Ok(handoff)
    }

    /// Notes that a call of this commit is let through; `true` for the first.
    pub fn begin(&self) -> io::Result<bool> {
        self.dir.mark(&self.name("begun"))
    }

    /// Takes that note back: the call was stopped, and nothing has changed. Where this
    /// fails, later calls are not stopped.
    pub fn take_back(&self) -> io::Result<()> {
        self.dir.remove(&self.name("begun"))
    }

    /// Has a call of this commit been let through?
    pub fn has_begun(&self) -> Result<bool, trusted_dir::NotTrusted> {
        Ok(self.dir.read(&self.name("begun"), 0)?.is_some())
    }

    /// Notes that the hand-off's messages are shown; `true` for the first to.
    pub fn mark_reported(&self) -> io::Result<bool> {
        self.dir.mark(&self.name("reported"))
    }

    /// Removes what was left of this commit: it is over, or one that the same
    /// process did before is.
    pub fn forget(&self) -> io::Result<()> {
        for suffix in ["json", "begun", "reported", "watched"] {
            self.dir.remove(&self.name(suffix))?;
        }
        Ok(())
    }
}

/// Removes what dead processes have left. What cannot be removed stays, and is
/// refused when it is read.
pub fn clean(dir: &Private) -> io::Result<()> {
    for name in dir.names()? {
        if left_by(&name).is_some_and(|(pid, started)| !Process::lives(pid, started)) {
            let _ = dir.remove(&name);
        }
    }
    Ok(())
}

/// The process that a file of this module is named after; half-written ones count.
fn left_by(name: &str) -> Option<(u32, u64)> {
    let name = name.strip_prefix('.').unwrap_or(name);
    let (process, _) = name.strip_prefix("zypp-")?.split_once('.')?;
    let (pid, started) = process.split_once('-')?;
    Some((pid.parse().ok()?, started.parse().ok()?))
}

#[cfg(test)]
mod tests;
