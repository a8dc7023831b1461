// SPDX-License-Identifier: GPL-2.0-or-later
//! Severities by verdict and moment, and where each comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::Severity;
use crate::kernel::Target;
use crate::verdict::Kind;

/// Where a value of the configuration comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SettingOrigin {
    /// No file says otherwise.
    #[default]
    BuiltIn,
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// A value, and where it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: SettingOrigin,
}

/// Severities that files have set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table(BTreeMap<(Target, Kind), Set<Severity>>);

impl Table {
    /// What was set for a verdict at a moment.
    pub fn get(&self, moment: Target, kind: Kind) -> Option<&Set<Severity>> {
        self.0.get(&(moment, kind))
    }

    /// Sets it, in place of what was set before.
    pub(crate) fn set(&mut self, moment: Target, kind: Kind, severity: Set<Severity>) {
        self.0.insert((moment, kind), severity);
    }
}

/// The severity where nothing was set.
///
/// What only lasts until the reboot warns: it must not keep a machine from its
/// security update. What would still be broken after the reboot blocks.
pub fn built_in(moment: Target, kind: Kind) -> Severity {
    match (kind, moment) {
        (Kind::Loads | Kind::LoadsNoBtf, _) => Severity::None,
        (Kind::BtfDiscarded, Target::Running) => Severity::Info,
        (Kind::BtfDiscarded, Target::NextBoot) => Severity::Warn,
        (Kind::BtfWrong, _) => Severity::Warn,
        (Kind::Refused | Kind::Missing, Target::Running) => Severity::Warn,
        (Kind::Refused | Kind::Missing, Target::NextBoot) => Severity::Block,
        (Kind::Unknown, _) => Severity::Info,
    }
}
