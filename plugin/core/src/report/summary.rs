// SPDX-License-Identifier: GPL-2.0-or-later
//! What a report counts.

use super::{ModuleEntry, Summary, VerdictEntry};
use crate::policy::Severity;
use crate::verdict::Kind;

/// Counts a module and those of its verdicts that are `wanted`, if there are
/// any; returns the worst of them.
pub(crate) fn count(
    summary: &mut Summary,
    module: &ModuleEntry,
    wanted: impl Fn(&VerdictEntry) -> bool,
) -> Option<Severity> {
    let mut worst = None;
    for verdict in module.verdicts.iter().filter(|verdict| wanted(verdict)) {
        *of(summary, verdict.verdict) += 1;
        worst = worst.max(Some(verdict.severity));
    }
    if !module.is_directory() && worst.is_some() {
        summary.modules += 1;
    }
    worst
}

fn of(summary: &mut Summary, kind: Kind) -> &mut usize {
    match kind {
        Kind::Loads => &mut summary.loads,
        Kind::LoadsNoBtf => &mut summary.loads_no_btf,
        Kind::BtfDiscarded => &mut summary.btf_discarded,
        Kind::BtfWrong => &mut summary.btf_wrong,
        Kind::Refused => &mut summary.refused,
        Kind::Missing => &mut summary.missing,
        Kind::Unknown => &mut summary.unknown,
    }
}
