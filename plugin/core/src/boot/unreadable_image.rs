// SPDX-License-Identifier: GPL-2.0-or-later
//! A kernel that is known by what names it alone.

use super::{BootProblem, Bootable, RoleWithReason};
use crate::kernel::Error;

/// An image that cannot be read, or is not there.
#[derive(Debug, Clone)]
pub(crate) struct UnreadableImage {
    pub(crate) bootable: Bootable,
    pub(crate) role: RoleWithReason,
    /// The image, or the entry that names it, and what should have been there.
    pub(crate) fault: BootProblem,
    /// The command that makes it anew, where the release's own image is whole.
    pub(crate) mend: Option<String>,
}

impl UnreadableImage {
    pub(super) fn of(bootable: Bootable, error: &Error) -> Self {
        let named = bootable.via.iter().find_map(|via| via.fault.clone());
        let unread = || BootProblem::with(&bootable.path, error.to_string());
        let fault = named.unwrap_or_else(unread);
        Self {
            role: bootable.role_by_entries().unwrap_or_default(),
            bootable,
            fault,
            mend: None,
        }
    }
}
