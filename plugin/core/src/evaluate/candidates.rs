// SPDX-License-Identifier: GPL-2.0-or-later
//! The modules of a release: of each name the file that is loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::Role;
use btf_guard_sysroot::module_tree::ModuleFile;

use crate::policy::Severity;
use crate::report::{KernelEntry, LinkEntry, ModuleEntry};

/// Of `count` files that may be the one that is loaded, these were judged. What does not
/// become of each of them is a guess.
pub(crate) fn cap_guesses(candidates: &mut [&mut ModuleEntry], count: usize) {
    if count < 2 {
        return;
    }
    let mut alike: BTreeMap<_, usize> = BTreeMap::new();
    for verdict in candidates.iter().flat_map(|module| &module.verdicts) {
        *alike.entry((verdict.kernel, verdict.verdict)).or_default() += 1;
    }
    for verdict in candidates
        .iter_mut()
        .flat_map(|module| &mut module.verdicts)
    {
        if alike.get(&(verdict.kernel, verdict.verdict)) != Some(&count) {
            verdict.cap(Severity::Warn);
            if verdict.severity >= Severity::Warn {
                let note = format!("which of {count} files of this name is loaded is not known");
                verdict.notes.push(note);
            }
        }
    }
}

/// The file that a link leads to, and its release, where that is another one than the
/// release that has the link: mostly in its `weak-updates/`.
pub(crate) fn link(root: &Root, release: &str, file: &ModuleFile) -> Option<(PathBuf, String)> {
    if file.file == file.path {
        return None;
    }
    match Role::of(&root.inside(&file.file)?) {
        Some(Role::Module { release: other, .. }) if other != release => {
            Some((file.file.clone(), other.to_owned()))
        }
        _ => None,
    }
}

/// Notes that a module is found by a link.
pub(crate) fn set_link(module: &mut ModuleEntry, link: Option<(PathBuf, String)>) {
    module.link = link.map(|(target, release)| LinkEntry {
        target: target.display().to_string(),
        release,
        loads_there: None,
    });
}

/// Notes of each link whether the release that it leads to loads the module.
pub(crate) fn note_where_links_load<'m>(
    modules: impl IntoIterator<Item = &'m mut ModuleEntry>,
    kernels: &[KernelEntry],
) {
    let mut all: Vec<&mut ModuleEntry> = modules.into_iter().collect();
    let targets = all.iter().filter_map(|module| module.link.as_ref());
    let targets: BTreeSet<String> = targets.map(|link| link.target.clone()).collect();
    if targets.is_empty() {
        return;
    }
    let mut loads: BTreeMap<(String, String), bool> = BTreeMap::new();
    for module in all.iter().filter(|module| targets.contains(&module.path)) {
        for verdict in &module.verdicts {
            let release = kernels.get(verdict.kernel).and_then(|k| k.release.clone());
            let key = (module.path.clone(), release.unwrap_or_default());
            *loads.entry(key).or_insert(true) &= verdict.verdict.is_loaded();
        }
    }
    for link in all.iter_mut().filter_map(|module| module.link.as_mut()) {
        let key = (link.target.clone(), link.release.clone());
        link.loads_there = loads.get(&key).copied();
    }
}
