// SPDX-License-Identifier: GPL-2.0-or-later
//! How often something was done, for tests that hold that it is done once. Nothing is
//! counted in a release build, or before a test [starts](start) it.

#[cfg(debug_assertions)]
mod counting {
    use std::collections::BTreeMap;
    use std::fmt::Display;
    use std::sync::{Mutex, PoisonError};

    type Counts = BTreeMap<(&'static str, String), usize>;

    static COUNTS: Mutex<Option<Counts>> = Mutex::new(None);

    /// Begins to count, in the whole process.
    pub fn start() {
        let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get_or_insert_default();
    }

    /// Counts that `what` was done to `subject`.
    pub fn count(what: &'static str, subject: impl Display) {
        let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = &mut *counts {
            *counts.entry((what, subject.to_string())).or_default() += 1;
        }
    }

    /// The subjects to which `what` was done, and how often.
    pub fn counted(what: &str) -> BTreeMap<String, usize> {
        let counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        let all = counts.iter().flatten();
        let own = all.filter(|((done, _), _)| *done == what);
        own.map(|((_, subject), times)| (subject.clone(), *times))
            .collect()
    }
}

#[cfg(debug_assertions)]
pub use counting::{count, counted, start};

/// Counts nothing.
#[cfg(not(debug_assertions))]
#[inline]
pub fn count(_: &'static str, _: impl std::fmt::Display) {}
