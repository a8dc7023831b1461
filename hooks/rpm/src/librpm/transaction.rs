// SPDX-License-Identifier: GPL-2.0-or-later
//! A transaction set and its elements.

use std::borrow::Cow;
use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use btf_guard_protocol::plan::Action;
use rpm_plugin_sys::{
    FD_t, RPMCALLBACK_INST_CLOSE_FILE, RPMCALLBACK_INST_OPEN_FILE, RPMTRANS_FLAG_JUSTDB,
    RPMTRANS_FLAG_TEST, TR_ADDED, TR_REMOVED, rpmCallbackType, rpmte_s, rpmts, rpmts_s, rpmtsi_s,
};

use super::{Files, Librpm, string};

/// The transaction that is about to start.
pub(crate) struct TransactionSet<'r> {
    rpm: &'r Librpm,
    ts: NonNull<rpmts_s>,
}

impl<'r> TransactionSet<'r> {
    /// `None` for a null pointer.
    ///
    /// # Safety
    /// `ts` is null or a transaction set of `rpm` that outlives `'r` and is
    /// used by this thread only.
    pub(crate) unsafe fn new(rpm: &'r Librpm, ts: rpmts) -> Option<Self> {
        NonNull::new(ts).map(|ts| Self { rpm, ts })
    }

    /// `--test`, or a client's own test run.
    pub(crate) fn is_test(&self) -> bool {
        self.has_flag(RPMTRANS_FLAG_TEST)
    }

    /// `--justdb`: no file changes.
    pub(crate) fn is_database_only(&self) -> bool {
        self.has_flag(RPMTRANS_FLAG_JUSTDB)
    }

    fn has_flag(&self, flag: i32) -> bool {
        // SAFETY: `ts` is a transaction set (see `new`).
        let flags = unsafe { self.rpm.table.rpmtsFlags(self.ts.as_ptr()) };
        flags & flag.cast_unsigned() != 0
    }

    /// The root that the transaction works on, with a `/` at its end.
    pub(crate) fn root(&self) -> &CStr {
        // SAFETY: `ts` is a transaction set; its root does not change while it runs.
        let root = unsafe { string(self.rpm.table.rpmtsRootDir(self.ts.as_ptr())) };
        root.unwrap_or(c"/")
    }

    /// `%_netsharedpath`: what rpm leaves alone, between colons.
    pub(crate) fn net_shared_paths(&self) -> String {
        self.rpm.expand(c"%{?_netsharedpath}")
    }

    /// The packages that come and go.
    pub(crate) fn elements(&self) -> TransactionElements<'_> {
        // SAFETY: `ts` is a transaction set.
        let iterator = unsafe { self.rpm.table.rpmtsiInit(self.ts.as_ptr()) };
        TransactionElements {
            transaction: self,
            iterator: NonNull::new(iterator),
        }
    }
}

pub(crate) struct TransactionElements<'t> {
    transaction: &'t TransactionSet<'t>,
    iterator: Option<NonNull<rpmtsi_s>>,
}

impl<'t> Iterator for TransactionElements<'t> {
    type Item = TransactionElement<'t>;

    fn next(&mut self) -> Option<TransactionElement<'t>> {
        let table = &self.transaction.rpm.table;
        // SAFETY: the iterator is librpm's own and not yet freed.
        let te = unsafe { table.rpmtsiNext(self.iterator?.as_ptr(), TR_ADDED | TR_REMOVED) };
        Some(TransactionElement {
            transaction: self.transaction,
            te: NonNull::new(te)?,
        })
    }
}

impl Drop for TransactionElements<'_> {
    fn drop(&mut self) {
        if let Some(iterator) = self.iterator.take() {
            // SAFETY: the iterator is librpm's own and freed once.
            unsafe { self.transaction.rpm.table.rpmtsiFree(iterator.as_ptr()) };
        }
    }
}

/// One package of a transaction. It lives as long as the transaction set.
#[derive(Clone, Copy)]
pub(crate) struct TransactionElement<'t> {
    transaction: &'t TransactionSet<'t>,
    te: NonNull<rpmte_s>,
}

impl<'t> TransactionElement<'t> {
    pub(crate) fn action(&self) -> Action {
        // SAFETY: `te` is an element of a transaction set that lives.
        match unsafe { self.transaction.rpm.table.rpmteType(self.te.as_ptr()) } {
            TR_REMOVED => Action::Erase,
            _ => Action::Install,
        }
    }

    /// Name, epoch, version, release, architecture; bytes that are not UTF-8 are replaced.
    pub(crate) fn nevra(&self) -> Cow<'t, str> {
        // SAFETY: as above; the name lives as long as the element.
        let nevra = unsafe { string(self.transaction.rpm.table.rpmteNEVRA(self.te.as_ptr())) };
        nevra.unwrap_or(c"?").to_string_lossy()
    }

    /// Its file list. `None` where librpm has none.
    pub(crate) fn files(&self) -> Option<Files<'t>> {
        let rpm = self.transaction.rpm;
        // SAFETY: as above. librpm counts references: the result is ours to free.
        let files = unsafe { rpm.table.rpmteFiles(self.te.as_ptr()) };
        // SAFETY: a file list of this librpm, freed nowhere else.
        unsafe { Files::new(rpm, files) }
    }

    /// The package file of an element that comes, at offset 0.
    ///
    /// The client opens it, as it will for the installation itself, and closes
    /// its own descriptor again: the one returned here is a duplicate,
    /// close-on-exec, above the standard descriptors. `Ok(None)` where the
    /// client opens nothing.
    pub(crate) fn open_package(&self) -> io::Result<Option<OwnedFd>> {
        let opened: FD_t = self.notify(RPMCALLBACK_INST_OPEN_FILE).cast();
        if opened.is_null() {
            return Ok(None);
        }
        // SAFETY: what a client returns for INST_OPEN_FILE is an open `FD_t`.
        let descriptor = unsafe { self.transaction.rpm.table.Fileno(opened) };
        let package = if descriptor < 0 {
            Ok(None)
        } else {
            // SAFETY: `opened` keeps the descriptor open until INST_CLOSE_FILE.
            let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
            descriptor.try_clone_to_owned().map(Some)
        };
        self.notify(RPMCALLBACK_INST_CLOSE_FILE);
        package
    }

    fn notify(&self, event: rpmCallbackType) -> *mut std::ffi::c_void {
        let ts = self.transaction.ts.as_ptr();
        let table = &self.transaction.rpm.table;
        // SAFETY: element and transaction set belong together. librpm sends
        // the same two events for this element just before `tsm_pre`.
        unsafe { table.rpmtsNotify(ts, self.te.as_ptr(), event, 0, 0) }
    }
}
