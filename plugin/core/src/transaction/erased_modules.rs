// SPDX-License-Identifier: GPL-2.0-or-later
//! The modules that a transaction has taken away.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use btf_guard_protocol::plan::{Action, Plan};
use btf_guard_sysroot::file_role::{Role, is_module_name};

use crate::module::name_of_file;

/// The modules that the plan's transaction has taken away.
#[derive(Debug, Default)]
pub(super) struct ErasedModules {
    /// The releases of kernels' own modules.
    pub(super) lost_own: BTreeSet<String>,
    /// Their names, by release.
    names: BTreeMap<String, BTreeSet<String>>,
    /// The names of those that other releases may have had links to.
    added_names: BTreeSet<String>,
}

impl ErasedModules {
    pub(super) fn of(plan: &Plan) -> Self {
        let erased = plan.elements.iter().filter(|e| e.action == Action::Erase);
        let mut this = Self::default();
        for path in erased.flat_map(|element| &element.paths) {
            let Some(Role::Module { release, below }) = Role::of(path) else {
                if path.file_name().is_some_and(is_module_name) {
                    this.added_names.insert(name_of_file(path));
                }
                continue;
            };
            let names = this.names.entry(release.to_owned()).or_default();
            names.insert(name_of_file(below));
            match below.starts_with("kernel") {
                true => this.lost_own.insert(release.to_owned()),
                false => this.added_names.insert(name_of_file(below)),
            };
        }
        this
    }

    /// Another file may have the name since then. In releases that it was not of, depmod
    /// has been run for that.
    pub(super) fn changes(&self, release: &str, path: &Path, depmod_was_run: bool) -> bool {
        let added = depmod_was_run.then_some(&self.added_names);
        let names = self.names.get(release).into_iter().chain(added);
        let mut names = names.filter(|names| !names.is_empty()).peekable();
        names.peek().is_some() && {
            let name = name_of_file(path);
            names.any(|names| names.contains(&name))
        }
    }
}
