//! A transaction before its first change: what its packages and the disk say
//! will be.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use btf_guard::kernel::{Kernel, Moment};
use btf_guard::place::Role;
use btf_guard::place::inventory::Inventory;
use btf_guard::place::nevra::same_package;
use btf_guard::place::plan::Plan;
use btf_guard::place::transaction::{Change, Linked, Transaction};
use btf_guard::policy::Severity;
use btf_guard::report::{ErrorEntry, KernelEntry, Known, ModuleEntry};
use btf_guard::verdict::Causes;

use super::ahead::{self, Ahead, is_emptied};
use super::before;
use super::bench::{Bench, Case, Judged, failed};
use super::judge::{Found, Scene};
use super::packaged;
use super::placed::{Place, Placed, entries};
use super::progress::Progress;
use super::recorded;
use super::shelf::{self, Kept, Shelf};

/// Judges a plan; `files` are the package files that its elements name, opened.
pub(crate) fn judge(scene: &Scene<'_>, plan: &Plan, files: Vec<Option<File>>) -> Found {
    with_shelf(scene, plan, files, &Shelf::new())
}

fn with_shelf(scene: &Scene<'_>, plan: &Plan, files: Vec<Option<File>>, shelf: &Shelf) -> Found {
    let mut transaction = Transaction::read(plan, files);
    let linked = transaction.linked_modules(scene.root);
    let notes = recorded::settle(scene, &mut transaction, &linked);
    let Ahead { inventory, kept } = ahead::read(scene, &transaction, &linked, shelf);
    let unreadable = transaction.unreadable.iter();
    let mut work = Work {
        scene,
        transaction: &transaction,
        linked: &linked,
        inventory: &inventory,
        bench: Bench::new(Causes::all(), Progress::new(false))
            .for_this_machine(scene.wanted())
            .with_cache(scene.cache.clone()),
        kernels: BTreeMap::new(),
        kept,
        errors: unreadable
            .map(|(nevra, error)| failed(nevra.clone(), error))
            .collect(),
    };
    work.find_kernels(shelf);
    let rating = scene.governed.rating(known(plan, &transaction));
    let mut modules = work.installed();
    modules.extend(work.staying());
    rating.rate(entries(&mut modules), work.bench.entries());
    before::compare(&mut modules, &work.bench, &inventory, scene.root);
    spare(&mut modules, work.bench.entries());
    let mut emptied = work.emptied();
    rating.rate(entries(&mut emptied), work.bench.entries());
    modules.extend(emptied);
    work.bench.remember();
    Found {
        modules,
        errors: work.errors,
        notes,
        loads: work.bench.loading(),
        kernels: work.bench.into_entries(),
        packages: rating.packages,
    }
}

/// What rules may say of the packages that come.
fn known(plan: &Plan, transaction: &Transaction) -> BTreeMap<String, Known> {
    let repository = |nevra: &str| {
        let mut all = plan.repositories.iter();
        let found = all.find(|(known, _)| same_package(known, nevra));
        found.map(|(_, repository)| repository.clone())
    };
    let packages = transaction.packages.iter();
    let known = packages.map(|package| {
        let nevra = package.nevra();
        let known = Known {
            vendor: package.vendor().map(str::to_owned),
            repository: repository(nevra),
        };
        (nevra.to_owned(), known)
    });
    known.collect()
}

/// The kernels that each release's modules will meet, by their ids.
#[derive(Debug, Default)]
struct Kernels {
    /// The running kernel, where it is a target and runs this release.
    running: Option<usize>,
    /// The kernels that can be booted after the transaction.
    boot: Vec<usize>,
}

impl Kernels {
    fn all(&self) -> impl Iterator<Item = usize> {
        self.running.into_iter().chain(self.boot.iter().copied())
    }
}

struct Work<'a> {
    scene: &'a Scene<'a>,
    transaction: &'a Transaction,
    linked: &'a [Linked],
    inventory: &'a Inventory,
    bench: Bench,
    kernels: BTreeMap<String, Kernels>,
    /// The modules of packages that were read before their kernels were known, by
    /// the place in the transaction.
    kept: BTreeMap<usize, Vec<Kept>>,
    errors: Vec<ErrorEntry>,
}

impl Work<'_> {
    fn find_kernels(&mut self, shelf: &Shelf) {
        self.brought(shelf);
        for (release, change) in &self.transaction.releases {
            if let Some((package, path)) = change.unknown_image() {
                let path = path.display();
                let why = format!("its image {path} comes with {package} and cannot be read");
                self.errors.push(ErrorEntry {
                    harmless: true,
                    ..failed(format!("kernel {release}"), &why)
                });
            } else if change.brought.is_empty() {
                self.on_disk(release, change);
            } else {
                self.follow(release);
            }
            if change.installs_modules() || change.erases_modules() {
                self.running(release);
            }
        }
        for linked in self.linked {
            if !self.transaction.releases.contains_key(&linked.release) {
                self.on_disk(&linked.release, &Change::default());
                self.running(&linked.release);
            }
        }
    }

    /// The kernels that packages bring, and the modules that are met on the way.
    fn brought(&mut self, shelf: &Shelf) {
        let cache = self.scene.cache.as_ref();
        for (index, package) in self.transaction.packages.iter().enumerate() {
            let brings = |change: &Change| change.brought.iter().any(|(from, _)| *from == index);
            if !self.transaction.releases.values().any(brings) {
                continue;
            }
            let meets = |path: &Path| self.meets_what_comes(path);
            let mut errors = Vec::new();
            let (found, kept) = packaged::read(package, cache, meets, shelf, &mut errors);
            self.errors.append(&mut errors);
            self.kept.insert(index, kept);
            for (release, path, kernel) in found {
                let source = path.display().to_string();
                let id = self.bench.add(kernel, source, Some(package.nevra()));
                let known = &mut self.kernels.entry(release).or_default().boot;
                if !known.contains(&id) {
                    known.push(id);
                }
            }
        }
    }

    /// The kernels on the disk that stay.
    fn on_disk(&mut self, release: &str, change: &Change) {
        let stay = change.kernels_that_stay(release, self.scene.root, &self.inventory.kernels);
        for installed in stay {
            let id = self.bench.add_installed(installed.clone());
            let known = &mut self.kernels.entry(release.to_owned()).or_default().boot;
            if !known.contains(&id) {
                known.push(id);
            }
        }
        if !change.installs_modules() || self.kernels.contains_key(release) {
            return;
        }
        // Where another kernel takes its place, a damaged image is another matter.
        for (image, why) in before::unreadable(self.inventory, release) {
            self.errors
                .push(failed(image.path.display().to_string(), why));
        }
    }

    /// Names the copies on the disk that are taken to follow the image of a package.
    fn follow(&mut self, release: &str) {
        let Some(brought) = self.kernels.get(release) else {
            return;
        };
        for installed in before::kernels(self.inventory, release) {
            let path = installed.bootable.path.display().to_string();
            for id in &brought.boot {
                if let Some(entry) = self.bench.entry_mut(*id)
                    && entry.source != path
                    && !entry.also.contains(&path)
                {
                    entry.also.push(path.clone());
                }
            }
        }
    }

    /// The running kernel, if this is its release.
    fn running(&mut self, release: &str) {
        if self.scene.running.as_deref() != Some(release) {
            return;
        }
        match Kernel::running() {
            Ok(kernel) => {
                let id = self.bench.add(kernel, "running".to_owned(), None);
                self.kernels.entry(release.to_owned()).or_default().running = Some(id);
            }
            Err(error) => log::warn!("the running kernel: {error}"),
        }
    }

    /// Will a module of a package meet a kernel that comes with the transaction?
    fn meets_what_comes(&self, path: &Path) -> bool {
        let brings = |release: &str| {
            let change = self.transaction.releases.get(release);
            change.is_some_and(|change| !change.brought.is_empty())
        };
        let Some(Role::Module { release, .. }) = Role::of(path) else {
            return false;
        };
        let mut linked = self.linked.iter().filter(|linked| linked.path == path);
        brings(release) || linked.any(|linked| brings(&linked.release))
    }

    /// The kernels that a module of a package will meet, under its own release and
    /// under those that link to it.
    fn meets(&self, path: &Path) -> Vec<usize> {
        let Some(Role::Module { release, .. }) = Role::of(path) else {
            return Vec::new();
        };
        let linked = self.linked.iter().filter(|linked| linked.path == path);
        let releases = std::iter::once(release).chain(linked.map(|l| l.release.as_str()));
        let mut ids: Vec<usize> = releases
            .filter_map(|release| self.kernels.get(release))
            .flat_map(Kernels::all)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Judges the modules that packages bring.
    fn installed(&mut self) -> Vec<Placed> {
        let mut modules = Vec::new();
        let mut errors = Vec::new();
        for (index, package) in self.transaction.packages.iter().enumerate() {
            let kept = self.kept.get(&index).map_or(&[][..], Vec::as_slice);
            let mut judged = self
                .bench
                .kept(package.nevra(), kept, |path| self.meets(path));
            let known = shelf::paths(kept);
            let meets = |path: &Path| match known.contains(path) {
                true => Vec::new(),
                false => self.meets(path),
            };
            let mut files = package.files().iter();
            if files.any(|file| file.has_content() && !meets(&file.path).is_empty()) {
                let (others, result) = self.bench.package(package, meets);
                judged.extend(others);
                let error = result
                    .err()
                    .map(|error| failed(package.nevra().to_owned(), &error));
                // It may have been met on the way to the kernel already.
                errors.extend(error.filter(|error| !self.errors.contains(error)));
            }
            let mut judged = readable(judged, &mut errors);
            // Whatever was read twice.
            judged.sort_by(|one, other| Path::new(&one.path).cmp(Path::new(&other.path)));
            for module in judged {
                self.place(module, &mut modules);
            }
        }
        self.errors.append(&mut errors);
        modules
    }

    /// Tells what a module is to its own release from what it is to those that
    /// link to it.
    fn place(&self, mut module: ModuleEntry, modules: &mut Vec<Placed>) {
        let path = Path::new(&module.path).to_owned();
        let Some(Role::Module { release, below }) = Role::of(&path) else {
            return;
        };
        let of = |release: &str, id: usize| {
            let kernels = self.kernels.get(release);
            kernels.is_some_and(|kernels| kernels.all().any(|known| known == id))
        };
        for linked in self.linked.iter().filter(|linked| linked.path == path) {
            let mut there = module.clone();
            there.verdicts.retain(|v| of(&linked.release, v.kernel));
            let (release, below) = (&linked.release, linked.below.display());
            there.path = format!("/lib/modules/{release}/{below}");
            let place = Place::new(release, &linked.below);
            modules.push(Placed {
                place,
                module: there,
            });
        }
        module.verdicts.retain(|v| of(release, v.kernel));
        let place = Place::new(release, below);
        modules.push(Placed { place, module });
    }

    /// Judges the modules on the disk that stay, by the kernels that come.
    fn staying(&mut self) -> Vec<Placed> {
        let (mut places, mut cases) = (Vec::new(), Vec::new());
        for (release, change) in &self.transaction.releases {
            let boot = self.kernels.get(release);
            let boot = boot.map(|kernels| kernels.boot.as_slice());
            let boot = boot.unwrap_or_default();
            if !change.brought.is_empty() && !boot.is_empty() {
                for (below, found) in self.transaction.modules_that_stay(release, self.scene.root) {
                    places.push(Place::new(release, &below));
                    let kernels = boot.to_vec();
                    cases.push(Case { found, kernels });
                }
            }
        }
        let mut modules = Vec::new();
        for (place, judged) in places.into_iter().zip(self.bench.files(&cases)) {
            match judged {
                Ok(module) => modules.push(Placed { place, module }),
                Err(error) => self.errors.push(error),
            }
        }
        modules
    }

    /// The kernels that the transaction leaves without modules.
    fn emptied(&self) -> Vec<Placed> {
        let mut emptied = Vec::new();
        for (release, change) in &self.transaction.releases {
            let Some(kernels) = self.kernels.get(release) else {
                continue;
            };
            if !is_emptied(self.scene, self.transaction, release, change) {
                continue;
            }
            // One that has all it needs built in does not miss what was added to it.
            let boot = kernels.boot.iter().filter(|_| change.erases_own_modules());
            let ids = kernels.running.iter().chain(boot);
            for entry in ids.filter_map(|id| self.bench.entries().get(*id)) {
                let path = format!("/lib/modules/{release}");
                let module = ModuleEntry::missing(path, entry);
                let place = Place::new(release, Path::new(""));
                emptied.push(Placed { place, module });
            }
        }
        emptied
    }
}

/// A module that one kernel of its release refuses and another takes is no reason
/// to stop a transaction, unless the one that refuses it is what boots.
fn spare(modules: &mut [Placed], kernels: &[KernelEntry]) {
    for placed in modules {
        let boots = |id: usize| {
            kernels
                .get(id)
                .filter(|kernel| kernel.moment == Moment::Boot)
        };
        let verdicts = &mut placed.module.verdicts;
        let taken = verdicts
            .iter()
            .any(|v| v.verdict.is_loaded() && boots(v.kernel).is_some());
        for verdict in verdicts.iter_mut().filter(|_| taken) {
            if boots(verdict.kernel).is_some_and(|kernel| !kernel.default) {
                verdict.cap(Severity::Warn);
            }
        }
    }
}

/// The modules that could be judged; the others become errors.
fn readable(judged: Vec<Judged>, errors: &mut Vec<ErrorEntry>) -> Vec<ModuleEntry> {
    let sort_out = |judged: Judged| judged.map_err(|error| errors.push(error)).ok();
    judged.into_iter().filter_map(sort_out).collect()
}

#[cfg(test)]
mod tests;
