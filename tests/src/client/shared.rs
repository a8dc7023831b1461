// SPDX-License-Identifier: GPL-2.0-or-later
//! What is costly to make, and is wanted by many tests at once.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A value that is made when it is wanted, and dropped with the last that has it:
/// unlike a static, which is never dropped, and may have files on the disk.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    /// Nobody has it yet.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// The value that others have, or a new one.
    pub(crate) fn get(&self, make: impl FnOnce() -> T) -> Arc<T> {
        // Where making it failed for another test there is none, as before.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let made = Arc::new(make());
            *known = Arc::downgrade(&made);
            made
        })
    }
}
