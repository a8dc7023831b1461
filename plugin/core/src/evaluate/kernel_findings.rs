// SPDX-License-Identifier: GPL-2.0-or-later
//! What is wrong with the kernels themselves.

use std::collections::BTreeSet;

use super::Evaluator;
use crate::boot::UnreadableImage;
use crate::policy::Severity;
use crate::report::{self, ModuleEntry};
use crate::verdict::Kind;

impl Evaluator {
    /// Adds a kernel whose image cannot be read. It is the last to be added.
    pub(crate) fn add_unreadable(&mut self, image: &UnreadableImage) {
        self.unreadable.push(report::unreadable_kernel(image));
    }

    /// What is wrong with the kernels themselves: images that cannot boot, and copies of
    /// another build than their release's own image, where no module has told of it. No
    /// kernel is added after this.
    pub(crate) fn kernel_findings<'m>(
        &mut self,
        modules: impl IntoIterator<Item = &'m ModuleEntry>,
    ) -> Vec<ModuleEntry> {
        let verdicts = modules.into_iter().flat_map(|module| &module.verdicts);
        let misfits = verdicts.filter(|verdict| {
            let is_other = matches!(verdict.verdict, Kind::InitrdStale | Kind::DriverLost);
            verdict.severity >= Severity::Warn && !is_other
        });
        let told: BTreeSet<usize> = misfits.map(|verdict| verdict.kernel).collect();
        for mut entry in self.unreadable.drain(..) {
            entry.id = self.entries.len();
            self.entries.push(entry);
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
}
