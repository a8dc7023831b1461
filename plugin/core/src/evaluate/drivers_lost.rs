// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules that this machine uses with the kernel whose use is known, and that the kernel
//! which boots next lacks.
//!
//! What counts is a module that the machine asks for itself ([`ModuleUse::is_own`]), of
//! which the old release has a file. The new one has it where a file of its name can be
//! loaded, wherever that lies, or where it is built in; and where all that it is asked for
//! by is served there by another module, as of a driver that was renamed. Where a release
//! does not list what it has built in, nothing is said of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::Root;
use btf_guard_sysroot::module_tree::WalkBudget;

use crate::depmod::ReleaseModules;
use crate::host_modules::{Aliases, BuiltInModules, HostNeeds, ModuleUse};
use crate::module::same_name;
use crate::report::{KernelEntry, ModuleEntry, lost_driver};

/// A module that this machine uses with one kernel, and another kernel lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LostDriver {
    /// Its name, with `_`.
    pub(crate) name: String,
    /// The old release's file, links followed.
    pub(crate) file: PathBuf,
    /// The path by which it was found.
    pub(crate) path: PathBuf,
    /// The same below the release's module directory.
    pub(crate) below: PathBuf,
    pub(crate) used: ModuleUse,
    /// The installed package that the file is of, as far as that is known.
    pub(crate) owner: Option<String>,
}

/// The modules that one release has and another one lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostDrivers {
    pub(crate) old: String,
    pub(crate) new: String,
    /// In the order of their names.
    pub(crate) drivers: Vec<LostDriver>,
    /// Modules that this machine does not load for what they serve.
    pub(crate) blacklist: BTreeSet<String>,
}

impl LostDrivers {
    /// Of the modules of `old` that this machine asks for, those of which `new` has none
    /// of the name.
    pub(crate) fn find(
        root: &Root,
        needs: &HostNeeds,
        (old, new): (&str, &str),
        has: impl Fn(&str) -> bool,
    ) -> Self {
        let mut used = needs.own_uses(old);
        used.retain(|name, _| !has(name));
        // Its tree is walked only where something may be lost.
        let modules = match used.is_empty() {
            true => None,
            false => ReleaseModules::read(root, old, &WalkBudget::default()),
        };
        let loaded = modules.as_ref().map(ReleaseModules::loaded);
        let loaded = loaded.unwrap_or_default();
        let drivers = used.into_iter().filter_map(|(name, used)| {
            let (below, found) = loaded.get(&name)?.first()?;
            Some(LostDriver {
                name,
                file: found.file.clone(),
                path: found.path.clone(),
                below: below.to_path_buf(),
                used,
                owner: None,
            })
        });
        Self {
            old: old.to_owned(),
            new: new.to_owned(),
            drivers: drivers.collect(),
            blacklist: needs.blacklist().clone(),
        }
    }

    /// The same as the disk tells it of a release whose lists depmod has made. Nothing
    /// where the running kernel has no modules here, or the new one has none.
    pub(crate) fn on_disk(root: &Root, needs: &HostNeeds, new: &str) -> Self {
        let old = needs.running();
        let nothing = Self {
            old: old.to_owned(),
            new: new.to_owned(),
            drivers: Vec::new(),
            blacklist: BTreeSet::new(),
        };
        if old == new || root.module_dir(old).is_none() {
            return nothing;
        }
        let Some(modules) = ReleaseModules::read(root, new, &WalkBudget::default()) else {
            return nothing;
        };
        let loaded = modules.loaded();
        let built_in = BuiltInModules::read(&modules.dir);
        let (false, Some(built_in)) = (loaded.is_empty(), built_in) else {
            return nothing;
        };
        let has = |name: &str| loaded.contains_key(name) || built_in.contain(name);
        let mut lost = Self::find(root, needs, (old, new), has);
        if !lost.drivers.is_empty() {
            let aliases = Aliases::read(&modules.dir);
            lost.retain_unserved(|alias, except| {
                has(&same_name(alias)) || aliases.serve(alias, except) || built_in.serve(alias)
            });
        }
        lost
    }

    /// Leaves out what is asked for by what it serves alone, where another module that this
    /// machine loads serves all of that.
    pub(crate) fn retain_unserved(&mut self, serves: impl Fn(&str, &BTreeSet<String>) -> bool) {
        let except = &self.blacklist;
        self.drivers.retain(|driver| {
            let ModuleUse {
                aliases, is_named, ..
            } = &driver.used;
            *is_named || aliases.is_empty() || !aliases.iter().all(|alias| serves(alias, except))
        });
    }

    /// Contains the module with this file.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        let mut drivers = self.drivers.iter();
        drivers.any(|driver| driver.path == path)
    }

    /// What there is to say of the new release's kernel, with each module's path below the
    /// old release's directory.
    pub(crate) fn entries(
        &self,
        kernel: &KernelEntry,
    ) -> impl Iterator<Item = (&Path, ModuleEntry)> {
        self.drivers.iter().map(|driver| {
            let shown = (driver.name.clone(), driver.path.display().to_string());
            let known = (driver.used.reasons.clone(), driver.owner.clone());
            let in_tree = driver.below.starts_with("kernel");
            let entry = lost_driver(shown, known, in_tree, kernel);
            (driver.below.as_path(), entry)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    const OLD: &str = "6.1";
    const NEW: &str = "6.2";

    /// A machine that runs `OLD`, with these files.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let own = [
            ("6.1/kernel/nic.ko.xz", ""),
            ("6.1/kernel/crypt-disk.ko", ""),
            ("6.1/kernel/lib.ko", ""),
            ("6.1/updates/dkms/camera.ko", ""),
            (
                "6.1/modules.dep",
                "kernel/nic.ko.xz: kernel/lib.ko\nkernel/lib.ko:\n\
                 kernel/crypt-disk.ko:\nupdates/dkms/camera.ko:\nkernel/gone.ko:\n",
            ),
            ("6.1/modules.alias", "alias pci:v00000001d* nic\n"),
        ];
        let own = own.map(|(path, text)| (format!("lib/modules/{path}"), text));
        let others = [
            (
                "proc/modules",
                "camera 1 0 - Live 0x0\nlib 1 1 nic, Live 0x0\n",
            ),
            ("etc/modules", "crypt_disk\ngone\n"),
            ("sys/bus/pci/devices/a/modalias", "pci:v00000001d00000002\n"),
        ];
        let others = others.iter().chain(files);
        let others = others.map(|(path, text)| ((*path).to_owned(), *text));
        for (path, text) in own.into_iter().chain(others) {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn lost(dir: &Path, running: &str) -> Vec<String> {
        let root = Root::new(dir).unwrap();
        let needs = HostNeeds::new(&root, running);
        let lost = LostDrivers::on_disk(&root, &needs, NEW);
        let drivers = lost.drivers.into_iter();
        drivers
            .map(|driver| {
                format!(
                    "{} {}",
                    driver.below.display(),
                    driver.used.reasons.join(", ")
                )
            })
            .collect()
    }

    const NIC: &str = "kernel/nic.ko.xz device pci:v00000001d00000002";
    const DISK: &str = "kernel/crypt-disk.ko named in /etc/modules";
    const CAMERA: &str = "updates/dkms/camera.ko loaded";

    #[test]
    fn what_is_used_and_neither_a_file_nor_built_in_is_lost() {
        let other = ("lib/modules/6.2/kernel/other.ko", "");
        let none = ("lib/modules/6.2/modules.builtin", "");
        for (files, expected) in [
            (&[other, none][..], &[CAMERA, DISK, NIC][..]),
            (
                &[
                    ("lib/modules/6.2/weak-updates/camera.ko.zst", ""),
                    ("lib/modules/6.2/kernel/crypt_disk.ko.gz", ""),
                    none,
                ],
                &[NIC],
            ),
            (
                &[other, (none.0, "kernel/a/nic.ko\nkernel/a/crypt-disk.ko\n")],
                &[CAMERA],
            ),
            // What is built in is not known, or there are no modules at all.
            (&[other], &[]),
            (&[none], &[]),
        ] {
            let machine = machine(files);
            assert_eq!(lost(machine.path(), OLD), expected, "{files:?}");
            assert_eq!(lost(machine.path(), NEW), [""; 0]);
            assert_eq!(lost(machine.path(), "6.0"), [""; 0]);
        }
    }

    #[test]
    fn what_another_module_serves_is_replaced() {
        let new = [
            ("lib/modules/6.2/kernel/new_nic.ko", ""),
            ("lib/modules/6.2/modules.builtin", "kernel/built.ko\n"),
        ];
        let alias = "lib/modules/6.2/modules.alias";
        let modinfo = "lib/modules/6.2/modules.builtin.modinfo";
        for (list, expected) in [
            (
                (alias, "alias pci:v00000001d* new_nic\n"),
                &[CAMERA, DISK][..],
            ),
            ((modinfo, "built.alias=pci:v00000001d*\0"), &[CAMERA, DISK]),
            (
                (alias, "alias pci:v00000007d* new_nic\n"),
                &[CAMERA, DISK, NIC],
            ),
        ] {
            let machine = machine(&[&new[..], &[list]].concat());
            assert_eq!(lost(machine.path(), OLD), expected, "{list:?}");
        }
    }
}
