// SPDX-License-Identifier: GPL-2.0-or-later
//! An answer is shown and followed.

use btf_guard_protocol::decision::{Decision, Mode};
use btf_guard_protocol::plan::{Level, Message};

use crate::output::{Purpose, Reporter};

/// What the hook returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReturnCode {
    /// The transaction goes on.
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

/// This decision stops a transaction in this mode.
pub(crate) fn stops(mode: Option<Mode>, decision: Decision) -> bool {
    decision == Decision::Block && mode != Some(Mode::Warn)
}
