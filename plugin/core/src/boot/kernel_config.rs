// SPDX-License-Identifier: GPL-2.0-or-later
//! The config of a kernel of a root.

use std::path::Path;

use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::is_release;

use super::ModulesRoot;
use crate::kernel::KernelConfig;

/// The config of a kernel whose image is `file`, and whose modules are in `home`: that
/// beside the image, in the module directory, inside the image, or in `/boot`: where an
/// image is reached through a link, it may be beside the link. Known of the kernel are its
/// release, and the text of the config inside the image.
pub(crate) fn kernel_config(
    root: &Root,
    file: &Path,
    (release, embedded): (Option<&str>, Option<&str>),
    home: &ModulesRoot,
) -> KernelConfig {
    let dir = release.and_then(|release| home.module_dir(root, release));
    let found = KernelConfig::find(file, release, dir.as_deref(), embedded);
    let in_boot = || {
        let release = release.filter(|release| is_release(release))?;
        let path = Path::new("/boot").join(format!("config-{release}"));
        KernelConfig::from_file(&root.resolve(&path).ok()?).ok()
    };
    match found.allow_mismatch {
        Some(_) => found,
        None => in_boot().unwrap_or(found),
    }
}
