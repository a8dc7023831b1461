//! What was broken before a transaction is not its doing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use btf_guard::kernel::Kernel;
use btf_guard::module::{Module, Reader, name_of_file};
use btf_guard::place::boot::{Bootable, ModulesRoot};
use btf_guard::place::inventory::{Installed, Inventory};
use btf_guard::place::roots::Root;
use btf_guard::place::tree;
use btf_guard::policy::{self, Severity};
use btf_guard::report::VerdictEntry;
use btf_guard::verdict::Kind;
use rayon::prelude::*;

use super::bench::Bench;
use super::placed::{Place, Placed};

/// Marks the verdicts that were as bad before: the same module, by path or else
/// by name, before the same kernel, or before every image on the disk that the
/// transaction's image replaces. Where that cannot be known, because an image or
/// the module cannot be read, a verdict warns at most: what may be a repair is
/// not stopped.
pub(crate) fn compare(modules: &mut [Placed], bench: &Bench, inventory: &Inventory, root: &Root) {
    let releases: BTreeSet<String> = modules
        .iter()
        .filter(|placed| placed.module.severity() >= Severity::Warn)
        .map(|placed| placed.place.release.clone())
        .collect();
    let disks: BTreeMap<String, Disk<'_>> = releases
        .into_iter()
        .map(|release| {
            let disk = Disk::read(&release, inventory, root);
            (release, disk)
        })
        .collect();
    modules
        .par_iter_mut()
        .for_each_init(Reader::new, |reader, Placed { place, module }| {
            if module.severity() < Severity::Warn {
                return;
            }
            let Some(disk) = disks.get(&place.release) else {
                return;
            };
            let Some(before) = disk.module(place, &module.name, reader) else {
                return;
            };
            for verdict in &mut module.verdicts {
                if verdict.severity < Severity::Warn {
                    continue;
                }
                match disk.was(before.as_ref(), verdict, bench) {
                    Before::Better => {}
                    Before::AsBad => verdict.was_so_before(),
                    Before::Unknown(why) => verdict.may_have_been_so_before(&why),
                }
            }
        });
}

/// The kernels of a release that use this root's modules.
pub(crate) fn kernels<'i>(
    inventory: &'i Inventory,
    release: &str,
) -> impl Iterator<Item = &'i Installed> {
    inventory.kernels.iter().filter(move |installed| {
        installed.kernel.release.as_deref() == Some(release)
            && installed.bootable.home == ModulesRoot::Root
    })
}

/// The images that cannot be read and, by their names, are of a release; each
/// with the reason.
pub(crate) fn unreadable<'i>(
    inventory: &'i Inventory,
    release: &str,
) -> impl Iterator<Item = (&'i Bootable, &'i String)> {
    let all = inventory.unreadable.iter();
    let own = move |(image, _): &&(Bootable, String)| image.release.as_deref() == Some(release);
    all.filter(own).map(|(image, why)| (image, why))
}

/// How a module fared before the transaction.
enum Before {
    Better,
    AsBad,
    /// What could not be read, and why.
    Unknown(String),
}

/// What the disk holds of a release before the transaction.
struct Disk<'a> {
    root: &'a Root,
    /// The module directory, as a path inside the root.
    dir: Option<PathBuf>,
    by_name: BTreeMap<String, PathBuf>,
    kernels: Vec<&'a Kernel>,
    /// An image that is no kernel, and why.
    unreadable: Option<String>,
}

impl<'a> Disk<'a> {
    fn read(release: &str, inventory: &'a Inventory, root: &'a Root) -> Self {
        let dir = root.module_dir(release);
        let modules = dir.as_ref().map(|dir| tree::walk(dir, root).modules);
        let modules = modules.into_iter().flatten();
        let named = modules.map(|found| (name_of_file(&found.path), found.file));
        let unreadable = unreadable(inventory, release).next();
        Self {
            by_name: named.collect(),
            kernels: kernels(inventory, release).map(|i| &i.kernel).collect(),
            unreadable: unreadable.map(|(image, why)| format!("{}: {why}", image.path.display())),
            root,
            dir: dir.and_then(|dir| root.inside(&dir)),
        }
    }

    /// The module as it was, by path or else by name, or why it cannot be read;
    /// `None` if there was none.
    fn module(
        &self,
        place: &Place,
        name: &str,
        reader: &mut Reader,
    ) -> Option<Result<Module, String>> {
        let same = self.dir.as_ref().map(|dir| dir.join(&place.below));
        // A link starts at the root's own `/`, not at ours.
        let file = same.and_then(|inside| self.root.resolve(&inside).ok());
        let file = file.as_ref().or_else(|| self.by_name.get(name))?;
        let module = reader.open(file);
        Some(module.map_err(|error| format!("{}: {error}", file.display())))
    }

    fn was(&self, module: Result<&Module, &String>, now: &VerdictEntry, bench: &Bench) -> Before {
        let Some(entry) = bench.entries().get(now.kernel) else {
            return Before::Better;
        };
        let module = match module {
            Ok(module) => module,
            Err(why) => return Before::Unknown(why.clone()),
        };
        // What the kernel does is compared, not what this machine's policy makes of it.
        let severity = |verdict| policy::built_in(entry.moment, verdict);
        let bad = |kernel: &Kernel| {
            let judgement = bench.bases().judge(module, kernel, bench.causes());
            severity(Kind::from(&judgement.verdict)) >= severity(now.verdict)
        };
        let before = |bad| match bad {
            true => Before::AsBad,
            false => Before::Better,
        };
        match (&entry.package, bench.kernel(entry.id)) {
            (None, Some(same)) => before(bad(same)),
            _ if !self.kernels.iter().all(|kernel| bad(kernel)) => Before::Better,
            _ => match &self.unreadable {
                Some(why) => Before::Unknown(why.clone()),
                None => before(!self.kernels.is_empty()),
            },
        }
    }
}
