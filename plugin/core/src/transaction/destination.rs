// SPDX-License-Identifier: GPL-2.0-or-later
//! Where modules of packages will be found, and by which kernels.

use super::weak_updates::WeakUpdate;
use crate::rpm::kernel_files::{PackagedModule, ReleasePath};

/// The kernels that each release's modules will meet, by their ids.
#[derive(Debug, Default)]
pub(crate) struct ReleaseKernels {
    /// The running kernel, where it is a target and runs this release.
    pub(crate) running: Option<usize>,
    /// The kernels that can be booted after the transaction.
    pub(crate) boot: Vec<usize>,
}

impl ReleaseKernels {
    pub(crate) fn all(&self) -> impl Iterator<Item = usize> {
        self.running.into_iter().chain(self.boot.iter().copied())
    }

    pub(crate) fn add_boot(&mut self, id: usize) {
        if !self.boot.contains(&id) {
            self.boot.push(id);
        }
    }
}

/// Where a module of a package will be found, and by which kernels.
pub(crate) struct Destination<'a> {
    pub(crate) module: &'a PackagedModule,
    /// Its own path, where it is loaded by that.
    pub(crate) loaded_own: Option<&'a ReleasePath>,
    /// The links of other releases to it, by which it is loaded there.
    pub(crate) links: Vec<&'a WeakUpdate>,
    /// The kernels of all these releases.
    pub(crate) kernels: Vec<usize>,
}
