// SPDX-License-Identifier: GPL-2.0-or-later
//! How much of a report is shown as text, and in which colors. What is written here
//! is made safe for a terminal.

use anstyle::{AnsiColor, Style};
use btf_guard_protocol::terminal::escape;

use crate::policy::Severity;
use crate::report::wording;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// The decision, one word.
    Decision,
    /// The findings, each with its most frequent complaints.
    Findings,
    /// All complaints, what loads without types, what was not checked, and why.
    Everything,
}

impl Detail {
    /// How many of something are shown: all, where everything is; else `some`.
    pub(crate) fn most(self, some: usize) -> usize {
        match self {
            Self::Everything => usize::MAX,
            _ => some,
        }
    }
}

/// Lines of text with ANSI styles; the caller strips them where they are not wanted.
#[derive(Default)]
pub(crate) struct StyledText(pub(crate) String);

impl StyledText {
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.0 += &escape(text.as_ref());
        self.0.push('\n');
    }

    fn styled(&mut self, style: Style, start: &str, after: &str, text: impl AsRef<str>) {
        self.0 += &format!("{style}{start}{style:#}{after}");
        self.line(text);
    }

    /// What is found, labelled by how bad it is.
    pub(crate) fn rated(&mut self, severity: Severity, text: impl AsRef<str>) {
        let color = match severity {
            Severity::Block => AnsiColor::Red,
            Severity::Warn => AnsiColor::Yellow,
            Severity::Info | Severity::None => AnsiColor::Cyan,
        };
        let label = wording::label(severity);
        self.styled(color.on_default().bold(), label, ": ", text);
    }

    /// A line with a label that is no finding's: `ok`, `help`, `note`.
    pub(crate) fn remark(&mut self, label: &str, text: impl AsRef<str>) {
        self.styled(AnsiColor::Green.on_default().bold(), label, ": ", text);
    }

    /// A part of a finding, behind the sign that leads to it.
    pub(crate) fn part(&mut self, sign: &str, text: impl AsRef<str>) {
        self.styled(AnsiColor::Blue.on_default().bold(), sign, " ", text);
    }
}
