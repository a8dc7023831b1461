// SPDX-License-Identifier: GPL-2.0-or-later
//! Verdicts by name.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Verdict;

/// A verdict by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// [`Verdict::Loads`].
    Loads,
    /// [`Verdict::LoadsNoBtf`].
    LoadsNoBtf,
    /// [`Verdict::BtfDiscarded`].
    BtfDiscarded,
    /// [`Verdict::BtfWrong`].
    BtfWrong,
    /// [`Verdict::Refused`].
    Refused,
    /// The release of the kernel has no module on the disk.
    NoModules,
    /// Its image, or an initrd that it is booted with, is not there or damaged.
    Unbootable,
    /// Its image is a copy of another build than the release's own image is.
    StaleCopy,
    /// An initrd holds modules of another build than the kernel that is booted with it,
    /// or that should be.
    InitrdStale,
    /// It lacks the module, which this machine uses with another kernel.
    DriverLost,
    /// [`Verdict::Unknown`].
    Unknown,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::Loads,
        Self::LoadsNoBtf,
        Self::BtfDiscarded,
        Self::BtfWrong,
        Self::Refused,
        Self::NoModules,
        Self::Unbootable,
        Self::StaleCopy,
        Self::InitrdStale,
        Self::DriverLost,
        Self::Unknown,
    ];

    /// As in reports and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loads => "loads",
            Self::LoadsNoBtf => "loads-no-btf",
            Self::BtfDiscarded => "btf-discarded",
            Self::BtfWrong => "btf-wrong",
            Self::Refused => "refused",
            Self::NoModules => "no-modules",
            Self::Unbootable => "unbootable",
            Self::StaleCopy => "stale-copy",
            Self::InitrdStale => "initrd-stale",
            Self::DriverLost => "driver-lost",
            Self::Unknown => "unknown",
        }
    }

    /// True if the kernel loads the module, whatever becomes of its BTF.
    pub(crate) fn is_loaded(self) -> bool {
        matches!(
            self,
            Self::Loads | Self::LoadsNoBtf | Self::BtfDiscarded | Self::BtfWrong
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<&Verdict> for Kind {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Loads => Self::Loads,
            Verdict::LoadsNoBtf { .. } => Self::LoadsNoBtf,
            Verdict::BtfDiscarded(_) => Self::BtfDiscarded,
            Verdict::BtfWrong { .. } => Self::BtfWrong,
            Verdict::Refused(_) => Self::Refused,
            Verdict::Unknown { .. } => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_reports() {
        for kind in Kind::ALL {
            let json = serde_json::to_value(kind).unwrap();
            assert_eq!(json, kind.name());
        }
    }
}
