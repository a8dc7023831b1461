// SPDX-License-Identifier: GPL-2.0-or-later
//! The `grub.cfg` files of a root, and the kernels that their items start.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::release_of_boot_image;

use super::collector::{Collector, Slot};
use super::grub::{self, Menu, MenuItem};
use super::volume::{LoaderFile, Volume, identity};
use super::{BootMethod, BootPath, BootProblem};

/// A `grub.cfg` that has a menu.
#[derive(Debug)]
pub(crate) struct GrubConfig {
    /// Where it is, for a report.
    pub(crate) path: PathBuf,
    pub(crate) menu: Menu,
    /// What each item of the menu boots.
    pub(crate) slots: Vec<Option<Slot>>,
}

/// Reads every configuration that has a menu; on the EFI system partition there
/// is mostly one that only leads to the real one.
pub(crate) fn read(
    root: &Root,
    volumes: &[Volume],
    collector: &mut Collector<'_>,
) -> Vec<GrubConfig> {
    let whole = Volume::part_of(root, Path::new("/"));
    let in_boot = Volume::part_of(root, Path::new("/boot"));
    let shown = root.outside(Path::new("/boot"));
    let boot = volumes.iter().find(|volume| volume.shown == shown);
    // GRUB reads the root's file system as well as a `/boot` of its own.
    let places = [boot.unwrap_or(&in_boot), &whole];
    let mut dirs = ["boot/grub2", "boot/grub"]
        .map(|dir| (&whole, dir.to_owned()))
        .to_vec();
    for volume in volumes {
        let names = volume.list("EFI", |_| true, &mut collector.problems);
        dirs.extend(names.iter().map(|name| (volume, format!("EFI/{name}"))));
    }
    let mut seen = BTreeSet::new();
    let mut configs = Vec::new();
    for (volume, dir) in dirs {
        let cfg = format!("{dir}/grub.cfg");
        let Ok(LoaderFile { shown: path, file }) = volume.find(&cfg) else {
            continue;
        };
        if identity(&file).is_ok_and(|file| !seen.insert(file)) {
            continue;
        }
        let env = volume.read(&format!("{dir}/grubenv"), grub::MAX_ENV);
        let script = volume.read(&cfg, grub::MAX_CONFIG);
        let (env, script) = match (env, script) {
            (Ok(env), Ok(script)) => (env, script),
            (Err(problem), _) | (_, Err(problem)) => {
                collector.problems.push(problem);
                continue;
            }
        };
        let env = grub::parse_grubenv(&env.unwrap_or_default());
        let menu = Menu::parse(&script.unwrap_or_default(), env);
        for fault in menu.faults.iter().cloned() {
            collector.problems.push(BootProblem::with(&path, fault));
        }
        if menu.items.is_empty() {
            continue;
        }
        let slots = menu.items.iter();
        let slots = slots
            .map(|item| kernel(item, &path, places, collector))
            .collect();
        configs.push(GrubConfig { path, menu, slots });
    }
    configs
}

/// Takes the kernel that an item starts.
fn kernel(
    item: &MenuItem,
    config: &Path,
    places: [&Volume; 2],
    collector: &mut Collector<'_>,
) -> Option<Slot> {
    let (line, path) = item.kernel.as_ref()?;
    // os-prober's items start what lies on other partitions.
    let id = item.id.as_deref().unwrap_or_default();
    if id.starts_with("osprober-") {
        return None;
    }
    let find = |path: &str| {
        let [first, second] = places.map(|volume| volume.find(path));
        match second {
            Ok(_) if first.is_err() => second,
            _ => first,
        }
    };
    // A memory test is started in the same way, but mounts nothing.
    let mut words = item.options.split_whitespace();
    let mut via = BootPath {
        line: Some(*line),
        id: item.id.clone(),
        title: item.title.clone(),
        options: Some(item.options.clone()),
        is_linux: words.any(|word| word.starts_with("root=")),
        ..BootPath::new(BootMethod::Grub, config.to_owned())
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    let release = release_of_boot_image(name);
    let image = match find(path) {
        Ok(image) => image,
        Err(error) => {
            via.fault = Some(BootProblem::at(config, *line, error));
            let [first, second] = places.map(|volume| volume.show(path));
            let has_dir = |path: &Path| path.parent().is_some_and(Path::is_dir);
            let shown = if has_dir(&first) { first } else { second };
            return Some(collector.lost(shown, release, via));
        }
    };
    for path in &item.initrds {
        match find(path) {
            Ok(initrd) => via.initrds.push(initrd.file),
            // One is enough: without it, the kernel finds no root.
            Err(error) => {
                via.fault = Some(BootProblem::at(config, item.line, error));
                break;
            }
        }
    }
    collector.take(image, release, via)
}
