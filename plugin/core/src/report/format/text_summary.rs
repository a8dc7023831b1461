// SPDX-License-Identifier: GPL-2.0-or-later
//! What a report comes to, in a line for each moment.

use std::io::{self, Write};

use btf_guard_protocol::terminal::escape;

use super::style::HELP;
use crate::kernel::Target;
use crate::policy::Severity;
use crate::report::group::FindingGroup;
use crate::report::{ModuleEntry, Report, Summary, wording};

/// Writes how many modules do what: in one line where there is one moment, else in
/// one for the running kernel and one for what boots.
pub(crate) fn write_conclusion(
    report: &Report,
    findings: &[FindingGroup<'_>],
    out: &mut impl Write,
) -> io::Result<()> {
    if report.by_target.len() < 2 {
        return write_moment(report, &report.summary, None, findings, out);
    }
    for (moment, tally) in &report.by_target {
        write_moment(report, &tally.summary, Some(*moment), findings, out)?;
    }
    Ok(())
}

fn write_moment(
    report: &Report,
    summary: &Summary,
    moment: Option<Target>,
    findings: &[FindingGroup<'_>],
    out: &mut impl Write,
) -> io::Result<()> {
    let is_of = |id: usize| {
        let kernel = report.kernels.get(id);
        moment.is_none_or(|moment| kernel.is_some_and(|kernel| kernel.moment == moment))
    };
    let when = match moment {
        Some(Target::Running) => "now: ",
        Some(Target::NextBoot) => "after a reboot: ",
        None => "",
    };
    let mut findings = findings
        .iter()
        .filter(|finding| is_of(finding.kernel))
        .peekable();
    let kernels: Vec<_> = report
        .kernels
        .iter()
        .filter(|kernel| is_of(kernel.id))
        .collect();
    let modules = summary.modules;
    let kernels_in_words = match kernels.as_slice() {
        [one] => wording::kernel(one),
        several => wording::counted(several.len(), "kernel"),
    };
    let kernels_in_words = escape(&kernels_in_words);
    let any = findings.peek().is_some();
    let quiet = findings.all(|f| f.severity < Severity::Warn);
    if quiet && summary.unknown == 0 {
        if modules == 0 && report.errors.is_empty() && !any {
            return writeln!(out, "{HELP}ok{HELP:#}: {when}there are no modules to judge");
        }
        if modules == 0 {
            return Ok(());
        }
        let (all, load) = match modules {
            1 => ("the module".to_owned(), "loads"),
            _ => (format!("all {modules} modules"), "load"),
        };
        let without = summary.loads_no_btf + summary.btf_discarded;
        let without = match without {
            0 => String::new(),
            // A count of verdicts says nothing of modules where there are several kernels.
            n if kernels.len() == 1 => format!(" ({n} without types)"),
            _ => " (some without types)".to_owned(),
        };
        return writeln!(
            out,
            "{HELP}ok{HELP:#}: {when}{all} {load} on {kernels_in_words}{without}"
        );
    }
    let counts = [
        (summary.loads, "load"),
        (summary.loads_no_btf, "load without BTF"),
        (summary.btf_discarded, "load, their BTF discarded"),
        (summary.btf_wrong, "load with wrong types"),
        (summary.refused, "refused"),
        (summary.unknown, "unknown"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let judged = wording::counted(modules, "module");
    if counts.is_empty() {
        return Ok(());
    }
    let counts = counts.join(", ");
    writeln!(out, "{when}{judged}, {kernels_in_words}: {counts}")
}

/// A module may be refused for its version magic before its BTF is looked at.
/// That is not judged, so an "ok" must not sound as if it were.
pub(crate) fn write_other_releases(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let other = |module: &&ModuleEntry| {
        module.verdicts.iter().any(|verdict| {
            let kernel = report.kernels.get(verdict.kernel);
            let release = kernel.and_then(|kernel| kernel.release.as_deref());
            matches!((release, module.release.as_deref()), (Some(a), Some(b)) if a != b)
        })
    };
    let count = report.modules.iter().filter(other).count();
    if count == 0 {
        return Ok(());
    }
    let modules = wording::counted(count, "module");
    writeln!(
        out,
        "{HELP}note{HELP:#}: the version magic of {modules} names another release; whether the kernel minds is not checked"
    )
}
