// SPDX-License-Identifier: GPL-2.0-or-later
//! A transaction before its first change: what its packages and the disk say
//! will be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;

use btf_guard_protocol::plan::Plan;

use super::baseline;
use super::changes::{Change, IncomingImage, Transaction};
use super::destination::ReleaseKernels;
use super::fs_view::FsView;
use super::loaded_after::{LoadedAfter, loaded_after};
use super::origins::origins;
use super::scene::{Scene, module_dir};
use super::weak_updates::{ModuleLinks, WeakUpdate};
use crate::boot::UnreadableImage;
use crate::boot::inventory::{Inventory, InventorySearch};
use crate::evaluate::located::{LocatedModule, ModuleLocation, cap_guesses};
use crate::evaluate::state::{Evaluated, StateEvaluation};
use crate::evaluate::{Job, failed};
use crate::report::ErrorEntry;

/// Judges a plan; `files` are the package files that its elements name, opened.
pub fn judge(scene: &Scene<'_>, plan: &Plan, files: Vec<Option<File>>) -> Evaluated {
    let transaction = Transaction::read(plan, files, scene.root);
    let view = FsView::new(&transaction, scene.root);
    let links = view.links();
    let new = scene.drivers.as_ref().map(|lost| lost.new.as_str());
    let brings = |(_, change): &(&String, &Change)| {
        change.installs_modules() || !change.new_images.is_empty()
    };
    let changed = transaction.releases.iter();
    let linked = links.coming.iter().map(|link| &link.release);
    let expected = changed.clone().filter(brings).map(|(release, _)| release);
    let expected: BTreeSet<String> = expected.chain(linked).cloned().collect();
    // Reading thousands of directories and reading an image take as long.
    let (after, known) = rayon::join(
        || loaded_after(&view, &links, new),
        || inventory(scene, &expected),
    );
    let emptied = changed.map(|(release, _)| release);
    let emptied = emptied.filter(|release| view.loses_all_modules(release));
    let others = after.iter().filter(|(_, after)| after.has_other_files());
    let more = emptied.chain(others.map(|(release, _)| release)).cloned();
    let releases: BTreeSet<String> = expected.iter().cloned().chain(more).collect();
    let inventory = match releases == expected {
        true => known,
        false => inventory(scene, &releases),
    };
    let mut planned = Planned {
        scene,
        plan,
        state: scene.state(),
        transaction: &transaction,
        view: &view,
        links: &links,
        after: &after,
        inventory: &inventory,
        kernels: BTreeMap::new(),
    };
    planned.note_unreadable();
    planned.find_kernels();
    let mut modules = planned.incoming();
    modules.extend(planned.staying());
    let release = |location: &ModuleLocation| after.get(&location.release);
    let count = |at: &ModuleLocation| release(at).map_or(1, |r| r.candidates(&at.below));
    cap_guesses(&mut modules, count);
    planned.state.modules = modules;
    planned.add_missing();
    planned.add_lost_drivers();
    let mut state = planned.state;
    let rating = scene.governed.rating(origins(plan, &transaction));
    state.rate(&rating);
    let limit = scene.limit_of_comparison;
    let evaluator = &state.evaluator;
    baseline::mark_preexisting(&mut state.modules, evaluator, &inventory, &view, limit);
    state.finish(rating.packages)
}

/// What the disk has of some releases.
fn inventory(scene: &Scene<'_>, releases: &BTreeSet<String>) -> Inventory {
    if releases.is_empty() {
        return Inventory::default();
    }
    InventorySearch {
        root: scene.root,
        esps: &[],
        cache: scene.cache.as_ref(),
        config: None,
        releases: Some(releases),
    }
    .inventory()
}

struct Planned<'a> {
    scene: &'a Scene<'a>,
    plan: &'a Plan,
    state: StateEvaluation<'a>,
    transaction: &'a Transaction,
    view: &'a FsView<'a>,
    links: &'a ModuleLinks,
    after: &'a BTreeMap<String, LoadedAfter>,
    inventory: &'a Inventory,
    kernels: BTreeMap<String, ReleaseKernels>,
}

impl<'a> Planned<'a> {
    fn find_kernels(&mut self) {
        let new = self.add_new_images();
        for (release, change) in &self.transaction.releases {
            self.add_installed(release, change, &new);
            if change.installs_modules() || change.erases_modules() {
                self.add_running(release);
            }
        }
        for (release, after) in self.after {
            let is_linked = |link: &WeakUpdate| link.release == *release;
            let has_others = after.has_other_files() || self.links.coming.iter().any(is_linked);
            if has_others && !self.transaction.releases.contains_key(release) {
                self.add_installed(release, &Change::default(), &new);
                self.add_running(release);
            }
        }
    }

    fn add_installed(&mut self, release: &str, change: &Change, new: &BTreeSet<(usize, PathBuf)>) {
        let root = self.scene.root;
        let is_kernel = |image: &IncomingImage| new.contains(&(image.package, image.path.clone()));
        let after = change.images_after(release, root, &self.inventory.kernels, is_kernel);
        if after.is_new {
            return self.name_copies(release);
        }
        if let Some((package, path)) = after.unknown {
            let path = path.display();
            let why = format!("its image {path} comes with {package} and cannot be read");
            return self.state.errors.push(ErrorEntry {
                harmless: true,
                ..failed(format!("kernel {release}"), &why)
            });
        }
        for installed in after.stay {
            let id = self.state.evaluator.add_installed(installed.clone());
            let known = self.kernels.entry(release.to_owned()).or_default();
            known.add_boot(id);
        }
        if !change.installs_modules() || self.kernels.contains_key(release) {
            return;
        }
        // Where another kernel takes its place, a damaged image is another matter.
        for UnreadableImage { fault, .. } in baseline::unreadable(self.inventory, release) {
            let path = fault.path.display().to_string();
            self.state.errors.push(failed(path, &fault.fault));
        }
    }

    /// Names the copies on the disk that are taken to follow the image of a package.
    fn name_copies(&mut self, release: &str) {
        let Some(new) = self.kernels.get(release) else {
            return;
        };
        for installed in baseline::replaceable(self.inventory, release) {
            let path = installed.bootable.path.display().to_string();
            for id in &new.boot {
                if let Some(entry) = self.state.evaluator.entry_mut(*id)
                    && entry.source != path
                    && !entry.same_kernel_paths.contains(&path)
                {
                    entry.same_kernel_paths.push(path.clone());
                }
            }
        }
    }

    fn add_running(&mut self, release: &str) {
        let evaluator = &mut self.state.evaluator;
        if let Some(id) = self.scene.add_running(release, evaluator) {
            let known = self.kernels.entry(release.to_owned()).or_default();
            known.running = Some(id);
        }
    }

    /// Judges the modules on the disk that stay: those that were loaded before by the
    /// kernels that come, others by all.
    fn staying(&mut self) -> Vec<LocatedModule> {
        let entries = self.state.evaluator.entries();
        let is_new = |id: &usize| {
            entries
                .get(*id)
                .is_some_and(|entry| entry.package.is_some())
        };
        let mut files = Vec::new();
        for (release, after) in self.after {
            let Some(kernels) = self.kernels.get(release) else {
                continue;
            };
            let all: BTreeSet<usize> = kernels.all().collect();
            let all = Vec::from_iter(all);
            let new: Vec<usize> = kernels.boot.iter().copied().filter(is_new).collect();
            for module in &after.staying {
                let kernels = if module.was_loaded { &new } else { &all };
                if !kernels.is_empty() {
                    let job = Job {
                        found: module.file.clone(),
                        kernels: kernels.clone(),
                    };
                    files.push((ModuleLocation::new(release, &module.below), job));
                }
            }
        }
        self.state.judge_files(self.scene.root, files)
    }

    /// Adds the kernels that the transaction leaves without modules.
    fn add_missing(&mut self) {
        for (release, change) in &self.transaction.releases {
            let Some(kernels) = self.kernels.get(release) else {
                continue;
            };
            if !self.view.loses_all_modules(release) {
                continue;
            }
            // One that has all it needs built in does not miss what was added to it.
            let boot = kernels.boot.iter().filter(|_| change.erases_own_modules());
            let ids: Vec<usize> = kernels.running.iter().chain(boot).copied().collect();
            self.state.add_missing(release, &module_dir(release), &ids);
        }
    }
}

mod images;
mod incoming;
mod lost_drivers;
#[cfg(test)]
mod tests;
mod unread;
