// SPDX-License-Identifier: GPL-2.0-or-later
//! How much of a report is shown as text, and in which colors. What is written here
//! is made safe for a terminal.

use std::io::{self, Write};

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
    /// Everything: all complaints, what loads without types and why, what was
    /// not checked and why.
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

/// Writes a line with a label before it.
fn labelled(out: &mut impl Write, style: Style, label: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{style}{label}{style:#}: {}", escape(text))
}

/// Writes what is found, labelled by how bad it is.
pub(crate) fn rated(out: &mut impl Write, severity: Severity, text: &str) -> io::Result<()> {
    let color = match severity {
        Severity::Block => AnsiColor::Red,
        Severity::Warn => AnsiColor::Yellow,
        Severity::Info | Severity::None => AnsiColor::Cyan,
    };
    let style = color.on_default().bold();
    labelled(out, style, wording::label(severity), text)
}

/// Writes a line with a label that is no finding's: `ok`, `help`, `note`.
pub(crate) fn remark(out: &mut impl Write, label: &str, text: &str) -> io::Result<()> {
    labelled(out, AnsiColor::Green.on_default().bold(), label, text)
}

/// Writes a part of a finding, behind the sign that leads to it.
pub(crate) fn part(out: &mut impl Write, sign: &str, text: &str) -> io::Result<()> {
    let style = AnsiColor::Blue.on_default().bold();
    writeln!(out, "{style}{sign}{style:#} {}", escape(text))
}
