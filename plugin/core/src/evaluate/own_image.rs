// SPDX-License-Identifier: GPL-2.0-or-later
//! Which kernel a kernel's own module came with.

use btf_guard_protocol::nevra::Nevra;

use crate::module::Module;
use crate::report::KernelEntry;

/// The id of the kernel whose image a module came with, which lies at `path`: on the disk
/// the one beside it in the module directory, of a package the one of the packages that
/// were built with it. `None` of a module that is not the kernel's own, and where images
/// of several kernels would do.
pub(super) fn find(
    kernels: &[KernelEntry],
    path: &str,
    package: Option<&str>,
    module: &Module,
) -> Option<usize> {
    let (root, release, below) = in_module_dir(path)?;
    if !module.in_tree || !below.starts_with("kernel/") {
        return None;
    }
    let is_beside = |image: &String| {
        in_module_dir(image).is_some_and(|(its_root, its_release, name)| {
            (its_root, its_release) == (root, release) && !name.contains('/')
        })
    };
    let came_with = |kernel: &&KernelEntry| match (package, kernel.package.as_deref()) {
        (Some(own), Some(its)) => {
            kernel.release.as_deref() == Some(release) && are_of_one_build(own, its)
        }
        (None, None) => {
            let mut paths = std::iter::once(&kernel.source).chain(&kernel.same_kernel_paths);
            paths.any(is_beside)
        }
        _ => false,
    };
    let mut all = kernels.iter().filter(came_with);
    let first = all.next()?;
    let only = all.all(|other| other.base == first.base);
    only.then_some(first.id)
}

/// The root, the release and the rest of a path in a module directory.
fn in_module_dir(path: &str) -> Option<(&str, &str, &str)> {
    let (root, inside) = path.rsplit_once("lib/modules/")?;
    let (release, below) = inside.split_once('/')?;
    Some((root.strip_suffix("usr/").unwrap_or(root), release, below))
}

/// They are packages of one version, which one build has made.
fn are_of_one_build(one: &str, other: &str) -> bool {
    let version = |nevra| Nevra::parse(nevra).map(|n| (n.epoch, n.version, n.release, n.arch));
    one == other || version(one).is_some_and(|of_one| Some(of_one) == version(other))
}
