// SPDX-License-Identifier: GPL-2.0-or-later
//! The disk after a transaction, scriptlets' work included, or without any.
//!
//! Only what changed since the transaction began is judged: modules that are
//! new, before every kernel; kernels that are new, with every module, and where there is
//! none, without. Without a transaction, all of one release.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use btf_guard_protocol::plan::Plan;
use btf_guard_sysroot::file_role::Role;
use btf_guard_sysroot::module_tree::ModuleFile;

use super::baseline;
use super::erased_modules::ErasedModules;
use super::located::{LocatedModule, ModuleLocation, entries, error_key};
use super::scene::{Evaluated, Evaluation, Scene};
use super::transaction_start::TransactionStart;
use crate::boot::inventory::{InstalledKernel, Inventory, InventorySearch};
use crate::boot::{self, Bootable, UnreadableImage};
use crate::check::initrds::Initrds;
use crate::depmod::{NamedFile, ReleaseModules};
use crate::evaluate::candidates::{ReleaseEvaluation, note_where_links_load};
use crate::evaluate::drivers_lost::LostDrivers;
use crate::module::name_of_file;
use crate::report::{ErrorEntry, InitrdEntry, ModuleEntry, failed};

/// Judges what a plan's transaction has left on the disk. What the plan says was
/// reported is marked as known.
pub fn judge(scene: &Scene<'_>, plan: &Plan) -> Evaluated {
    let since = TransactionStart(plan.since);
    let erased = ErasedModules::of(plan);
    let search = InventorySearch {
        root: scene.root,
        esps: &plan.esps,
        cache: scene.cache.as_ref(),
        config: None,
        releases: None,
    };
    let found = search.discover();
    let open = |releases: &BTreeSet<String>| {
        let releases = Some(releases);
        InventorySearch { releases, ..search }.open_all(found.clone())
    };
    // Reading thousands of directories and reading an image take as long.
    let own = plan.release.clone().map(|own| BTreeSet::from([own]));
    let expected = own.clone().unwrap_or_else(|| named_releases(plan));
    let (trees, inventory) = rayon::join(|| trees(scene, plan, since, &erased), || open(&expected));
    let changed = trees.iter().filter(|tree| !tree.changed.is_empty());
    let mut releases: BTreeSet<String> = changed.map(|tree| tree.release.clone()).collect();
    releases.extend(erased.lost_own.iter().cloned());
    let kernels = changed_kernels(&search, &found, since);
    releases.extend(match &own {
        None => kernels.clone(),
        Some(own) => own.clone(),
    });
    let inventory = match own.is_some() || releases.is_subset(&expected) {
        true => inventory,
        false => open(&releases),
    };
    let mut disk = Disk {
        since,
        evaluation: Evaluation::new(scene, Vec::new()),
        inventory: &inventory,
        jobs: Vec::new(),
        initrds: Initrds::default(),
    };
    let unread = unread(&trees, &inventory, &releases, plan, since);
    disk.evaluation.errors.extend(unread);
    for image in broken(&inventory, plan, since) {
        disk.evaluation.evaluator.add_unreadable(image);
    }
    let mut missing = Vec::new();
    for release in &releases {
        let mut all = trees.iter();
        match all.find(|tree| tree.release == *release && !tree.has_nothing()) {
            Some(tree) => disk.add_release(tree),
            None => {
                let lost_all = erased.lost_own.contains(release);
                missing.extend(disk.missing(release, lost_all));
            }
        }
    }
    let mut modules = missing;
    modules.extend(disk.modules());
    let (inside, initrds) = disk.initrds(&modules);
    modules.extend(inside);
    modules.extend(disk.lost_drivers(&search, &found, &kernels));
    note_where_links_load(entries(&mut modules), disk.evaluation.evaluator.entries());
    let Evaluation {
        mut evaluator,
        mut errors,
        ..
    } = disk.evaluation;
    // A copy is stale anew where some kernel of its release has changed.
    let is_new = |module: &ModuleEntry| {
        let release = module.release.as_ref();
        release.is_none_or(|release| kernels.contains(release))
    };
    let told = modules
        .iter()
        .map(|located: &LocatedModule| &located.module);
    let found = evaluator.kernel_findings(told);
    let found = found.into_iter().filter(is_new);
    modules.extend(found.map(|module| {
        let release = module.release.clone().unwrap_or_default();
        let location = ModuleLocation::new(&release, Path::new(""));
        LocatedModule { location, module }
    }));
    let reported: BTreeSet<&str> = plan.reported_keys.iter().map(String::as_str).collect();
    errors.retain(|error| !reported.contains(error_key(error).as_str()));
    let kernels = evaluator.into_entries();
    let policy = scene.governed.rating(BTreeMap::new());
    policy.rate(entries(&mut modules), &kernels);
    for located in &mut modules {
        let known = located.module.verdicts.iter().map(|verdict| {
            let kernel = kernels.get(verdict.kernel);
            kernel.is_some_and(|kernel| reported.contains(located.key(verdict, kernel).as_str()))
        });
        let known: Vec<bool> = known.collect();
        let verdicts = located.module.verdicts.iter_mut().zip(known);
        for (verdict, _) in verdicts.filter(|(_, known)| *known) {
            verdict.set_preexisting();
        }
    }
    Evaluated {
        kernels,
        modules,
        errors,
        packages: policy.packages,
        initrds,
    }
}

/// The releases whose modules or images the plan's transaction brings or takes away.
fn named_releases(plan: &Plan) -> BTreeSet<String> {
    let paths = plan.elements.iter().flat_map(|element| &element.paths);
    let roles = paths.filter_map(|path| Role::of(path));
    roles.map(|role| role.release().to_owned()).collect()
}

fn changed_kernels(
    search: &InventorySearch<'_>,
    found: &boot::BootKernels,
    since: TransactionStart,
) -> BTreeSet<String> {
    let changed = found.kernels.iter().filter(|k| since.changed_kernel(k));
    changed
        .filter_map(|kernel| search.release_of(kernel))
        .collect()
}

/// The modules of every release, or of the plan's own.
fn trees(
    scene: &Scene<'_>,
    plan: &Plan,
    since: TransactionStart,
    erased: &ErasedModules,
) -> Vec<ChangedTree> {
    let own = |release: &String| plan.release.as_ref().is_none_or(|own| own == release);
    let releases = scene.root.module_releases().into_iter().filter(own);
    releases
        .filter_map(|release| {
            let modules = ReleaseModules::read(scene.root, &release)?;
            let depmod_was_run = since.touched(&modules.dir.join("modules.dep"));
            let is_changed = |(path, found): &NamedFile<'_>| {
                since.changed(found) || erased.changes(&release, path, depmod_was_run)
            };
            let changed = modules.all().filter(is_changed);
            let changed = changed.map(|(_, found)| found.path.clone()).collect();
            Some(ChangedTree {
                release,
                modules,
                changed,
            })
        })
        .collect()
}

/// What else cannot be read: what was changed in module directories whose modules are
/// judged, and among what boots. Of which release the latter would be is not known.
fn unread(
    trees: &[ChangedTree],
    inventory: &Inventory,
    releases: &BTreeSet<String>,
    plan: &Plan,
    since: TransactionStart,
) -> Vec<ErrorEntry> {
    let has_kernel = |tree: &&ChangedTree| {
        let mut kernels = baseline::kernels(inventory, &tree.release);
        releases.contains(&tree.release) && kernels.next().is_some()
    };
    let trees = trees.iter().filter(has_kernel);
    let found = trees.flat_map(|tree| &tree.modules.unreadable);
    let found = found.map(|(path, why)| (path, why));
    let problems = inventory.problems.iter();
    let problems = problems.filter(|_| plan.release.is_none());
    let all = found.chain(problems.map(|problem| (&problem.path, &problem.fault)));
    // One file may be for every release.
    let all: BTreeSet<_> = all.filter(|(path, _)| since.touched(path)).collect();
    let all = all.into_iter();
    all.map(|(path, why)| failed(path.display().to_string(), why))
        .collect()
}

/// Images that the transaction has left behind, or that by their names are of the
/// plan's release, and that cannot be read: they will not boot.
fn broken<'i>(
    inventory: &'i Inventory,
    plan: &Plan,
    since: TransactionStart,
) -> impl Iterator<Item = &'i UnreadableImage> {
    let is_own = |image: &Bootable| plan.release.is_none() || image.release == plan.release;
    let all = inventory.unreadable_targets();
    all.filter(move |image| is_own(&image.bootable) && since.changed_kernel(&image.bootable))
}

/// The modules of one release, and which of them have changed.
struct ChangedTree {
    release: String,
    modules: ReleaseModules,
    /// By the paths under which they were found.
    changed: HashSet<PathBuf>,
}

impl ChangedTree {
    /// All of it was seen, and there is no module.
    fn has_nothing(&self) -> bool {
        self.modules.is_empty() && self.modules.unreadable.is_empty()
    }
}

/// A release of which something has changed, its kernels that are new, and all of them.
struct ChangedRelease<'a> {
    tree: &'a ChangedTree,
    new: Vec<usize>,
    all: Vec<usize>,
}

struct Disk<'a> {
    evaluation: Evaluation<'a>,
    jobs: Vec<ChangedRelease<'a>>,
    since: TransactionStart,
    inventory: &'a Inventory,
    /// Those of kernels that have changed, and of copies of those.
    initrds: Initrds,
}

impl<'a> Disk<'a> {
    /// Sorts out which modules of a release meet which kernels for the first time.
    fn add_release(&mut self, tree: &'a ChangedTree) {
        let (mut new, mut all) = self.add_kernels(&tree.release);
        all.extend(self.evaluation.add_running(&tree.release));
        all.extend(&new);
        // Two images may hold one kernel.
        for ids in [&mut new, &mut all] {
            ids.sort_unstable();
            ids.dedup();
        }
        self.jobs.push(ChangedRelease { tree, new, all });
    }

    /// Adds the kernels of a release with the initrds that are to be looked into; returns
    /// those that are new, and the others.
    fn add_kernels(&mut self, release: &str) -> (Vec<usize>, Vec<usize>) {
        let kernels = baseline::kernels(self.inventory, release).cloned();
        let (new, others): (Vec<_>, Vec<_>) =
            kernels.partition(|installed| self.since.changed_kernel(&installed.bootable));
        // What a copy is to be made anew of may be another build now.
        let (copies, others): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|other| !new.is_empty() && other.stale.is_some());
        let evaluator = &mut self.evaluation.evaluator;
        let others = others.into_iter();
        let mut old: Vec<usize> = others.map(|other| evaluator.add_installed(other)).collect();
        let root = self.evaluation.scene.root;
        let new = self.initrds.add_installed(new, root, evaluator);
        old.extend(self.initrds.add_installed(copies, root, evaluator));
        (new, old)
    }

    /// Judges the modules, now that all kernels are known.
    fn modules(&mut self) -> Vec<LocatedModule> {
        let Evaluation {
            scene,
            evaluator,
            errors,
            ..
        } = &mut self.evaluation;
        let mut modules = Vec::new();
        for ChangedRelease { tree, new, all } in &self.jobs {
            let evaluation = ReleaseEvaluation {
                evaluator,
                root: scene.root,
                release: &tree.release,
                found: &tree.modules,
                owners: &scene.owners,
            };
            let kernels = |file: &ModuleFile| match tree.changed.contains(&file.path) {
                true => all.clone(),
                false => new.clone(),
            };
            let changed = tree.changed.iter().map(|path| name_of_file(path));
            let changed: HashSet<String> = changed.collect();
            let is_judged =
                |below: &Path| !new.is_empty() || changed.contains(&name_of_file(below));
            let loaded = tree.modules.loaded_where(is_judged);
            let judged = evaluation.judge(&loaded, kernels, errors);
            modules.extend(judged.into_iter().map(|(below, module)| LocatedModule {
                location: ModuleLocation::new(&tree.release, &below),
                module,
            }));
        }
        modules
    }

    /// What is wrong inside the initrds of kernels that have changed.
    fn initrds(&mut self, disk: &[LocatedModule]) -> (Vec<LocatedModule>, Vec<InitrdEntry>) {
        let initrds = std::mem::take(&mut self.initrds);
        let disk = disk.iter().map(|located| &located.module);
        let inside = initrds.judge(&self.evaluation.evaluator, disk);
        self.evaluation.errors.extend(inside.judged.errors);
        let found = inside.judged.modules.into_iter().chain(inside.stale);
        let found = found.map(LocatedModule::in_initrd).collect();
        (found, inside.initrds)
    }

    /// What the kernel that boots by default lacks of what this machine uses, where it is
    /// another one than before.
    fn lost_drivers(
        &mut self,
        search: &InventorySearch<'_>,
        found: &boot::BootKernels,
        changed: &BTreeSet<String>,
    ) -> Vec<LocatedModule> {
        let is_target = |kernel: &&InstalledKernel, release: &str| {
            kernel.bootable.is_default() && kernel.kernel.release.as_deref() == Some(release)
        };
        let lost = || {
            let needs = self.evaluation.evaluator.host_needs()?;
            changed.first()?;
            let release = search.default_release(found)?;
            changed.get(&release)?;
            let mut all = self.inventory.targets();
            let kernel = all.find(|kernel| is_target(kernel, &release))?;
            let lost = LostDrivers::on_disk(self.evaluation.scene.root, needs, &release);
            (!lost.drivers.is_empty()).then(|| (kernel.clone(), lost))
        };
        let Some((kernel, mut lost)) = lost() else {
            return Vec::new();
        };
        // Those of others may still be built, in the background.
        lost.drivers
            .retain(|driver| driver.below.starts_with("kernel"));
        if lost.drivers.is_empty() {
            return Vec::new();
        }
        for driver in &mut lost.drivers {
            driver.owner = self.evaluation.scene.owners.get(&driver.file).cloned();
        }
        let id = self.evaluation.evaluator.add_installed(kernel);
        self.evaluation.lost_drivers(&lost, id)
    }

    /// Of the kernels of a release that has no module, those that had some before, or are
    /// new.
    fn missing(&mut self, release: &str, lost_all: bool) -> Vec<LocatedModule> {
        let lost_all = lost_all || self.since.0.is_none();
        let running = self.evaluation.add_running(release);
        let (mut ids, old) = self.add_kernels(release);
        if lost_all {
            ids.extend(running.into_iter().chain(old));
        }
        ids.sort_unstable();
        ids.dedup();
        self.evaluation.missing(release, &ids)
    }
}
