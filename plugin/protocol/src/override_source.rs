// SPDX-License-Identifier: GPL-2.0-or-later
//! What made an outcome another one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that made an outcome another than the policy alone says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// What it was.
    pub source: OverrideSource,
    /// Which one, of rules and tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why, in the words of whoever made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// It stops what would have passed; others let pass what would have been stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub denies: bool,
}

impl Override {
    /// One that has neither a name nor a reason.
    pub fn of(source: OverrideSource) -> Self {
        Self {
            source,
            id: None,
            reason: None,
            denies: false,
        }
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.source, self.denies) {
            (OverrideSource::Standing, true) => "the standing deny",
            (OverrideSource::OneShot, true) => "the one-shot deny",
            (source, _) => source.name(),
        })?;
        if let Some(id) = &self.id {
            write!(f, " {id}")?;
        }
        Ok(())
    }
}

/// Where an [`Override`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverrideSource {
    /// `mode` of the configuration.
    Configuration,
    /// A rule of the configuration.
    Rule,
    /// The rpm macro `%_btf_guard`.
    Macro,
    /// The kernel command line.
    CommandLine,
    /// The environment's `BTF_GUARD`.
    Environment,
    /// `btf-guard allow` or `deny`, until it ends or is revoked.
    Standing,
    /// The same, for one transaction.
    OneShot,
}

impl OverrideSource {
    /// In the words of a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "the configuration's mode",
            Self::Rule => "the rule",
            Self::Macro => "the rpm macro %_btf_guard",
            Self::CommandLine => "the kernel command line",
            Self::Environment => "the environment's BTF_GUARD",
            Self::Standing => "the standing override",
            Self::OneShot => "the one-shot override",
        }
    }
}
