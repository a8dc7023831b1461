// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel config on the disk that an image meets which comes without one.

use std::path::Path;

use btf_guard_protocol::plan::{Action, Plan};
use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::Role;

use crate::boot::{ModulesRoot, kernel_config};
use crate::kernel::{Kernel, KernelConfig};

/// The config that a kernel has when the transaction is done whose image comes to `place`
/// inside the root: its own, or else that on the disk, where the plan takes none away.
pub(super) fn staying_config(
    root: &Root,
    plan: &Plan,
    kernel: &Kernel,
    place: &Path,
) -> KernelConfig {
    let erased = plan.elements.iter();
    let erased = erased.filter(|element| element.action == Action::Erase);
    let mut erased = erased.flat_map(|element| &element.paths);
    let release = kernel.release.as_deref();
    let goes = erased.any(
        |path| matches!(Role::of(path), Some(Role::Config { release: of }) if Some(of) == release),
    );
    if goes || kernel.config.allow_mismatch.is_some() {
        return kernel.config.clone();
    }
    let file = root.outside(place);
    kernel_config(root, &file, (release, None), &ModulesRoot::Root)
}
