// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernels that packages bring.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Planned;
use super::incoming::smallest_first;
use crate::evaluate::package::{KernelReading, KernelRoom};
use crate::evaluate::{failed, package};
use crate::transaction::changes::IncomingPackage;
use crate::transaction::staying_config::staying_config;

impl Planned<'_> {
    /// Adds the kernels that packages bring, and returns of which package and path they
    /// are. Their payloads are read once for the images and once more for the modules: an
    /// image may lie behind the modules, of which there are more than memory should hold.
    ///
    /// Of the time and the memory that are left, each package has an equal part, and their
    /// modules one more of the time.
    pub(super) fn add_new_images(&mut self) -> BTreeSet<(usize, PathBuf)> {
        let (mut new, mut room) = (BTreeSet::new(), KernelRoom::default());
        let packages = &self.transaction.packages;
        let has_modules = packages
            .iter()
            .any(|incoming| !incoming.files.modules.is_empty());
        let has_images = |incoming: &IncomingPackage| !incoming.files.images.is_empty();
        let all = smallest_first(packages, has_images);
        let count = all.len();
        for (done, (index, incoming)) in all.into_iter().enumerate() {
            let package = &incoming.package;
            let left = count - done;
            let mut reading = KernelReading {
                cache: self.scene.cache.as_ref(),
                room: room.part_of(left),
                limit: self.scene.limit.part_of(left + usize::from(has_modules)),
            };
            let errors = &mut self.state.errors;
            let kernels = package::kernels(package, &incoming.files, &mut reading, errors);
            room.give_back(reading.room);
            for mut found in kernels {
                let source = found.path.display().to_string();
                if let Some(other) = found.kernel.release.as_ref()
                    && *other != found.release
                {
                    let path = format!("{}: {source}", package.nevra());
                    let why = format!("a kernel of {other}, not of {}", found.release);
                    errors.push(failed(path, &why));
                    continue;
                }
                let mut images = incoming.files.images.iter();
                if let Some(image) = images.find(|image| image.path == found.path) {
                    let (root, kernel) = (self.scene.root, &found.kernel);
                    found.kernel.config = staying_config(root, self.plan, kernel, &image.place);
                }
                new.insert((index, found.path));
                let evaluator = &mut self.state.evaluator;
                let id = evaluator.add(found.kernel, source, Some(package.nevra()));
                self.kernels.entry(found.release).or_default().add_boot(id);
            }
        }
        new
    }
}
