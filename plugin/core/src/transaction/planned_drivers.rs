// SPDX-License-Identifier: GPL-2.0-or-later
//! What a transaction's new kernel may lack of what this machine uses: found by the paths
//! that a plan names, before anything of a package is read, because rpm has to be asked
//! whose the modules are, and a confined process starts no other.
//!
//! Before a transaction only the kernel's own modules count. Those of others are built for
//! the new kernel, or linked to it, by scriptlets.

use std::collections::BTreeSet;
use std::path::PathBuf;

use btf_guard_protocol::plan::{Action, Plan, Stage};
use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::Role;
use btf_guard_sysroot::module_tree::WalkBudget;

use crate::depmod::ReleaseModules;
use crate::evaluate::drivers_lost::LostDrivers;
use crate::host_modules::HostNeeds;
use crate::module::name_of_file;
use crate::rpm::module_owners::owners_and_sources;
use crate::rpm::rpmdb::Rpm;
use crate::vercmp;

/// The modules that this machine uses and that a plan's new kernel may lack; `running` is
/// the release that runs here. `None` where the plan brings no kernel of a release of which
/// the disk has none: nothing is read then; and where the running kernel has no modules here.
pub fn planned(
    root: &Root,
    plan: &Plan,
    running: Option<&str>,
    rpm: Rpm<'_>,
) -> Option<LostDrivers> {
    let running = running.filter(|_| plan.stage == Stage::Pre)?;
    let new = new_release(root, plan)?;
    let old = Some(running).filter(|old| *old != new && root.module_dir(old).is_some())?;
    let names = module_names(root, plan, &new);
    if names.is_empty() {
        return None;
    }
    let needs = HostNeeds::new(root, running);
    let has = |name: &str| names.contains(name);
    let mut lost = LostDrivers::find(root, &needs, (old, &new), has);
    if !lost.drivers.is_empty() {
        retain_kernels_own(root, rpm, &mut lost);
    }
    (!lost.drivers.is_empty()).then_some(lost)
}

fn installed_roles(plan: &Plan) -> impl Iterator<Item = Role<'_>> {
    let coming = plan.elements.iter();
    let coming = coming.filter(|element| element.action == Action::Install);
    let paths = coming.flat_map(|element| &element.paths);
    paths.filter_map(|path| Role::of(path))
}

/// The release of a kernel that comes to the ones of the disk; of several the newest.
fn new_release(root: &Root, plan: &Plan) -> Option<String> {
    let images = installed_roles(plan).filter_map(|role| match role {
        Role::Image { release } | Role::OtherImage { release } => Some(release),
        Role::Module { .. } | Role::Config { .. } => None,
    });
    let images: BTreeSet<&str> = images.collect();
    let new = images.into_iter();
    let new = new.filter(|release| root.images(release).is_empty());
    let newest = new.max_by(|one, other| vercmp::compare(one, other));
    newest.map(str::to_owned)
}

/// The names of the modules that a release will have, as far as paths tell.
fn module_names(root: &Root, plan: &Plan, release: &str) -> BTreeSet<String> {
    let coming = installed_roles(plan).filter_map(|role| match role {
        Role::Module { release: of, below } if of == release => Some(name_of_file(below)),
        _ => None,
    });
    let mut names: BTreeSet<String> = coming.collect();
    if let Some(modules) = ReleaseModules::read(root, release, &WalkBudget::default()) {
        names.extend(modules.loaded().into_keys());
    }
    names
}

/// Leaves out what is none of the old kernel's own: what lies beside `kernel/` and is of no
/// package that was built with its image. Names the packages of the rest.
fn retain_kernels_own(root: &Root, rpm: Rpm<'_>, lost: &mut LostDrivers) {
    let images = root.images(&lost.old).into_iter();
    let images: Vec<PathBuf> = images.map(|image| image.file).collect();
    let files = lost.drivers.iter().map(|driver| driver.file.clone());
    let owners = owners_and_sources(rpm, files.chain(images.iter().cloned()));
    let own = images.iter().filter_map(|image| owners.get(image));
    let own: BTreeSet<&str> = own.map(|owner| owner.source.as_str()).collect();
    lost.drivers.retain_mut(|driver| {
        let owner = owners.get(&driver.file);
        driver.owner = owner.map(|owner| owner.nevra.clone());
        driver.below.starts_with("kernel")
            || owner.is_some_and(|owner| own.contains(owner.source.as_str()))
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::path::Path;

    use btf_guard_protocol::plan::Element;

    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn plan(coming: &[&str]) -> Plan {
        let element = Element {
            nevra: "kernel-2-1.x86_64".to_owned(),
            action: Action::Install,
            file: None,
            paths: coming.iter().map(PathBuf::from).collect(),
            moved: Vec::new(),
        };
        Plan {
            stage: Stage::Pre,
            elements: vec![element],
            ..Plan::new("/".into())
        }
    }

    /// The new release, and what may be lost in it, without rpm.
    fn lost(dir: &Path, plan: &Plan, running: Option<&str>) -> Option<(String, Vec<String>)> {
        let root = Root::new(dir).unwrap();
        let rpm = Rpm {
            program: Path::new("/nonexistent"),
            root: dir,
            database: None,
        };
        let lost = planned(&root, plan, running, rpm)?;
        let names = lost.drivers.into_iter().map(|driver| driver.name);
        Some((lost.new, names.collect()))
    }

    #[test]
    fn a_kernel_of_another_release_may_lack_the_own_modules_of_the_old_one() {
        let dir = root(&[
            ("lib/modules/6.9/vmlinuz", ""),
            ("lib/modules/6.9/kernel/disk.ko", ""),
            ("lib/modules/6.9/kernel/net.ko", ""),
            ("lib/modules/6.9/extra/added.ko", ""),
            ("lib/modules/6.8/vmlinuz", ""),
            ("etc/modules", "disk\nnet\nadded\n"),
        ]);
        let image = "/lib/modules/6.10/vmlinuz";
        let disk = "/usr/lib/modules/6.10/kernel/new/disk.ko.xz";
        let told = |coming: &[&str]| lost(dir.path(), &plan(coming), Some("6.9"));
        let found = |release: &str| Some((release.to_owned(), vec!["net".to_owned()]));
        assert_eq!(told(&[image, disk]), found("6.10"));
        // Of several the newest; one that has an image already is none of them.
        let others = ["/boot/vmlinuz-6.11", "/lib/modules/6.11/extra/disk.ko"];
        assert_eq!(told(&[image, others[0], disk, others[1]]), found("6.11"));
        let silent: [&[&str]; 5] = [
            &[disk],
            &[image],
            &[image, disk, "/lib/modules/6.10/extra/net.ko"],
            &["/lib/modules/6.8/vmlinuz", "/lib/modules/6.8/kernel/a.ko"],
            &["/lib/modules/6.9/vmlinuz", "/lib/modules/6.9/kernel/a.ko"],
        ];
        for coming in silent {
            assert_eq!(told(coming), None, "{coming:?}");
        }
        // Another machine's root, and afterwards.
        let plan = plan(&[image, disk]);
        assert_eq!(lost(dir.path(), &plan, None), None);
        let after = Plan {
            stage: Stage::Post,
            ..plan
        };
        assert_eq!(lost(dir.path(), &after, Some("6.9")), None);
    }
}
