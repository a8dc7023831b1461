// SPDX-License-Identifier: GPL-2.0-or-later
//! A package's file list.
//!
//! rpm stores a path as a directory's index and a base name; directories are few.

use std::ffi::{CStr, c_int};
use std::ops::Range;
use std::ptr::NonNull;

use rpm_plugin_sys::{
    RPMFILE_GHOST, RPMFILE_STATE_MISSING, RPMFILE_STATE_NETSHARED, RPMFILE_STATE_NORMAL, rpmfiles,
    rpmfiles_s,
};

use super::{Librpm, indices, string};

/// One reference to a package's file list.
pub(crate) struct Files<'r> {
    rpm: &'r Librpm,
    files: NonNull<rpmfiles_s>,
}

impl<'r> Files<'r> {
    /// `None` for a null pointer.
    ///
    /// # Safety
    /// `files` is null or a reference to a file list of `rpm`, which passes to
    /// the result.
    pub(super) unsafe fn new(rpm: &'r Librpm, files: rpmfiles) -> Option<Self> {
        NonNull::new(files).map(|files| Self { rpm, files })
    }

    /// The indices of [`Self::directory`].
    pub(crate) fn directories(&self) -> Range<c_int> {
        // SAFETY: the reference is held until `drop`.
        indices(unsafe { self.rpm.table.rpmfilesDC(self.files.as_ptr()) })
    }

    /// A directory's absolute path, with a `/` at its end.
    pub(crate) fn directory(&self, index: c_int) -> Option<&CStr> {
        // SAFETY: librpm checks the index; the name lives as long as the list.
        unsafe { string(self.rpm.table.rpmfilesDN(self.files.as_ptr(), index)) }
    }

    pub(crate) fn indices(&self) -> Range<c_int> {
        // SAFETY: the reference is held until `drop`.
        indices(unsafe { self.rpm.table.rpmfilesFC(self.files.as_ptr()) })
    }

    /// The index of a file's directory; negative for an index out of range.
    pub(crate) fn directory_of(&self, file: c_int) -> c_int {
        // SAFETY: librpm checks the index.
        unsafe { self.rpm.table.rpmfilesDI(self.files.as_ptr(), file) }
    }

    /// A file's name without its directory.
    pub(crate) fn name(&self, file: c_int) -> Option<&CStr> {
        // SAFETY: librpm checks the index; the name lives as long as the list.
        unsafe { string(self.rpm.table.rpmfilesBN(self.files.as_ptr(), file)) }
    }

    /// `%ghost`: the package owns the path but does not bring the file.
    pub(crate) fn is_ghost(&self, file: c_int) -> bool {
        // SAFETY: librpm checks the index.
        let flags = unsafe { self.rpm.table.rpmfilesFFlags(self.files.as_ptr(), file) };
        flags & RPMFILE_GHOST != 0
    }

    /// Whether an installed package still has this file on disk: not if
    /// another package's has replaced it, or if it was never installed. True
    /// for a package that is not installed.
    pub(crate) fn is_present(&self, file: c_int) -> bool {
        // SAFETY: librpm checks the index.
        let state = unsafe { self.rpm.table.rpmfilesFState(self.files.as_ptr(), file) };
        matches!(
            state,
            RPMFILE_STATE_NORMAL | RPMFILE_STATE_NETSHARED | RPMFILE_STATE_MISSING
        )
    }
}

impl Drop for Files<'_> {
    fn drop(&mut self) {
        // SAFETY: gives back the one reference that is held.
        unsafe { self.rpm.table.rpmfilesFree(self.files.as_ptr()) };
    }
}
