// SPDX-License-Identifier: GPL-2.0-or-later
//! Packages in libzypp's cache, found by their names: for when libzypp cannot
//! be asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use btf_guard_protocol::nevra::Nevra;
use btf_guard_protocol::plan::Action;
use btf_guard_protocol::zypp::{CommitAction, CommitStep, Resolution, Step};
use walkdir::WalkDir;

/// Files that are looked at; a cache that keeps every package has some thousands.
const MAX_ENTRIES: usize = 200_000;

/// Repository, and what a repository has for directories.
const MAX_DEPTH: usize = 8;

/// What libzypp would answer, as far as the names tell: packages that are in the
/// cache under the name that their version gives them, and packages of the
/// same name that go. Those that are not there count as carrying modules if
/// they are named like it.
pub(crate) fn search(cache: &Path, steps: &[CommitStep]) -> Resolution {
    let coming = steps
        .iter()
        .filter(|step| step.action != CommitAction::Erase);
    let mut wanted: BTreeMap<String, Option<PathBuf>> =
        coming.map(|step| (file_name(step), None)).collect();
    let entries = WalkDir::new(cache).max_depth(MAX_DEPTH).into_iter();
    for entry in entries.take(MAX_ENTRIES).flatten() {
        let name = entry.file_name().to_str();
        if let Some(path) = name.and_then(|name| wanted.get_mut(name))
            && entry.file_type().is_file()
        {
            *path = Some(entry.into_path());
        }
    }
    let steps = steps.iter().map(|step| {
        let comes = step.action != CommitAction::Erase;
        Step {
            action: if comes {
                Action::Install
            } else {
                Action::Erase
            },
            nevra: step.nevra().to_string(),
            name: step.name.clone(),
            repository: None,
            location: None,
            size: 0,
            checksum: None,
            path: wanted.get(&file_name(step)).cloned().flatten(),
            kernel: looks_like_kernel_package(&step.name),
            replaces: Vec::new(),
        }
    });
    Resolution {
        steps: steps.collect(),
        ..Resolution::default()
    }
}

/// The file's name in a repository has no epoch.
fn file_name(step: &CommitStep) -> String {
    let nevra = step.nevra();
    format!("{}.rpm", Nevra { epoch: 0, ..nevra })
}

/// Kernels of all distributions, module packages of SUSE and of Red Hat.
pub(crate) fn looks_like_kernel_package(name: &str) -> bool {
    name == "kernel"
        || name.starts_with("kernel-")
        || name.starts_with("kmod-")
        || name.ends_with("-kmp")
        || name.contains("-kmp-")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn step(action: CommitAction, name: &str) -> CommitStep {
        CommitStep {
            action,
            name: name.to_owned(),
            epoch: Some(1),
            version: "2".to_owned(),
            release: "3".to_owned(),
            arch: "noarch".to_owned(),
        }
    }

    #[test]
    fn packages_are_found_by_their_names() {
        let cache = tempfile::tempdir().unwrap();
        let below = cache.path().join("repo/noarch");
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("here-2-3.noarch.rpm"), "").unwrap();
        fs::write(below.join("gone-2-3.noarch.rpm"), "").unwrap();
        fs::create_dir(below.join("foo-kmp-default-2-3.noarch.rpm")).unwrap();
        let steps = [
            step(CommitAction::Install, "here"),
            step(CommitAction::Multi, "foo-kmp-default"),
            step(CommitAction::Erase, "gone"),
        ];
        let found = search(cache.path(), &steps).steps;
        assert_eq!(found[0].path, Some(below.join("here-2-3.noarch.rpm")));
        assert_eq!(found[0].nevra, "here-1:2-3.noarch");
        assert!(!found[0].kernel);
        assert_eq!(found[1].path, None);
        assert!(found[1].kernel);
        assert_eq!(found[2].action, Action::Erase);
        let nowhere = search(Path::new("/nonexistent"), &steps).steps;
        assert!(nowhere.iter().all(|step| step.path.is_none()));
    }
}
