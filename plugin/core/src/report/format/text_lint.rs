// SPDX-License-Identifier: GPL-2.0-or-later
//! What is wrong with what a build has made, as text for the packager.

use std::collections::BTreeMap;
use std::io::{self, Write};

use btf_guard_protocol::terminal::escape;

use super::style::{Detail, FRAME, HELP, style};
use crate::report::{LintProblem, LintRule, Report, wording};

/// Modules of one rule that are shown.
const SHOWN: usize = 5;

/// Writes the problems, each kind once, with the modules that have it.
pub(crate) fn write_problems(
    problems: &[LintProblem],
    report: &Report,
    detail: Detail,
    out: &mut impl Write,
) -> io::Result<()> {
    let most = match detail {
        Detail::Everything => usize::MAX,
        _ => SHOWN,
    };
    let mut by_rule: BTreeMap<LintRule, Vec<&LintProblem>> = BTreeMap::new();
    for problem in problems {
        by_rule.entry(problem.rule).or_default().push(problem);
    }
    for (rule, problems) in by_rule {
        let (style, label) = (style(rule.severity()), wording::label(rule.severity()));
        let of = wording::counted(report.modules.len(), "module");
        let (id, summary, count) = (rule.id(), rule.summary(), problems.len());
        writeln!(
            out,
            "{style}{label}{style:#}: {id} ({count} of {of}): {summary}"
        )?;
        writeln!(out, "{HELP}help{HELP:#}: {}", rule.help())?;
        for problem in problems.iter().take(most) {
            let path = match &problem.package {
                Some(package) => format!("{} (in {package})", problem.path),
                None => problem.path.clone(),
            };
            writeln!(out, "{FRAME}-->{FRAME:#} {}", escape(&path))?;
            writeln!(out, "  {FRAME}|{FRAME:#} {}", escape(&problem.details))?;
        }
        let rest = problems.len().saturating_sub(most);
        if rest > 0 {
            let modules = wording::counted(rest, "more module");
            writeln!(out, "  {FRAME}|{FRAME:#} {modules} (-v shows them)")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Writes what it comes to.
pub(crate) fn write_outcome(
    problems: &[LintProblem],
    report: &Report,
    out: &mut impl Write,
) -> io::Result<()> {
    let modules = wording::counted(report.modules.len(), "module");
    let kernels: Vec<&_> = report
        .kernels
        .iter()
        .filter(|k| k.modules_checked > 0)
        .collect();
    let kernels = match kernels.as_slice() {
        [] if report.errors.is_empty() => {
            return writeln!(out, "{HELP}ok{HELP:#}: there are no modules to judge");
        }
        [] => return Ok(()),
        [one] => wording::kernel(one),
        several => wording::counted(several.len(), "kernel"),
    };
    let kernels = escape(&kernels);
    match problems.len() {
        0 => writeln!(
            out,
            "{HELP}ok{HELP:#}: {modules}, {kernels}: nothing is wrong"
        ),
        count => writeln!(
            out,
            "{modules}, {kernels}: {}",
            wording::counted(count, "problem")
        ),
    }
}
