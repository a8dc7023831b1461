// SPDX-License-Identifier: GPL-2.0-or-later
//! What a transaction's new kernel lacks of what this machine uses. By the plan's paths it
//! is known already what it may be; packages tell the rest.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use btf_guard_sysroot::file_role::in_module_dir;

use super::Planned;
use crate::host_modules::{BUILT_IN_LIST, BUILT_IN_MODINFO, BuiltInModules};
use crate::module::same_name;
use crate::rpm::package::{Package, PackagedFile};
use crate::time_limit::TimeLimit;

/// The longest list that is read, in bytes; those of full kernels have some 200 KiB.
const MAX_LIST: u64 = 16 << 20;

impl Planned<'_> {
    /// Adds the modules that this machine uses and that the new kernel lacks. Packages are
    /// read once more, for its lists, only where there are any.
    pub(super) fn add_lost_drivers(&mut self) {
        let lost = || {
            let mut lost = self.scene.drivers.clone()?;
            let kernels = self.kernels.get(&lost.new)?;
            let after = self.after.get(&lost.new)?;
            lost.drivers.retain(|driver| !after.has(&driver.name));
            if lost.drivers.is_empty() || after.is_empty() {
                return None;
            }
            let built_in = self.built_in(&lost.new)?;
            let has = |name: &str| after.has(name) || built_in.contain(name);
            lost.drivers.retain(|driver| !has(&driver.name));
            let collected = self.state.evaluator.collected_aliases()?;
            lost.retain_unserved(|alias, except| {
                has(&same_name(alias)) || collected.serve(alias, except) || built_in.serve(alias)
            });
            Some((lost, *kernels.boot.first()?))
        };
        if let Some((lost, kernel)) = lost() {
            self.state.add_lost(&lost, kernel);
        }
    }

    /// What a release has built in, by the lists that come, or else by those on the disk.
    fn built_in(&self, release: &str) -> Option<BuiltInModules> {
        let packages = self.transaction.packages.iter();
        let mut packages = packages.map(|incoming| &incoming.package);
        let in_packages =
            packages.find_map(|package| packaged(package, release, self.scene.limit_of_comparison));
        in_packages.or_else(|| {
            let dir = self.scene.root.module_dir(release)?;
            BuiltInModules::read(&dir)
        })
    }
}

/// What a release has built in, by the lists in a package.
fn packaged(package: &Package, release: &str, limit: TimeLimit) -> Option<BuiltInModules> {
    let name_of = |path: &Path| {
        let (of, below) = in_module_dir(path)?;
        let mut lists = [BUILT_IN_LIST, BUILT_IN_MODINFO].into_iter();
        lists.find(|list| of == release && below == Path::new(list))
    };
    let is_list = |file: &&PackagedFile| {
        file.has_content() && file.size <= MAX_LIST && name_of(&file.path).is_some()
    };
    let lists = package.files().iter().filter(is_list);
    let lists: Vec<&Path> = lists.map(|file| file.path.as_path()).collect();
    let mut left = lists.len();
    if left == 0 {
        return None;
    }
    let mut texts = BTreeMap::new();
    let wanted = |path: &Path| lists.contains(&path);
    // What is damaged in it is told of its modules.
    let read = package.extract(wanted, limit, |paths, content| {
        let text = String::from_utf8_lossy(&content).into_owned();
        let names = paths.iter().filter_map(|path| name_of(path));
        texts.extend(names.map(|name| (name, text.clone())));
        left = left.saturating_sub(paths.len());
        match left {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    if let Err(error) = read {
        log::info!("{}: {error}", package.nevra());
    }
    let modinfo = texts.get(BUILT_IN_MODINFO).map(String::as_str);
    let list = texts.get(BUILT_IN_LIST)?;
    Some(BuiltInModules::parse(list, modinfo.unwrap_or_default()))
}
