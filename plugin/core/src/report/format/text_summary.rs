// SPDX-License-Identifier: GPL-2.0-or-later
//! What a report comes to, in a line for each target.

use super::style::StyledText;
use crate::kernel::Target;
use crate::policy::Severity;
use crate::report::group::FindingGroup;
use crate::report::{ModuleEntry, Report, Summary, wording};

/// Adds how many modules do what, in a line for each target.
pub(crate) fn add_conclusion(
    report: &Report,
    findings: &[FindingGroup<'_>],
    text: &mut StyledText,
) {
    if report.by_target.len() < 2 {
        return add_target(report, &report.summary, None, findings, text);
    }
    for (target, tally) in &report.by_target {
        add_target(report, &tally.summary, Some(*target), findings, text);
    }
}

fn add_target(
    report: &Report,
    summary: &Summary,
    target: Option<Target>,
    findings: &[FindingGroup<'_>],
    text: &mut StyledText,
) {
    let kernels = report.kernels.iter();
    let kernels = kernels.filter(|kernel| target.is_none_or(|target| kernel.target == target));
    let kernels: Vec<_> = kernels.collect();
    let when = match target {
        Some(Target::Running) => "now: ",
        Some(Target::NextBoot) => "after a reboot: ",
        None => "",
    };
    let of_these = |finding: &&FindingGroup<'_>| kernels.iter().any(|k| k.id == finding.kernel);
    let worst = findings.iter().filter(of_these).map(|f| f.severity).max();
    let named = wording::kernels(&kernels);
    let modules = summary.modules;
    if worst < Some(Severity::Warn) && summary.unknown == 0 {
        if modules == 0 && report.errors.is_empty() && worst.is_none() {
            return text.remark("ok", format!("{when}there are no modules to judge"));
        }
        let all = match modules {
            0 => return,
            1 => "the module loads".to_owned(),
            _ => format!("all {modules} modules load"),
        };
        let without = match summary.loads_no_btf + summary.btf_discarded {
            0 => String::new(),
            // A count of verdicts says nothing of modules where there are several kernels.
            n if kernels.len() == 1 => format!(" ({n} without types)"),
            _ => " (some without types)".to_owned(),
        };
        return text.remark("ok", format!("{when}{all} on {named}{without}"));
    }
    let counts = [
        (summary.loads, "load"),
        (summary.loads_no_btf, "load without BTF"),
        (summary.btf_discarded, "load, their BTF discarded"),
        (summary.btf_wrong, "load with wrong types"),
        (summary.refused, "refused"),
        (summary.driver_lost, "missing"),
        (summary.unknown, "unknown"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !counts.is_empty() {
        let (judged, counts) = (wording::counted(modules, "module"), counts.join(", "));
        text.line(format!("{when}{judged}, {named}: {counts}"));
    }
}

/// A module may be refused for its version magic before its BTF is looked at.
/// That is not judged, so an "ok" must not sound as if it were.
pub(crate) fn add_other_releases(report: &Report, text: &mut StyledText) {
    let other = |module: &&ModuleEntry| {
        module.verdicts.iter().any(|verdict| {
            let kernel = report.kernels.get(verdict.kernel);
            let release = kernel.and_then(|kernel| kernel.release.as_deref());
            matches!((release, module.release.as_deref()), (Some(a), Some(b)) if a != b)
        })
    };
    let count = report.modules.iter().filter(other).count();
    if count > 0 {
        let modules = wording::counted(count, "module");
        text.remark(
            "note",
            format!("the version magic of {modules} names another release; whether the kernel minds is not checked"),
        );
    }
}
