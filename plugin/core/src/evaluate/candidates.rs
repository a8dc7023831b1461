// SPDX-License-Identifier: GPL-2.0-or-later
//! The modules of a release: of each name the file that is loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::Role;
use btf_guard_sysroot::module_tree::ModuleFile;

use super::{Evaluator, Job};
use crate::depmod::{LoadedFiles, ReleaseModules};
use crate::policy::Severity;
use crate::report::{ErrorEntry, KernelEntry, LinkEntry, ModuleEntry, ShadowedEntry};

/// A module, and its path below the module directory of its release.
pub(crate) type PlacedModule = (PathBuf, ModuleEntry);

/// The modules of a release on the disk, and who judges them.
pub(crate) struct ReleaseEvaluation<'a> {
    pub(crate) evaluator: &'a Evaluator,
    pub(crate) root: &'a Root,
    pub(crate) release: &'a str,
    pub(crate) found: &'a ReleaseModules,
    /// The packages that files are of, as far as that is known.
    pub(crate) owners: &'a BTreeMap<PathBuf, String>,
}

impl ReleaseEvaluation<'_> {
    /// What kernels do with the modules that are loaded, each with its path below the
    /// module directory: with those for which `kernels` has any. What cannot be read is
    /// added to the errors.
    pub(crate) fn judge(
        &self,
        loaded: &LoadedFiles<'_>,
        kernels: impl Fn(&ModuleFile) -> Vec<usize>,
        errors: &mut Vec<ErrorEntry>,
    ) -> Vec<PlacedModule> {
        let mut files = Vec::new();
        for (name, candidates) in loaded {
            let count = candidates.len();
            for (below, file) in candidates {
                let kernels = kernels(file);
                if !kernels.is_empty() {
                    let found = (*file).clone();
                    files.push((name.as_str(), count, *below, Job { found, kernels }));
                }
            }
        }
        files.sort_unstable_by(|(.., a), (.., b)| {
            let [a, b] = [a, b].map(|job| job.found.path.as_os_str().as_bytes());
            a.cmp(b)
        });
        let places = files
            .iter()
            .map(|(name, count, below, _)| (*name, *count, *below));
        let places: Vec<_> = places.collect();
        let jobs: Vec<Job> = files.into_iter().map(|(.., job)| job).collect();
        let mut modules = Vec::new();
        let mut several: BTreeMap<&str, (usize, Vec<PlacedModule>)> = BTreeMap::new();
        let results = self.evaluator.files(&jobs).into_iter().zip(&jobs);
        for ((name, count, below), (result, job)) in places.into_iter().zip(results) {
            let mut module = match result {
                Ok(module) => module,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            set_link(&mut module, link(self.root, self.release, &job.found));
            if module.link.is_some() {
                module.cap(Severity::Warn);
            }
            module.owner = self.owners.get(&job.found.file).cloned();
            let module = (below.to_owned(), module);
            match count {
                1 => modules.push(module),
                _ => {
                    let (_, modules) = several.entry(name).or_insert((count, Vec::new()));
                    modules.push(module);
                }
            }
        }
        for (count, mut files) in several.into_values() {
            let entries = files.iter_mut().map(|(_, module)| module);
            cap_guesses(&mut entries.collect::<Vec<_>>(), count);
            modules.append(&mut files);
        }
        modules
    }

    /// The files that are not loaded, given those that are.
    pub(crate) fn shadowed(&self, loaded: &LoadedFiles<'_>) -> Vec<ShadowedEntry> {
        let shadowed = self.found.shadowed(loaded).into_iter();
        let shadowed = shadowed.map(|file| ShadowedEntry {
            path: file.path.display().to_string(),
            by: file.by.map(|by| by.display().to_string()),
        });
        shadowed.collect()
    }
}

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
