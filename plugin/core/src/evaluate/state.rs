// SPDX-License-Identifier: GPL-2.0-or-later
//! What is found out about one state of a root, by every command in the same steps.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use btf_guard_protocol::decision::Mode;
use btf_guard_sysroot::Root;
use btf_guard_sysroot::module_tree::ModuleFile;

use super::candidates::{link, note_where_links_load, set_link};
use super::drivers_lost::LostDrivers;
use super::initrds::Initrds;
use super::located::{LocatedModule, ModuleLocation, cap_guesses, entries};
use super::{Evaluator, Job, failed};
use crate::depmod::LoadedFiles;
use crate::module::name_of_file;
use crate::policy::Severity;
use crate::report::{
    self, ErrorEntry, InitrdEntry, KernelEntry, ModuleEntry, PackageOrigin, Rating, Report,
};

/// One state of a root: the kernels and modules in it that a command asks for.
///
/// The order is the same for all: kernels are added, modules judged, what lies around
/// them looked at where that is asked ([`look_around`](Self::look_around)), and all of
/// it rated ([`rate`](Self::rate)).
#[derive(Debug)]
pub(crate) struct StateEvaluation<'a> {
    pub(crate) root: &'a Root,
    /// The packages that files are of, as far as that is known.
    pub(crate) owners: &'a BTreeMap<PathBuf, String>,
    pub(crate) evaluator: Evaluator,
    /// Those of the kernels that are looked at with what lies around them.
    pub(crate) initrds: Initrds,
    pub(crate) modules: Vec<LocatedModule>,
    /// What could not be read.
    pub(crate) errors: Vec<ErrorEntry>,
    looked_into: Vec<InitrdEntry>,
    note: Option<String>,
}

/// What was found out.
#[derive(Debug)]
pub struct Evaluated {
    /// The kernels that modules were judged by.
    pub(crate) kernels: Vec<KernelEntry>,
    /// The modules, with where they are.
    pub(crate) modules: Vec<LocatedModule>,
    /// What could not be read.
    pub(crate) errors: Vec<ErrorEntry>,
    /// What is known of packages.
    pub packages: BTreeMap<String, PackageOrigin>,
    /// The initrds that were looked into.
    initrds: Vec<InitrdEntry>,
    /// Which of them were not, and why.
    pub(crate) note: Option<String>,
}

impl Evaluated {
    /// The report of it, which decides by `mode`.
    pub fn into_report(self, mode: Mode) -> Report {
        let modules = self.modules.into_iter().map(|located| located.module);
        let report = report::assemble(self.kernels, modules.collect(), self.errors, mode);
        report.with_initrds(self.initrds)
    }
}

impl<'a> StateEvaluation<'a> {
    /// Nothing is judged yet.
    pub(crate) fn new(
        root: &'a Root,
        evaluator: Evaluator,
        owners: &'a BTreeMap<PathBuf, String>,
    ) -> Self {
        Self {
            root,
            owners,
            evaluator,
            initrds: Initrds::default(),
            modules: Vec::new(),
            errors: Vec::new(),
            looked_into: Vec::new(),
            note: None,
        }
    }

    /// Judges the modules that a release loads: those for which `kernels` has any. Of
    /// another release's, to which it has links, a finding warns at most.
    pub(crate) fn judge_release(
        &mut self,
        root: &Root,
        release: &str,
        loaded: &LoadedFiles<'_>,
        kernels: impl Fn(&ModuleFile) -> Vec<usize>,
    ) {
        let mut files = Vec::new();
        for (below, file) in loaded.values().flatten() {
            let kernels = kernels(file);
            if !kernels.is_empty() {
                let found = (*file).clone();
                let location = ModuleLocation::new(release, below);
                files.push((location, Job { found, kernels }));
            }
        }
        files.sort_unstable_by(|(_, a), (_, b)| {
            let [a, b] = [a, b].map(|job| job.found.path.as_os_str().as_bytes());
            a.cmp(b)
        });
        let mut modules = self.judge_files(root, files);
        for module in entries(&mut modules).filter(|module| module.link.is_some()) {
            module.cap(Severity::Warn);
        }
        let count = |at: &ModuleLocation| loaded.get(&name_of_file(&at.below)).map_or(1, Vec::len);
        cap_guesses(&mut modules, count);
        self.modules.append(&mut modules);
    }

    /// What kernels do with files of a root. What cannot be read is added to the errors.
    pub(crate) fn judge_files(
        &mut self,
        root: &Root,
        files: Vec<(ModuleLocation, Job)>,
    ) -> Vec<LocatedModule> {
        let (locations, jobs): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let results = self.evaluator.files(&jobs);
        let mut modules = Vec::new();
        for ((location, job), result) in locations.into_iter().zip(jobs).zip(results) {
            match result {
                Ok(mut module) => {
                    set_link(&mut module, link(root, &location.release, &job.found));
                    module.owner = self.owners.get(&job.found.file).cloned();
                    modules.push(LocatedModule { location, module });
                }
                Err(error) => self.errors.push(error),
            }
        }
        modules
    }

    /// Adds that these kernels of a release have no modules in `dir`.
    pub(crate) fn add_missing(&mut self, release: &str, dir: &str, kernels: &[usize]) {
        let missing = self.evaluator.without_modules(dir, kernels);
        let located = |module| LocatedModule::of_release(release, module);
        self.modules.extend(missing.into_iter().map(located));
    }

    /// Adds a file that cannot be read.
    pub(crate) fn failed(&mut self, path: impl ToString, error: &impl ToString) {
        self.errors.push(failed(path.to_string(), error));
    }

    /// Adds the modules that this machine uses and this kernel lacks.
    pub(crate) fn add_lost(&mut self, lost: &LostDrivers, kernel: usize) {
        if let Some(entry) = self.evaluator.entries().get(kernel) {
            let located = lost.entries(entry).map(|(below, module)| LocatedModule {
                location: ModuleLocation::new(&lost.new, below),
                module,
            });
            self.modules.extend(located);
        }
    }

    /// Looks into the initrds that kernels are booted with, and at the kernels: of what is
    /// wrong with one itself, that counts of whose release `is_asked` says so. No kernel
    /// is added after this.
    pub(crate) fn look_around(&mut self, is_asked: impl Fn(Option<&str>) -> bool) {
        let initrds = std::mem::take(&mut self.initrds);
        let disk = self.modules.iter().map(|located| &located.module);
        let inside = initrds.judge(&self.evaluator, disk);
        self.errors.extend(inside.judged.errors);
        let found = inside.judged.modules.into_iter().chain(inside.stale);
        self.modules.extend(found.map(LocatedModule::in_initrd));
        self.looked_into = inside.initrds;
        self.note = inside.note;

        let modules = self.modules.iter().map(|located| &located.module);
        let found = self.evaluator.kernel_findings(modules).into_iter();
        let found = found.filter(|module| is_asked(module.release.as_deref()));
        self.modules.extend(found.map(|module| {
            let release = module.release.clone().unwrap_or_default();
            LocatedModule::of_release(&release, module)
        }));
    }

    /// Says how bad all of it is.
    pub(crate) fn rate(&mut self, rating: &Rating<'_>) {
        let kernels = self.evaluator.entries();
        note_where_links_load(entries(&mut self.modules), kernels);
        rating.rate(entries(&mut self.modules), kernels);
    }

    /// What was found out, with what is known of packages. A module that was given up is
    /// told of as one that was not judged.
    pub(crate) fn finish(mut self, packages: BTreeMap<String, PackageOrigin>) -> Evaluated {
        let given_up = self.modules.iter().filter_map(|located| {
            let ModuleEntry {
                path,
                package,
                verdicts,
                ..
            } = &located.module;
            let mut reasons = verdicts
                .iter()
                .filter_map(|verdict| verdict.reason.as_ref());
            let why = reasons.find(|why| why.is_given_up())?;
            let path = match package {
                Some(package) => format!("{package}: {path}"),
                None => path.clone(),
            };
            Some(failed(path, why))
        });
        self.errors.extend(given_up);
        Evaluated {
            kernels: self.evaluator.into_entries(),
            modules: self.modules,
            errors: self.errors,
            packages,
            initrds: self.looked_into,
            note: self.note,
        }
    }
}
