// SPDX-License-Identifier: GPL-2.0-or-later
//! A report as a flat list, for linters and code-scanning services.

use super::lint::RuleText;
use super::{KernelEntry, LintRule, ModuleEntry, Report, VerdictEntry, wording};
use crate::policy::Severity;
use crate::verdict::Kind;

/// One thing that is wrong with one module.
pub(crate) struct Alert<'r> {
    pub(crate) rule: String,
    pub(crate) severity: Severity,
    /// The module: a file, or a path inside the package.
    pub(crate) path: &'r str,
    pub(crate) package: Option<&'r str>,
    /// A sentence or more, in one line, not made safe to print.
    pub(crate) details: String,
}

/// What there is to tell of a report, in the order of its modules.
pub(crate) fn alerts(report: &Report) -> Vec<Alert<'_>> {
    if let Some(problems) = &report.problems {
        let alerts = problems.iter().map(|problem| Alert {
            rule: problem.rule.to_string(),
            severity: problem.severity,
            path: &problem.path,
            package: problem.package.as_deref(),
            details: problem.details.clone(),
        });
        return alerts.collect();
    }
    let told = report
        .verdicts()
        .filter(|(_, verdict, _)| verdict.severity > Severity::None);
    let alerts = told.map(|(module, verdict, kernel)| Alert {
        rule: verdict.verdict.to_string(),
        severity: verdict.severity,
        path: &module.path,
        package: module.package.as_deref(),
        details: details(module, verdict, kernel),
    });
    alerts.collect()
}

fn details(module: &ModuleEntry, verdict: &VerdictEntry, kernel: &KernelEntry) -> String {
    let reason = match verdict.verdict {
        Kind::DriverLost => {
            let used = module.used_by_host.join(", ");
            format!(
                "it has no module {}, which this machine uses: {used}",
                module.name
            )
        }
        _ => wording::reason(verdict),
    };
    format!("{}: {reason}", wording::kernel(kernel))
}

/// The name of every kind of alert that a report of this form can hold, and its text.
pub(crate) fn rules(report: &Report) -> Vec<(String, RuleText)> {
    if report.problems.is_some() {
        let rules = LintRule::ALL.iter();
        return rules.map(|rule| (rule.to_string(), rule.text())).collect();
    }
    let kinds = [
        (
            Kind::Refused,
            Severity::Block,
            "The kernel will not load the module.",
            "Bring the kernel and its modules from one build, or rebuild the modules against this kernel.",
        ),
        (
            Kind::BtfWrong,
            Severity::Warn,
            "The kernel takes the module's BTF, which was made for another build: BPF programs read wrong types.",
            "Rebuild the module against this kernel.",
        ),
        (
            Kind::BtfDiscarded,
            Severity::Warn,
            "The kernel loads the module without its BTF, which does not fit.",
            "Rebuild the module against this kernel.",
        ),
        (
            Kind::NoModules,
            Severity::Block,
            "The kernel has no modules.",
            "Reinstall the package that holds the kernel's modules, or boot another kernel.",
        ),
        (
            Kind::Unbootable,
            Severity::Block,
            "The kernel's image, or an initrd of it, is not there or damaged.",
            "Make it anew, or boot another kernel.",
        ),
        (
            Kind::StaleCopy,
            Severity::Warn,
            "The kernel's image is a copy of an older build.",
            "Make the copy anew.",
        ),
        (
            Kind::InitrdStale,
            Severity::Warn,
            "An initrd holds modules of another build than the kernel.",
            "Make the initrd anew.",
        ),
        (
            Kind::DriverLost,
            Severity::Warn,
            "The kernel lacks a module that this machine uses with another kernel.",
            "Install the package that has the module for this kernel, or boot the other kernel.",
        ),
        (
            Kind::Unknown,
            Severity::Info,
            "What the kernel does with the module's BTF cannot be known.",
            "Name a kernel that has BTF with --kernel.",
        ),
    ];
    let rules = kinds.into_iter().map(|(kind, severity, summary, help)| {
        let text = RuleText {
            severity,
            summary,
            help,
        };
        (kind.to_string(), text)
    });
    rules.collect()
}
