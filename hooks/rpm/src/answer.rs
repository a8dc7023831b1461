// SPDX-License-Identifier: GPL-2.0-or-later
//! An answer is shown and followed, and what the record is to know besides it.

use std::{env, io};

use btf_guard_protocol::caller::{self, Who};
use btf_guard_protocol::decision::{Decision, Mode};
use btf_guard_protocol::plan::{Level, Message};
use btf_guard_subprocess::ChildError;

use crate::output::{Purpose, Reporter};

/// libzypp sets it to its own process id while it commits.
pub(crate) const COMMITTER: &str = "ZYPP_IS_RUNNING";

/// What the hook returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReturnCode {
    Proceed,
    /// It is stopped before its first change.
    Stop,
}

/// Shows the lines of a decision, and does what it says. Where the admin asked for
/// warnings only, nothing is stopped.
pub(crate) fn follow(
    reporter: &mut Reporter<'_>,
    mode: Option<Mode>,
    decision: Decision,
    messages: &[Message],
) -> ReturnCode {
    if !stops(mode, decision) {
        reporter.report(Purpose::Inform, messages);
        return ReturnCode::Proceed;
    }
    // rpm's own line that a hook failed must not stand alone.
    if !reporter.report(Purpose::Stop, messages) {
        let text = "btf-guard: blocked, as in the test run; nothing was changed".to_owned();
        let level = Level::Error;
        reporter.report(Purpose::Stop, &[Message { level, text }]);
    }
    ReturnCode::Stop
}

pub(crate) fn stops(mode: Option<Mode>, decision: Decision) -> bool {
    decision == Decision::Block && mode != Some(Mode::Warn)
}

/// The program that does the transaction: under zypper, which starts rpm, zypper.
pub(crate) fn client() -> String {
    let committer = env::var(COMMITTER).ok().and_then(|pid| pid.parse().ok());
    caller::program(committer.unwrap_or_else(std::process::id))
}

pub(crate) fn who() -> Who {
    Who::of_this_process(|name| env::var(name).ok())
}

/// Says that something could not be written down; nothing else comes of it.
pub(crate) fn complain(reporter: &mut Reporter<'_>, recorded: Result<(), ChildError>) {
    if let Err(failure) = recorded
        && !is_removed(&failure)
    {
        reporter.warn(format!(
            "btf-guard: not recorded as it should be: {failure}"
        ));
    }
}

/// The program is gone: where it was there before, the transaction has removed it.
pub(crate) fn is_removed(failure: &ChildError) -> bool {
    matches!(failure, ChildError::Start { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
