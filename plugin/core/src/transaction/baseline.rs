// SPDX-License-Identifier: GPL-2.0-or-later
//! What was broken before a transaction is not its doing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use btf_guard_sysroot::Root;
use rayon::prelude::*;

use super::fs_view::FsView;
use super::located::{LocatedModule, ModuleLocation};
use crate::boot::inventory::{InstalledKernel, Inventory};
use crate::boot::{ModulesRoot, UnreadableImage};
use crate::evaluate::Evaluator;
use crate::kernel::Kernel;
use crate::module::{self, Module, name_of_file};
use crate::policy::{self, Severity};
use crate::report::VerdictEntry;
use crate::verdict::Kind;

/// Marks the verdicts that were as bad before: the same module, by path or else
/// by name, before the same kernel, or before every image on the disk that the
/// transaction's image replaces. Where that cannot be known, because an image or
/// the module cannot be read, a verdict warns at most: what may be a repair is
/// not stopped.
pub(crate) fn mark_preexisting<'a>(
    modules: &mut [LocatedModule],
    evaluator: &Evaluator,
    inventory: &'a Inventory,
    view: &'a FsView<'_>,
) {
    let is_finding = |located: &LocatedModule| {
        located.module.severity() >= Severity::Warn && !located.location.is_directory()
    };
    let mut disks = BTreeMap::new();
    for LocatedModule { location, .. } in modules.iter().filter(|located| is_finding(located)) {
        let read = || Before::read(&location.release, inventory, view);
        disks.entry(location.release.clone()).or_insert_with(read);
    }
    modules
        .par_iter_mut()
        .filter(|located| is_finding(located))
        .for_each(|LocatedModule { location, module }| {
            let Some(disk) = disks.get(&location.release) else {
                return;
            };
            let Some(before) = disk.module(location, &module.name) else {
                return;
            };
            for verdict in &mut module.verdicts {
                if verdict.severity < Severity::Warn {
                    continue;
                }
                match disk.compare(before.as_ref(), verdict, evaluator) {
                    Baseline::Better => {}
                    Baseline::AsBad => verdict.set_preexisting(),
                    Baseline::Unknown(why) => verdict.set_maybe_preexisting(&why),
                }
            }
        });
}

/// The kernels of a release that use this root's modules.
pub(crate) fn kernels<'i>(
    inventory: &'i Inventory,
    release: &str,
) -> impl Iterator<Item = &'i InstalledKernel> {
    inventory.targets().filter(move |installed| {
        installed.kernel.release.as_deref() == Some(release)
            && installed.bootable.home == ModulesRoot::Root
    })
}

/// The images that cannot be read and, by their names, are of a release.
pub(crate) fn unreadable<'i>(
    inventory: &'i Inventory,
    release: &str,
) -> impl Iterator<Item = &'i UnreadableImage> {
    let all = inventory.unreadable.iter();
    all.filter(move |image| image.bootable.release.as_deref() == Some(release))
}

/// How a module fared before the transaction.
enum Baseline {
    Better,
    AsBad,
    /// What could not be read, and why.
    Unknown(String),
}

/// What the disk holds of a release before the transaction.
struct Before<'a> {
    root: &'a Root,
    /// The module directory, as a path inside the root.
    dir: Option<PathBuf>,
    by_name: BTreeMap<String, PathBuf>,
    kernels: Vec<&'a Kernel>,
    /// An image that is no kernel, and why.
    unreadable: Option<String>,
}

impl<'a> Before<'a> {
    fn read(release: &str, inventory: &'a Inventory, view: &'a FsView<'_>) -> Self {
        let root = view.root;
        let tree = view.tree(release);
        let modules = tree.iter().flat_map(|tree| &tree.modules);
        let named = modules.map(|found| (name_of_file(&found.path), found.file.clone()));
        let unreadable = unreadable(inventory, release).next();
        Self {
            by_name: named.collect(),
            kernels: kernels(inventory, release).map(|i| &i.kernel).collect(),
            unreadable: unreadable.map(|image| image.fault.to_string()),
            root,
            dir: tree.as_ref().and_then(|tree| root.inside(&tree.dir)),
        }
    }

    /// The module as it was, by path or else by name, or why it cannot be read;
    /// `None` if there was none.
    fn module(&self, location: &ModuleLocation, name: &str) -> Option<Result<Module, String>> {
        let same = self.dir.as_ref().map(|dir| dir.join(&location.below));
        // A link starts at the root's own `/`, not at ours.
        let file = same.and_then(|inside| self.root.resolve(&inside).ok());
        let file = file.as_ref().or_else(|| self.by_name.get(name))?;
        Some(module::open(file).map_err(|error| format!("{}: {error}", file.display())))
    }

    fn compare(
        &self,
        module: Result<&Module, &String>,
        now: &VerdictEntry,
        evaluator: &Evaluator,
    ) -> Baseline {
        let Some(entry) = evaluator.entries().get(now.kernel) else {
            return Baseline::Better;
        };
        let module = match module {
            Ok(module) => module,
            Err(error) => return Baseline::Unknown(error.clone()),
        };
        // What the kernel does is compared, not what this machine's policy makes of it.
        let severity = |verdict| policy::built_in(entry.target, verdict);
        let bad = |kernel: &Kernel| {
            let judgement = evaluator.bases().judge(module, kernel, evaluator.causes());
            severity(Kind::from(&judgement.verdict)) >= severity(now.verdict)
        };
        let before = |bad| match bad {
            true => Baseline::AsBad,
            false => Baseline::Better,
        };
        match (&entry.package, evaluator.kernel(entry.id)) {
            (None, Some(same)) => before(bad(same)),
            _ if !self.kernels.iter().all(|kernel| bad(kernel)) => Baseline::Better,
            _ => match &self.unreadable {
                Some(why) => Baseline::Unknown(why.clone()),
                None => before(!self.kernels.is_empty()),
            },
        }
    }
}
