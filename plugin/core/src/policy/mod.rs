// SPDX-License-Identifier: GPL-2.0-or-later
//! Verdicts and the admin's wishes → a decision.

mod expiry;
pub mod overrides;
mod rule;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use btf_guard_protocol::decision::{Decision, Mode};
use serde::{Deserialize, Serialize};

use crate::kernel::Target;
use crate::verdict::{Judgement, Kind};
pub use expiry::Expiry;
pub use rule::{Effect, Provenance, Rule, Subject, lets_pass_unjudged, pattern};

/// How bad a verdict is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to say.
    #[default]
    None,
    /// Worth knowing.
    Info,
    /// A finding.
    Warn,
    /// A finding that may stop a transaction.
    Block,
}

/// The files and directories that make a machine's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigPaths {
    pub(crate) vendor: PathBuf,
    pub(crate) admin: PathBuf,
    pub(crate) drop_ins: PathBuf,
    /// Overrides for one transaction, in a directory `allow` below it.
    pub(crate) run: PathBuf,
    /// Standing overrides, in a directory `overrides` below it.
    pub(crate) state: PathBuf,
    pub(crate) command_line: PathBuf,
}

impl ConfigPaths {
    /// Below another directory than `/`.
    pub fn below(root: &Path) -> Self {
        Self {
            vendor: root.join("usr/share/btf-guard/btf-guard.toml"),
            admin: root.join("etc/btf-guard.toml"),
            drop_ins: root.join("etc/btf-guard.d"),
            run: root.join("run/btf-guard"),
            state: root.join("var/lib/btf-guard"),
            command_line: root.join("proc/cmdline"),
        }
    }
}

impl Default for ConfigPaths {
    fn default() -> Self {
        Self::below(Path::new("/"))
    }
}

/// A value of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set<T> {
    /// The value.
    pub value: T,
    /// The file and line that says it; `None` where it is built in.
    pub origin: Option<String>,
}

/// Severities that files have set.
pub type Table = BTreeMap<(Target, Kind), Set<Severity>>;

/// The severity where nothing was set.
///
/// What only lasts until the reboot warns: it must not keep a machine from its
/// security update. What would still be broken after the reboot blocks.
pub fn built_in(moment: Target, kind: Kind) -> Severity {
    match (kind, moment) {
        (Kind::Loads | Kind::LoadsNoBtf, _) => Severity::None,
        (Kind::BtfDiscarded, Target::Running) => Severity::Info,
        (Kind::BtfDiscarded, Target::NextBoot) => Severity::Warn,
        (Kind::BtfWrong | Kind::StaleCopy | Kind::InitrdStale | Kind::DriverLost, _) => {
            Severity::Warn
        }
        (Kind::Refused | Kind::NoModules | Kind::Unbootable, Target::Running) => Severity::Warn,
        (Kind::Refused | Kind::NoModules | Kind::Unbootable, Target::NextBoot) => Severity::Block,
        (Kind::Unknown, _) => Severity::Info,
    }
}

/// The severity of a judgement where no file says otherwise. A guess never blocks.
pub(crate) fn severity(judgement: &Judgement, moment: Target) -> Severity {
    let severity = built_in(moment, Kind::from(&judgement.verdict));
    match judgement.assumed.is_empty() {
        true => severity,
        false => severity.min(Severity::Warn),
    }
}

/// How bad which verdict is on this machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// What files have set; [`built_in`] where they have not.
    pub table: Table,
    /// The least for modules that this machine needs.
    pub if_needed: Table,
    /// Later ones win.
    pub rules: Vec<Rule>,
}

impl Policy {
    /// The severity of a verdict at `now`, in seconds since 1970, by the rules that count,
    /// by their places among all, and those of them that changed it, in order: it comes
    /// from the last. A guess never blocks.
    pub fn severity_by(
        &self,
        subject: &Subject<'_>,
        now: u64,
        counts: &dyn Fn(usize) -> bool,
    ) -> (Severity, Vec<usize>) {
        let mut severity = self.by_verdict(subject);
        let mut changed_by = Vec::new();
        let rules = self.rules.iter().enumerate();
        for (index, rule) in rules.filter(|(index, _)| counts(*index)) {
            let Some(ruled) = rule.apply(subject, severity, now) else {
                continue;
            };
            // One that changes nothing is not the one to name.
            if ruled != severity {
                severity = ruled;
                changed_by.push(index);
            }
        }
        if subject.guess {
            severity = severity.min(Severity::Warn);
        }
        (severity, changed_by)
    }

    fn by_verdict(&self, subject: &Subject<'_>) -> Severity {
        let Subject {
            moment, verdict, ..
        } = *subject;
        let set = self.table.get(&(moment, verdict)).map(|set| set.value);
        let severity = set.unwrap_or_else(|| built_in(moment, verdict));
        let least = self.if_needed.get(&(moment, verdict));
        match least.filter(|_| subject.needed) {
            Some(least) => severity.max(least.value),
            None => severity,
        }
    }
}

/// What the worst severity comes to under `mode`.
pub(crate) fn decide(worst: Severity, mode: Mode) -> Decision {
    let asked = match worst {
        Severity::None | Severity::Info => Decision::Allow,
        Severity::Warn => Decision::Warn,
        Severity::Block => Decision::Block,
    };
    asked.min(match mode {
        Mode::Off => Decision::Allow,
        Mode::Warn => Decision::Warn,
        Mode::Block => Decision::Block,
    })
}
