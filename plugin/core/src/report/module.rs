// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules in a report.

use super::{BtfEntry, KernelEntry, ModuleEntry, verdict_entry};
use crate::module::Module;
use crate::verdict::Verdict;

/// The entry of a module, without verdicts yet.
pub(crate) fn module_entry(path: String, package: Option<String>, module: &Module) -> ModuleEntry {
    let bytes = module.btf.as_ref().map_or(0, Vec::len) as u64;
    let vermagic = module.vermagic.as_deref().unwrap_or_default();
    ModuleEntry {
        path,
        name: module.name.clone(),
        package,
        initrd: None,
        release: vermagic.split_whitespace().next().map(str::to_owned),
        in_tree: module.in_tree,
        used_by_host: Vec::new(),
        btf: BtfEntry {
            present: bytes > 0,
            distilled: module.btf_base.is_some(),
            bytes,
            built_for: None,
        },
        verdicts: Vec::new(),
        names_machine: module.target.is_some(),
    }
}

/// The entry of a kernel's module directory that is gone or empty.
pub(crate) fn missing_modules(path: String, kernel: &KernelEntry) -> ModuleEntry {
    let missing = Verdict::Missing.into();
    ModuleEntry {
        path,
        name: String::new(),
        package: None,
        initrd: None,
        release: kernel.release.clone(),
        in_tree: true,
        used_by_host: Vec::new(),
        btf: BtfEntry::default(),
        verdicts: vec![verdict_entry(kernel.id, kernel.moment, missing)],
        names_machine: true,
    }
}
