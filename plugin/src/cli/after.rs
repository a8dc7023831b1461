//! The disk after a transaction, scriptlets' work included, or without any.
//!
//! Only what changed since the transaction began is judged: modules that are
//! new, before every kernel; kernels that are new, with every module. Without a
//! transaction, all of one release. What was found to load before, on the kernels
//! that are still there, is not judged again; where nothing else can have changed,
//! nothing else is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use btf_guard::kernel::Kernel;
use btf_guard::place::Role;
use btf_guard::place::boot::{self, Bootable};
use btf_guard::place::inventory::{Inventory, Place as Search};
use btf_guard::place::plan::{Action, Plan};
use btf_guard::place::tree::{self, Found as File};
use btf_guard::report::{ErrorEntry, ModuleEntry};
use btf_guard::verdict::Causes;

use super::before;
use super::bench::{Bench, Case, failed};
use super::foreseen::Foreseen;
use super::judge::{Found, Scene};
use super::loading::Loading;
use super::placed::{Place, Placed, entries, error_key};
use super::progress::Progress;
use super::since::Since;

/// Judges what a plan's transaction has left on the disk. What the plan says was
/// told is marked as known.
pub(crate) fn judge(scene: &Scene<'_>, plan: &Plan) -> Found {
    let since = Since(plan.since);
    let lost = lost_own_modules(plan);
    let mut releases = lost.clone();
    let search = Search {
        root: scene.root,
        esps: &plan.esps,
        cache: scene.cache.as_ref(),
        config: None,
        releases: None,
    };
    let found = search.discover();
    let same_kernels = !found.kernels.iter().any(|k| since.changed_kernel(k));
    let foreseen = Foreseen::of(plan, scene.root);
    if same_kernels && lost.is_empty() && foreseen.is_all(plan) {
        return nothing();
    }
    let awaited = awaited(&search, &found, plan, since, &mut releases);
    let ahead = Search {
        releases: Some(&awaited),
        ..search
    };
    let trees = || trees(scene, plan, since, &foreseen);
    let open = || ahead.open_all(found.clone());
    let has_changed = |trees: &[Tree]| trees.iter().any(Tree::has_changed);
    let (trees, mut inventory) = match same_kernels && !plan.loads.is_empty() {
        true => {
            let trees = trees();
            let matters = has_changed(&trees) || !lost.is_empty();
            let inventory = matters.then(open).unwrap_or_default();
            (trees, inventory)
        }
        // Each takes about as long as the other.
        false => rayon::join(trees, open),
    };
    let changed = trees.iter().filter(|tree| tree.has_changed());
    releases.extend(changed.map(|tree| tree.release.clone()));
    if plan.release.is_none() && !releases.is_subset(&awaited) {
        let all = Search {
            releases: Some(&releases),
            ..search
        };
        inventory = all.open_all(found);
    }
    let mut work = Work {
        scene,
        since,
        inventory: &inventory,
        bench: Bench::new(Causes::all(), Progress::new(false))
            .for_this_machine(scene.wanted())
            .with_cache(scene.cache.clone()),
        places: Vec::new(),
        cases: Vec::new(),
        errors: broken(&inventory, plan, since),
    };
    let mut modules = Vec::new();
    for release in &releases {
        let tree = trees.iter().find(|tree| tree.release == *release);
        let is_empty = tree.is_none_or(|tree| tree.modules.is_empty());
        match tree {
            Some(tree) if !is_empty => work.release(tree),
            _ if lost.contains(release) => modules.extend(work.missing(release)),
            _ => {}
        }
    }
    modules.extend(work.files());
    work.bench.remember();
    let said: BTreeSet<&str> = plan.said.iter().map(String::as_str).collect();
    work.errors
        .retain(|error| !said.contains(error_key(error).as_str()));
    let kernels = work.bench.into_entries();
    let rating = scene.governed.rating(BTreeMap::new());
    rating.rate(entries(&mut modules), &kernels);
    for placed in &mut modules {
        let known: Vec<bool> = placed
            .module
            .verdicts
            .iter()
            .map(|verdict| {
                let kernel = kernels.get(verdict.kernel);
                kernel.is_some_and(|kernel| said.contains(placed.key(verdict, kernel).as_str()))
            })
            .collect();
        let verdicts = placed.module.verdicts.iter_mut().zip(known);
        for (verdict, _) in verdicts.filter(|(_, known)| *known) {
            verdict.was_so_before();
        }
    }
    Found {
        kernels,
        modules,
        errors: work.errors,
        notes: Vec::new(),
        loads: Loading::new(),
        packages: rating.packages,
    }
}

/// All is as it was foreseen.
fn nothing() -> Found {
    Found {
        kernels: Vec::new(),
        modules: Vec::new(),
        errors: Vec::new(),
        notes: Vec::new(),
        loads: Loading::new(),
        packages: BTreeMap::new(),
    }
}

/// The releases whose own modules the transaction has taken away.
fn lost_own_modules(plan: &Plan) -> BTreeSet<String> {
    let erased = plan.elements.iter().filter(|e| e.action == Action::Erase);
    let roles = erased.flat_map(|element| &element.paths);
    roles
        .filter_map(|path| match Role::of(path) {
            Some(Role::Module { release, below }) if below.starts_with("kernel") => {
                Some(release.to_owned())
            }
            _ => None,
        })
        .collect()
}

/// The releases whose kernels will have to be known, as far as that can be told
/// before their modules are looked at: the plan's own, or those of every kernel
/// that changed, which are added to `releases`, and of the modules that came.
fn awaited(
    search: &Search<'_>,
    found: &boot::Found,
    plan: &Plan,
    since: Since,
    releases: &mut BTreeSet<String>,
) -> BTreeSet<String> {
    if let Some(own) = &plan.release {
        return BTreeSet::from([own.clone()]);
    }
    let changed = found.kernels.iter().filter(|k| since.changed_kernel(k));
    releases.extend(changed.filter_map(|kernel| search.release_of(kernel)));
    let came = plan.elements.iter().filter(|e| e.action == Action::Install);
    let came = came.flat_map(|element| &element.paths);
    let came = came.filter_map(|path| match Role::of(path) {
        Some(Role::Module { release, .. }) => Some(release.to_owned()),
        _ => None,
    });
    came.chain(releases.iter().cloned()).collect()
}

/// The modules of every release, or of the plan's own.
fn trees(scene: &Scene<'_>, plan: &Plan, since: Since, foreseen: &Foreseen) -> Vec<Tree> {
    let own = |release: &String| plan.release.as_ref().is_none_or(|own| own == release);
    let releases = scene.root.module_releases().into_iter().filter(own);
    let tree = |release: String| {
        let dir = scene.root.module_dir(&release)?;
        let modules = tree::walk_with_times(&dir, scene.root).into_iter();
        let modules = modules.map(|seen| {
            let changed = since.changed(&seen, |file| foreseen.has(file));
            (seen.0, changed)
        });
        Some(Tree {
            release,
            dir,
            modules: modules.collect(),
        })
    };
    releases.filter_map(tree).collect()
}

/// Images that the transaction has left behind, or that by their names are of the
/// plan's release, and that cannot be read: they will not boot.
fn broken(inventory: &Inventory, plan: &Plan, since: Since) -> Vec<ErrorEntry> {
    let own = |image: &Bootable| plan.release.is_none() || image.release == plan.release;
    let all = inventory.unreadable.iter();
    all.filter(|(image, _)| own(image) && since.changed_kernel(image))
        .map(|(image, why)| failed(image.path.display().to_string(), why))
        .collect()
}

/// The modules of one release.
struct Tree {
    release: String,
    dir: PathBuf,
    /// Each, and whether it has changed.
    modules: Vec<(File, bool)>,
}

impl Tree {
    fn has_changed(&self) -> bool {
        self.modules.iter().any(|(_, changed)| *changed)
    }
}

struct Work<'a> {
    scene: &'a Scene<'a>,
    since: Since,
    inventory: &'a Inventory,
    bench: Bench,
    places: Vec<Place>,
    cases: Vec<Case>,
    errors: Vec<ErrorEntry>,
}

impl Work<'_> {
    /// Sorts out which modules of a release meet which kernels for the first time.
    fn release(&mut self, tree: &Tree) {
        let (mut new, mut all) = (Vec::new(), Vec::new());
        for installed in before::kernels(self.inventory, &tree.release) {
            let id = self.bench.add_installed(installed.clone());
            let ids = match self.since.changed_kernel(&installed.bootable) {
                true => &mut new,
                false => &mut all,
            };
            ids.push(id);
        }
        all.extend(self.running(&tree.release));
        all.extend(&new);
        // Two images may hold one kernel.
        for ids in [&mut new, &mut all] {
            ids.sort_unstable();
            ids.dedup();
        }
        for (found, changed) in &tree.modules {
            let kernels = match changed {
                true => &all,
                false => &new,
            };
            if kernels.is_empty() {
                continue;
            }
            let below = found.path.strip_prefix(&tree.dir).unwrap_or(&found.path);
            self.places.push(Place::new(&tree.release, below));
            self.cases.push(Case {
                found: found.clone(),
                kernels: kernels.clone(),
            });
        }
    }

    /// The running kernel, if this is its release.
    fn running(&mut self, release: &str) -> Option<usize> {
        if self.scene.running.as_deref() != Some(release) {
            return None;
        }
        match Kernel::running() {
            Ok(kernel) => Some(self.bench.add(kernel, "running".to_owned(), None)),
            Err(error) => {
                log::warn!("the running kernel: {error}");
                None
            }
        }
    }

    /// The kernels of a release of which no module is left.
    fn missing(&mut self, release: &str) -> Vec<Placed> {
        let mut ids: Vec<usize> = self.running(release).into_iter().collect();
        for installed in before::kernels(self.inventory, release) {
            ids.push(self.bench.add_installed(installed.clone()));
        }
        ids.dedup();
        let entries = ids.into_iter();
        let entries = entries.filter_map(|id| self.bench.entries().get(id));
        entries
            .map(|entry| Placed {
                place: Place::new(release, Path::new("")),
                module: ModuleEntry::missing(format!("/lib/modules/{release}"), entry),
            })
            .collect()
    }

    /// Judges the cases.
    fn files(&mut self) -> Vec<Placed> {
        let judged = self.bench.files(&self.cases);
        let mut modules = Vec::new();
        for (place, judged) in std::mem::take(&mut self.places).into_iter().zip(judged) {
            match judged {
                Ok(module) => modules.push(Placed { place, module }),
                Err(error) => self.errors.push(error),
            }
        }
        modules
    }
}
