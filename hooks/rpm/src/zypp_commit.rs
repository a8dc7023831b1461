// SPDX-License-Identifier: GPL-2.0-or-later
//! zypper's commit, of which this transaction may be a scope.
//!
//! The classic back end starts one rpm process for each package. What is seen
//! here is then a part of what is going to happen, and what came before has
//! already changed the system: only the first call may block, later ones would
//! make it worse. The commit plugin sees the whole commit and leaves its
//! decision for that first call (the protocol's [`zypp_commit`]). Where it could
//! not, the first call is judged by itself and may be stopped too; without a commit
//! plugin, which libzypp does not start for other roots than `/`, nothing is.
//!
//! A call that was stopped has changed nothing, so the next one is the first
//! again: neither `retry` nor `ignore` at zypper's prompt leads around a block.

use std::path::{Path, PathBuf};

use btf_guard_protocol::decision::Decision;
use btf_guard_protocol::plan::{Answer, Level, Message};
use btf_guard_protocol::procfs::Process;
use btf_guard_protocol::state::trusted_dir::Private;
use btf_guard_protocol::state::zypp_commit::{self, CommitFiles, Handoff};

use crate::answer::{COMMITTER, ReturnCode};
use crate::collect;
use crate::librpm::TransactionSet;

/// libzypp's own program around librpm. It is its other back end, where one
/// transaction is the whole commit (`commitInSingleTransaction()` in
/// zypp/target/TargetImpl.cc). The variable that asks for that back end,
/// `ZYPP_SINGLE_RPMTRANS`, may be set where there is none.
const SINGLE: &str = "zypp-rpm";

/// What the commit means for this transaction.
#[derive(Default)]
pub(crate) struct CommitScope {
    /// Where the commit's files are; `None` outside of a commit, and where they
    /// cannot be used.
    place: Option<(Private, Process)>,
    handoff: Option<Handoff>,
    /// The classic back end: a part is all that is seen here. What its scriptlets leave
    /// is for the commit plugin to look at, once, at the end.
    pub(crate) is_partial: bool,
    /// Something may have changed already: this call must not be stopped.
    pub(crate) is_late: bool,
    is_test: bool,
    /// What is to be logged as a warning, where kernel modules are concerned.
    pub(crate) complaint: Option<String>,
}

impl CommitScope {
    /// Finds out; `directory` is where hand-offs lie.
    pub(crate) fn of(
        transaction: &TransactionSet<'_>,
        directory: impl FnOnce() -> PathBuf,
    ) -> Self {
        let Some(committer) = std::env::var_os(COMMITTER) else {
            return Self::default();
        };
        let mut scope = Self {
            is_partial: !is_single(),
            is_test: transaction.is_test(),
            ..Self::default()
        };
        // Where nothing can be known of the commit, it may have begun.
        scope.is_late = scope.is_partial;
        let process = committer.to_str().and_then(|pid| pid.parse().ok());
        let process = process.and_then(|pid| Process::find(pid).ok());
        if let Some(process) = process
            && let Err(refused) = scope.look_up(process, &directory(), transaction)
        {
            scope.complaint = Some(format!("the hand-off of zypper's commit: {refused}"));
        }
        scope
    }

    fn look_up(
        &mut self,
        process: Process,
        directory: &Path,
        transaction: &TransactionSet<'_>,
    ) -> Result<(), zypp_commit::HandoffError> {
        let dir = Private::create(directory)?;
        let commit = CommitFiles::of(&dir, process);
        let begun = commit.has_begun()?;
        let read = commit.handed_over();
        if !self.is_test && !begun && commit.begin()? {
            // Once in a commit.
            let _ = zypp_commit::clean(&dir);
        }
        // By itself a package may look worse than with those that follow it.
        // Where a commit plugin is at work, a second try may find them in the cache.
        self.is_late = self.is_partial && (begun || !commit.is_watched()?);
        self.place = Some((dir, process));
        let root = transaction.root().to_str().ok().map(Path::new);
        self.handoff = read?.filter(|handoff| root == Some(&handoff.root));
        Ok(())
    }

    /// What the hand-off says of this transaction. `None` where it must be
    /// judged here.
    ///
    /// In the classic back end a block is for any call. Otherwise the hand-off
    /// speaks for the packages that were judged, and for no others.
    pub(crate) fn decided(&self, transaction: &TransactionSet<'_>) -> Option<Answer> {
        let handoff = self.handoff.as_ref()?;
        let blocks = handoff.decision == Decision::Block;
        if !(blocks && self.is_partial && !self.is_late) {
            let touched = collect::elements(transaction).ok()?;
            let mut names = touched.iter().map(|touched| touched.element.nevra());
            if !names.all(|nevra| handoff.has_judged(&nevra)) {
                return None;
            }
        }
        let messages = if self.is_first_to_report() {
            handoff.messages.clone()
        } else if blocks && !self.is_late {
            vec![Message {
                level: Level::Error,
                text: "btf-guard: this commit is blocked, for the reasons given before".to_owned(),
            }]
        } else {
            Vec::new()
        };
        Some(Answer::new(
            handoff.decision,
            messages,
            handoff.keys.clone(),
        ))
    }

    /// This is the first call to show the hand-off's messages.
    fn is_first_to_report(&self) -> bool {
        self.commit()
            .is_none_or(|commit| self.is_test || commit.mark_reported().unwrap_or(true))
    }

    fn commit(&self) -> Option<CommitFiles<'_>> {
        let (dir, process) = self.place.as_ref()?;
        Some(CommitFiles::of(dir, *process))
    }

    /// Notes what became of this call.
    pub(crate) fn ends(&self, code: ReturnCode) {
        if code == ReturnCode::Stop
            && !self.is_test
            && let Some(commit) = self.commit()
        {
            // Where that fails the next call only warns.
            let _ = commit.take_back();
        }
    }
}

/// Does this process do whole commits? Where `/proc` does not tell, it may be
/// one of many. The kernel's other name for it is no help: libzypp changes that.
fn is_single() -> bool {
    let program = std::env::current_exe();
    program.is_ok_and(|program| program.file_name() == Some(SINGLE.as_ref()))
}
