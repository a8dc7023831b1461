//! What a report counts.

use serde::Serialize;

use super::{ModuleEntry, VerdictEntry};
use crate::policy::{Decision, Severity};
use crate::verdict::Kind;

/// Counts: modules, and verdicts by name (one a module and kernel).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub struct Summary {
    pub modules: usize,
    pub loads: usize,
    pub loads_no_btf: usize,
    pub btf_discarded: usize,
    pub btf_wrong: usize,
    pub refused: usize,
    pub missing: usize,
    pub unknown: usize,
}

/// What a part of a report comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Counts.
    pub summary: Summary,
    /// The decision by these verdicts alone.
    pub decision: Decision,
}

impl Summary {
    /// Counts a module and those of its verdicts that are `wanted`, if there are
    /// any; returns the worst of them.
    pub(super) fn count(
        &mut self,
        module: &ModuleEntry,
        wanted: impl Fn(&VerdictEntry) -> bool,
    ) -> Option<Severity> {
        let mut worst = None;
        for verdict in module.verdicts.iter().filter(|verdict| wanted(verdict)) {
            *self.of(verdict.verdict) += 1;
            worst = worst.max(Some(verdict.severity));
        }
        if !module.is_directory() && worst.is_some() {
            self.modules += 1;
        }
        worst
    }

    fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Loads => &mut self.loads,
            Kind::LoadsNoBtf => &mut self.loads_no_btf,
            Kind::BtfDiscarded => &mut self.btf_discarded,
            Kind::BtfWrong => &mut self.btf_wrong,
            Kind::Refused => &mut self.refused,
            Kind::Missing => &mut self.missing,
            Kind::Unknown => &mut self.unknown,
        }
    }
}
