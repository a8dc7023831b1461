//! Reports: what was found, as data (and so as JSON), as text for an admin,
//! and as the few lines that fit into a package manager's output.

mod alerts;
mod built;
mod conclusion;
mod findings;
mod kernel;
mod kernels;
mod messages;
mod model;
mod module;
mod problems;
mod prometheus;
mod rate;
mod rpmlint;
mod sarif;
mod standing;
mod tally;
mod text;
mod verdict;
mod words;

use std::collections::BTreeMap;

use crate::kernel::Moment;
use crate::policy::{self, Mode, Severity};
use tally::count;

pub use crate::verdict::{BuiltFor, Kind};

pub use kernel::kernel_entry;
pub use kernels::{kernel_list, write_kernels};
pub use messages::{HELP_ONCE, messages, overrides};
pub use model::{
    BaseEntry, BootDefaultEntry, BootPathEntry, BtfEntry, ErrorEntry, FeaturesEntry, InitrdEntry,
    KernelEntry, KernelList, LintRule, ListedKernel, ModuleEntry, Problem, Report, SCHEMA,
    StaleEntry, Summary, Tally, VerdictEntry, Weight,
};
pub use module::{missing_modules, module_entry};
pub use problems::problems;
pub use prometheus::{Counts, write_prometheus};
pub use rate::{PackageOrigin, Rating, Ruling};
pub use rpmlint::write_rpmlint;
pub use sarif::sarif;
pub use standing::{write_motd, write_standing};
pub use text::{Detail, write_errors, write_inputs, write_text};
pub use verdict::verdict_entry;

/// Puts a report together and decides by `mode`.
pub fn assemble(
    mut kernels: Vec<KernelEntry>,
    modules: Vec<ModuleEntry>,
    errors: Vec<ErrorEntry>,
    mode: Mode,
) -> Report {
    let mut by_target = BTreeMap::new();
    for moment in [Moment::Now, Moment::Boot] {
        let of = |id: usize| kernels.get(id).is_some_and(|k| k.moment == moment);
        let mut summary = Summary::default();
        let counted = modules
            .iter()
            .filter_map(|module| count(&mut summary, module, |verdict| of(verdict.kernel)));
        if let Some(worst) = counted.max() {
            let decision = policy::decide(worst, mode);
            by_target.insert(moment, Tally { summary, decision });
        }
    }
    let mut summary = Summary::default();
    let mut worst = Severity::None;
    for module in &modules {
        worst = worst.max(count(&mut summary, module, |_| true).unwrap_or(Severity::None));
        for verdict in module.verdicts.iter().filter(|_| !module.is_directory()) {
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
    }
}

/// Judges the modules as what a build has made, each for the kernel that it was
/// built for: the decision is that of the problems found.
pub fn as_built(mut report: Report, mode: Mode) -> Report {
    let problems = problems(&report.kernels, &report.modules);
    let worst = problems.iter().map(|problem| problem.rule.severity());
    report.decision = policy::decide(worst.max().unwrap_or(Severity::None), mode);
    report.problems = Some(problems);
    report
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
