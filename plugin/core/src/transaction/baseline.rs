// SPDX-License-Identifier: GPL-2.0-or-later
//! What was broken before a transaction is not its doing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rayon::prelude::*;

use super::fs_view::FsView;
use crate::boot::inventory::{InstalledKernel, Inventory};
use crate::boot::{ModulesRoot, TargetRole, UnreadableImage};
use crate::depmod::ReleaseModules;
use crate::evaluate::Evaluator;
use crate::evaluate::located::{LocatedModule, ModuleLocation};
use crate::kernel::Kernel;
use crate::module::{self, Module, name_of_file};
use crate::policy::{self, Severity};
use crate::report::VerdictEntry;
use crate::time_limit::{LATE, TimeLimit};
use crate::verdict::Kind;

/// Marks the verdicts that were as bad before: the module that was loaded under the same
/// name, before the same kernel, or before the images on the disk that the transaction's
/// image replaces: what boots by default, or, where that is not known, all but a rescue
/// kernel, which nothing replaces. Where that cannot be known, because an image or
/// the module cannot be read, a verdict warns at most: what may be a repair is
/// not stopped.
pub(crate) fn mark_preexisting(
    modules: &mut [LocatedModule],
    evaluator: &Evaluator,
    inventory: &Inventory,
    view: &FsView<'_>,
    limit: TimeLimit,
) {
    let is_finding = |located: &LocatedModule| {
        let is_file = !located.location.is_directory() && !located.module.is_lost();
        is_file && located.module.severity() >= Severity::Warn
    };
    let transaction = view.transaction;
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
            let is_late = limit.is_over();
            let before = match is_late {
                true => Vec::new(),
                false => disk.modules(location),
            };
            // A package that brings a link says that the module is for this release.
            let is_found = module.link.is_some() && !transaction.brings(location);
            for verdict in &mut module.verdicts {
                if verdict.severity < Severity::Warn {
                    continue;
                }
                let baseline = match is_late {
                    true => Baseline::Unknown(LATE.to_owned()),
                    false => disk.compare(&before, verdict, evaluator),
                };
                match baseline {
                    // What is another release's is no reason to stop where nothing
                    // that worked gets lost.
                    Baseline::None if is_found => verdict.cap(Severity::Warn),
                    Baseline::None | Baseline::Better => {}
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

/// Those of them that are taken to follow an image that comes: a rescue kernel is kept.
pub(super) fn replaceable<'i>(
    inventory: &'i Inventory,
    release: &str,
) -> impl Iterator<Item = &'i InstalledKernel> {
    kernels(inventory, release).filter(|installed| !installed.bootable.is_rescue())
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
#[derive(PartialEq, Eq)]
enum Baseline {
    /// There was none of its name.
    None,
    Better,
    AsBad,
    /// What could not be read, and why.
    Unknown(String),
}

/// What the disk holds of a release before the transaction.
struct Before<'a> {
    /// Of each name the files that may have been loaded, mostly one.
    by_name: BTreeMap<String, Vec<PathBuf>>,
    kernels: Vec<&'a Kernel>,
    /// An image that is no kernel, and why.
    unreadable: Option<String>,
}

impl<'a> Before<'a> {
    fn read(release: &str, inventory: &'a Inventory, view: &FsView<'_>) -> Self {
        let modules = view.tree(release);
        let loaded = modules.as_deref().map(ReleaseModules::loaded);
        let by_name = loaded.into_iter().flatten().map(|(name, files)| {
            let files = files.into_iter().map(|(_, found)| found.file.clone());
            (name, files.collect())
        });
        let unreadable = unreadable(inventory, release).next();
        let mut replaced: Vec<&InstalledKernel> = replaceable(inventory, release).collect();
        let is_default = |installed: &&InstalledKernel| installed.role.role == TargetRole::Default;
        if replaced.iter().any(is_default) {
            replaced.retain(is_default);
        }
        Self {
            by_name: by_name.collect(),
            kernels: replaced.iter().map(|installed| &installed.kernel).collect(),
            unreadable: unreadable.map(|image| image.fault.to_string()),
        }
    }

    /// The modules that may have been loaded under its name, or why one cannot be read.
    fn modules(&self, location: &ModuleLocation) -> Vec<Result<Module, String>> {
        let files = self.by_name.get(&name_of_file(&location.below));
        let open = |file: &PathBuf| {
            module::open(file).map_err(|error| format!("{}: {error}", file.display()))
        };
        files.into_iter().flatten().map(open).collect()
    }

    fn compare(
        &self,
        modules: &[Result<Module, String>],
        now: &VerdictEntry,
        evaluator: &Evaluator,
    ) -> Baseline {
        let each = modules.iter();
        let mut each = each.map(|module| self.compare_one(module.as_ref(), now, evaluator));
        let Some(first) = each.next() else {
            return Baseline::None;
        };
        match each.all(|other| other == first) {
            true => first,
            false => Baseline::Unknown("several files have its name".to_owned()),
        }
    }

    fn compare_one(
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
