// SPDX-License-Identifier: GPL-2.0-or-later
//! What is wrong with the kernels themselves.

use std::collections::BTreeSet;

use super::Evaluator;
use crate::boot::{TargetRole, UnreadableImage};
use crate::policy::Severity;
use crate::report::{self, KernelEntry, ModuleEntry};
use crate::verdict::Kind;

impl Evaluator {
    /// Adds a kernel whose image cannot be read. It is the last to be added.
    pub(crate) fn add_unreadable(&mut self, image: &UnreadableImage) {
        self.unreadable.push(report::unreadable_kernel(image));
    }

    /// What kernels find whose module directory, `dir`, is empty or not there. A rescue
    /// kernel has what it needs in its initrd.
    pub(crate) fn without_modules(&self, dir: &str, ids: &[usize]) -> Vec<ModuleEntry> {
        let entries = ids.iter().filter_map(|id| self.entries().get(*id));
        let entries = entries.filter(|entry| entry.role != TargetRole::Rescue);
        let missing =
            entries.map(|entry| report::kernel_finding(Kind::NoModules, dir.to_owned(), entry));
        missing.collect()
    }

    /// What is wrong with the kernels themselves: images that cannot boot, and copies of
    /// another build than their release's own image, where no module has told of it. No
    /// kernel is added after this.
    pub(crate) fn kernel_findings<'m>(
        &mut self,
        modules: impl IntoIterator<Item = &'m ModuleEntry>,
    ) -> Vec<ModuleEntry> {
        // What an initrd has tells how old the initrd is.
        let modules = modules.into_iter().filter(|module| module.initrd.is_none());
        let verdicts = modules.flat_map(|module| &module.verdicts);
        let misfits = verdicts.filter(|verdict| {
            verdict.severity >= Severity::Warn && verdict.verdict != Kind::DriverLost
        });
        let told: BTreeSet<usize> = misfits.map(|verdict| verdict.kernel).collect();
        for mut entry in self.unreadable.drain(..) {
            entry.id = self.entries.len();
            self.entries.push(entry);
        }
        let fitting = self.fitting_copies(&told);
        for entry in self.entries.iter_mut().filter(|e| fitting.contains(&e.id)) {
            entry.stale = None;
        }
        let found = self.entries.iter().filter_map(|entry| {
            let (kind, path) = match &entry.unbootable {
                Some(fault) => (Kind::Unbootable, &fault.path),
                None if told.contains(&entry.id) => return None,
                None => (
                    Kind::StaleCopy,
                    entry.stale.as_ref().map(|_| &entry.source)?,
                ),
            };
            Some(report::kernel_finding(kind, path.clone(), entry))
        });
        found.collect()
    }

    /// Copies of another build than their release's own image that fit the modules, which
    /// the own image does not: it is the one that is to be replaced, not they.
    fn fitting_copies(&self, told: &BTreeSet<usize>) -> BTreeSet<usize> {
        let copies = self.entries.iter().filter(|entry| {
            let own = self.newer_build(entry);
            !told.contains(&entry.id) && own.is_some_and(|own| told.contains(&own.id))
        });
        copies.map(|entry| entry.id).collect()
    }

    /// The build of its release that a stale copy is to be made anew of.
    pub(super) fn newer_build(&self, copy: &KernelEntry) -> Option<&KernelEntry> {
        let newer = &copy.stale.as_ref()?.newer_image;
        let is_it = |entry: &&KernelEntry| {
            entry.source == *newer || entry.same_kernel_paths.contains(newer)
        };
        self.entries.iter().find(is_it)
    }
}
