// SPDX-License-Identifier: GPL-2.0-or-later
//! A module that was judged, and where in a root it is or will be.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::candidates;
use crate::module::name_of_file;
use crate::report::{ErrorEntry, KernelEntry, Kind, ModuleEntry, VerdictEntry};

/// Bytes of a digest that make a key: enough to tell a few thousand apart.
const KEY_LEN: usize = 8;

/// Where a module is, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModuleLocation {
    pub(crate) release: String,
    /// Its path below the release's module directory; empty for the directory.
    pub(crate) below: PathBuf,
}

impl ModuleLocation {
    pub(crate) fn new(release: &str, below: &Path) -> Self {
        Self {
            release: release.to_owned(),
            below: below.to_owned(),
        }
    }

    /// It is the module directory itself, not a module.
    pub(crate) fn is_directory(&self) -> bool {
        self.below.as_os_str().is_empty()
    }
}

/// A module that was judged, and where it is.
#[derive(Debug)]
pub(crate) struct LocatedModule {
    pub(crate) location: ModuleLocation,
    pub(crate) module: ModuleEntry,
}

impl LocatedModule {
    /// What there is to say of a release itself.
    pub(crate) fn of_release(release: &str, module: ModuleEntry) -> Self {
        let location = ModuleLocation::new(release, Path::new(""));
        Self { location, module }
    }

    /// One in an initrd, or the initrd: what its path begins with is no module directory.
    pub(crate) fn in_initrd(module: ModuleEntry) -> Self {
        let release = module.release.clone().unwrap_or_default();
        let location = ModuleLocation::new(&release, Path::new(&module.path));
        Self { location, module }
    }

    /// The key of one of its verdicts: the same for the same verdict of the same
    /// build of a kernel on a module in the same place, before a transaction as
    /// after it.
    pub(crate) fn key(&self, verdict: &VerdictEntry, kernel: &KernelEntry) -> String {
        let base = kernel.base.as_ref().map(|base| base.sha256.as_str());
        let fault = kernel.unbootable.as_ref();
        let fault = fault.filter(|_| verdict.verdict == Kind::Unbootable);
        let fault = fault.map(|fault| (&fault.path, &fault.why));
        let ModuleLocation { release, below } = &self.location;
        digest(&(kernel.target, base, release, below, verdict.verdict, fault))
    }
}

/// The modules alone.
pub(crate) fn entries(located: &mut [LocatedModule]) -> impl Iterator<Item = &mut ModuleEntry> {
    located.iter_mut().map(|located| &mut located.module)
}

/// Of several files that can be the one of a name that is loaded, caps what does not
/// become of each; `count_of` tells how many there are.
pub(crate) fn cap_guesses(
    modules: &mut [LocatedModule],
    count_of: impl Fn(&ModuleLocation) -> usize,
) {
    let mut by_name: BTreeMap<_, (usize, Vec<&mut ModuleEntry>)> = BTreeMap::new();
    for LocatedModule { location, module } in modules {
        let count = count_of(location);
        if count > 1 {
            let name = (location.release.as_str(), name_of_file(&location.below));
            let (_, files) = by_name.entry(name).or_insert((count, Vec::new()));
            files.push(module);
        }
    }
    for (count, mut files) in by_name.into_values() {
        candidates::cap_guesses(&mut files, count);
    }
}

/// The key of what could not be judged.
pub(crate) fn error_key(error: &ErrorEntry) -> String {
    digest(&(&error.path, &error.error))
}

fn digest(of: &impl Debug) -> String {
    let digest = Sha256::digest(format!("{of:?}"));
    let bytes: Vec<u8> = digest.into_iter().take(KEY_LEN).collect();
    hex::encode(bytes)
}
