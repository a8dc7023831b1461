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
use btf_guard_sysroot::module_tree::{ModuleFile, WalkBudget};

use super::baseline;
use super::erased_modules::ErasedModules;
use super::scene::{Scene, module_dir};
use super::transaction_start::TransactionStart;
use crate::boot::inventory::{InstalledKernel, Inventory, InventorySearch};
use crate::boot::{self, Bootable, UnreadableImage};
use crate::depmod::{NamedFile, ReleaseModules};
use crate::evaluate::drivers_lost::LostDrivers;
use crate::evaluate::located::error_key;
use crate::evaluate::state::{Evaluated, StateEvaluation};
use crate::module::name_of_file;
use crate::report::{ErrorEntry, failed};

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
        scene,
        since,
        state: scene.state(),
        inventory: &inventory,
        jobs: Vec::new(),
    };
    disk.state.errors = unread(&trees, &inventory, &releases, plan, since);
    for image in broken(&inventory, plan, since) {
        disk.state.evaluator.add_unreadable(image);
    }
    for release in &releases {
        let mut all = trees.iter();
        match all.find(|tree| tree.release == *release && !tree.has_nothing()) {
            Some(tree) => disk.add_release(tree),
            None => disk.add_missing(release, erased.lost_own.contains(release)),
        }
    }
    disk.judge_modules();
    disk.add_lost_drivers(&search, &found, &kernels);
    let mut state = disk.state;
    // A copy is stale anew where some kernel of its release has changed.
    state.look_around(|release| release.is_none_or(|release| kernels.contains(release)));
    let rating = scene.governed.rating(BTreeMap::new());
    state.rate(&rating);
    let mut found = state.finish(rating.packages);
    mark_reported(&mut found, plan);
    found
}

/// Leaves out the errors that the plan says were reported, and marks the findings.
fn mark_reported(found: &mut Evaluated, plan: &Plan) {
    let reported: BTreeSet<&str> = plan.reported_keys.iter().map(String::as_str).collect();
    let is_reported = |key: String| reported.contains(key.as_str());
    found.errors.retain(|error| !is_reported(error_key(error)));
    for located in &mut found.modules {
        let known = located.module.verdicts.iter().map(|verdict| {
            let kernel = found.kernels.get(verdict.kernel);
            kernel.is_some_and(|kernel| is_reported(located.key(verdict, kernel)))
        });
        let known: Vec<bool> = known.collect();
        let verdicts = located.module.verdicts.iter_mut().zip(known);
        for (verdict, _) in verdicts.filter(|(_, known)| *known) {
            verdict.set_preexisting();
        }
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
    let walks = WalkBudget::default();
    releases
        .filter_map(|release| {
            let modules = ReleaseModules::read(scene.root, &release, &walks)?;
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
    // What has been there for long may hide what is new.
    let cut = trees.clone().flat_map(|tree| &tree.modules.cut);
    let cut = cut.map(|(path, why)| (path, why));
    let found = trees.flat_map(|tree| &tree.modules.unreadable);
    let found = found.map(|(path, why)| (path, why));
    let problems = inventory.problems.iter();
    let problems = problems.filter(|_| plan.release.is_none());
    let all = found.chain(problems.map(|problem| (&problem.path, &problem.fault)));
    // One file may be for every release.
    let all = all.filter(|(path, _)| since.touched(path)).chain(cut);
    let all: BTreeSet<_> = all.collect();
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
    scene: &'a Scene<'a>,
    /// Of the initrds, those of kernels that have changed, and of copies of those.
    state: StateEvaluation<'a>,
    jobs: Vec<ChangedRelease<'a>>,
    since: TransactionStart,
    inventory: &'a Inventory,
}

impl<'a> Disk<'a> {
    /// Sorts out which modules of a release meet which kernels for the first time.
    fn add_release(&mut self, tree: &'a ChangedTree) {
        let (mut new, mut all) = self.add_kernels(&tree.release);
        all.extend(self.add_running(&tree.release));
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
        let StateEvaluation {
            root,
            evaluator,
            initrds,
            ..
        } = &mut self.state;
        let others = others.into_iter();
        let mut old: Vec<usize> = others.map(|other| evaluator.add_installed(other)).collect();
        let new = initrds.add_installed(new, root, evaluator);
        old.extend(initrds.add_installed(copies, root, evaluator));
        (new, old)
    }

    fn add_running(&mut self, release: &str) -> Option<usize> {
        self.scene.add_running(release, &mut self.state.evaluator)
    }

    /// Judges the modules, now that all kernels are known.
    fn judge_modules(&mut self) {
        for ChangedRelease { tree, new, all } in &self.jobs {
            let changed = tree.changed.iter().map(name_of_file);
            let changed: HashSet<String> = changed.collect();
            let is_judged =
                |below: &Path| !new.is_empty() || changed.contains(&name_of_file(below));
            let kernels = |file: &ModuleFile| match tree.changed.contains(&file.path) {
                true => all.clone(),
                false => new.clone(),
            };
            let loaded = tree.modules.loaded_where(is_judged);
            let root = self.scene.root;
            self.state
                .judge_release(root, &tree.release, &loaded, kernels);
        }
    }

    /// Adds what the kernel that boots by default lacks of what this machine uses, where it is
    /// another one than before.
    fn add_lost_drivers(
        &mut self,
        search: &InventorySearch<'_>,
        found: &boot::BootKernels,
        changed: &BTreeSet<String>,
    ) {
        let is_target = |kernel: &&InstalledKernel, release: &str| {
            kernel.bootable.is_default() && kernel.kernel.release.as_deref() == Some(release)
        };
        let lost = || {
            let needs = self.state.evaluator.host_needs()?;
            changed.first()?;
            let release = search.default_release(found)?;
            changed.get(&release)?;
            let mut all = self.inventory.targets();
            let kernel = all.find(|kernel| is_target(kernel, &release))?;
            let lost = LostDrivers::on_disk(self.scene.root, needs, &release);
            (!lost.drivers.is_empty()).then(|| (kernel.clone(), lost))
        };
        let Some((kernel, mut lost)) = lost() else {
            return;
        };
        // Those of others may still be built, in the background.
        lost.drivers
            .retain(|driver| driver.below.starts_with("kernel"));
        if lost.drivers.is_empty() {
            return;
        }
        for driver in &mut lost.drivers {
            driver.owner = self.scene.owners.get(&driver.file).cloned();
        }
        let id = self.state.evaluator.add_installed(kernel);
        self.state.add_lost(&lost, id);
    }

    /// Adds, of the kernels of a release that has no module, those that had some before, or
    /// are new.
    fn add_missing(&mut self, release: &str, lost_all: bool) {
        let lost_all = lost_all || self.since.0.is_none();
        let running = self.add_running(release);
        let (mut ids, old) = self.add_kernels(release);
        if lost_all {
            ids.extend(running.into_iter().chain(old));
        }
        ids.sort_unstable();
        ids.dedup();
        self.state.add_missing(release, &module_dir(release), &ids);
    }
}
