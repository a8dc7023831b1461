// SPDX-License-Identifier: GPL-2.0-or-later
//! What is wrong with what a build has made, as text for the packager.

use std::collections::BTreeMap;

use super::style::{Detail, StyledText};
use crate::report::{LintProblem, LintRule, Report, wording};

/// Modules of one rule that are shown.
const SHOWN: usize = 5;

/// Adds the problems, each kind once, with the modules that have it.
pub(crate) fn add_problems(
    problems: &[LintProblem],
    report: &Report,
    detail: Detail,
    text: &mut StyledText,
) {
    let most = detail.most(SHOWN);
    let mut by_rule: BTreeMap<LintRule, Vec<&LintProblem>> = BTreeMap::new();
    for problem in problems {
        by_rule.entry(problem.rule).or_default().push(problem);
    }
    for (rule, problems) in by_rule {
        let (of, about) = (
            wording::counted(report.modules.len(), "module"),
            rule.text(),
        );
        let (count, summary) = (problems.len(), about.summary);
        text.rated(
            about.severity,
            format!("{rule} ({count} of {of}): {summary}"),
        );
        text.remark("help", about.help);
        for problem in problems.iter().take(most) {
            let package = problem
                .package
                .as_ref()
                .map(|package| format!(" (in {package})"));
            text.part(
                "-->",
                format!("{}{}", problem.path, package.unwrap_or_default()),
            );
            text.part("  |", &problem.details);
        }
        let rest = problems.len().saturating_sub(most);
        if rest > 0 {
            let modules = wording::counted(rest, "more module");
            text.part("  |", format!("{modules} (-v shows them)"));
        }
        text.line("");
    }
}

/// Adds what it comes to.
pub(crate) fn add_outcome(problems: &[LintProblem], report: &Report, text: &mut StyledText) {
    let modules = wording::counted(report.modules.len(), "module");
    let judged = report.kernels.iter().filter(|k| k.modules_checked > 0);
    let kernels = match judged.collect::<Vec<_>>()[..] {
        [] if report.errors.is_empty() => {
            return text.remark("ok", "there are no modules to judge");
        }
        [] => return,
        ref some => wording::kernels(some),
    };
    match problems.len() {
        0 => text.remark("ok", format!("{modules}, {kernels}: nothing is wrong")),
        count => {
            let problems = wording::counted(count, "problem");
            text.line(format!("{modules}, {kernels}: {problems}"));
        }
    }
}
