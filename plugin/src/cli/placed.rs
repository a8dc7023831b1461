//! A module that was judged, and where in a root it is or will be.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use btf_guard::policy::Severity;
use btf_guard::report::{ErrorEntry, KernelEntry, ModuleEntry, VerdictEntry};
use sha2::{Digest, Sha256};

use super::judge::Found;

/// Bytes of a digest that make a key: enough to tell a few thousand apart.
const KEY: usize = 8;

/// Where a module is, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) release: String,
    /// Its path below the release's module directory; empty for the directory.
    pub(crate) below: PathBuf,
}

impl Place {
    pub(crate) fn new(release: &str, below: &Path) -> Self {
        Self {
            release: release.to_owned(),
            below: below.to_owned(),
        }
    }
}

/// A module that was judged, and where it is.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) place: Place,
    pub(crate) module: ModuleEntry,
}

impl Placed {
    /// The key of one of its verdicts: the same for the same verdict of the same
    /// build of a kernel on a module in the same place, before a transaction as
    /// after it.
    pub(crate) fn key(&self, verdict: &VerdictEntry, kernel: &KernelEntry) -> String {
        let base = kernel.base.as_ref().map(|base| base.sha256.as_str());
        let Place { release, below } = &self.place;
        digest(&(kernel.moment, base, release, below, verdict.verdict))
    }
}

/// The modules alone.
pub(crate) fn entries(placed: &mut [Placed]) -> impl Iterator<Item = &mut ModuleEntry> {
    placed.iter_mut().map(|placed| &mut placed.module)
}

/// The key of what could not be judged.
pub(crate) fn error_key(error: &ErrorEntry) -> String {
    digest(&(&error.path, &error.error))
}

fn digest(of: &impl Debug) -> String {
    let digest = Sha256::digest(format!("{of:?}"));
    let bytes: Vec<u8> = digest.into_iter().take(KEY).collect();
    hex::encode(bytes)
}

/// The keys of all that is told of what was found.
pub(crate) fn keys(found: &Found) -> Vec<String> {
    let Found {
        kernels,
        modules,
        errors,
        ..
    } = found;
    let mut keys: Vec<_> = errors.iter().map(error_key).collect();
    for placed in modules {
        for verdict in &placed.module.verdicts {
            let told = verdict.severity >= Severity::Warn || verdict.before;
            if let Some(kernel) = kernels.get(verdict.kernel).filter(|_| told) {
                keys.push(placed.key(verdict, kernel));
            }
        }
    }
    keys
}
