// SPDX-License-Identifier: GPL-2.0-or-later
//! Reports: what was found, as data (and so as JSON), as text for an admin,
//! and as the few lines that fit into a package manager's output.

mod alerts;
mod apply_policy;
mod bounded;
mod entries;
pub(crate) mod format;
mod group;
mod help;
mod lint;
mod listed_kernels;
mod model;
mod ruling;
pub(crate) mod wording;

use std::collections::BTreeMap;

use btf_guard_protocol::decision::Mode;

use crate::kernel::Target;
use crate::policy::{self, Severity};
use entries::count;

pub use crate::report::format::kernel_list::{kernel_list, kernels_text};
pub(crate) use crate::report::format::rpm_log::HELP_ONCE;
pub use crate::report::format::rpm_log::{messages, overrides, unjudged};
pub use crate::report::format::rpmlint::rpmlint_text;
pub use crate::report::format::sarif::sarif;
pub use crate::report::format::style::Detail;
pub use crate::report::format::text::{inputs_text, report_text};
pub use crate::verdict::Kind;
pub use apply_policy::PackageOrigin;
pub(crate) use apply_policy::Rating;
use btf_guard_protocol::plan::SCHEMA;
pub(crate) use entries::{
    kernel_entry, kernel_finding, lost_driver, module_entry, unreadable_kernel, verdict_entry,
};
pub(crate) use lint::problems;
pub(crate) use listed_kernels::{BootDefaultEntry, BootPathEntry, KernelList, ListedKernel};
pub(crate) use model::{
    BaseEntry, BtfEntry, FeaturesEntry, InitrdEntry, KernelEntry, LinkEntry, LintProblem, LintRule,
    ShadowedEntry, StaleEntry, Summary, Tally, UnbootableEntry, VerdictEntry,
};
pub use model::{ErrorEntry, ModuleEntry, Report, failed};
pub use ruling::Ruling;

/// Puts a report together and decides by `mode`.
pub fn assemble(
    mut kernels: Vec<KernelEntry>,
    modules: Vec<ModuleEntry>,
    errors: Vec<ErrorEntry>,
    mode: Mode,
) -> Report {
    let mut by_target = BTreeMap::new();
    for target in [Target::Running, Target::NextBoot] {
        let of = |id: usize| kernels.get(id).is_some_and(|k| k.target == target);
        let mut summary = Summary::default();
        let counted = modules
            .iter()
            .filter_map(|module| count(&mut summary, module, |verdict| of(verdict.kernel)));
        if let Some(worst) = counted.max() {
            let decision = policy::decide(worst, mode);
            by_target.insert(target, Tally { summary, decision });
        }
    }
    let mut summary = Summary::default();
    let mut worst = Severity::None;
    for module in &modules {
        worst = worst.max(count(&mut summary, module, |_| true).unwrap_or(Severity::None));
        let is_judged = !module.is_about_kernel() && !module.is_lost();
        for verdict in module.verdicts.iter().filter(|_| is_judged) {
            if let Some(kernel) = kernels.get_mut(verdict.kernel) {
                kernel.modules_checked += 1;
            }
        }
    }
    Report {
        schema: SCHEMA,
        kernels,
        modules,
        errors,
        summary,
        by_target,
        decision: policy::decide(worst, mode),
        initrds: Vec::new(),
        problems: None,
        notes: Vec::new(),
        shadowed: Vec::new(),
        left_off: None,
    }
}

/// Judges the modules as what a build has made, each for the kernel that it was
/// built for: the decision is that of the problems found.
pub fn as_built(mut report: Report, mode: Mode) -> Report {
    let problems = problems(&report);
    let worst = problems.iter().map(|problem| problem.severity);
    report.decision = policy::decide(worst.max().unwrap_or(Severity::None), mode);
    report.problems = Some(problems);
    report
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
