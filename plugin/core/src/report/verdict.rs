// SPDX-License-Identifier: GPL-2.0-or-later
//! Verdicts in a report.

use super::VerdictEntry;
use crate::kernel::Target;
use crate::policy::{self, Severity};
use crate::verdict::{Judgement, Kind, Reason, Verdict};

/// The entry of a judgement by the kernel `id`, rated by the default policy.
pub(crate) fn verdict_entry(id: usize, moment: Target, judgement: Judgement) -> VerdictEntry {
    let mut entry = VerdictEntry {
        kernel: id,
        verdict: Kind::from(&judgement.verdict),
        cause: None,
        errno: None,
        reason: None,
        log: Vec::new(),
        evidence: Vec::new(),
        severity: policy::severity(&judgement, moment),
        assumed: judgement.assumed,
        notes: judgement.notes,
        max_severity: Severity::Block,
        rule: None,
        preexisting: false,
    };
    match judgement.verdict {
        Verdict::Loads | Verdict::Missing => {}
        Verdict::LoadsNoBtf { why } => entry.reason = Some(Reason::NoBtf(why)),
        Verdict::BtfDiscarded(refusal) | Verdict::Refused(refusal) => {
            entry.cause = Some(refusal.cause());
            entry.errno = refusal.errno();
            entry.log = refusal.log();
            entry.reason = Some(refusal.into());
        }
        Verdict::BtfWrong { evidence } => {
            entry.evidence = evidence.iter().map(ToString::to_string).collect();
            entry.reason = evidence.into_iter().next().map(Reason::OtherBase);
        }
        Verdict::Unknown { why } => entry.reason = Some(Reason::Unknown(why)),
    }
    entry
}
