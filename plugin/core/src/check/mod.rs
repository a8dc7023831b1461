// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules held against kernels: what `check` does, and the look at everything of
//! `status`.

pub mod kernels;
mod machine;
mod whole_release;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context;
use btf_guard_protocol::decision::Mode;
use btf_guard_sysroot::file_role::is_release;
use btf_guard_sysroot::module_tree::{self, ModuleFile, ModuleTree, WalkBudget};
use btf_guard_sysroot::{Root, host};

use crate::boot::ModulesRoot;
use crate::depmod::ReleaseModules;
use crate::evaluate::effective_policy::Governed;
use crate::evaluate::located::{LocatedModule, ModuleLocation, entries};
use crate::evaluate::state::StateEvaluation;
use crate::evaluate::{Evaluator, Job, Judged, Observer};
use crate::host_modules::HostNeeds;
use crate::kernel::KernelConfig;
use crate::kernel::cache::Cache;
use crate::report::{Report, ShadowedEntry, failed};
use crate::rpm::package::Package;
use crate::verdict::Causes;
use kernels::{Targets, is_package};
use whole_release::WholeRelease;

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
#[derive(Default)]
pub struct CheckOptions {
    /// Modules, directories of them, packages; none for the kernels' own modules. Every
    /// file that is asked for is judged, except that whoever names a whole module
    /// directory, or a root, asks for what its kernels will load: there, as without
    /// paths, a file is passed over that has the name of another one which is loaded.
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
    let mut targets = Targets::new(&root, config);
    targets.esps = options.esps;
    targets.cache = options.cache;
    targets.add_all(&options.kernels, !options.paths.is_empty(), &mut evaluator)?;

    let no_owners = BTreeMap::new();
    let mut state = StateEvaluation::new(&root, evaluator, &no_owners);
    state.initrds = targets.initrds;
    state.errors = targets.errors;
    let mut run = CheckRun {
        state,
        shadowed: Vec::new(),
        notes: Vec::new(),
        is_bare: targets.is_bare,
    };
    let has_kernel = !run.state.evaluator.entries().is_empty();
    if options.paths.is_empty() {
        run.own_modules();
        machine::add_lost_drivers(&mut run.state);
        run.state.look_around(|_| true);
    } else if has_kernel {
        for path in &options.paths {
            run.path(path);
        }
    }
    let CheckRun {
        mut state,
        shadowed,
        mut notes,
        ..
    } = run;
    if root.is_system() {
        machine::note_owners(entries(&mut state.modules));
    }
    let governed = Governed::read(options.config.as_deref(), false);
    let rating = governed.rating(BTreeMap::new());
    state.rate(&rating);
    let causes = state.evaluator.causes().clone();
    let found = state.finish(rating.packages);
    notes.extend(found.note.clone());
    notes.extend(governed.complaints);
    let mut report = found.into_report(options.mode);
    report.shadowed = shadowed;
    report.notes = notes;
    // A boot entry that is broken is said; it was not asked for.
    let unasked = targets.unasked;
    let complete =
        has_kernel && report.errors.len() <= unasked && !(unasked > 0 && report.modules.is_empty());
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

struct CheckRun<'a> {
    state: StateEvaluation<'a>,
    shadowed: Vec<ShadowedEntry>,
    notes: Vec<String>,
    /// As [`Targets::is_bare`].
    is_bare: bool,
}

impl CheckRun<'_> {
    fn own_modules(&mut self) {
        for (home, release, ids) in self.releases() {
            let root = self.state.root;
            let dir = match home.find_module_dir(root, &release) {
                Ok(dir) => dir,
                Err((path, error)) => {
                    self.state.failed(path.display(), &error);
                    continue;
                }
            };
            let inside = match &home {
                ModulesRoot::Snapshot { root, .. } => root,
                _ => root,
            };
            let found =
                dir.map(|dir| ReleaseModules::below(inside, &release, dir, &WalkBudget::default()));
            if let Some(found) = found {
                let has_some = !found.is_empty() || !found.unreadable.is_empty();
                self.release(inside, &release, found, &ids);
                if has_some {
                    continue;
                }
            }
            if self.is_bare {
                self.notes.push(format!(
                    "kernel {release} is started from outside of this root, which has no kernel \
                     and no modules"
                ));
                continue;
            }
            let base = Path::new("/lib/modules").join(&release);
            let gone = root.outside(&base).display().to_string();
            let ids = ids.into_iter();
            let ids = ids.filter(|id| self.state.evaluator.is_installed(*id));
            let ids: Vec<usize> = ids.collect();
            self.state.add_missing(&release, &gone, &ids);
        }
    }

    /// The releases of the kernels, each with the root that its modules are in and the
    /// kernels' ids.
    fn releases(&mut self) -> Vec<(ModulesRoot, String, Vec<usize>)> {
        let mut releases: Vec<(ModulesRoot, String, Vec<usize>)> = Vec::new();
        let StateEvaluation {
            evaluator, errors, ..
        } = &mut self.state;
        for entry in evaluator.entries() {
            let release = entry.release.as_ref();
            let Some(release) = release.filter(|release| is_release(release)) else {
                let error = "it does not tell its release: name modules for it";
                errors.push(failed(entry.source.clone(), &error));
                continue;
            };
            let home = evaluator.home(entry.id);
            let mut known = releases.iter_mut();
            match known.find(|(of, known, _)| of == home && known == release) {
                Some((.., ids)) => ids.push(entry.id),
                None => releases.push((home.clone(), release.clone(), vec![entry.id])),
            }
        }
        releases
    }

    /// Judges the modules of a release that are loaded.
    fn release(&mut self, root: &Root, release: &str, found: ReleaseModules, ids: &[usize]) {
        let loaded = found.loaded();
        let kernels = |_: &ModuleFile| ids.to_vec();
        self.state.judge_release(root, release, &loaded, kernels);
        let shadowed = found.shadowed(&loaded).into_iter();
        self.shadowed.extend(shadowed.map(|file| ShadowedEntry {
            path: file.path.display().to_string(),
            by: file.by.map(|by| by.display().to_string()),
        }));
        self.unreadable(found.unreadable);
    }

    fn path(&mut self, path: &Path) {
        let entries = self.state.evaluator.entries().iter();
        let all: Vec<usize> = entries.map(|entry| entry.id).collect();
        if path.is_dir() {
            let found = module_tree::walk(path, self.state.root);
            if found.modules.is_empty() && found.unreadable.is_empty() {
                let error = "no kernel module is in this directory";
                self.state.failed(path.display(), &error);
            }
            self.directory(path, found, &all);
        } else if is_package(path) {
            match Package::open(path) {
                Ok(package) => {
                    let kernels = |_: &Path| all.clone();
                    let mut judged = Judged::default();
                    let evaluator = &self.state.evaluator;
                    judged.package(evaluator, &package, path.display(), kernels);
                    self.state.errors.extend(judged.errors);
                    let modules = judged.modules.into_iter();
                    let located = modules.map(|module| LocatedModule {
                        location: ModuleLocation::new("", Path::new(&module.path)),
                        module,
                    });
                    self.state.modules.extend(located);
                }
                Err(error) => self.state.failed(path.display(), &error),
            }
        } else {
            let found = ModuleFile {
                path: path.to_owned(),
                file: path.to_owned(),
            };
            self.files(vec![found], &all);
        }
    }

    /// Judges what was found in a directory: every file, but of a release whose whole
    /// module directory that has, what is loaded.
    fn directory(&mut self, path: &Path, found: ModuleTree, ids: &[usize]) {
        self.unreadable(found.unreadable);
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut releases: BTreeMap<WholeRelease, Vec<ModuleFile>> = BTreeMap::new();
        let mut others = Vec::new();
        for file in found.modules {
            let below = file.path.strip_prefix(path).unwrap_or(&file.path);
            match WholeRelease::of(&real, below) {
                Some(release) => releases.entry(release).or_default().push(file),
                None => others.push(file),
            }
        }
        for (whole, files) in releases {
            let dir = path.join(&whole.dir);
            let root = Root::new(&whole.root).unwrap_or_else(|_| self.state.root.clone());
            let found = ReleaseModules::of(&root, &whole.release, dir, files);
            self.release(&root, &whole.release, found, ids);
        }
        self.files(others, ids);
    }

    fn files(&mut self, found: Vec<ModuleFile>, ids: &[usize]) {
        let file = |found: ModuleFile| {
            let location = ModuleLocation::new("", &found.path);
            let kernels = ids.to_vec();
            (location, Job { found, kernels })
        };
        let files = found.into_iter().map(file).collect();
        let root = self.state.root;
        let mut judged = self.state.judge_files(root, files);
        self.state.modules.append(&mut judged);
    }

    fn unreadable(&mut self, unreadable: Vec<(PathBuf, String)>) {
        for (path, error) in unreadable {
            self.state.failed(path.display(), &error);
        }
    }
}
