// SPDX-License-Identifier: GPL-2.0-or-later
//! What is asked for, and what becomes of it.

use serde::{Deserialize, Serialize};

/// What the admin asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Say nothing, do nothing.
    Off,
    /// Never block.
    Warn,
    /// Block where the policy says so (the default).
    #[default]
    Block,
}

/// What becomes of a transaction, or the outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Nothing at warn or above.
    Allow,
    /// At least one finding at warn.
    Warn,
    /// At least one finding at block.
    Block,
}

impl Decision {
    /// As in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Block => "block",
        }
    }
}
