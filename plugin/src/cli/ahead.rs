//! What of a transaction can be read at once, each without the other: the kernels
//! on the disk, and the modules of small packages.

use std::collections::{BTreeMap, BTreeSet};
use std::panic;
use std::path::Path;
use std::thread;

use btf_guard::place::Role;
use btf_guard::place::inventory::{Inventory, Place as Search};
use btf_guard::place::package::Package;
use btf_guard::place::transaction::{Change, Linked, Transaction, images};

use super::judge::Scene;
use super::packaged;
use super::shelf::{Kept, Shelf};

/// Bytes of a package's modules that are read ahead. Those of larger ones are judged
/// as they come, by several threads.
const SMALL: u64 = 16 << 20;

/// What was read.
pub(crate) struct Ahead {
    pub(crate) inventory: Inventory,
    /// The modules of packages, by the place in the transaction.
    pub(crate) kept: BTreeMap<usize, Vec<Kept>>,
}

/// Reads the disk and the packages.
pub(crate) fn read(
    scene: &Scene<'_>,
    transaction: &Transaction,
    linked: &[Linked],
    shelf: &Shelf,
) -> Ahead {
    thread::scope(|scope| {
        let packages = transaction.packages.iter().enumerate();
        let small: Vec<_> = packages
            .filter(|(_, package)| is_small(transaction, package))
            .collect();
        let disk = || inventory(scene, transaction, linked);
        if small.is_empty() {
            return Ahead {
                inventory: disk(),
                kept: BTreeMap::new(),
            };
        }
        // Not of the pool, which works on what packages hold.
        let disk = scope.spawn(disk);
        let kept = small
            .into_iter()
            .filter_map(|(index, package)| Some((index, modules(transaction, package, shelf)?)));
        let kept = kept.collect();
        Ahead {
            inventory: disk
                .join()
                .unwrap_or_else(|panic| panic::resume_unwind(panic)),
            kept,
        }
    })
}

/// Does a package have modules, few of them, and no kernel?
fn is_small(transaction: &Transaction, package: &Package) -> bool {
    let files = package.files().iter().filter(|file| file.has_content());
    let modules = files.filter(|file| is_judged(transaction, &file.path));
    let sizes: Vec<u64> = modules.map(|file| file.size()).collect();
    let sum = |total: u64, size: &u64| total.saturating_add(*size);
    !sizes.is_empty() && sizes.iter().fold(0, sum) <= SMALL && images(package).is_empty()
}

/// Is this a module of a release of which not everything is known already?
fn is_judged(transaction: &Transaction, path: &Path) -> bool {
    match Role::of(path) {
        Some(Role::Module { release, .. }) => transaction.releases.contains_key(release),
        _ => false,
    }
}

/// The modules of a package. `None` if it cannot be read: whether that matters shows
/// when it is known what they meet.
fn modules(transaction: &Transaction, package: &Package, shelf: &Shelf) -> Option<Vec<Kept>> {
    let mut errors = Vec::new();
    let wanted = |path: &Path| is_judged(transaction, path);
    let (_, kept) = packaged::read(package, None, wanted, shelf, &mut errors);
    errors.is_empty().then_some(kept)
}

/// What the disk has of the releases whose modules the transaction changes.
fn inventory(scene: &Scene<'_>, transaction: &Transaction, linked: &[Linked]) -> Inventory {
    let matters = |(release, change): &(&String, &Change)| {
        change.installs_modules()
            || !change.brought.is_empty()
            || is_emptied(scene, transaction, release, change)
    };
    let touched = transaction.releases.iter().filter(matters);
    let linked = linked.iter().map(|linked| &linked.release);
    let touched = touched.map(|(release, _)| release);
    let releases: BTreeSet<String> = touched.chain(linked).cloned().collect();
    if releases.is_empty() {
        return Inventory::default();
    }
    Search {
        root: scene.root,
        esps: &[],
        cache: scene.cache.as_ref(),
        config: None,
        releases: Some(&releases),
    }
    .inventory()
}

/// Does the transaction leave a release without modules?
pub(crate) fn is_emptied(
    scene: &Scene<'_>,
    transaction: &Transaction,
    release: &str,
    change: &Change,
) -> bool {
    change.erases_modules()
        && !change.installs_modules()
        && transaction
            .modules_that_stay(release, scene.root)
            .is_empty()
}
