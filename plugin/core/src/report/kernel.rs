// SPDX-License-Identifier: GPL-2.0-or-later
//! One kernel in a report.

use super::{BaseEntry, FeaturesEntry, KernelEntry, StaleEntry};
use crate::boot::inventory::Stale;
use crate::kernel::{Kernel, KernelSource};

impl From<&Stale> for StaleEntry {
    fn from(stale: &Stale) -> Self {
        Self {
            newer_image: stale.than.display().to_string(),
            build: stale.build.clone(),
            fix_command: stale.mend.clone(),
        }
    }
}

/// The entry of a kernel; where it was found is the kernel's own source.
pub(crate) fn kernel_entry(id: usize, kernel: &Kernel) -> KernelEntry {
    KernelEntry {
        id,
        release: kernel.release.clone(),
        build: kernel.build.clone(),
        moment: kernel.moment,
        source: match &kernel.source {
            KernelSource::Running => "running".to_owned(),
            KernelSource::File(path) => path.display().to_string(),
        },
        default: false,
        stale: None,
        same_kernel_paths: Vec::new(),
        package: None,
        base: (!kernel.base.is_none()).then(|| BaseEntry {
            types: kernel.base.types().saturating_sub(1),
            strings: kernel.base.strings_len(),
            sha256: kernel.sha256(),
        }),
        abilities: FeaturesEntry {
            kinds: kernel.abilities.kinds,
            distilled_base: kernel.abilities.distilled_base,
            module_btf: !kernel.base.is_none()
                && kernel.abilities.module_btf
                && kernel.config.module_btf != Some(false),
            allow_mismatch: kernel.config.allow_mismatch,
        },
        config: kernel.config.source.clone(),
        modules_checked: 0,
        names_machine: kernel.target.is_some(),
    }
}
