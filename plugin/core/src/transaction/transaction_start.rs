// SPDX-License-Identifier: GPL-2.0-or-later
//! What has changed since a transaction began.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use btf_guard_sysroot::file_id::changed_since;
use btf_guard_sysroot::module_tree::ModuleFile;

use crate::boot::Bootable;

/// When the transaction began, in seconds since 1970. Where that is not known,
/// everything counts as its work.
#[derive(Debug, Clone, Copy)]
pub(super) struct TransactionStart(pub(super) Option<u64>);

impl TransactionStart {
    /// A module was made, replaced or changed since then, or is reached by another
    /// link.
    pub(super) fn changed(self, found: &ModuleFile) -> bool {
        let Some(since) = self.0 else { return true };
        let is_link = found.path.as_os_str() != found.file.as_os_str();
        touched(&found.path, since) || (is_link && touched(&found.file, since))
    }

    /// A file was made or changed since then.
    pub(super) fn touched(self, path: &Path) -> bool {
        self.0.is_none_or(|since| touched(path, since))
    }

    /// Is this another kernel than before, or reached by another way?
    pub(super) fn changed_kernel(self, kernel: &Bootable) -> bool {
        let Some(since) = self.0 else { return true };
        let entries = kernel.via.iter().map(|via| via.source.as_path());
        touched(&kernel.file, since) || entries.into_iter().any(|path| touched(path, since))
    }
}

/// Was it changed since then? What cannot be looked at was not.
fn touched(path: &Path, since: u64) -> bool {
    let found = fs::symlink_metadata(path);
    found.is_ok_and(|found| changed_since(found.ctime(), since))
}
