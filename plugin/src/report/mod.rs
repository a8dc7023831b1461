//! Reports: what was found, as data (and so as JSON), as text for an admin,
//! and as the few lines that fit into a package manager's output.

mod alerts;
mod built;
mod conclusion;
mod findings;
mod kernel;
mod kernels;
mod messages;
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

use serde::Serialize;

use crate::kernel::Moment;
use crate::place::plan::SCHEMA;
use crate::policy::{self, Decision, Mode, Severity};

pub use crate::verdict::{BuiltFor, Kind};

pub use kernel::{AbilitiesEntry, BaseEntry, KernelEntry, StaleEntry};
pub use kernels::{KernelList, Listed, write_kernels};
pub use messages::{HELP_ONCE, messages, overrides};
pub use module::{BtfEntry, ModuleEntry};
pub use problems::{Problem, Rule, Weight, problems};
pub use prometheus::{Counts, write_prometheus};
pub use rate::{Known, Rating, Ruling};
pub use rpmlint::write_rpmlint;
pub use sarif::sarif;
pub use standing::{write_motd, write_standing};
pub use tally::{Summary, Tally};
pub use text::{Detail, write_errors, write_inputs, write_text};
pub use verdict::{RefusalEntry, VerdictEntry};
pub use words::shown;

/// Everything that was judged, in the form of DESIGN's JSON schema 1.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The kernels, by their `id`.
    pub kernels: Vec<KernelEntry>,
    /// The modules, in the order in which they were asked for.
    pub modules: Vec<ModuleEntry>,
    /// What could not be read.
    pub errors: Vec<ErrorEntry>,
    /// Counts.
    pub summary: Summary,
    /// The same for the running kernel and for what boots, as far as either was
    /// held against anything.
    pub moments: BTreeMap<Moment, Tally>,
    /// What it all comes to.
    pub decision: Decision,
    /// The initrds that the kernels are booted with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub initrds: Vec<InitrdEntry>,
    /// What is wrong with modules as a build has made them, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problems: Option<Vec<Problem>>,
    /// What was not looked at, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// An initrd of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitrdEntry {
    /// The file.
    pub path: String,
    /// The kernels that are booted with it.
    pub kernels: Vec<usize>,
    /// The command that makes it anew, if one is known.
    pub mend: Option<String>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorEntry {
    /// What it was.
    pub path: String,
    /// Why not.
    pub error: String,
    /// Nothing is wrong with it; it is only not read here.
    #[serde(skip)]
    pub harmless: bool,
}

impl Report {
    /// Puts a report together and decides by `mode`.
    pub fn new(
        mut kernels: Vec<KernelEntry>,
        modules: Vec<ModuleEntry>,
        errors: Vec<ErrorEntry>,
        mode: Mode,
    ) -> Self {
        let mut moments = BTreeMap::new();
        for moment in [Moment::Now, Moment::Boot] {
            let of = |id: usize| kernels.get(id).is_some_and(|k| k.moment == moment);
            let mut summary = Summary::default();
            let counted = modules
                .iter()
                .filter_map(|module| summary.count(module, |verdict| of(verdict.kernel)));
            if let Some(worst) = counted.max() {
                let decision = policy::decide(worst, mode);
                moments.insert(moment, Tally { summary, decision });
            }
        }
        let mut summary = Summary::default();
        let mut worst = Severity::None;
        for module in &modules {
            worst = worst.max(summary.count(module, |_| true).unwrap_or(Severity::None));
            for verdict in module.verdicts.iter().filter(|_| !module.is_directory()) {
                if let Some(kernel) = kernels.get_mut(verdict.kernel) {
                    kernel.judged += 1;
                }
            }
        }
        Self {
            schema: SCHEMA,
            kernels,
            modules,
            errors,
            summary,
            moments,
            decision: policy::decide(worst, mode),
            initrds: Vec::new(),
            problems: None,
            notes: Vec::new(),
        }
    }

    /// Judges the modules as what a build has made, each for the kernel that it was
    /// built for: the decision is that of the problems found.
    pub fn as_built(mut self, mode: Mode) -> Self {
        let problems = problems(&self.kernels, &self.modules);
        let worst = problems.iter().map(|problem| problem.rule.severity());
        self.decision = policy::decide(worst.max().unwrap_or(Severity::None), mode);
        self.problems = Some(problems);
        self
    }

    /// Leaves out the modules of which there is nothing to say; they stay counted.
    pub fn forget_the_healthy(&mut self) {
        self.modules
            .retain(|module| module.severity() != Severity::None);
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
