// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a transaction takes place, and what is found out about it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::Root;
use btf_guard_sysroot::module_tree::ModuleFile;

use super::located::{LocatedModule, ModuleLocation, error_key};
use crate::evaluate::candidates::{link, set_link};
use crate::evaluate::drivers_lost::LostDrivers;
use crate::evaluate::effective_policy::Governed;
use crate::evaluate::{Evaluator, Job};
use crate::host_modules::HostNeeds;
use crate::kernel::Kernel;
use crate::kernel::cache::Cache;
use crate::policy::Severity;
use crate::report::{ErrorEntry, InitrdEntry, KernelEntry, PackageOrigin};
use crate::verdict::Causes;

/// Where a transaction takes place.
pub struct Scene<'a> {
    /// The root that packages are installed into.
    pub root: &'a Root,
    /// The release of the running kernel, where that is a target.
    pub running: Option<String>,
    /// Keeps what images hold.
    pub cache: Option<Cache>,
    /// How bad what is.
    pub governed: &'a Governed,
    /// The packages that installed modules are of, as far as that is known, by file.
    pub owners: BTreeMap<PathBuf, String>,
    /// What the plan's new kernel may lack ([`planned_drivers`](super::planned_drivers)).
    pub drivers: Option<LostDrivers>,
}

/// What was found out.
pub struct Evaluated {
    /// The kernels that modules were judged by.
    pub kernels: Vec<KernelEntry>,
    /// The modules, with where they are.
    pub modules: Vec<LocatedModule>,
    /// What could not be read.
    pub errors: Vec<ErrorEntry>,
    /// What is known of packages.
    pub packages: BTreeMap<String, PackageOrigin>,
    /// The initrds that were looked into.
    pub initrds: Vec<InitrdEntry>,
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

/// An evaluation of one state of the root: the kernels, what each module of the disk
/// is held against, and what could not be read.
pub(crate) struct Evaluation<'a> {
    pub(crate) scene: &'a Scene<'a>,
    pub(crate) evaluator: Evaluator,
    pub(crate) errors: Vec<ErrorEntry>,
    locations: Vec<ModuleLocation>,
    jobs: Vec<Job>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(scene: &'a Scene<'a>, errors: Vec<ErrorEntry>) -> Self {
        let running = scene.running.as_ref();
        let host = running.map(|release| HostNeeds::new(scene.root, release));
        Self {
            scene,
            evaluator: Evaluator::new(Causes::all())
                .for_this_machine(host)
                .collecting_aliases_of(scene.drivers.as_ref().map(|lost| lost.new.clone())),
            errors,
            locations: Vec::new(),
            jobs: Vec::new(),
        }
    }

    /// Adds the running kernel, if this is its release.
    pub(crate) fn add_running(&mut self, release: &str) -> Option<usize> {
        if self.scene.running.as_deref() != Some(release) {
            return None;
        }
        match Kernel::running() {
            Ok(kernel) => Some(self.evaluator.add(kernel, "running".to_owned(), None)),
            Err(error) => {
                log::warn!("the running kernel: {error}");
                None
            }
        }
    }

    /// Has a module of the disk judged by these kernels.
    pub(crate) fn add_job(
        &mut self,
        location: ModuleLocation,
        found: ModuleFile,
        kernels: Vec<usize>,
    ) {
        self.locations.push(location);
        self.jobs.push(Job { found, kernels });
    }

    pub(crate) fn run_jobs(&mut self) -> Vec<LocatedModule> {
        let results = self.evaluator.files(&self.jobs);
        let mut modules = Vec::new();
        let jobs = self.locations.drain(..).zip(self.jobs.drain(..));
        for ((location, Job { found, .. }), result) in jobs.zip(results) {
            match result {
                Ok(mut module) => {
                    let link = link(self.scene.root, &location.release, &found);
                    set_link(&mut module, link);
                    module.owner = self.scene.owners.get(&found.file).cloned();
                    modules.push(LocatedModule { location, module });
                }
                Err(error) => self.errors.push(error),
            }
        }
        modules
    }

    /// The modules that this machine uses and this kernel lacks.
    pub(crate) fn lost_drivers(&self, lost: &LostDrivers, kernel: usize) -> Vec<LocatedModule> {
        let Some(entry) = self.evaluator.entries().get(kernel) else {
            return Vec::new();
        };
        let located = lost.entries(entry).map(|(below, module)| LocatedModule {
            location: ModuleLocation::new(&lost.new, below),
            module,
        });
        located.collect()
    }

    /// The modules that these kernels of a release miss: all.
    pub(crate) fn missing(&self, release: &str, kernels: &[usize]) -> Vec<LocatedModule> {
        let dir = format!("/lib/modules/{release}");
        let missing = self.evaluator.without_modules(&dir, kernels).into_iter();
        let located = missing.map(|module| LocatedModule {
            location: ModuleLocation::new(release, Path::new("")),
            module,
        });
        located.collect()
    }
}
