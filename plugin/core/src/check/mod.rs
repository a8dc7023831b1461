// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules held against kernels: what `check` does, and the look at everything of
//! `status`.

pub mod initrds;
pub mod kernels;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context;
use btf_guard_protocol::decision::Mode;
use btf_guard_sysroot::file_role::{is_module_name, is_release};
use btf_guard_sysroot::module_tree::{self, ModuleFile};
use btf_guard_sysroot::{Root, host};

use crate::boot::ModulesRoot;
use crate::evaluate::effective_policy::Governed;
use crate::evaluate::{Evaluator, Job, JobResult, Observer, failed};
use crate::host_modules::HostNeeds;
use crate::kernel::cache::Cache;
use crate::kernel::{KernelConfig, Target};
use crate::report::{self, ErrorEntry, KernelEntry, ModuleEntry, Report};
use crate::rpm::file_list::PackagedFile;
use crate::rpm::package::Package;
use crate::verdict::Causes;
use initrds::{Initrds, Inside};
use kernels::{Targets, is_package};

/// What came of a check.
pub struct Checked {
    /// What was found.
    pub report: Report,
    /// What was followed of the kernel's loader.
    pub causes: Causes,
    /// Everything that was asked for could be read.
    pub complete: bool,
}

/// What is to be checked, and how.
pub struct CheckOptions {
    /// Modules, directories of them, packages; none for the kernels' own modules.
    pub paths: Vec<PathBuf>,
    /// The kernels, in the words of `--kernel`; none for the default.
    pub kernels: Vec<String>,
    /// A config to take for that of every kernel.
    pub kernel_config: Option<PathBuf>,
    /// Where kernels and modules are looked for.
    pub root: PathBuf,
    /// More file systems with boot entries.
    pub esps: Vec<PathBuf>,
    /// What is followed of the kernel's loader.
    pub causes: Causes,
    /// Keeps what images hold.
    pub cache: Option<Cache>,
    /// The most that findings may come to.
    pub mode: Mode,
    /// How many threads judge; `None` for one a processor.
    pub jobs: Option<NonZeroUsize>,
    /// The configuration, if not in its own place.
    pub config: Option<PathBuf>,
    /// Hears how far the work is.
    pub observer: Option<Box<dyn Observer>>,
}

/// Does a check; nothing is written.
pub fn judge(options: CheckOptions) -> anyhow::Result<Checked> {
    let root =
        Root::new(&options.root).with_context(|| format!("--root {}", options.root.display()))?;
    let config = kernel_config(options.kernel_config.as_deref())?;
    threads(options.jobs)?;
    let here = host::running_release(&root, false);
    let mut evaluator = Evaluator::new(options.causes)
        .with_observer(options.observer)
        .for_this_machine(here.map(|release| HostNeeds::new(&root, &release)));
    let mut targets = Targets {
        root: &root,
        config,
        esps: options.esps,
        cache: options.cache,
        initrds: Initrds::default(),
        errors: Vec::new(),
        unasked: 0,
    };
    targets.add_all(&options.kernels, !options.paths.is_empty(), &mut evaluator)?;

    let mut unasked = targets.unasked;
    let mut run = CheckRun {
        evaluator: &evaluator,
        root: &root,
        modules: Vec::new(),
        errors: targets.errors,
    };
    let mut inside = Inside::default();
    if options.paths.is_empty() {
        run.own_modules();
        inside = targets.initrds.judge(&evaluator);
        unasked += inside.errors.len();
        run.modules.append(&mut inside.modules);
        run.errors.append(&mut inside.errors);
    } else if !evaluator.entries().is_empty() {
        for path in &options.paths {
            run.path(path);
        }
    }
    let (mut modules, errors) = (run.modules, run.errors);
    let governed = Governed::read(options.config.as_deref(), false);
    let rating = governed.rating(BTreeMap::new());
    rating.rate(&mut modules, evaluator.entries());
    let causes = evaluator.causes().clone();
    let mut report = report::assemble(evaluator.into_entries(), modules, errors, options.mode);
    report.initrds = inside.initrds;
    report.notes.extend(inside.note);
    report.notes.extend(governed.complaints);
    // A boot entry that is broken is said; it was not asked for.
    let complete = report.errors.len() <= unasked && !(unasked > 0 && report.modules.is_empty());
    Ok(Checked {
        report,
        causes,
        complete,
    })
}

/// The config that was given.
pub fn kernel_config(path: Option<&Path>) -> anyhow::Result<Option<KernelConfig>> {
    let Some(path) = path else {
        return Ok(None);
    };
    let config = KernelConfig::from_file(path);
    let config = config.with_context(|| format!("--kernel-config {}", path.display()))?;
    Ok(Some(config))
}

/// Starts as many threads as were asked for.
pub fn threads(jobs: Option<NonZeroUsize>) -> anyhow::Result<()> {
    if let Some(jobs) = jobs {
        // More than there are processors only costs.
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        rayon::ThreadPoolBuilder::new()
            .num_threads(jobs.get().min(most))
            .build_global()?;
    }
    Ok(())
}

/// What there is to judge, and what came of it.
struct CheckRun<'a> {
    evaluator: &'a Evaluator,
    root: &'a Root,
    modules: Vec<ModuleEntry>,
    errors: Vec<ErrorEntry>,
}

impl CheckRun<'_> {
    /// Holds each kernel against the modules of its own release.
    fn own_modules(&mut self) {
        let entries = self.evaluator.entries();
        let mut seen: Vec<(&ModulesRoot, &str)> = Vec::new();
        for entry in entries {
            let release = entry.release.as_deref();
            let Some(release) = release.filter(|release| is_release(release)) else {
                let error = "it does not tell its release: name modules for it";
                self.errors.push(failed(entry.source.clone(), &error));
                continue;
            };
            let home = self.evaluator.home(entry.id);
            if seen.contains(&(home, release)) {
                continue;
            }
            seen.push((home, release));
            let same = |other: &&KernelEntry| {
                other.release.as_deref() == Some(release) && self.evaluator.home(other.id) == home
            };
            let ids: Vec<usize> = entries.iter().filter(same).map(|entry| entry.id).collect();
            let dir = home.module_dir(self.root, release);
            let inside = match home {
                ModulesRoot::Snapshot { root, .. } => root,
                _ => self.root,
            };
            let found = dir
                .map(|dir| module_tree::walk(&dir, inside))
                .unwrap_or_default();
            self.unreadable(found.unreadable);
            if found.modules.is_empty() {
                let base = Path::new("/lib/modules").join(release);
                let gone = self.root.outside(&base).display().to_string();
                for id in ids {
                    // Others need none to boot: the rescue kernel has none.
                    if let Some(entry) = entries.get(id).filter(|e| e.moment == Target::Running) {
                        self.modules
                            .push(report::missing_modules(gone.clone(), entry));
                    }
                }
            } else {
                self.files(found.modules, &ids);
            }
        }
    }

    /// Holds what is at `path` against every kernel.
    fn path(&mut self, path: &Path) {
        let all: Vec<usize> = self
            .evaluator
            .entries()
            .iter()
            .map(|entry| entry.id)
            .collect();
        if path.is_dir() {
            let found = module_tree::walk(path, self.root);
            if found.modules.is_empty() && found.unreadable.is_empty() {
                let error = "no kernel module is in this directory";
                self.errors.push(failed(path.display().to_string(), &error));
            }
            self.unreadable(found.unreadable);
            self.files(found.modules, &all);
        } else if is_package(path) {
            self.package(path, &all);
        } else {
            let found = ModuleFile {
                path: path.to_owned(),
                file: path.to_owned(),
            };
            self.files(vec![found], &all);
        }
    }

    fn files(&mut self, found: Vec<ModuleFile>, ids: &[usize]) {
        let job = |found| Job {
            found,
            kernels: ids.to_vec(),
        };
        let jobs: Vec<Job> = found.into_iter().map(job).collect();
        let results = self.evaluator.files(&jobs);
        self.take(results);
    }

    fn package(&mut self, path: &Path, ids: &[usize]) {
        let shown = path.display().to_string();
        let package = match Package::open(path) {
            Ok(package) => package,
            Err(error) => return self.errors.push(failed(shown, &error)),
        };
        let is_module = |path: &Path| path.file_name().is_some_and(is_module_name);
        let has_modules = |file: &PackagedFile| file.has_content() && is_module(&file.path);
        if !package.files().iter().any(has_modules) {
            return;
        }
        let kernels = |path: &Path| match is_module(path) {
            true => ids.to_vec(),
            false => Vec::new(),
        };
        let (results, read) = self.evaluator.package(&package, kernels);
        self.take(results.into_iter().map(|(_, result)| result));
        if let Err(error) = read {
            self.errors.push(failed(shown, &error));
        }
    }

    fn take(&mut self, results: impl IntoIterator<Item = JobResult>) {
        for result in results {
            match result {
                Ok(module) => self.modules.push(module),
                Err(error) => self.errors.push(error),
            }
        }
    }

    fn unreadable(&mut self, unreadable: Vec<(std::path::PathBuf, String)>) {
        for (path, error) in unreadable {
            self.errors.push(failed(path.display().to_string(), &error));
        }
    }
}
