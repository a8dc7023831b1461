// SPDX-License-Identifier: GPL-2.0-or-later
//! A report as a flat list, for those who have one of their own: linters and
//! code-scanning services.

use super::{KernelEntry, LintRule, ModuleEntry, Report, VerdictEntry, Weight, wording};
use crate::policy::Severity;
use crate::verdict::Kind;

/// One thing that is wrong with one module.
pub(crate) struct Alert<'r> {
    /// The name of its kind.
    pub(crate) rule: &'static str,
    pub(crate) level: AlertLevel,
    /// The module: a file, or a path inside the package.
    pub(crate) path: &'r str,
    pub(crate) package: Option<&'r str>,
    /// A sentence or more, in one line, not made safe to print.
    pub(crate) details: String,
}

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AlertLevel {
    Error,
    Warning,
    Note,
}

/// A kind of alert.
pub(crate) struct RuleText {
    pub(crate) id: &'static str,
    pub(crate) level: AlertLevel,
    pub(crate) summary: &'static str,
    pub(crate) help: &'static str,
}

impl From<Weight> for AlertLevel {
    fn from(weight: Weight) -> Self {
        match weight {
            Weight::Error => Self::Error,
            Weight::Warning => Self::Warning,
        }
    }
}

/// What there is to tell of a report, in the order of its modules.
pub(crate) fn alerts(report: &Report) -> Vec<Alert<'_>> {
    if let Some(problems) = &report.problems {
        let alerts = problems.iter().map(|problem| Alert {
            rule: problem.rule.id(),
            level: problem.weight.into(),
            path: &problem.path,
            package: problem.package.as_deref(),
            details: problem.details.clone(),
        });
        return alerts.collect();
    }
    let mut alerts = Vec::new();
    for module in &report.modules {
        for verdict in &module.verdicts {
            let level = match verdict.severity {
                Severity::None => continue,
                Severity::Info => AlertLevel::Note,
                Severity::Warn => AlertLevel::Warning,
                Severity::Block => AlertLevel::Error,
            };
            if let Some(kernel) = report.kernels.get(verdict.kernel) {
                alerts.push(of_verdict(module, verdict, kernel, level));
            }
        }
    }
    alerts
}

fn of_verdict<'r>(
    module: &'r ModuleEntry,
    verdict: &'r VerdictEntry,
    kernel: &KernelEntry,
    level: AlertLevel,
) -> Alert<'r> {
    Alert {
        rule: text_of(verdict.verdict).id,
        level,
        path: &module.path,
        package: module.package.as_deref(),
        details: format!("{}: {}", wording::kernel(kernel), wording::reason(verdict)),
    }
}

/// Every kind of alert that a report of this form can hold.
pub(crate) fn rules(report: &Report) -> Vec<RuleText> {
    if report.problems.is_some() {
        let rules = LintRule::ALL.iter().map(|rule| RuleText {
            id: rule.id(),
            level: rule.weight().into(),
            summary: rule.summary(),
            help: rule.help(),
        });
        return rules.collect();
    }
    let kinds = [
        Kind::Refused,
        Kind::BtfWrong,
        Kind::BtfDiscarded,
        Kind::Missing,
        Kind::Unknown,
    ];
    kinds.into_iter().map(text_of).collect()
}

fn text_of(kind: Kind) -> RuleText {
    let (id, level, summary, help) = match kind {
        Kind::Refused => (
            "refused",
            AlertLevel::Error,
            "The kernel will not load the module.",
            "Bring the kernel and its modules from one build, or rebuild the modules against this kernel.",
        ),
        Kind::BtfWrong => (
            "btf-wrong",
            AlertLevel::Warning,
            "The kernel takes the module's BTF, which was made for another build: BPF programs read wrong types.",
            "Rebuild the module against this kernel.",
        ),
        Kind::BtfDiscarded => (
            "btf-discarded",
            AlertLevel::Warning,
            "The kernel loads the module without its BTF, which does not fit.",
            "Rebuild the module against this kernel.",
        ),
        Kind::Missing => (
            "missing",
            AlertLevel::Error,
            "The kernel has no modules.",
            "Reinstall the package that holds the kernel's modules, or boot another kernel.",
        ),
        Kind::Unknown => (
            "unknown",
            AlertLevel::Note,
            "What the kernel does with the module's BTF cannot be known.",
            "Name a kernel that has BTF with --kernel.",
        ),
        Kind::Loads | Kind::LoadsNoBtf => (
            "loads",
            AlertLevel::Note,
            "The kernel loads the module.",
            "There is nothing to do.",
        ),
    };
    RuleText {
        id,
        level,
        summary,
        help,
    }
}
