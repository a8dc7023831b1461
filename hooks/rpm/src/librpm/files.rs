// SPDX-License-Identifier: GPL-2.0-or-later
//! A package's file list.
//!
//! rpm stores a path as a directory's index and a base name; directories are few.

use std::ffi::{CStr, c_int};
use std::ops::Range;
use std::ptr::NonNull;

use rpm_plugin_sys::{
    RPMFILE_GHOST, RPMFILE_STATE_MISSING, RPMFILE_STATE_NORMAL, rpmfiles, rpmfiles_s,
};

use super::{Librpm, indices, string};

/// The type in a file's mode, and that of a symbolic link (`inode(7)`).
const S_IFMT: u32 = 0o170_000;
const S_IFLNK: u32 = 0o120_000;

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

    /// A file's directory and name in its package, before `--relocate`.
    pub(crate) fn original(&self, file: c_int) -> Option<(&CStr, &CStr)> {
        let (table, files) = (&self.rpm.table, self.files.as_ptr());
        // SAFETY: librpm checks the indices; the names live as long as the list.
        unsafe {
            let directory = table.rpmfilesODN(files, table.rpmfilesODI(files, file));
            string(directory).zip(string(table.rpmfilesOBN(files, file)))
        }
    }

    /// The file is a symbolic link.
    pub(crate) fn is_link(&self, file: c_int) -> bool {
        // SAFETY: librpm checks the index.
        let mode = unsafe { self.rpm.table.rpmfilesFMode(self.files.as_ptr(), file) };
        u32::from(mode) & S_IFMT == S_IFLNK
    }

    /// `%ghost`: the package owns the path but does not bring the file.
    pub(crate) fn is_ghost(&self, file: c_int) -> bool {
        // SAFETY: librpm checks the index.
        let flags = unsafe { self.rpm.table.rpmfilesFFlags(self.files.as_ptr(), file) };
        flags & RPMFILE_GHOST != 0
    }

    /// Whether rpm removes this file with an installed package: not if another
    /// package's has replaced it, if it was never installed, or if it is shared by a
    /// network (`handleOverlappedFiles()`, lib/transaction.c). True for a package that is
    /// not installed.
    pub(crate) fn is_present(&self, file: c_int) -> bool {
        // SAFETY: librpm checks the index.
        let state = unsafe { self.rpm.table.rpmfilesFState(self.files.as_ptr(), file) };
        matches!(state, RPMFILE_STATE_NORMAL | RPMFILE_STATE_MISSING)
    }
}

impl Drop for Files<'_> {
    fn drop(&mut self) {
        // SAFETY: gives back the one reference that is held.
        unsafe { self.rpm.table.rpmfilesFree(self.files.as_ptr()) };
    }
}
