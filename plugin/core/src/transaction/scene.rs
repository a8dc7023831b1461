// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a transaction takes place, and what is found out about it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use btf_guard_sysroot::Root;

use crate::evaluate::Evaluator;
use crate::evaluate::drivers_lost::LostDrivers;
use crate::evaluate::effective_policy::Governed;
use crate::evaluate::located::error_key;
use crate::evaluate::state::{Evaluated, StateEvaluation};
use crate::host_modules::HostNeeds;
use crate::kernel::Kernel;
use crate::kernel::cache::Cache;
use crate::policy::Severity;
use crate::time_limit::TimeLimit;
use crate::verdict::Causes;

/// Where a transaction takes place.
pub struct Scene<'a> {
    /// The root that packages are installed into.
    pub root: &'a Root,
    /// The release of the running kernel, where that is a target.
    pub running: Option<String>,
    /// Until when modules are judged.
    pub limit: TimeLimit,
    /// Until when findings are compared with what was before.
    pub limit_of_comparison: TimeLimit,
    /// Keeps what images hold.
    pub cache: Option<Cache>,
    /// How bad what is.
    pub governed: &'a Governed,
    /// The packages that installed modules are of, as far as that is known, by file.
    pub owners: BTreeMap<PathBuf, String>,
    /// What the plan's new kernel may lack ([`planned_drivers`](super::planned_drivers)).
    pub drivers: Option<LostDrivers>,
}

/// The keys of all that is reported of what was found.
pub fn keys(evaluated: &Evaluated) -> Vec<String> {
    let mut keys: Vec<_> = evaluated.errors.iter().map(error_key).collect();
    for located in &evaluated.modules {
        for verdict in &located.module.verdicts {
            let reported = verdict.severity >= Severity::Warn || verdict.preexisting;
            let kernel = evaluated.kernels.get(verdict.kernel);
            if let Some(kernel) = kernel.filter(|_| reported) {
                keys.push(located.key(verdict, kernel));
            }
        }
    }
    keys
}

impl Scene<'_> {
    /// A state of its root, of which nothing is judged yet.
    pub(crate) fn state(&self) -> StateEvaluation<'_> {
        let running = self.running.as_ref();
        let host = running.map(|release| HostNeeds::new(self.root, release));
        let evaluator = Evaluator::new(Causes::all())
            .with_limit(self.limit)
            .for_this_machine(host)
            .collecting_aliases_of(self.drivers.as_ref().map(|lost| lost.new.clone()));
        StateEvaluation::new(self.root, evaluator, &self.owners)
    }

    /// Adds the running kernel, if this is its release.
    pub(crate) fn add_running(&self, release: &str, evaluator: &mut Evaluator) -> Option<usize> {
        if self.running.as_deref() != Some(release) {
            return None;
        }
        match Kernel::running() {
            Ok(kernel) => Some(evaluator.add(kernel, "running".to_owned(), None)),
            Err(error) => {
                log::warn!("the running kernel: {error}");
                None
            }
        }
    }
}

/// The module directory of a release, as reports name it.
pub(crate) fn module_dir(release: &str) -> String {
    format!("/lib/modules/{release}")
}
