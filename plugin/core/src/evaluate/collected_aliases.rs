// SPDX-License-Identifier: GPL-2.0-or-later
//! What modules say that they serve, collected while they are judged: of a release that
//! packages bring nothing else tells, because depmod is run when it is there.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::host_modules::Aliases;
use crate::module::Module;

/// Bytes that are kept. All modules of a full kernel have some 30,000 aliases in 2 MiB.
const MAX_BYTES: usize = 16 << 20;

/// Bytes that an alias takes besides its text and its module's name.
const ENTRY_BYTES: usize = 96;

/// The aliases of the modules of one release.
#[derive(Debug)]
pub(crate) struct CollectedAliases {
    release: String,
    /// With the bytes that they take.
    aliases: Mutex<(Aliases, usize)>,
}

impl CollectedAliases {
    /// None yet.
    pub(crate) fn new(release: String) -> Self {
        Self {
            release,
            aliases: Mutex::default(),
        }
    }

    /// Takes those of a module that is held against kernels of these releases.
    pub(crate) fn take<'r>(&self, module: &Module, mut releases: impl Iterator<Item = &'r str>) {
        if !releases.any(|release| release == self.release) {
            return;
        }
        let mut kept = self.aliases.lock().unwrap_or_else(PoisonError::into_inner);
        let (aliases, bytes) = &mut *kept;
        for alias in module.aliases() {
            *bytes += alias.len() + module.name.len() + ENTRY_BYTES;
            if *bytes > MAX_BYTES {
                return;
            }
            aliases.add(&alias, &module.name);
        }
    }

    /// Some module serves this, and not one of these names.
    pub(crate) fn serve(&self, alias: &str, except: &BTreeSet<String>) -> bool {
        let kept = self.aliases.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0.serve(alias, except)
    }
}
