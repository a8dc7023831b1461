// SPDX-License-Identifier: GPL-2.0-or-later
//! The modules that packages bring.

use std::collections::BTreeMap;
use std::path::Path;

use super::Planned;
use crate::evaluate::candidates::set_link;
use crate::evaluate::failed;
use crate::evaluate::located::{LocatedModule, ModuleLocation};
use crate::report::{ErrorEntry, ModuleEntry};
use crate::rpm::kernel_files::{PackagedModule, ReleasePath};
use crate::transaction::changes::IncomingPackage;
use crate::transaction::destination::{Destination, ReleaseKernels};
use crate::transaction::weak_updates::WeakUpdate;

/// Those of the packages for which this holds, with their places, the smallest first: what
/// they do not need of their parts is left to the others.
pub(super) fn smallest_first(
    packages: &[IncomingPackage],
    is_asked: impl Fn(&IncomingPackage) -> bool,
) -> Vec<(usize, &IncomingPackage)> {
    let all = packages.iter().enumerate();
    let mut asked: Vec<_> = all.filter(|(_, incoming)| is_asked(incoming)).collect();
    asked.sort_by_cached_key(|(_, incoming)| incoming.package.size());
    asked
}

impl<'a> Planned<'a> {
    fn destination(&self, module: &'a PackagedModule) -> Destination<'a> {
        let loads = |release: &str, below: &Path| {
            let after = self.after.get(release);
            after.is_some_and(|after| after.loads(below))
        };
        let own = module.own.as_ref();
        let loaded_own = own.filter(|own| loads(&own.release, &own.below));
        // They are sorted by the modules that they lead to.
        let links = &self.links.coming;
        let first = links.partition_point(|link| link.path < module.place);
        let links = links.iter().skip(first);
        let links = links.take_while(|link| link.path == module.place);
        let is_own = |link: &WeakUpdate| {
            own.is_some_and(|own| (&own.release, &own.below) == (&link.release, &link.below))
        };
        let links = links.filter(|link| !is_own(link) && loads(&link.release, &link.below));
        let links: Vec<_> = links.collect();
        let linked = links.iter().map(|link| &link.release);
        let own = loaded_own.iter().map(|own| &own.release);
        let mut kernels: Vec<usize> = own
            .chain(linked)
            .filter_map(|release| self.kernels.get(release))
            .flat_map(ReleaseKernels::all)
            .collect();
        kernels.sort_unstable();
        kernels.dedup();
        Destination {
            module,
            loaded_own,
            links,
            kernels,
        }
    }

    /// Judges the modules that packages bring. Of the time that is left each package has an
    /// equal part, and what stays on the disk one more.
    pub(super) fn incoming(&mut self) -> Vec<LocatedModule> {
        let packages = &self.transaction.packages;
        let destinations = |incoming: &'a IncomingPackage| {
            let all = incoming.files.modules.iter();
            let all = all.map(|module| (module.path.as_path(), self.destination(module)));
            let met = all.filter(|(_, destination)| !destination.kernels.is_empty());
            BTreeMap::from_iter(met)
        };
        let destinations: Vec<BTreeMap<&Path, Destination<'_>>> =
            packages.iter().map(destinations).collect();
        let has_staying = self.after.values().any(|after| !after.staying.is_empty());
        let all = smallest_first(packages, |incoming| !incoming.files.modules.is_empty());
        let all = all.into_iter();
        let all =
            all.filter_map(|(index, incoming)| Some((index, incoming, destinations.get(index)?)));
        let all: Vec<_> = all.filter(|(_, _, met)| !met.is_empty()).collect();
        let count = all.len() + usize::from(has_staying);
        // By package, in the plan's order.
        let mut modules: BTreeMap<usize, Vec<LocatedModule>> = BTreeMap::new();
        let mut errors: BTreeMap<usize, Vec<ErrorEntry>> = BTreeMap::new();
        for (done, (index, incoming, destinations)) in all.into_iter().enumerate() {
            let limit = self.scene.limit.part_of(count - done);
            let modules = modules.entry(index).or_default();
            let errors = errors.entry(index).or_default();
            let kernels = |path: &Path| {
                let destination = destinations.get(path);
                destination.map_or_else(Vec::new, |found| found.kernels.clone())
            };
            let evaluator = &self.state.evaluator;
            let (results, read) = evaluator.package(&incoming.package, limit, kernels);
            if let Err(error) = read {
                let error = failed(incoming.package.nevra().to_owned(), &error);
                // It may have been met on the way to the kernel already.
                if !self.state.errors.contains(&error) {
                    errors.push(error);
                }
            }
            for (path, result) in results {
                match (result, destinations.get(path.as_path())) {
                    (Ok(module), Some(destination)) => {
                        self.locate(module, destination, modules);
                    }
                    (Ok(_), None) => {}
                    (Err(error), _) => errors.push(error),
                }
            }
        }
        self.state.errors.extend(errors.into_values().flatten());
        modules.into_values().flatten().collect()
    }

    /// Tells what a module is to its own release from what it is to those that
    /// link to it.
    fn locate(
        &self,
        mut module: ModuleEntry,
        destination: &Destination<'_>,
        modules: &mut Vec<LocatedModule>,
    ) {
        let of = |release: &str, id: usize| {
            let kernels = self.kernels.get(release);
            kernels.is_some_and(|kernels| kernels.all().any(|known| known == id))
        };
        for link in &destination.links {
            let mut there = module.clone();
            there.verdicts.retain(|v| of(&link.release, v.kernel));
            let (release, below) = (&link.release, link.below.display());
            there.path = format!("/lib/modules/{release}/{below}");
            let PackagedModule { place, own, .. } = destination.module;
            let own = own.as_ref().filter(|own| own.release != link.release);
            set_link(
                &mut there,
                own.map(|own| (place.clone(), own.release.clone())),
            );
            modules.push(LocatedModule {
                location: ModuleLocation::new(&link.release, &link.below),
                module: there,
            });
        }
        if let Some(ReleasePath { release, below }) = destination.loaded_own {
            module.verdicts.retain(|v| of(release, v.kernel));
            modules.push(LocatedModule {
                location: ModuleLocation::new(release, below),
                module,
            });
        }
    }
}
