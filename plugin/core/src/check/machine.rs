// SPDX-License-Identifier: GPL-2.0-or-later
//! What is known of this machine alone: what it uses, and the packages of its files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::boot::ModulesRoot;
use crate::evaluate::drivers_lost::LostDrivers;
use crate::evaluate::state::StateEvaluation;
use crate::policy::Severity;
use crate::report::{KernelEntry, ModuleEntry};
use crate::rpm::module_owners::owners;
use crate::rpm::rpmdb::{PROGRAM, Rpm};

/// Adds the modules that this machine uses and that the kernel lacks which boots by
/// default.
pub(super) fn add_lost_drivers(state: &mut StateEvaluation<'_>) {
    let evaluator = &state.evaluator;
    let is_default = |kernel: &&KernelEntry| {
        let home = evaluator.home(kernel.id);
        kernel.default && evaluator.is_installed(kernel.id) && *home == ModulesRoot::Root
    };
    let default = evaluator.entries().iter().find(is_default);
    let release = default.and_then(|kernel| kernel.release.as_deref());
    let (Some(needs), Some(kernel), Some(release)) = (evaluator.host_needs(), default, release)
    else {
        return;
    };
    let lost = LostDrivers::on_disk(state.root, needs, release);
    let id = kernel.id;
    state.add_lost(&lost, id);
}

/// Names the packages of modules of which there is something to say.
pub(super) fn note_owners<'m>(modules: impl Iterator<Item = &'m mut ModuleEntry>) {
    let is_finding = |module: &&mut ModuleEntry| {
        let is_file = module.package.is_none() && module.initrd.is_none();
        is_file && !module.is_about_kernel() && module.severity() >= Severity::Warn
    };
    let found = modules.filter(is_finding);
    let mut found: Vec<(PathBuf, &mut ModuleEntry)> = found
        .filter_map(|module| Some((fs::canonicalize(&module.path).ok()?, module)))
        .collect();
    let rpm = Rpm {
        program: Path::new(PROGRAM),
        root: Path::new("/"),
        database: None,
    };
    let owners = owners(rpm, found.iter().map(|(file, _)| file.clone()));
    for (file, module) in &mut found {
        module.owner = owners.get(file).cloned();
    }
}
