// SPDX-License-Identifier: GPL-2.0-or-later
//! What is known of this machine alone: the packages of its files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::policy::Severity;
use crate::report::ModuleEntry;
use crate::rpm::module_owners::owners;
use crate::rpm::rpmdb::{PROGRAM, Rpm};

/// Names the packages of modules of which there is something to say.
pub(super) fn note_owners(modules: &mut [ModuleEntry]) {
    let is_finding = |module: &&mut ModuleEntry| {
        let is_file = module.package.is_none() && module.initrd.is_none();
        is_file && !module.is_about_kernel() && module.severity() >= Severity::Warn
    };
    let found = modules.iter_mut().filter(is_finding);
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
