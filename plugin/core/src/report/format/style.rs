// SPDX-License-Identifier: GPL-2.0-or-later
//! How much of a report is shown as text, and in which colors.

use anstyle::{AnsiColor, Style};

use crate::policy::Severity;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// The decision, one word.
    Decision,
    /// The findings, each with its most frequent complaints.
    Findings,
    /// Everything: all complaints, what loads without types and why, what was
    /// not checked and why.
    Everything,
}

/// How a finding's label is shown.
pub(crate) fn style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Block => AnsiColor::Red,
        Severity::Warn => AnsiColor::Yellow,
        Severity::Info | Severity::None => AnsiColor::Cyan,
    };
    color.on_default().bold()
}

/// How a label is shown that is no finding's.
pub(crate) const HELP: Style = AnsiColor::Green.on_default().bold();
/// How the signs are shown that lead to the parts of a finding.
pub(crate) const FRAME: Style = AnsiColor::Blue.on_default().bold();
