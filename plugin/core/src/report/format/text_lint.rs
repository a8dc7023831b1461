// SPDX-License-Identifier: GPL-2.0-or-later
//! What is wrong with what a build has made, as text for the packager.

use std::collections::BTreeMap;
use std::io::{self, Write};

use btf_guard_protocol::terminal::escape;

use super::style::{Detail, part, rated, remark};
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
    let most = detail.most(SHOWN);
    let mut by_rule: BTreeMap<LintRule, Vec<&LintProblem>> = BTreeMap::new();
    for problem in problems {
        by_rule.entry(problem.rule).or_default().push(problem);
    }
    for (rule, problems) in by_rule {
        let (of, text) = (
            wording::counted(report.modules.len(), "module"),
            rule.text(),
        );
        let headline = format!("{rule} ({} of {of}): {}", problems.len(), text.summary);
        rated(out, text.severity, &headline)?;
        remark(out, "help", text.help)?;
        for problem in problems.iter().take(most) {
            match &problem.package {
                Some(package) => part(out, "-->", &format!("{} (in {package})", problem.path))?,
                None => part(out, "-->", &problem.path)?,
            }
            part(out, "  |", &problem.details)?;
        }
        let rest = problems.len().saturating_sub(most);
        if rest > 0 {
            let modules = wording::counted(rest, "more module");
            part(out, "  |", &format!("{modules} (-v shows them)"))?;
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
    let judged = report.kernels.iter().filter(|k| k.modules_checked > 0);
    let kernels = match judged.collect::<Vec<_>>()[..] {
        [] if report.errors.is_empty() => {
            return remark(out, "ok", "there are no modules to judge");
        }
        [] => return Ok(()),
        ref some => wording::kernels(some),
    };
    match problems.len() {
        0 => remark(
            out,
            "ok",
            &format!("{modules}, {kernels}: nothing is wrong"),
        ),
        count => {
            let (problems, kernels) = (wording::counted(count, "problem"), escape(&kernels));
            writeln!(out, "{modules}, {kernels}: {problems}")
        }
    }
}
