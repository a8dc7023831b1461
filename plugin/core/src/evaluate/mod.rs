// SPDX-License-Identifier: GPL-2.0-or-later
//! Judges many modules at a time by some kernels.

mod batches;
pub(crate) mod candidates;
mod collected_aliases;
pub mod drivers_lost;
pub mod effective_policy;
pub(crate) mod initrds;
mod judged;
mod kernel_findings;
pub(crate) mod located;
mod own_image;
pub mod package;
mod package_modules;
pub mod state;

use std::sync::OnceLock;

use btf_guard_sysroot::module_tree::ModuleFile;
use rayon::prelude::*;

use crate::boot::ModulesRoot;
use crate::boot::inventory::InstalledKernel;
use crate::host_modules::HostNeeds;
use crate::kernel::{Kernel, Target};
use crate::module::{self, Module};
use crate::policy::Severity;
pub use crate::report::failed;
use crate::report::{self, ErrorEntry, KernelEntry, ModuleEntry, UnbootableEntry};
use crate::time_limit::{LATE, TimeLimit};
use crate::verdict::{BaseSet, Cause, Causes, Misfit, Unknown, Verdict};
pub(crate) use batches::Batches;
pub(crate) use collected_aliases::CollectedAliases;
pub use judged::Judged;

/// Is told how many modules there are and how many are judged.
pub trait Observer: std::fmt::Debug + Send + Sync {
    /// There are `count` more modules to judge.
    fn expect(&self, count: usize);

    /// `count` modules are judged.
    fn step(&self, count: usize);
}

/// The kernels, and what is checked.
#[derive(Debug, Default)]
pub struct Evaluator {
    kernels: Vec<Kernel>,
    entries: Vec<KernelEntry>,
    /// The root that each boots with, by its id; none of one that was only named.
    homes: Vec<Option<ModulesRoot>>,
    /// Kernels that no module can be held against: their ids come behind the others'.
    unreadable: Vec<KernelEntry>,
    causes: Causes,
    observer: Option<Box<dyn Observer>>,
    /// What this machine needs; none where it is not this machine's root.
    wanted: Option<HostNeeds>,
    /// What the modules of one release say that they serve, where that is asked.
    collected: Option<CollectedAliases>,
    /// What is not judged by then is not judged.
    limit: TimeLimit,
    /// The base BTF of each kernel; known once the first module is judged.
    bases: OnceLock<BaseSet>,
}

/// A module file and the kernels that it is held against.
#[derive(Debug)]
pub struct Job {
    /// The file.
    pub found: ModuleFile,
    /// The ids of the kernels.
    pub kernels: Vec<usize>,
}

/// What came of a module file.
pub type JobResult = Result<ModuleEntry, ErrorEntry>;

impl Evaluator {
    /// No kernels yet; of the kernel's loader, these checks are followed.
    pub fn new(causes: Causes) -> Self {
        Self {
            causes,
            ..Self::default()
        }
    }

    /// Judges nothing more from then on: what is left is said not to be judged.
    pub(crate) fn with_limit(mut self, limit: TimeLimit) -> Self {
        self.limit = limit;
        self
    }

    /// Reports to it how far the work is.
    pub fn with_observer(mut self, observer: Option<Box<dyn Observer>>) -> Self {
        self.observer = observer;
        self
    }

    pub(crate) fn expect(&self, count: usize) {
        if let Some(observer) = &self.observer {
            observer.expect(count);
        }
    }

    fn step(&self, count: usize) {
        if let Some(observer) = &self.observer {
            observer.step(count);
        }
    }

    /// Tells of each finding what this machine needs the module for.
    pub(crate) fn for_this_machine(mut self, wanted: Option<HostNeeds>) -> Self {
        self.wanted = wanted;
        self
    }

    /// Keeps what the modules of this release serve that are judged.
    pub(crate) fn collecting_aliases_of(mut self, release: Option<String>) -> Self {
        self.collected = release.map(CollectedAliases::new);
        self
    }

    /// What this machine needs; none where it is not this machine's root.
    pub(crate) fn host_needs(&self) -> Option<&HostNeeds> {
        self.wanted.as_ref()
    }

    pub(crate) fn collected_aliases(&self) -> Option<&CollectedAliases> {
        self.collected.as_ref()
    }

    /// What this machine needs a module for, on one of the kernels. To be asked
    /// only where there is something to say: the first time, `/sys` is read.
    pub(crate) fn reasons(&self, id: usize, module: &str) -> Vec<String> {
        let release = self.entries.get(id).and_then(|e| e.release.as_deref());
        match (&self.wanted, release) {
            (Some(wanted), Some(release)) => wanted.reasons(release, module),
            _ => Vec::new(),
        }
    }

    /// Adds a kernel, found under `source` (in `package`), and returns its id. The same kernel
    /// at another place is judged once, and the place is noted, unless something is wrong
    /// with one of the two images: then each is told of.
    pub fn add(&mut self, kernel: Kernel, source: String, package: Option<&str>) -> usize {
        let mut entry = report::kernel_entry(self.kernels.len(), &kernel);
        entry.source = source;
        entry.package = package.map(str::to_owned);
        if let Some(package) = package {
            entry.role_reason = format!("it comes with {package}");
        }
        self.insert(kernel, entry, None)
    }

    /// Adds a kernel that the root can boot.
    pub(crate) fn add_installed(&mut self, installed: InstalledKernel) -> usize {
        let fault = installed.fault().map(UnbootableEntry::from);
        let InstalledKernel {
            kernel,
            bootable,
            stale,
            role,
            ..
        } = installed;
        let mut entry = report::kernel_entry(self.kernels.len(), &kernel);
        entry.source = bootable.path.display().to_string();
        entry.default = bootable.is_default();
        entry.role = role.role;
        entry.role_reason = role.reason;
        entry.stale = stale.as_ref().map(Into::into);
        entry.unbootable = fault;
        self.insert(kernel, entry, Some(bootable.home))
    }

    fn insert(&mut self, kernel: Kernel, entry: KernelEntry, home: Option<ModulesRoot>) -> usize {
        let same = self.entries.iter_mut().find(|known| {
            known.target == Target::NextBoot
                && entry.target == Target::NextBoot
                && known.release == entry.release
                && known.package == entry.package
                && known.base == entry.base
                && self.homes.get(known.id) == Some(&home)
                && known.features.allow_mismatch == entry.features.allow_mismatch
                && known.stale == entry.stale
                && known.unbootable == entry.unbootable
        });
        if let Some(same) = same {
            same.default |= entry.default;
            if entry.role > same.role {
                same.role = entry.role;
                same.role_reason = entry.role_reason;
            }
            if same.source != entry.source {
                same.same_kernel_paths.push(entry.source);
            }
            return same.id;
        }
        let id = entry.id;
        self.kernels.push(kernel);
        self.entries.push(entry);
        self.homes.push(home);
        id
    }

    pub(crate) fn kernel(&self, id: usize) -> Option<&Kernel> {
        self.kernels.get(id)
    }

    /// The root whose modules a kernel uses.
    pub(crate) fn home(&self, id: usize) -> &ModulesRoot {
        let home = self.homes.get(id).and_then(Option::as_ref);
        home.unwrap_or(&ModulesRoot::Root)
    }

    /// True of the running kernel, and of one that the root can boot.
    pub(crate) fn is_installed(&self, id: usize) -> bool {
        let entry = self.entries.get(id);
        entry.is_some_and(|entry| entry.target == Target::Running)
            || self.homes.get(id).is_some_and(Option::is_some)
    }

    /// What reports say of the kernels, by id.
    pub fn entries(&self) -> &[KernelEntry] {
        &self.entries
    }

    pub(crate) fn entry_mut(&mut self, id: usize) -> Option<&mut KernelEntry> {
        self.entries.get_mut(id)
    }

    /// The same, when nothing more is judged.
    pub fn into_entries(self) -> Vec<KernelEntry> {
        self.entries
    }

    /// The bases of all kernels that are there when this is first asked for.
    pub(crate) fn bases(&self) -> &BaseSet {
        self.bases.get_or_init(|| {
            let mut bases = BaseSet::default();
            for (kernel, entry) in self.kernels.iter().zip(&self.entries) {
                let source = match &entry.package {
                    Some(package) => format!("{} in {package}", entry.source),
                    None => entry.source.clone(),
                };
                bases.add(kernel, source);
            }
            bases
        })
    }

    /// The checks of the kernel's loader that are followed.
    pub fn causes(&self) -> &Causes {
        &self.causes
    }

    /// Judges files of the disk, in the order given.
    pub fn files(&self, jobs: &[Job]) -> Vec<JobResult> {
        self.expect(jobs.len());
        let judge = |job: &Job| {
            let path = job.found.path.display().to_string();
            if self.limit.is_over() {
                return Err(failed(path, &LATE));
            }
            self.result(module::open_any(&job.found.file), path, &job.kernels)
        };
        jobs.par_iter().map(judge).collect()
    }

    pub(crate) fn result(
        &self,
        module: Result<Module, module::Error>,
        path: String,
        kernels: &[usize],
    ) -> JobResult {
        self.step(1);
        match module {
            Ok(module) => Ok(self.judge(&module, path, None, kernels, self.limit)),
            Err(error) => Err(failed(path, &error)),
        }
    }

    /// Judges one module by some of the kernels, as many as there is time for.
    pub(crate) fn judge(
        &self,
        module: &Module,
        path: String,
        package: Option<String>,
        kernels: &[usize],
        limit: TimeLimit,
    ) -> ModuleEntry {
        if let Some(collected) = &self.collected {
            let entries = kernels.iter().filter_map(|id| self.entries.get(*id));
            collected.take(module, entries.filter_map(|e| e.release.as_deref()));
        }
        let own = own_image::find(&self.entries, &path, package.as_deref(), module);
        let own = own.and_then(|id| self.kernels.get(id));
        let mut entry = report::module_entry(path, package, module);
        let mut built_for = None;
        for id in kernels {
            if let Some(kernel) = self.kernels.get(*id) {
                let judgement = match limit.is_over() {
                    true => Verdict::Unknown {
                        why: Unknown::NoTimeLeft,
                    }
                    .into(),
                    false => (self.bases()).judge_coming_with(own, module, kernel, &self.causes),
                };
                let is_own = judgement.misfit == Some(Misfit::OwnBase);
                if is_own || judgement.verdict == Verdict::Loads {
                    built_for = built_for.or(Some(kernel));
                }
                let verdict = report::verdict_entry(*id, kernel.moment, judgement);
                if verdict.severity >= Severity::Info && entry.used_by_host.is_empty() {
                    entry.used_by_host = self.reasons(*id, &entry.name);
                }
                entry.verdicts.push(verdict);
            }
        }
        if self.causes.contains(Cause::Btf) {
            entry.btf.built_for = self.bases().built_for(module, built_for);
        }
        entry
    }
}
