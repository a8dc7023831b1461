// SPDX-License-Identifier: GPL-2.0-or-later
//! How what the plugin has to say reaches the admin: once.
//!
//! Hosts show parts of rpm's log and hide others (tried: `tests/tests/clients/once.rs`):
//!
//! | host | in its test run | before the first change | after the last |
//! |---|---|---|---|
//! | rpm, zypper | shown | shown | shown |
//! | dnf 4 | shown if the run fails | shown late, and not with `-q` | hidden |
//! | dnf 5 | hidden | hidden | hidden |
//!
//! Standard error is shown by both dnfs, and hidden by zypper. So rpm's log is
//! what everything goes to, and standard error has it for dnf 5 as well; for
//! dnf 4 it has instead what the log would hide. On a terminal, dnf 5 draws its
//! progress over what is written when the transaction is over: that is left to its
//! own action ([`ReportedState::unshown`](btf_guard_protocol::state::last_check::ReportedState::unshown)).

use std::cell::OnceCell;
use std::collections::TryReserveError;
use std::io::{IsTerminal, Write};

use btf_guard_protocol::log_stream::is_log;
use btf_guard_protocol::plan::{self, Level, Message};

use crate::host::Host;
use crate::librpm::Librpm;

/// What lines are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The transaction is stopped: the host shows why.
    Stop,
    /// It goes on, or is over: no line is an error.
    Inform,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A client's test run.
    Test,
    Before,
    After,
}

/// What was reported of a transaction: the lines of one thing after another.
#[derive(Debug, Default)]
pub(crate) struct Reported(Vec<Vec<Message>>);

pub(crate) struct Reporter<'r> {
    rpm: &'r Librpm,
    phase: Phase,
    host: OnceCell<Host>,
    pub(crate) reported: Reported,
    /// What is left to the host's own hook to show.
    pub(crate) unshown: Vec<Message>,
}

impl<'r> Reporter<'r> {
    /// Where this was `reported` of the transaction before.
    pub(crate) fn new(rpm: &'r Librpm, phase: Phase, reported: Reported) -> Self {
        Self {
            rpm,
            phase,
            host: OnceCell::new(),
            reported,
            unshown: Vec::new(),
        }
    }

    /// Shows lines that belong together: `true`, unless they were shown before, or
    /// there are none.
    pub(crate) fn report(&mut self, purpose: Purpose, lines: &[Message]) -> bool {
        let lines = match prepared(purpose, lines) {
            Ok(lines) => lines,
            Err(error) => vec![Message {
                level: Level::Warning,
                text: format!("btf-guard: {error}: what was found is not shown"),
            }],
        };
        if lines.is_empty() || self.reported.0.contains(&lines) {
            return false;
        }
        let host = *self.host.get_or_init(Host::of_this_process);
        let (log, stderr) = channels(host, purpose);
        if log {
            for line in &lines {
                self.rpm.log(line.level, &line.text);
            }
        }
        if stderr && host == Host::Libdnf5 && self.is_drawn_over() {
            self.unshown.extend_from_slice(&lines);
        } else if stderr {
            for line in &lines {
                to_stderr(line);
            }
        }
        self.reported.0.push(lines);
        true
    }

    /// dnf 5 draws over what is written to standard error now.
    fn is_drawn_over(&self) -> bool {
        self.phase == Phase::After && std::io::stderr().is_terminal()
    }

    pub(crate) fn warn(&mut self, text: String) {
        let level = Level::Warning;
        self.report(Purpose::Inform, &[Message { level, text }]);
    }
}

/// Lines as they are shown: no more than are read. Their number and length are the
/// judge's, so that there may be no memory for them.
fn prepared(purpose: Purpose, lines: &[Message]) -> Result<Vec<Message>, TryReserveError> {
    let mut copies = Vec::new();
    copies.try_reserve_exact(lines.len() + 1)?;
    for line in lines {
        let mut text = String::new();
        text.try_reserve_exact(line.text.len())?;
        text.push_str(&line.text);
        let level = match (purpose, line.level) {
            (Purpose::Inform, Level::Error) => Level::Warning,
            (_, level) => level,
        };
        copies.push(Message { level, text });
    }
    let in_log = is_log(std::io::stderr(), |name| std::env::var_os(name));
    Ok(plan::lines_to_show(copies, in_log))
}

/// Whether lines go to rpm's log, and to standard error.
fn channels(host: Host, purpose: Purpose) -> (bool, bool) {
    match (host, purpose) {
        (Host::Other, _) | (Host::Dnf4, Purpose::Stop) => (true, false),
        (Host::Dnf4, Purpose::Inform) => (false, true),
        (Host::Libdnf5, _) => (true, true),
    }
}

/// Writes a line as rpm's log would. A standard error that is closed or full
/// takes no line; there is nobody to tell that to.
pub(crate) fn to_stderr(line: &Message) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
